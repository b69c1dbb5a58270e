package ctxrewrite

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// A talk is one line of a conversation: messages that all begin alike and then tell their own rules.
type talk struct {
	session  string
	messages []string
}

const opening = `{"role":"system","content":"You help."},{"role":"user","content":"Sort the store room."}`

func (k *talk) body() []byte {
	return []byte(`{"model":"m","messages":[` + strings.Join(append([]string{opening}, k.messages...), ",") + `]}`)
}

// say appends a turn whose user text holds a rule that nobody else has.
func (k *talk) say(rule int, size int) {
	k.messages = append(k.messages, fmt.Sprintf(`{"role":"assistant","content":"Looking at shelf %d. %s"}`, rule, strings.Repeat("word ", size)),
		fmt.Sprintf(`{"role":"user","content":"Go on. You must never open box K%06d."}`, rule))
}

var ruleName = regexp.MustCompile(`K\d{6}`)

// Sessions that begin alike, branches, edits and regenerated requests: a request never gets another line's text, keeps all of its own
// rules, is the same when it is regenerated, and is a prefix of the next unless a new epoch begins.
func TestAncestors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Config{Windows: []tokens.Rule{{Model: "*", Tokens: 3000}}, Reserve: 100}, Options{Count: roughly})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		rules := 0
		talks := []*talk{{session: "a"}, {session: "b"}, {session: ""}}
		lastOut := map[*talk][]string{}
		for range rapid.IntRange(20, 120).Draw(t, "requests") {
			k := rapid.SampledFrom(talks).Draw(t, "talk")
			switch rapid.SampledFrom([]string{"say", "say", "say", "say", "say", "again", "branch", "edit"}).Draw(t, "what") {
			case "say":
				rules++
				k.say(rules, rapid.SampledFrom([]int{5, 40, 120, 700}).Draw(t, "size"))
			case "branch":
				at := 2 * rapid.IntRange(0, len(k.messages)/2).Draw(t, "at")
				k = &talk{k.session, slices.Clone(k.messages[:at])}
				talks = append(talks, k)
				rules++
				k.say(rules, 5)
			case "edit":
				if len(k.messages) > 0 {
					i := 2*rapid.IntRange(0, len(k.messages)/2-1).Draw(t, "i") + 1
					rules++
					k.messages[i] = fmt.Sprintf(`{"role":"user","content":"Go on. You must never open box K%06d."}`, rules)
					delete(lastOut, k)
				}
			}
			body := k.body()
			out, plan := fitted(t, e, body, k.session)
			own := ruleName.FindAllString(string(body), -1)
			for _, r := range ruleName.FindAllString(string(out), -1) {
				if !slices.Contains(own, r) {
					t.Fatalf("session %q got %s, which nobody said in it", k.session, r)
				}
			}
			if plan.Pinned == 0 && plan.Action != TooLarge {
				for _, r := range own {
					if !bytes.Contains(out, []byte(r)) {
						t.Fatalf("session %q lost %s: %+v", k.session, r, plan)
					}
				}
			}
			now := spans(t, out)
			if again, then := fitted(t, e, body, k.session); then.Made { // it was not ready for the first
				now, plan.Made = spans(t, again), true
			} else if !bytes.Equal(again, out) {
				t.Fatalf("regenerated, it has other bytes: %+v, then %+v", plan, then)
			}
			if was := lastOut[k]; was != nil && !plan.Made && k.session != "" && (len(now) < len(was) || !slices.Equal(now[:len(was)], was)) {
				t.Fatalf("session %q: a request without a new epoch is no continuation: %+v", k.session, plan)
			}
			lastOut[k] = now
		}
	})
}

func fitted(t *rapid.T, e *Engine, body []byte, session string) ([]byte, Plan) {
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	var call wire.Edits
	plan := e.Fit(&Request{View: v, Call: &call, Tenant: "t", Session: session, Upstream: "u", Model: "m", Profile: history.Strict})
	out, err := wire.Apply(nil, body, nil, &call)
	if err != nil {
		t.Fatal(err)
	}
	e.running.Wait()
	return bytes.Clone(out), plan
}

// spans are the messages of a body.
func spans(t *rapid.T, body []byte) (all []string) {
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	for i := range v.Msgs {
		all = append(all, string(v.Raw(v.Msgs[i].Span)))
	}
	return all
}

// Many at once, of one session and of others that begin alike.
func TestConcurrent(t *testing.T) {
	e, err := New(Config{Windows: []tokens.Rule{{Model: "*", Tokens: 3000}}, Reserve: 100}, Options{Count: roughly})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			k := &talk{session: fmt.Sprint("s", n%4)}
			for i := range 60 {
				k.say(n*1000+i, 60)
				body := k.body()
				out, _ := sent(t, e, body, k.session, wire.Chat, history.Strict)
				own := ruleName.FindAllString(string(body), -1)
				for _, r := range ruleName.FindAllString(string(out), -1) {
					if !slices.Contains(own, r) {
						t.Errorf("session %q got %s", k.session, r)
						return
					}
				}
			}
		})
	}
	all.Wait()
}
