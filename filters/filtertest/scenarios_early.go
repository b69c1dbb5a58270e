package filtertest

import (
	"bytes"
	"strings"

	"github.com/trapgate/trapgate/filters"
)

// earlyScenarios: the agent or the upstream goes away before the end.
func earlyScenarios() []Scenario {
	return append(cutScenarios(), leaveScenarios()...)
}

// half is an answer that stops in the middle, in a frame.
func (k *kit) half(how How) (a Answer, whole int) {
	a = k.say("a", "b", "c")
	if k.c.Stream {
		whole = len(strings.Join(frames(k.c.Dialect, "a", "b", "c")[:opening(k.c.Dialect)+1], ""))
		a.Body = a.Body[:whole+9]
	} else {
		a.Body = a.Body[:len(a.Body)/2]
	}
	a.How = how
	return a, whole
}

func cutScenarios() []Scenario {
	return []Scenario{
		{Name: "upstream cut", run: func(k *kit) {
			k.rings(nil, nil)
			answer, whole := k.half(Cut)
			o := k.play(answer)
			k.cut(o, answer, whole)
			k.everyEnd(filters.ErrTruncated)
			k.count("i2", filters.OpEnd, 0)
		}},
		{Name: "upstream cut, nobody looks", run: func(k *kit) {
			head := k.rec("head")
			head.HeadOnly = true
			k.c.Outer, k.c.Inner = []filters.Filter{head}, []filters.Filter{head}
			answer, _ := k.half(Cut)
			k.cut(k.play(answer), answer, len(answer.Body))
			k.closed("head", filters.ErrTruncated, filters.ErrTruncated)
		}},
		{Name: "upstream cut, all held back", run: func(k *kit) {
			k.rings([]filters.Filter{Holder{k.rec("hold"), 1000}}, nil)
			answer, _ := k.half(Cut)
			k.cut(k.play(answer), answer, 0)
			k.everyEnd(filters.ErrTruncated)
		}},
		{Name: "upstream cut in a hidden turn", run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, nil)
			answer, _ := k.half(Cut)
			o := k.play(k.say("first"), answer)
			k.cut(o, answer, 0)
			k.closed("i1", nil, filters.ErrTruncated)
			k.closed("o1", filters.ErrTruncated)
		}},
		{Name: "upstream drops the request", run: func(k *kit) {
			k.rings(nil, nil)
			o := k.play(Answer{How: Dropped})
			k.fails(o)
			k.requests(o, 1)
			k.everyEnd(errAny)
			k.count("o1", filters.OpHead, 0)
		}},
		{Name: "clean end without the terminal event", onlyStream: true, run: func(k *kit) {
			k.rings([]filters.Filter{Holder{k.rec("hold"), 1000}}, nil)
			answer := k.say("a", "b")
			answer.Body = answer.Body[:1+bytes.LastIndex(answer.Body[:len(answer.Body)-2], []byte("\n\n"))+1]
			k.gets(k.play(answer), 200, answer.Body)
			k.everyEnd(filters.ErrTruncated)
			k.count("o1", filters.OpEnd, 1)
		}},
	}
}

// cut checks that the agent saw a cut, after at least whole bytes of the upstream's body and nothing else; or, where nothing
// of the answer had left, an error.
func (k *kit) cut(o Outcome, a Answer, whole int) {
	k.Helper()
	if !o.Cut {
		if o.Status < 500 {
			k.Errorf("the agent got status %d and a clean end; want a cut", o.Status)
		}
		return
	}
	if !k.c.Stream {
		whole = 0
	}
	if len(o.Body) < whole || !bytes.HasPrefix(a.Body, o.Body) {
		k.Errorf("the agent got the body\n%q\nwant at least %d bytes of\n%q", o.Body, whole, a.Body)
	}
}

func leaveScenarios() []Scenario {
	waits := func(name, ring string, op filters.Op, inner error) Scenario {
		return Scenario{Name: "agent leaves/" + name, run: func(k *kit) {
			w := Waiter{Recorder: k.rec("wait"), At: op, Waiting: make(chan struct{})}
			if ring == "outer" {
				k.rings([]filters.Filter{w}, nil)
			} else {
				k.rings(nil, []filters.Filter{w})
			}
			k.c.Leave.On = w.Waiting
			o := k.play(k.say("a"))
			k.closed("o1", filters.ErrAgentGone)
			if op == filters.OpOpen {
				k.requests(o, 0)
			}
			if ring == "inner" || op == filters.OpEnd {
				k.closed("o2", filters.ErrAgentGone)
				k.closed("i1", inner)
			}
			k.count("o1", filters.OpEnd, 0)
		}}
	}
	gone := filters.ErrAgentGone
	return []Scenario{
		waits("in the outer ring's Open", "outer", filters.OpOpen, nil),
		waits("in the inner ring's Open", "inner", filters.OpOpen, gone),
		waits("in the outer ring's End", "outer", filters.OpEnd, nil),
		waits("in the inner ring's End", "inner", filters.OpEnd, gone),
		{Name: "agent leaves/before the head", run: func(k *kit) {
			k.rings(nil, nil)
			k.c.Leave.Waiting = true
			o := k.play(Answer{How: Silent})
			k.requests(o, 1)
			k.everyEnd(gone)
			k.count("o1", filters.OpHead, 0)
		}},
		{Name: "agent leaves/in the answer", run: func(k *kit) {
			k.rings(nil, nil)
			answer, _ := k.half(Stalled)
			k.c.Leave.Waiting = true
			k.play(answer)
			k.everyEnd(gone)
			k.count("i2", filters.OpEnd, 0)
		}},
		{Name: "agent leaves/in the answer, reading", onlyStream: true, run: func(k *kit) {
			k.rings(nil, nil)
			answer, whole := k.half(Stalled)
			k.c.Leave.After = whole
			k.play(answer)
			k.everyEnd(gone)
			k.count("i2", filters.OpEnd, 0)
		}},
		{Name: "agent leaves/in the answer, nobody looks", run: func(k *kit) {
			answer, _ := k.half(Stalled)
			head := k.rec("head")
			head.HeadOnly = true
			k.c.Outer, k.c.Inner = []filters.Filter{head}, []filters.Filter{head}
			k.c.Leave.Waiting = true
			k.play(answer)
			k.closed("head", gone, gone)
		}},
		{Name: "agent leaves/in a hidden call", run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, nil)
			k.c.Leave.Waiting = true
			o := k.play(k.say("first"), Answer{How: Silent})
			k.requests(o, 2)
			k.closed("i1", nil, gone)
			k.closed("o1", gone)
		}},
		{Name: "agent leaves/after the last byte", run: func(k *kit) {
			k.rings(nil, nil)
			want := k.say("a", "b")
			k.c.Leave.After = len(want.Body)
			o := k.play(want)
			if !bytes.Equal(o.Body, want.Body) {
				k.Errorf("the agent got the body\n%q\nwant\n%q", o.Body, want.Body)
			}
			k.everyEnd(nil)
			k.count("o1", filters.OpEnd, 1)
		}},
	}
}
