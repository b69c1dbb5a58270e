package filtertest

import (
	"strings"

	"github.com/trapgate/trapgate/filters"
)

// callScenarios: more calls than one, more attempts than one.
func callScenarios() []Scenario {
	return []Scenario{
		{Name: "hidden turn", run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, nil)
			want := k.say("second")
			o := k.play(k.say("first"), want)
			k.gets(o, 200, want.Body)
			k.requests(o, 2)
			k.sequence("open o1, open again, open o2, "+
				"open i1, open i2, head i2, head i1, head o2, head again, head o1, end i2, end i1, close i2, close i1, end o2, end again, "+
				"open i1, open i2, head i2, head i1, head o2, head again, end i2, end i1, close i2, close i1, end o2, end again, end o1, "+
				"close o2, close again, close o1",
				filters.OpOpen, filters.OpHead, filters.OpEnd, filters.OpClose)
			k.closed("i1", nil, nil)
			k.closed("o1", nil)
			k.calls("i1", 0, 1)
		}},
		{Name: "turns that are shown", onlyStream: true, run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 2, false}}, nil)
			a, b, c := k.say("first"), k.say("second"), k.say("third")
			o := k.play(a, b, c)
			k.gets(o, 200, append(append(append([]byte(nil), a.Body...), b.Body...), c.Body...))
			k.requests(o, 3)
			k.count("o1", filters.OpHead, 1)
			k.count("o2", filters.OpHead, 3)
			k.calls("i1", 0, 1, 2)
		}},
		{Name: "two that ask", run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("far"), 1, true}, Repeater{k.rec("near"), 1, true}}, nil)
			want := k.say("third")
			o := k.play(k.say("first"), k.say("second"), want)
			k.gets(o, 200, want.Body)
			k.requests(o, 3)
			k.count("far", filters.OpEnd, 2)
			k.count("near", filters.OpEnd, 3)
			k.count("o1", filters.OpEnd, 1)
			k.closed("far", nil)
			k.closed("near", nil)
		}},
		{Name: "held over a hidden turn", run: func(k *kit) {
			k.rings([]filters.Filter{Holder{k.rec("hold"), 1000}, Repeater{k.rec("again"), 1, false}}, nil)
			a, b := k.say("first"), k.say("second")
			o := k.play(a, b)
			k.gets(o, 200, append(append([]byte(nil), a.Body...), b.Body...))
			k.count("hold", filters.OpEnd, 1)
		}},
		{Name: "error answer to a hidden call", run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, nil)
			last := failure(k.c.Dialect, 400)
			o := k.play(k.say("first"), last)
			if !o.Cut { // a host may have sent the head of a stream by now, and then a cut is all that is left
				k.gets(o, 400, last.Body)
				k.closed("o1", nil)
			}
			k.requests(o, 2)
		}},
		{Name: "error answer after a turn that was shown", onlyStream: true, run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, false}}, nil)
			first := k.say("first")
			o := k.play(first, failure(k.c.Dialect, 400))
			if !o.Cut || string(o.Body) != string(first.Body) {
				k.Errorf("the agent got cut %t and the body\n%q\nwant a cut after\n%q", o.Cut, o.Body, first.Body)
			}
			k.closed("o1", errAny)
		}},
		{Name: "inner ring asks", run: func(k *kit) {
			k.rings(nil, []filters.Filter{Repeater{k.rec("again"), 1, false}})
			o := k.play(k.say("first"), k.say("second"))
			k.fails(o)
			k.requests(o, 1)
			k.everyEnd(errAny)
		}},
		{Name: "second attempt", run: func(k *kit) {
			k.rings(nil, nil)
			want := k.say("a")
			o := k.play(failure(k.c.Dialect, 503), want)
			k.gets(o, 200, want.Body)
			k.requests(o, 2)
			for _, label := range []string{"i1", "i2"} {
				k.closed(label, errAny, nil)
				k.attempts(label, 0, 1)
			}
			for _, label := range []string{"o1", "o2"} {
				k.closed(label, nil)
				k.count(label, filters.OpHead, 1)
			}
		}},
		{Name: "no attempt left", run: func(k *kit) {
			k.rings(nil, nil)
			last := failure(k.c.Dialect, 503)
			last.Body = append(last.Body, ' ')
			o := k.play(failure(k.c.Dialect, 503), last)
			k.gets(o, 503, last.Body)
			k.requests(o, 2)
			k.closed("o1", nil)
			k.count("o1", filters.OpHead, 1)
			k.count("i1", filters.OpOpen, 2)
		}},
		{Name: "edits", run: func(k *kit) {
			note, call := `,{"role":"user","content":"note"}`, `{"role":"user","content":"call"},`
			k.rings([]filters.Filter{Editor{k.rec("note"), note, false}}, []filters.Filter{Editor{k.rec("call"), call, true}})
			answer := k.say("a")
			o := k.play(failure(k.c.Dialect, 503), answer)
			k.gets(o, 200, answer.Body)
			message := `{"role":"user","content":"hi"}`
			want := strings.Replace(string(k.c.Request), message, call+message+note, 1)
			for i, sent := range o.Sent {
				if string(sent) != want {
					k.Errorf("request %d reached the upstream as\n%s\nwant\n%s", i, sent, want)
				}
			}
			k.requests(o, 2)
		}},
		{Name: "second attempt of a hidden turn", run: func(k *kit) {
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, nil)
			want := k.say("second")
			o := k.play(k.say("first"), failure(k.c.Dialect, 503), want)
			k.gets(o, 200, want.Body)
			k.requests(o, 3)
			k.closed("i1", nil, errAny, nil)
			k.calls("i1", 0, 1, 1)
			k.attempts("i1", 0, 0, 1)
			k.closed("o1", nil)
		}},
	}
}

// calls checks Exchange.Call at each Open of the filter.
func (k *kit) calls(filter string, want ...int) {
	k.Helper()
	k.numbers(filter, "Exchange.Call", func(r Record) int { return r.Call }, want)
}

// attempts checks Exchange.Attempt.Number at each Open of the filter.
func (k *kit) attempts(filter string, want ...int) {
	k.Helper()
	k.numbers(filter, "Attempt.Number", func(r Record) int { return r.Attempt }, want)
}

func (k *kit) numbers(filter, what string, of func(Record) int, want []int) {
	k.Helper()
	var got []int
	for _, r := range k.log.Records() {
		if r.Filter == filter && r.Op == filters.OpOpen {
			got = append(got, of(r))
		}
	}
	ok := len(got) == len(want)
	for i := range want {
		ok = ok && got[i] == want[i]
	}
	if !ok {
		k.Errorf("%s saw %s %v, want %v", filter, what, got, want)
	}
}
