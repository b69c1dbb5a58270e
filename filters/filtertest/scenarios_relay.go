package filtertest

import (
	"bytes"
	"strings"

	"github.com/trapgate/trapgate/filters"
)

// relayScenarios: one call, one attempt, a clean end.
func relayScenarios() []Scenario {
	return []Scenario{
		{Name: "no filter", run: func(k *kit) {
			want := k.say("a", "b")
			o := k.play(want)
			k.gets(o, 200, want.Body)
			k.requests(o, 1)
		}},
		{Name: "order", run: func(k *kit) {
			k.rings(nil, nil)
			want := k.say("a", "b")
			k.gets(k.play(want), 200, want.Body)
			// The inner ring is closed before the outer one ends: an attempt holds nothing while a tool runs.
			k.sequence("open o1, open o2, open i1, open i2, head i2, head i1, head o2, head o1, "+
				"end i2, end i1, close i2, close i1, end o2, end o1, close o2, close o1",
				filters.OpOpen, filters.OpHead, filters.OpEnd, filters.OpClose)
			events := 1
			if k.c.Stream {
				events = opening(k.c.Dialect) + 2 + closing(k.c.Dialect)
			}
			k.sequence(strings.TrimSuffix(strings.Repeat("event i2, event i1, event o2, event o1, ", events), ", "), filters.OpEvent)
			k.everyEnd(nil)
		}},
		{Name: "nobody looks", run: func(k *kit) {
			blind, head := k.rec("blind"), k.rec("head")
			blind.Blind, head.HeadOnly = true, true
			k.c.Outer, k.c.Inner = []filters.Filter{blind, head}, []filters.Filter{head, blind}
			want := k.odd(k.say("a", "b"))
			k.gets(k.play(want), 200, want.Body)
			k.sequence("open blind, open head, open head, open blind, head head, head head, close head, close head")
			k.closed("head", nil, nil)
		}},
		{Name: "one looks", run: func(k *kit) {
			blind, head := k.rec("blind"), k.rec("head")
			blind.Blind, head.HeadOnly = true, true
			k.c.Outer, k.c.Inner = []filters.Filter{head, blind}, []filters.Filter{k.rec("i"), head}
			want := k.odd(k.say("a", "b"))
			k.gets(k.play(want), 200, want.Body)
			k.closed("i", nil)
			k.closed("head", nil, nil)
		}},
		{Name: "odd framing in small pieces", run: func(k *kit) {
			k.rings(nil, nil)
			want := k.odd(k.say("a", "b"))
			want.Chunk = 5
			k.gets(k.play(want), 200, want.Body)
			k.everyEnd(nil)
		}},
		{Name: "unfinished last frame", onlyStream: true, run: func(k *kit) {
			k.rings([]filters.Filter{Holder{k.rec("hold"), 1000}}, nil)
			want := k.say("a", "b")
			want.Body = append(want.Body, ": the end comes before the blank line"...)
			k.gets(k.play(want), 200, want.Body)
		}},
		{Name: "error answer", run: func(k *kit) {
			k.rings(nil, nil)
			want := failure(k.c.Dialect, 400)
			o := k.play(want)
			k.gets(o, 400, want.Body)
			k.requests(o, 1)
			k.count("o1", filters.OpEvent, 1)
			k.everyEnd(nil)
		}},
		{Name: "hold back and release", run: func(k *kit) {
			k.rings([]filters.Filter{Holder{k.rec("ho"), 2}}, []filters.Filter{Holder{k.rec("hi"), 1}})
			want := k.say("a", "b", "c")
			k.gets(k.play(want), 200, want.Body)
			k.everyEnd(nil)
		}},
		{Name: "hold back until the end", run: func(k *kit) {
			k.rings([]filters.Filter{Holder{k.rec("ho"), 1000}}, []filters.Filter{Holder{k.rec("hi"), 1000}})
			want := k.say("a", "b", "c")
			want.Chunk = 7
			k.gets(k.play(want), 200, want.Body)
			k.everyEnd(nil)
		}},
		{Name: "none, one or many", run: func(k *kit) {
			times := []int{1, 0, 3}
			k.rings([]filters.Filter{Multiplier{k.rec("mo"), times, nil}}, []filters.Filter{Multiplier{k.rec("mi"), []int{2}, nil}})
			answer := k.say("a", "b", "c")
			units := [][]byte{answer.Body}
			if k.c.Stream {
				units = bytes.SplitAfter(answer.Body, []byte("\n\n"))
			}
			var want []byte
			i := 0
			for _, u := range units {
				for range 2 {
					want = append(want, bytes.Repeat(u, times[i%len(times)])...)
					i++
				}
			}
			k.gets(k.play(answer), 200, want)
			k.everyEnd(nil)
		}},
		{Name: "none at all, then one of its own", run: func(k *kit) {
			tail := k.say("mine").Body
			k.rings([]filters.Filter{Multiplier{k.rec("mo"), []int{0}, tail}}, nil)
			k.gets(k.play(k.say("a", "b", "c")), 200, tail)
			k.count("o1", filters.OpEvent, 1)
			k.everyEnd(nil)
		}},
	}
}

// odd bends a streamed answer in every way that the framing allows: comments, CRLF, CR, no space, stray blank lines.
func (k *kit) odd(a Answer) Answer {
	if !a.Stream {
		return a
	}
	frames := bytes.SplitAfter(a.Body, []byte("\n\n"))
	body := []byte(": first\n\n\n: nothing\r\n\r\n")
	for i, f := range frames {
		switch i % 3 {
		case 0:
			f = bytes.ReplaceAll(f, []byte("\n"), []byte("\r\n"))
		case 1:
			f = bytes.ReplaceAll(f, []byte("data: "), []byte("data:"))
		case 2:
			f = append([]byte(":c\nid: 1\nretry: 5\nunknown\n"), f...)
		}
		body = append(body, f...)
	}
	a.Body = body
	return a
}

// everyEnd checks that each of the four recorders was closed once, with the cause.
func (k *kit) everyEnd(cause error) {
	k.Helper()
	for _, label := range []string{"o1", "o2", "i1", "i2"} {
		k.closed(label, cause)
	}
}
