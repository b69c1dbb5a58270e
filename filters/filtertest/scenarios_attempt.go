package filtertest

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/filters"
)

// attemptScenarios: what the inner ring is told of an attempt's answer, leaves to the next one, and does to an agent that
// waits.
func attemptScenarios() []Scenario {
	return slices.Concat(answerScenarios(), carryScenarios(), openingScenarios(), commentScenarios())
}

// A look is what Exchange.Answer said at a step.
type look struct {
	op       filters.Op
	chars    int64
	terminal bool
	present  bool
}

func (k *kit) looker(label string, seen *[]look) filters.Filter {
	return Looker{k.rec(label), func(op filters.Op, x *filters.Exchange) {
		l := look{op: op}
		if a := x.Answer; a != nil {
			l = look{op, a.OutputChars, a.Terminal, true}
		}
		*seen = append(*seen, l)
	}}
}

func answerScenarios() []Scenario {
	return []Scenario{
		{Name: "answer is read", run: func(k *kit) {
			var seen []look
			k.rings(nil, []filters.Filter{k.looker("look", &seen)})
			want := k.say("ab", "cde")
			k.gets(k.play(want), 200, want.Body)
			k.reads(seen, 5)
		}},
		{Name: "answer is read anew for each attempt", run: func(k *kit) {
			var seen []look
			k.rings([]filters.Filter{Repeater{k.rec("again"), 1, true}}, []filters.Filter{k.looker("look", &seen)})
			want := k.say("abc")
			k.gets(k.play(k.say("hidden"), failure(k.c.Dialect, 503), want), 200, want.Body)
			at := 0
			for i, l := range seen {
				if l.op == filters.OpOpen {
					if at = i; l.chars != 0 {
						k.Errorf("Exchange.Answer has %d characters when an attempt begins", l.chars)
					}
				}
			}
			k.reads(seen[at:], 3)
		}},
		{Name: "request is sent between Open and Head", run: func(k *kit) {
			k.rings(nil, []filters.Filter{Looker{k.rec("look"), func(op filters.Op, x *filters.Exchange) {
				if sent := x.Attempt.Sent; sent != (op != filters.OpOpen) {
					k.Errorf("Attempt.Sent is %t in %v of attempt %d", sent, op, x.Attempt.Number)
				}
			}}})
			want := k.say("abc")
			k.gets(k.play(failure(k.c.Dialect, 503), want), 200, want.Body)
		}},
		{Name: "answer that was not shown is told", run: func(k *kit) {
			k.rings(nil, nil)
			first, want := failure(k.c.Dialect, 503), k.say("a")
			first.Fields = append(first.Fields, [2]string{"x-said", "much to do"})
			k.gets(k.play(first, want), 200, want.Body)
			for _, label := range []string{"i1", "i2"} {
				k.toldOf(label)
			}
		}},
	}
}

// reads checks what Exchange.Answer said over one attempt: nothing of an answer in Open and Head, all of it in End and Close.
func (k *kit) reads(seen []look, chars int64) {
	k.Helper()
	for _, l := range seen {
		switch {
		case !l.present:
			k.Errorf("Exchange.Answer is nil in %s", l.op)
		case (l.op == filters.OpOpen || l.op == filters.OpHead) && l.chars != 0:
			k.Errorf("Exchange.Answer has %d characters in %s", l.chars, l.op)
		case (l.op == filters.OpEnd || l.op == filters.OpClose) && (l.chars != chars || !l.terminal):
			k.Errorf("Exchange.Answer has %d characters in %s, terminal %t; want %d and true", l.chars, l.op, l.terminal, chars)
		}
	}
	if len(seen) < 4 {
		k.Errorf("%d steps were seen", len(seen))
	}
}

// toldOf checks the cause of the filter's first stream, whose attempt's answer was tried again.
func (k *kit) toldOf(filter string) {
	k.Helper()
	var told interface {
		error
		Answered() (status int, fields filters.Fields, body []byte)
	}
	causes := k.log.Causes(filter)
	if len(causes) == 0 || !errors.As(causes[0], &told) {
		k.Errorf("%s was closed with %v, which has no Answered to say what the upstream had answered", filter, causes)
		return
	}
	status, fields, body := told.Answered()
	if status != 503 || string(fields.Get("x-said")) != "much to do" || !bytes.Contains(body, []byte("upstream says 503")) {
		k.Errorf("%s was told of status %d, x-said %q, body %q", filter, status, fields.Get("x-said"), body)
	}
}

