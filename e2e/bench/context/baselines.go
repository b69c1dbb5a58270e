package main

import (
	"encoding/json"
	"strings"
)

// A baseline makes what reaches the upstream of a request with the first n messages, without a gate. It may remember.
type baseline func(n int) *sent

// offline judges a baseline over the session.
func offline(l *library, window int, b baseline) *verdict {
	v := newVerdict(window)
	var before *sent
	for _, n := range l.s.Points {
		r := b(n)
		v.judge(l, n, before, r)
		before = r
	}
	return v
}

// unchanged is what happens without anybody.
func unchanged(l *library) baseline { return l.own }

// dropOldest drops the oldest whole turns, on each call anew, until the rest fits: from a user message to the next. What stands before
// the first user message stays.
func dropOldest(l *library, limit int) baseline {
	return func(n int) *sent {
		own := l.own(n)
		first := 0
		for first < n && own.messages[first].role != "user" {
			first++
		}
		size, from := own.size(), first
		for i := first; i < n; i++ {
			if own.messages[i].role == "user" {
				if from = i; size <= limit {
					break
				}
			}
			size -= own.messages[i].tokens
		}
		return &sent{own.tools, append(own.messages[:first:first], own.messages[from:]...), from == first}
	}
}

// reference rewrites in epochs: above the high mark all between the task message and a unit's start is evicted, down to the low mark,
// and what was planted there is said again in the task message. It is told what was planted and where, so it shows what epochs cost,
// not how well anything is found.
func reference(l *library, limit int) baseline {
	task := l.s.task(l)
	cover := task + 1
	var opening *text
	request := func(own *sent, cover int, opening *text) *sent {
		r := &sent{tools: own.tools, messages: append(append(own.messages[:task:task], opening), own.messages[cover:]...)}
		r.same = opening == own.messages[task] && cover == task+1
		return r
	}
	return func(n int) *sent {
		own := l.own(n)
		if n <= task+1 {
			return own
		}
		if opening == nil {
			opening = own.messages[task]
		}
		r := request(own, cover, opening)
		if r.size() <= int(highMark*float64(limit)) {
			return r
		}
		for c := cover + 1; c < n; c++ {
			if own.messages[c].role == "tool" {
				continue
			}
			next := l.text(withLedger(l.s, task, c))
			if short := request(own, c, next); short.size() <= int(lowMark*float64(limit)) {
				cover, opening = c, next
				return short
			}
		}
		return r
	}
}

// withLedger is the task message with what was planted between it and message cover.
func withLedger(s *session, task, cover int) string {
	var b strings.Builder
	b.WriteString("\n\nRules that hold:\n")
	for _, p := range s.Pins {
		if p.Message > task && p.Message < cover {
			b.WriteString("- " + p.Text + "\n")
		}
	}
	b.WriteString("Codes:")
	for _, d := range s.IDs {
		if d.Message > task && d.Message < cover {
			b.WriteString(" " + d.Code)
		}
	}
	ledger, _ := json.Marshal(b.String()) // a string
	var m struct {
		Content string `json:"content"`
	}
	raw := s.Raw[task]
	if json.Unmarshal([]byte(raw), &m) != nil || m.Content == "" {
		return raw // nothing to append to: it will be seen that nothing is there
	}
	content, _ := spelled(raw, m.Content)
	end := strings.Index(raw, content) + len(content)
	return raw[:end] + string(ledger[1:len(ledger)-1]) + raw[end:]
}
