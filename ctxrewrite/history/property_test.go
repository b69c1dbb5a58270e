package history_test

import (
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/history/historytest"
	"github.com/trapgate/trapgate/internal/wire"
)

// Whichever whole units are removed, calls and results pair up, and what the model thought is with its turn.
func TestRemovingUnitsKeepsPairs(t *testing.T) {
	for seed := range uint64(150) {
		for _, d := range dialects {
			p := profiles[seed%uint64(len(profiles))]
			h := generate(seed, d, p)
			v := view(t, d, string(h.Body))
			r := random(seed)
			gone := make([]bool, len(v.Msgs))
			for _, u := range history.Units(nil, v) {
				if r.IntN(3) == 0 {
					for i := u.From; i < u.To; i++ {
						gone[i] = !history.Stays(v, &v.Msgs[i])
					}
				}
			}
			body := keep(v, func(i int) bool { return !gone[i] }, -1, "")
			if f := only(check(t, d, body, p), pairing); f != nil {
				t.Fatalf("seed %d, %v, %s: %v\n%s", seed, d, p.Name, codes(f), body)
			}
		}
	}
}

// cuts calls f with all bodies in which the task message has a digest and the messages between it and a possible beginning
// of the tail are gone.
func cuts(v *wire.View, task int, p *history.Profile, f func(tail int, body func() string)) {
	for _, u := range history.Units(nil, v) {
		if u.From <= task+1 || !history.MayStartTail(v, u, p) {
			continue
		}
		f(u.From, func() string {
			kept := func(i int) bool { return i <= task || i >= u.From || history.Stays(v, &v.Msgs[i]) }
			return keep(v, kept, task, `\n\nWhat was done before: \"all\".`)
		})
	}
}

// A rewriting that keeps to the rules adds no fault, whether the agent's own body has some or not.
func TestCutsIntroduceNothing(t *testing.T) {
	n := 0
	for seed := range uint64(6) {
		for _, d := range dialects {
			for _, p := range profiles {
				for _, own := range []*history.Profile{p, history.Plain} {
					h := generate(seed, d, own)
					v := view(t, d, string(h.Body))
					before := history.Check(v, p)
					cuts(v, h.Task, p, func(tail int, body func() string) {
						n++
						after := check(t, d, body(), p)
						if f := history.Introduced(before, after); f != nil {
							t.Fatalf("seed %d, %v, %s, tail at %d: %v\n%s\n%s", seed, d, p.Name, tail, codes(f), h.Body, body())
						}
					})
				}
			}
		}
	}
	if n < 2000 {
		t.Errorf("only %d cuts", n)
	}
}

// The same in histories that no provider would take: the agent's faults stay its own.
func TestCutsInNonsense(t *testing.T) {
	n := 0
	for seed := range uint64(600) {
		d := dialects[seed%3]
		s := nonsense(random(seed), d)
		v := view(t, d, short(d, s))
		for _, p := range profiles {
			before := history.Check(v, p)
			cuts(v, 0, p, func(tail int, body func() string) {
				n++
				if f := history.Introduced(before, check(t, d, body(), p)); f != nil {
					t.Fatalf("%v %q, %s, tail at %d: %v; before %v", d, s, p.Name, tail, codes(f), codes(before))
				}
			})
		}
	}
	if n < 3000 {
		t.Errorf("only %d cuts", n)
	}
}

// What real agents sent has no fault under the profiles they were written for, and cuts in it add none under any.
func TestRecorded(t *testing.T) {
	all, n := historytest.Recorded(t), 0
	for _, c := range all {
		v := view(t, c.Dialect, string(c.Body))
		own := history.OpenAI
		if c.Dialect == wire.Messages {
			own = history.Anthropic
		}
		if f := history.Check(v, own); f != nil {
			t.Errorf("%s: %v", c.Name, codes(f))
		}
		task := 0
		for i := range v.Msgs {
			if m := &v.Msgs[i]; m.Call.To > m.Call.From {
				break
			} else if m.Role == wire.User {
				task = i
			}
		}
		for _, p := range profiles {
			before := history.Check(v, p)
			k := 0
			cuts(v, task, p, func(tail int, body func() string) {
				if k++; len(v.Msgs) > 100 && k%500 != 0 {
					return
				}
				n++
				if f := history.Introduced(before, check(t, c.Dialect, body(), p)); f != nil {
					t.Fatalf("%s, %s, tail at %d: %v", c.Name, p.Name, tail, codes(f))
				}
			})
		}
	}
	if n < 200 {
		t.Errorf("only %d cuts in %d bodies", n, len(all))
	}
}