func carryScenarios() []Scenario {
	return []Scenario{
		{Name: "left to the next attempt", run: func(k *kit) {
			var seen []int
			k.rings(nil, []filters.Filter{Leaver{Recorder: k.rec("leave"), Seen: &seen}})
			want := k.say("a")
			k.gets(k.play(failure(k.c.Dialect, 503), want), 200, want.Body)
			k.found(seen, 0, 1)
		}},
		{Name: "left to the next call", run: func(k *kit) {
			var seen []int
			k.rings([]filters.Filter{Leaver{Recorder: k.rec("first"), First: 7}, Repeater{k.rec("again"), 1, true}},
				[]filters.Filter{Leaver{Recorder: k.rec("leave"), Seen: &seen}})
			want := k.say("a")
			k.gets(k.play(k.say("hidden"), failure(k.c.Dialect, 503), want), 200, want.Body)
			k.found(seen, 7, 8, 9)
		}},
		{Name: "plain attempt", run: func(k *kit) {
			var plain []bool
			text := `{"role":"user","content":"added"},`
			k.rings(nil, []filters.Filter{Plainer{k.rec("plain"), text, 422, &plain}})
			k.c.Attempts = 1 // it is no retry
			want := k.say("a")
			o := k.play(failure(k.c.Dialect, 422), want)
			k.gets(o, 200, want.Body)
			k.requests(o, 2)
			k.plainly(o, plain, text)
			k.closed("i1", filters.ErrPlain, nil)
			k.closed("o1", nil)
			k.count("o1", filters.OpHead, 1)
			k.count("i1", filters.OpHead, 1) // the one further in has spoken first
		}},
		{Name: "refusal with a way out", run: func(k *kit) {
			var asked []int
			text := `{"role":"user","content":"shorter"},`
			k.rings(nil, []filters.Filter{Rescuer{Recorder: k.rec("rescuer"), Text: text, Asked: &asked}})
			k.c.Attempts = 1 // it is no retry
			want := k.say("a")
			o := k.play(failure(k.c.Dialect, 413), want)
			k.gets(o, 200, want.Body)
			k.requests(o, 2)
			k.found(asked, 413)
			if len(o.Sent) == 2 && (bytes.Contains(o.Sent[0], []byte(text)) || !bytes.Contains(o.Sent[1], []byte(text))) {
				k.Errorf("sent:\n%s\n%s", o.Sent[0], o.Sent[1])
			}
			k.count("o1", filters.OpHead, 1) // nobody further out has seen the refusal
		}},
		{Name: "refusal with a way out that is refused too", run: func(k *kit) {
			var asked []int
			k.rings(nil, []filters.Filter{Rescuer{Recorder: k.rec("rescuer"), Text: `{"role":"user","content":"shorter"},`, Asked: &asked}})
			last := failure(k.c.Dialect, 413)
			last.Body = append(last.Body, ' ')
			o := k.play(failure(k.c.Dialect, 413), last)
			k.gets(o, 413, last.Body)
			k.requests(o, 2)
			k.found(asked, 413)
		}},
		{Name: "plain attempt that is refused too", run: func(k *kit) {
			var plain []bool
			text := `{"role":"user","content":"added"},`
			k.rings(nil, []filters.Filter{Plainer{k.rec("plain"), text, 400, &plain}})
			last := failure(k.c.Dialect, 400)
			last.Body = append(last.Body, ' ')
			o := k.play(failure(k.c.Dialect, 400), last)
			k.gets(o, 400, last.Body)
			k.requests(o, 2)
			k.plainly(o, plain, text)
		}},
	}
}

func (k *kit) found(got []int, want ...int) {
	k.Helper()
	if !slices.Equal(got, want) {
		k.Errorf("found %v, want %v", got, want)
	}
}

// plainly checks that the second request went out without what the first one had added.
func (k *kit) plainly(o Outcome, plain []bool, text string) {
	k.Helper()
	if !slices.Equal(plain, []bool{false, true}) {
		k.Errorf("Attempt.Plain was %v, want false, then true", plain)
	}
	if len(o.Sent) == 2 && (!strings.Contains(string(o.Sent[0]), text) || strings.Contains(string(o.Sent[1]), text)) {
		k.Errorf("the upstream got\n%s\nand\n%s\nwant only the first with what was added", o.Sent[0], o.Sent[1])
	}
}

