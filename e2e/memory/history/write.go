package history

import (
	"fmt"
	"time"
)

// begin is when the first session of every history is.
var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// write makes the sessions from what has to be said in them.
func (m *maker) write(size Size) {
	at := begin
	for i := range m.slots {
		s := Session{ID: fmt.Sprintf("%s-s%d", m.h.User, i), At: at.Add(time.Duration(m.r.IntN(8*60)) * time.Minute)}
		m.r.Shuffle(len(m.slots[i]), func(a, b int) { m.slots[i][a], m.slots[i][b] = m.slots[i][b], m.slots[i][a] })
		m.session(&s, m.slots[i], size.Filler)
		m.h.Sessions = append(m.h.Sessions, s)
		at = at.AddDate(0, 0, 3+m.r.IntN(8))
	}
	m.h.End = m.h.Sessions[len(m.h.Sessions)-1].At.AddDate(0, 0, 1)
}

// session writes rounds of work with the pieces between them. A piece stands alone, or in a message that also asks for work.
func (m *maker) session(s *Session, pieces []piece, rounds int) {
	// Two pieces of one session may be a value and the one after it, so they keep their order: places only says where they go.
	places := make([]int, len(pieces))
	for i := range places {
		places[i] = i * rounds / len(pieces)
	}
	next := 0
	for round := range rounds {
		lead, echo := "", ""
		for ; next < len(pieces) && places[next] == round; next++ {
			p := pieces[next]
			if m.r.IntN(3) > 0 || lead != "" {
				m.alone(s, p)
				continue
			}
			lead, echo = p.text, p.echo
			if p.said != nil {
				p.said(m.id(s))
				if echo != "" { // it follows the calls of the round
					said := p.said
					defer func(at int) { m.told(s, said, at) }(len(s.Messages))
				}
			}
			m.round(s, lead, echo)
		}
		if lead == "" {
			m.round(s, "", "")
		}
	}
}

// told tells a piece of the assistant's message that repeats it: the first one after the user's.
func (m *maker) told(s *Session, said func(string), user int) {
	for i := user + 1; i < len(s.Messages); i++ {
		if s.Messages[i].Role == Assistant {
			said(s.Messages[i].ID)
			return
		}
	}
}

func (m *maker) id(s *Session) string { return fmt.Sprintf("%s/%d", s.ID, len(s.Messages)) }

func (m *maker) say(s *Session, role Role, text string) {
	s.Messages = append(s.Messages, Message{m.id(s), role, text})
}

func (m *maker) alone(s *Session, p piece) {
	if p.said != nil {
		p.said(m.id(s))
	}
	m.say(s, User, p.text)
	if p.echo != "" && p.said != nil {
		p.said(m.id(s))
	}
	if p.echo == "" {
		p.echo = pick(m.r, acknowledgements)
	}
	m.say(s, Assistant, p.echo)
}

// round is one request for work: the user's message, output of tools, and the answer.
func (m *maker) round(s *Session, lead, echo string) {
	module := pick(m.r, modules)
	pairs := []string{"{m}", module, "{n}", fmt.Sprint(1 + m.r.IntN(400)), "{p}", pick(m.r, people)}
	ask := fill(pick(m.r, requests), pairs...)
	if lead != "" {
		if m.r.IntN(2) == 0 {
			ask = lead + " " + ask
		} else {
			ask += " " + pick(m.r, asides) + lead
		}
	}
	m.say(s, User, ask)
	for range 1 + m.r.IntN(2) {
		m.say(s, Tool, m.output(pairs))
	}
	answer := fill(pick(m.r, answers), pairs...)
	if echo != "" {
		answer = echo + " " + answer
	}
	m.say(s, Assistant, answer)
}

// output is what a tool printed: some lines, at times with a setting that looks like something about the user.
func (m *maker) output(pairs []string) string {
	text := ""
	for range 2 + m.r.IntN(5) {
		text += fill(pick(m.r, lines), append(pairs, "{k}", fmt.Sprint(m.r.IntN(10000)))...) + "\n"
	}
	if m.r.IntN(4) == 0 {
		t := &topics[m.r.IntN(len(topics))]
		text += fill(pick(m.r, settings), "{t}", t.name, "{v}", pick(m.r, t.values)) + "\n"
	}
	return text
}
