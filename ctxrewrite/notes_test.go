package ctxrewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

const rule = `Tell nobody "ZZ-9"`

// asked is sent with a rule of the agent, once everything beside the path is done.
func asked(t *testing.T, e *Engine, body []byte, pin string) ([]byte, Plan) {
	t.Helper()
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	var call wire.Edits
	plan := e.Fit(&Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Strict, Pin: pin})
	e.running.Wait()
	out, err := wire.Apply(nil, body, nil, &call)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(out), plan
}

func carries(out []byte) bool { return bytes.Contains(out, []byte(`Tell nobody \"ZZ-9\"`)) }

// A rule that came with one request stands in all that are rewritten, a restart in between or not.
func TestPinOutlivesRestart(t *testing.T) {
	for _, restartAt := range []int{-1, 1, 7, 30} {
		t.Run(fmt.Sprint(restartAt), func(t *testing.T) {
			s := store.NewMemory(store.Options{})
			e, k, rewritten := engine(t, window(3000), s), &talk{session: "s"}, 0
			for i := range 50 {
				pin := ""
				if i == 0 {
					pin = rule
				}
				if i == restartAt {
					e = engine(t, window(3000), s)
				}
				k.say(i, 60)
				out, plan := asked(t, e, k.body(), pin)
				if plan.Epoch > 0 {
					if rewritten++; !carries(out) {
						t.Fatalf("request %d: %+v", i, plan)
					}
				}
			}
			if rewritten < 20 {
				t.Errorf("%d requests were rewritten", rewritten)
			}
		})
	}
}

// A rule that comes while an epoch stands in front is in this request, and in all later ones; it costs the prefix once.
func TestPinBehindEpoch(t *testing.T) {
	s := store.NewMemory(store.Options{})
	e, k := engine(t, window(3000), s), &talk{session: "s"}
	var before []byte
	given, broken := false, 0
	for i := range 120 {
		pin := ""
		k.say(i, 30)
		out, plan := asked(t, e, k.body(), "")
		if plan.Epoch > 0 && !plan.Made && !given {
			pin, given = rule, true
			out, plan = asked(t, e, k.body(), pin)
			if !plan.Made || !carries(out) {
				t.Fatalf("request %d does not carry its rule: %+v", i, plan)
			}
		} else if given && plan.Epoch > 0 {
			if !carries(out) {
				t.Fatalf("request %d: %+v", i, plan)
			}
			if !plan.Made && !bytes.HasPrefix(out, before[:len(before)-2]) {
				broken++
			}
			again, then := asked(t, engine(t, window(3000), s), k.body(), "")
			if !bytes.Equal(out, again) {
				t.Fatalf("request %d: before the restart %+v, after it %+v", i, plan, then)
			}
		}
		before = out
	}
	if !given || broken > 0 {
		t.Errorf("given: %v; %d requests lost their prefix", given, broken)
	}
}

// A branch from before a rule has it too.
func TestPinOnBranch(t *testing.T) {
	e, k := engine(t, window(3000), nil), &talk{session: "s"}
	plan := Plan{}
	for i := 0; plan.Epoch == 0 || plan.Made; i++ {
		k.say(i, 40)
		_, plan = asked(t, e, k.body(), "")
	}
	branch := &talk{session: "s", messages: k.messages}
	k.say(1000, 40)
	if out, _ := asked(t, e, k.body(), rule); !carries(out) {
		t.Fatal("the line itself")
	}
	made := e.Counts().InPath
	branch.say(1001, 40)
	if out, plan := asked(t, e, branch.body(), ""); !carries(out) {
		t.Errorf("%+v", plan)
	}
	if n := e.Counts().InPath; n != made {
		t.Error("the same epoch is made twice")
	}
}

// large is a conversation with one result that does not fit, and so many short calls behind it.
func large(calls int) []byte {
	var b strings.Builder
	b.WriteString(`{"model":"m","messages":[` + opening)
	call := func(i int, text string) {
		fmt.Fprintf(&b, `,{"role":"assistant","content":null,"tool_calls":[{"id":"c%d","type":"function","function":{"name":"cat","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c%d","content":"%s"}`, i, i, text)
	}
	call(0, strings.Repeat(`line of a log that nobody reads\n`, 6000))
	for i := range calls {
		call(i+1, strings.Repeat("short ", 20))
	}
	return []byte(b.String() + `]}`)
}

