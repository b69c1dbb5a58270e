package recall

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/sqlite"
	"github.com/trapgate/trapgate/memory/store"
)

// newEngine is a real engine over a store in a directory of its own.
func newEngine(tb testing.TB) (*memory.Engine, store.Store) {
	tb.Helper()
	db, err := state.Open(context.Background(), state.Options{Dir: tb.TempDir(), Migrations: []state.Migration{sqlite.Migration()}})
	if err != nil {
		tb.Fatal(err)
	}
	kept, err := sqlite.New(db, sqlite.Options{Key: []byte("a key of sixteen bytes, or more")})
	if err != nil {
		tb.Fatal(err)
	}
	e, err := memory.New(memory.Config{}, memory.Options{Store: kept, Deadline: 2 * time.Second}) // no test of speed: machines are busy
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, err := range []error{e.Close(), kept.Close(), db.Close()} {
			if err != nil {
				tb.Error(err)
			}
		}
	})
	return e, kept
}

func flush(tb testing.TB, e *memory.Engine) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Flush(ctx); err != nil {
		tb.Fatal(err)
	}
}

// newUserRig is a rig whose users are named by a header.
func newUserRig(tb testing.TB, e Engine, d wire.Dialect) *rig {
	r := newRig(tb, e, d)
	users := identity.UserSource{Header: "x-user"}
	r.identity.SetUsers(users)
	r.filter.Configure(Settings{Users: users})
	r.fields = nil
	return r
}

// What is told in one run is known in another, through nothing but the base URL; another user is told nothing, nor is anybody whom the
// operator's source does not name.
func TestAcrossRuns(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/stream=%t", d, stream), func(t *testing.T) {
				e, _ := newEngine(t)
				r := newUserRig(t, e, d)
				r.stream = stream
				r.with("x-user", "ada").with("x-trapgate-session", "one").send(
					request(d, stream, user(quote("My sister Clara moved to Lisbon in March, she works at the aquarium there."))))
				flush(t, e)
				body := request(d, stream, user(quote("In which city does my sister Clara live now?")))
				for _, other := range []*rig{
					r.with("x-user", "eve"), r.with("x-user", "Ada"), r, r.with("x-trapgate-user", "ada"), r.with("x-user", "ada").with("authorization", "Bearer k"),
				} {
					if out := other.with("x-trapgate-session", "two").send(body); out.sent != body {
						t.Errorf("%v is told\n%s", other.fields, out.sent)
					}
				}
				out := r.with("x-user", "ada").with("x-trapgate-session", "two").send(body)
				if !strings.Contains(out.sent, "Lisbon") || !strings.HasPrefix(out.note, "hits=") || strings.HasPrefix(out.note, "hits=0") {
					t.Errorf("not told: %q\n%s", out.note, out.sent)
				}
				flush(t, e)
				seen, err := e.Search(context.Background(), record.Scope{Tenant: identity.Anonymous, User: "ada", Session: "two"}, "memory notes", 100, true)
				if err != nil {
					t.Fatal(err)
				}
				for _, h := range seen {
					if strings.Contains(h.Record.Text, "memory notes") {
						t.Errorf("our own note was learned: %q", h.Record.Text)
					}
				}
			})
		}
	}
}

// Whatever callers put into headers and fields, nobody is told what somebody else has said.
func TestScopeProbes(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	r := newUserRig(t, e, wire.Chat)
	const secret = "The vault of the Zurich branch opens at seven with the brass key."
	r.with("x-user", "ada").with("x-trapgate-session", "one").send(request(wire.Chat, false, user(quote(secret))))
	r.with("x-trapgate-session", "one").send(request(wire.Chat, false, user(quote(secret+" Nobody knows who I am."))))
	flush(t, e)
	names := []string{"x-user", "x-trapgate-user", "x-trapgate-agent", "x-trapgate-program", "x-session-id", "thread-id", "authorization", "X_User", "x-user "}
	values := rapid.OneOf(rapid.SampledFrom([]string{"ada", "ADA", "ada ", " ada", "ada,eve", "ada\x00", "%61da", "*", "ada'--", "anonymous", "one", "ada one", ""}),
		rapid.StringMatching(`[ -~]{0,12}`))
	rapid.Check(t, func(t *rapid.T) {
		probe := *r
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			name, value := rapid.SampledFrom(names).Draw(t, "name"), values.Draw(t, "value")
			if name == "x-user" && value == "ada" {
				value = "eve" // that would be her
			}
			probe = *probe.with(name, value)
		}
		probe = *probe.with("x-trapgate-session", rapid.SampledFrom([]string{"two", "one ", "ada", "*"}).Draw(t, "session"))
		body := request(wire.Chat, false, user(quote("When does the vault of the Zurich branch open?")))
		body = `{"user":` + quote(values.Draw(t, "field")) + `,` + body[1:]
		if out := probe.send(body); strings.Contains(out.sent, "brass") || len(out.sent) != len(body) {
			t.Fatalf("%q: %s", probe.fields, out.sent)
		}
	})
	asked := request(wire.Chat, false, user(quote("When does the vault of the Zurich branch open?")))
	if out := r.with("x-user", "ada").with("x-trapgate-session", "two").send(asked); !strings.Contains(out.sent, "brass") {
		t.Error("who said it is not told either: the probes prove nothing")
	}
}

// BenchmarkRecall is the whole of the filter with 10,000 memories in scope, a new question in a new conversation each time. Words are as
// frequent as in a language without its function words.
func BenchmarkRecall(b *testing.B) {
	e, _ := newEngine(b)
	scope := record.Scope{Tenant: "t", User: "u", Session: "old"}
	seed := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(seed, 1.1, 40, 20_000)
	say := func(words int) string {
		var s strings.Builder
		for range words {
			const syllables = "barelomutikasenovigadupirohe"
			for n := zipf.Uint64() + 30; n > 0; n /= 14 {
				s.WriteString(syllables[2*(n%14):][:2])
			}
			s.WriteByte(' ')
		}
		return s.String()
	}
	var list []memory.Message
	for i := range 10_000 {
		list = append(list, memory.Message{
			Role: record.User, Seq: int64(i), At: time.Now().Add(-time.Duration(i) * time.Minute), Text: say(8 + i%16),
		})
	}
	for from := 0; from < len(list); from += 500 {
		if err := e.LearnNow(context.Background(), memory.Turn{Scope: scope, Messages: list[from : from+500]}); err != nil {
			b.Fatal(err)
		}
	}
	f := New(e, Options{})
	f.Configure(Settings{Users: identity.UserSource{Name: "u"}})
	var took []time.Duration
	hits := 0
	for b.Loop() {
		text := list[seed.IntN(len(list))].Text
		x := prepared(b, []byte(request(wire.Chat, false, user(quote(text[:len(text)/2]+say(3))))), fmt.Sprint("s", len(took)))
		begin := time.Now()
		s, _ := f.Open(context.Background(), x)
		took = append(took, time.Since(begin))
		hits += len(s.(*stream).found.Hits)
		s.Close(context.Canceled)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "us-p50")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "us-p95")
	b.ReportMetric(float64(hits)/float64(len(took)), "hits/op")
}
