package identity

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// Whatever two tenants send, equal bodies and equal headers included, nothing of one is ever found by the other. Within one
// tenant, exchanges under way with equal bodies and no header never share a session.
func TestTenantsNeverMix(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := New(Options{Entries: 64, Tenants: 8})
		creds := []*agent{
			newAgent(t, f, wire.Chat, "Authorization", "Bearer a"), newAgent(t, f, wire.Chat, "Authorization", "Bearer b"),
			newAgent(t, f, wire.Chat, "x-api-key", "a2"), newAgent(t, f, wire.Chat),
		}
		type trace struct{ sessions, programs, ids map[string]bool }
		seen := map[string]*trace{}
		var live []*talk
		histories := make([]arr, 3)
		for i := range histories {
			histories[i] = arr{msg("user", "a task that all of them have")}
		}
		steps := rapid.IntRange(5, 40).Draw(r, "steps")
		for range steps {
			if len(live) > 0 && rapid.Bool().Draw(r, "end") {
				i := rapid.IntRange(0, len(live)-1).Draw(r, "which")
				k := live[i]
				live = append(live[:i], live[i+1:]...)
				switch rapid.IntRange(0, 2).Draw(r, "how") {
				case 0:
					k.fail()
				case 1:
					k.body(chatCall("call_everybody_has_it", js(obj{"prompt": "a task that all of them have"}))).ok()
				default:
					k.body(`{}`).ok()
				}
				continue
			}
			h := rapid.IntRange(0, len(histories)-1).Draw(r, "history")
			if rapid.Bool().Draw(r, "grow") && len(histories[h]) < 9 {
				histories[h] = append(append(arr{}, histories[h]...), calls("call_everybody_has_it", "{}"), result("call_everybody_has_it", "x"))
			}
			a := rapid.SampledFrom(creds).Draw(r, "credential")
			if rapid.IntRange(0, 4).Draw(r, "count") == 0 {
				a = a.with("x-stainless-retry-count", "1")
			}
			k := a.ask(chat(histories[h]...))
			s := seen[k.Tenant]
			if s == nil {
				s = &trace{map[string]bool{}, map[string]bool{}, map[string]bool{}}
				seen[k.Tenant] = s
			}
			if k.Session == "" != k.Twin || k.Program == "" {
				r.Fatalf("%+v", k.Identity)
			}
			if k.RetryOf != "" && !s.ids[k.RetryOf] {
				r.Fatalf("retry of %s, which this tenant did not send", k.RetryOf)
			}
			s.ids[k.id] = true
			s.programs[k.Program] = true
			if k.Session != "" {
				s.sessions[k.Session] = true
				for _, o := range live {
					if o.Tenant == k.Tenant && o.Session == k.Session && o.Chain == k.Chain && k.RetryOf == "" && o.RetryOf == "" {
						r.Fatalf("twins share session %s", k.Session)
					}
				}
			}
			live = append(live, k)
		}
		for a, one := range seen {
			for b, two := range seen {
				if a != b && (meet(one.sessions, two.sessions) || meet(one.programs, two.programs)) {
					r.Fatalf("tenants %s and %s share a session or program", a, b)
				}
			}
		}
	})
}