func commentScenarios() []Scenario {
	return []Scenario{
		{Name: "comments to one who waits", onlyStream: true, run: func(k *kit) {
			sent := 0
			k.rings(nil, []filters.Filter{Commenter{Recorder: k.rec("comment"), N: 2, Sent: &sent}})
			want := k.say("a", "b")
			k.commented(k.play(failure(k.c.Dialect, 503), want), sent, 4, want.Body) // two attempts
			k.everyEndBut("i", nil)
		}},
		{Name: "no comments in a document", onlyUnary: true, run: func(k *kit) {
			sent := 0
			k.rings(nil, []filters.Filter{Commenter{Recorder: k.rec("comment"), N: 2, Sent: &sent}})
			want := k.say("a", "b")
			k.gets(k.play(want), 200, want.Body)
			if sent != 0 {
				k.Errorf("%d comments were sent to an agent that asked for a document", sent)
			}
		}},
		{Name: "refusal behind comments", onlyStream: true, run: func(k *kit) {
			sent, r := 0, refusal()
			k.rings(nil, []filters.Filter{Commenter{Recorder: k.rec("comment"), N: 1, Reply: r, Sent: &sent}})
			o := k.play()
			k.toldLate(o, sent, r.Message)
			k.requests(o, 0)
			k.closed("i1", r)
			k.closed("o1", r)
		}},
		{Name: "error answer behind comments", onlyStream: true, run: func(k *kit) {
			sent := 0
			k.rings(nil, []filters.Filter{Commenter{Recorder: k.rec("comment"), N: 1, Sent: &sent}})
			o := k.play(failure(k.c.Dialect, 400))
			k.toldLate(o, sent, "upstream says 400")
			k.requests(o, 1)
		}},
		{Name: "no answer behind comments", onlyStream: true, run: func(k *kit) {
			sent := 0
			k.rings(nil, []filters.Filter{Commenter{Recorder: k.rec("comment"), N: 1, Sent: &sent}})
			o := k.play(Answer{How: Dropped})
			k.toldLate(o, sent, "")
			k.everyEnd(errAny)
		}},
	}
}

// everyEndBut is everyEnd for the outer ring only.
func (k *kit) everyEndBut(ring string, cause error) {
	k.Helper()
	for _, label := range []string{"o1", "o2", "i1", "i2"} {
		if !strings.HasPrefix(label, ring) {
			k.closed(label, cause)
		}
	}
}

// behind takes the comments off the front of what the agent got.
func (k *kit) behind(o Outcome, sent int) []byte {
	k.Helper()
	body, n := o.Body, 0
	for bytes.HasPrefix(body, []byte(":")) {
		_, body, _ = bytes.Cut(body, []byte("\n\n"))
		n++
	}
	if n != sent || o.Status != 200 {
		k.Errorf("the agent got status %d and %d comments; want 200 and %d", o.Status, n, sent)
	}
	return body
}

// commented checks an answer behind comments.
func (k *kit) commented(o Outcome, sent, want int, answer []byte) {
	k.Helper()
	if sent != want {
		k.Errorf("%d comments were sent, want %d", sent, want)
	}
	if body := k.behind(o, sent); !bytes.Equal(body, answer) || o.Cut {
		k.Errorf("behind the comments the agent got cut %t and\n%q\nwant\n%q", o.Cut, body, answer)
	}
}

// toldLate checks that a failure behind comments is one event of the dialect's, and not the end of a good answer.
func (k *kit) toldLate(o Outcome, sent int, says string) {
	k.Helper()
	body := string(k.behind(o, sent))
	switch {
	case o.Cut && says == "":
		return // a cut tells it too, where the upstream's connection was
	case o.Cut || !strings.Contains(body, "data: {") || !strings.Contains(body, `"error"`) || !strings.Contains(body, says):
		k.Errorf("behind the comments the agent got cut %t and\n%q\nwant an error event that says %q", o.Cut, body, says)
	case strings.Contains(body, "[DONE]"), strings.Contains(body, "response.completed"), strings.Contains(body, "message_stop"):
		k.Errorf("behind the comments the agent got\n%q\nwhich looks like a good end", body)
	}
}