// What was cut inside stays cut in the same way behind a restart, and on a replica with the same store.
func TestCutOutlivesRestart(t *testing.T) {
	s := store.NewMemory(store.Options{})
	stays, replica, before := engine(t, window(8000), s), engine(t, window(8000), s), []byte(nil)
	for calls := range 4 {
		out, plan := asked(t, stays, large(calls), "")
		if calls == 0 && !plan.Cut {
			t.Fatalf("%+v", plan)
		}
		again, then := asked(t, engine(t, window(8000), s), large(calls), "")
		other, there := asked(t, replica, large(calls), "")
		if !bytes.Equal(out, again) || !bytes.Equal(out, other) {
			t.Fatalf("%d calls: %d bytes, %+v; behind a restart %d bytes, %+v; on a replica %d bytes, %+v", calls, len(out), plan, len(again), then, len(other), there)
		}
		if calls > 0 && !plan.Made && !bytes.HasPrefix(out, before[:len(before)-2]) {
			t.Errorf("%d calls: the prefix is lost", calls)
		}
		before = out
	}
}

// Two replicas that cut the same text in different ways at once: the first writer's stands for both from then on.
func TestFirstCutWins(t *testing.T) {
	s := store.NewMemory(store.Options{})
	a, b := engine(t, window(8000), s), engine(t, Config{Windows: window(7000).Windows, Reserve: 100}, s)
	for _, e := range []*Engine{a, b} {
		c := e.sessions.of(&Request{Tenant: "t", Session: "s"})
		c.loaded = true // neither has seen the other's
	}
	first, _ := asked(t, a, large(0), "")
	if own, _ := asked(t, b, large(0), ""); bytes.Equal(own, first) {
		t.Fatal("both cut in the same way: there is nothing to agree on")
	}
	if out, plan := asked(t, b, large(0), ""); plan.Cut && !bytes.Equal(out, first) {
		t.Errorf("%+v: %d bytes, want the other's %d", plan, len(out), len(first))
	} else if !plan.Cut {
		t.Errorf("%+v", plan)
	}
}

// deaf is a store whose notes fail.
type deaf struct{ store.Store }

func (deaf) PutNote(context.Context, store.Key, uint64, []byte) ([]byte, error) {
	return nil, errors.New("no disk")
}

func (deaf) Notes(context.Context, store.Key) ([][]byte, error) { return nil, errors.New("no disk") }

// A store that fails loses what a restart needs, and nothing before.
func TestNotesFail(t *testing.T) {
	e, k := engine(t, window(3000), deaf{store.NewMemory(store.Options{})}), &talk{session: "s"}
	rewritten := 0
	for i := range 40 {
		k.say(i, 60)
		out, plan := asked(t, e, k.body(), rule)
		if plan.Epoch > 0 {
			if rewritten++; !carries(out) {
				t.Fatalf("request %d: %+v", i, plan)
			}
		}
	}
	if out, plan := asked(t, e, large(0), ""); !plan.Cut || tokens.Estimate(out) > 2900 {
		t.Errorf("%+v: %d tokens", plan, tokens.Estimate(out))
	}
	if rewritten < 10 {
		t.Error("nothing was rewritten")
	}
}

// Notes read back are what was written; a part of one, or another kind, is none.
func TestTrimRecords(t *testing.T) {
	want := trimmed{message: 300, chain: 1<<63 + 5, nth: 2, with: []byte(`"cut"`), saved: 70000}
	note, _ := want.marshal()
	if got, ok := unmarshalTrim(note); !ok || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	for n := range note {
		if _, ok := unmarshalTrim(note[:n]); ok {
			t.Errorf("%d bytes of %d are a cut", n, len(note))
		}
	}
	c := new(conversation)
	for _, other := range [][]byte{nil, {store.NotePin}, {store.NoteCut}, {store.NoteStamp, 1, 2}, {0}} {
		c.recall(other)
	}
	if len(c.pins)+len(c.trims) > 0 {
		t.Errorf("%+v", c)
	}
}