func meet(a, b map[string]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

// Equal headers of two tenants lead to equal names, never to each other's entries.
func TestNamedSessionsOfTenants(t *testing.T) {
	f := New(Options{})
	one := newAgent(t, f, wire.Chat, "x-api-key", "one", "x-session-id", "S")
	two := newAgent(t, f, wire.Chat, "x-api-key", "two", "x-session-id", "S")
	body := chat(msg("user", "u"))
	one.ask(body).fail()
	if id := two.one(body); id.Retry {
		t.Errorf("%+v", id)
	}
	if id := two.with("x-trapgate-user", "eve").one(js(obj{"messages": arr{msg("user", "title?")}})); id.Side {
		t.Errorf("another user's tools were seen: %+v", id)
	}
}

func TestBounds(t *testing.T) {
	f := New(Options{Tenants: 4, Entries: 50, Bytes: 64 << 10})
	args := js(obj{"prompt": strings.Repeat("long argument ", 200)})
	for i := range 2000 {
		a := newAgent(t, f, wire.Chat, "api-key", fmt.Sprint(i%7))
		k := a.ask(chat(msg("user", fmt.Sprint("task ", i))))
		if i%3 == 0 {
			k.fail()
			continue
		}
		k.body(chatCall(fmt.Sprint("call_", i), args)).ok()
	}
	tb := f.tables
	if n := tb.tenants.Len(); n > 4 {
		t.Errorf("%d tenants", n)
	}
	total := 0
	for _, name := range tb.tenants.Keys() {
		part, _ := tb.tenants.Peek(name)
		total += part.size()
		for what, n := range map[string]int{
			"sessions": part.sessions.n, "chains": part.chains.n, "handoffs": part.handoffs.n,
			"calls": part.calls.n, "bodies": part.bodies.n,
		} {
			if n > 50 {
				t.Errorf("%d %s", n, what)
			}
		}
		size := 0
		for _, c := range part.open.list {
			size += c.size
		}
		if size != part.open.bytes || size > maxOpenBytes {
			t.Errorf("open calls of %d bytes, %d counted", size, part.open.bytes)
		}
	}
	// What was learnt since the last request is not yet settled.
	if total > 64<<10+4*maxCallBytes {
		t.Errorf("%d bytes held", total)
	}
}

// What a tenant does cannot push out another one, as long as there is room for both.
func TestNoisyTenant(t *testing.T) {
	f := New(Options{Entries: 50})
	quiet := newAgent(t, f, wire.Chat, "api-key", "quiet")
	first := quiet.one(chat(msg("user", "u")))
	noisy := newAgent(t, f, wire.Chat, "api-key", "noisy")
	for i := range 500 {
		noisy.with("x-trapgate-user", fmt.Sprint(i)).one(chat(msg("user", fmt.Sprint(i))))
	}
	same(t, "session", quiet.one(chat(msg("user", "u"), msg("assistant", "a"), msg("user", "v"))).Session, first.Session)
}

// The count of what is held stays right when a tenant is forgotten while it still has exchanges under way.
func TestForgottenTenant(t *testing.T) {
	f := New(Options{Tenants: 2})
	one := newAgent(t, f, wire.Chat, "api-key", "one").ask(chat(msg("user", "u")))
	part := one.flowTenant(f)
	for i := range 3 {
		newAgent(t, f, wire.Chat, "api-key", fmt.Sprint(i)).one(chat(msg("user", "u")))
	}
	f.tables.settle(part, 1<<20)
	one.body(chatCall("call_1", "{}")).ok()
	held := 0
	for _, name := range f.tables.tenants.Keys() {
		p, _ := f.tables.tenants.Peek(name)
		held += int(p.reported.Load())
	}
	if f.tables.bytes != held || held == 0 {
		t.Errorf("%d bytes counted, %d held", f.tables.bytes, held)
	}
}

// flowTenant is the part of the tables that the exchange is in.
func (k *talk) flowTenant(f *Filter) *tenant { return f.tables.tenant(k.Tenant) }

func TestConcurrent(t *testing.T) {
	f := New(Options{Tenants: 3, Entries: 20, Bytes: 32 << 10})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			a := newAgent(t, f, wire.Chat, "api-key", fmt.Sprint(g%4))
			m := arr{msg("user", "u")}
			for i := range 60 {
				k := a.ask(chat(m...))
				switch i % 4 {
				case 0:
					k.fail()
				case 1:
					k.close(filters.ErrAgentGone)
				default:
					k.body(chatCall(fmt.Sprint("call_", i), `{"a":"bcdef"}`)).ok()
					m = append(m, calls(fmt.Sprint("call_", i), "{}"), result(fmt.Sprint("call_", i), "x"))
				}
				f.Bind(fmt.Sprint("resp_", i), &k.Identity)
			}
		})
	}
	wg.Wait()
}

// A long conversation does not take the room of many short ones.
func TestLongConversationStaysSmall(t *testing.T) {
	f := New(Options{})
	a := newAgent(t, f, wire.Chat)
	m := arr{msg("user", "u")}
	var first filters.Identity
	for i := range 5 * maxTrail {
		id := a.one(chat(m...))
		if i == 0 {
			first = id
		}
		same(t, "session", id.Session, first.Session)
		m = append(m, msg("assistant", fmt.Sprint("a", i)), msg("user", fmt.Sprint("u", i)))
	}
	part := f.tables.tenant(Anonymous)
	if n := part.chains.n + part.handoffs.n; n > 2*maxTrail {
		t.Errorf("%d places kept", n)
	}
}
