package filtertest

import (
	"github.com/trapgate/trapgate/filters"
)

// refusal is what a Refuser of the suite answers.
func refusal() *filters.Reply {
	return &filters.Reply{Status: 403, Code: "planned_refusal", Message: "refused by plan", NoRetry: true}
}

// refusalScenarios: a filter answers the agent itself.
func refusalScenarios() []Scenario {
	outer := func(r *filters.Reply, k *kit) filters.Filter { return Refuser{Recorder: k.rec("no"), Reply: r} }
	return []Scenario{
		{Name: "refusal/outer", run: func(k *kit) {
			r := refusal()
			k.rings([]filters.Filter{outer(r, k)}, nil)
			k.refused(k.play(), r, 0)
			k.sequence("open o1, open no, close o1")
			k.closed("o1", r)
		}},
		{Name: "refusal/outer, first", run: func(k *kit) {
			r := refusal()
			k.c.Outer, k.c.Inner = []filters.Filter{outer(r, k), k.rec("o")}, []filters.Filter{k.rec("i")}
			k.refused(k.play(), r, 0)
			k.sequence("open no")
		}},
		{Name: "refusal/inner", run: func(k *kit) {
			r := refusal()
			k.rings(nil, []filters.Filter{outer(r, k)})
			k.refused(k.play(), r, 0)
			k.sequence("open o1, open o2, open i1, open no, close i1, close o2, close o1")
			for _, label := range []string{"o1", "o2", "i1"} {
				k.closed(label, r)
			}
		}},
		{Name: "refusal/inner, second attempt", run: func(k *kit) {
			r := refusal()
			k.rings(nil, []filters.Filter{Refuser{Recorder: k.rec("no"), Reply: r, Attempt: 1}})
			k.refused(k.play(failure(k.c.Dialect, 503)), r, 1)
			k.closed("i1", errAny, r)
			k.closed("o1", r)
		}},
		{Name: "refusal/inner, hidden call", run: func(k *kit) {
			r := refusal()
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, []filters.Filter{Refuser{Recorder: k.rec("no"), Reply: r, Call: 1}})
			o := k.play(k.say("first"))
			if !o.Cut { // a host may have sent the head of a stream by now, and then a cut is all that is left
				k.refused(o, r, 1)
			}
			k.closed("i1", nil, r)
			k.closed("o1", r)
		}},
		{Name: "refusal/head", run: func(k *kit) {
			r := refusal()
			k.rings([]filters.Filter{Failer{Recorder: k.rec("no"), At: filters.OpHead, Err: r}}, nil)
			k.refused(k.play(k.say("a")), r, 1)
			k.everyEnd(r)
		}},
	}
}

// refused checks that the agent got the reply.
func (k *kit) refused(o Outcome, r *filters.Reply, requests int) {
	k.Helper()
	if o.Status != r.Status || o.Code != r.Code || o.Cut {
		k.Errorf("the agent got status %d, code %q, cut %t; want %d, %q and a clean end", o.Status, o.Code, o.Cut, r.Status, r.Code)
	}
	k.requests(o, requests)
}

// failureScenarios: a filter fails or panics, in each place of each ring.
func failureScenarios() []Scenario {
	var all []Scenario
	for _, ring := range []string{"outer", "inner"} {
		for op := filters.OpOpen; op <= filters.OpClose; op++ {
			for _, way := range []string{"error", "panic"} {
				all = append(all, Scenario{Name: way + "/" + ring + "/" + op.String(), run: func(k *kit) { k.failing(ring, op, way) }})
			}
		}
	}
	return append(all,
		Scenario{Name: "error/outer/event, of those held back", run: func(k *kit) {
			k.rings([]filters.Filter{Failer{Recorder: k.rec("bad"), At: filters.OpEvent}, Holder{k.rec("hold"), 1000}}, nil)
			k.fails(k.play(k.say("a", "b")))
			k.closed("o1", ErrPlanned)
			k.count("o1", filters.OpEnd, 0)
		}},
		Scenario{Name: "error/outer/end, after a hidden turn", run: func(k *kit) {
			k.rings([]filters.Filter{Failer{Recorder: k.rec("bad"), At: filters.OpEnd}, Repeater{k.rec("again"), 1, true}}, nil)
			o := k.play(k.say("a"), k.say("b"))
			k.fails(o)
			k.requests(o, 2)
			k.closed("o1", ErrPlanned)
			k.closed("i1", nil, nil)
		}},
		Scenario{Name: "panic/outer/close, of two", run: func(k *kit) {
			bad := func(label string) filters.Filter { return Panicker{Recorder: k.rec(label), At: filters.OpClose} }
			k.rings([]filters.Filter{bad("b1"), bad("b2")}, []filters.Filter{bad("b3")})
			want := k.say("a")
			k.gets(k.play(want), 200, want.Body)
			k.everyEnd(nil)
		}},
	)
}

// failing runs a case whose filter in the middle of a ring fails at op.
func (k *kit) failing(ring string, op filters.Op, way string) {
	k.Helper()
	cause := ErrPlanned
	var bad filters.Filter = Failer{Recorder: k.rec("bad"), At: op}
	if way == "panic" {
		cause, bad = errAny, Panicker{Recorder: k.rec("bad"), At: op}
	}
	if ring == "outer" {
		k.rings([]filters.Filter{bad}, nil)
	} else {
		k.rings(nil, []filters.Filter{bad})
	}
	want := k.say("a", "b")
	o := k.play(want)
	if op == filters.OpClose { // too late to matter to the agent
		k.gets(o, 200, want.Body)
		k.everyEnd(nil)
		return
	}
	k.fails(o)
	k.closed("o1", cause)
	k.count("o1", filters.OpEnd, 0)
	switch {
	case op == filters.OpOpen:
		k.requests(o, 0)
	case ring == "inner" || op != filters.OpEnd:
		k.everyEnd(cause)
	default: // the attempt was over
		k.closed("i1", nil)
		k.closed("o2", cause)
	}
	if op <= filters.OpEvent && o.Status < 500 && len(o.Body) > 0 {
		k.Errorf("%d bytes of the answer went past the filter that failed", len(o.Body))
	}
}
