package history

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A History is all that one user and their agents said.
type History struct {
	User      string
	Sessions  []Session // in the order of their times
	Changes   []Change
	Questions []Question
	End       time.Time // a day after the last session: when questions are asked
}

// A Session is one conversation.
type Session struct {
	ID       string
	At       time.Time
	Messages []Message
}

// A Message is one message, a minute after the one before.
type Message struct {
	ID   string // "user/session/place"
	Role Role
	Text string
}

// A Role says who speaks.
type Role string

// The roles are those of chat completions.
const (
	User      Role = "user"
	Assistant Role = "assistant"
	Tool      Role = "tool"
)

// A Style says how a change is worded.
type Style string

// Plain is the usual words for a change; Free is none in particular; Kept is no change at all: what else was said must not matter.
const (
	Plain Style = "plain"
	Free  Style = "free"
	Kept  Style = "kept"
)

// A Change is one thing about the user that was said, and what became of it.
type Change struct {
	Topic   string
	Style   Style
	Ask     string
	Current string   // the value that holds
	Closed  []string // those that held before
	Says    []string // messages that say the current value
}

// A Question asks for what was done or decided.
type Question struct {
	Text     string
	Evidence []string // messages, any of which answers it
}

// Size says how much a history holds.
type Size struct{ Sessions, Changes, Episodes, Filler int }

// Default is a history of some 120 messages: eight sessions, six changes, eight things done, six rounds of tool calls for each session.
var Default = Size{Sessions: 8, Changes: 6, Episodes: 8, Filler: 6}

// Make makes the history of a seed. The same seed and size make the same history.
func Make(seed uint64, size Size) *History {
	m := &maker{r: rand.New(rand.NewPCG(seed, 20260301)), h: &History{User: fmt.Sprintf("user-%d", seed)}}
	m.slots = make([][]piece, size.Sessions)
	for _, i := range m.r.Perm(len(topics))[:min(size.Changes, len(topics))] {
		m.change(&topics[i])
	}
	for _, i := range m.r.Perm(len(works))[:min(size.Episodes, len(works))] {
		m.work(&works[i])
	}
	m.write(size)
	return m.h
}

// A piece is something that has to be said in a session; said tells it the message that it stood in.
type piece struct {
	text, echo string // the user's sentence, and the assistant's; text "" is a piece that the assistant says
	said       func(id string)
}

type maker struct {
	r     *rand.Rand
	h     *History
	slots [][]piece // of sessions
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func fill(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }

// change puts a topic's first value into one session and up to two changes of it into later ones.
func (m *maker) change(t *topic) {
	r, values := m.r, m.r.Perm(len(t.values))
	c := Change{Topic: t.name, Ask: pick(r, t.ask), Style: pick(r, []Style{Plain, Plain, Free, Free, Kept})}
	times := 0
	if c.Style != Kept {
		times = 1 + r.IntN(2)
	}
	value := func(i int) string { return t.values[values[i]] }
	at := len(m.h.Changes)
	m.h.Changes = append(m.h.Changes, c)
	says := func(id string) { m.h.Changes[at].Says = append(m.h.Changes[at].Says, id) }
	sessions := m.places(times + 1)
	for i, place := range sessions {
		text := pick(r, t.first)
		switch {
		case i > 0 && c.Style == Plain:
			text = pick(r, t.plain)
		case i > 0:
			text = pick(r, t.free)
		}
		old := ""
		if i > 0 {
			old = value(i - 1)
		}
		p := piece{text: fill(text, "{v}", value(i), "{o}", old)}
		if r.IntN(3) == 0 {
			p.echo = fill(pick(r, echoes), "{v}", value(i))
		}
		if i == times {
			p.said = says
		}
		m.slots[place] = append(m.slots[place], p)
	}
	m.h.Changes[at].Current = value(times)
	for i := range times {
		m.h.Changes[at].Closed = append(m.h.Changes[at].Closed, value(i))
	}
	for range 1 + r.IntN(2) { // anywhere: before, between and after
		place := r.IntN(len(m.slots))
		m.slots[place] = append(m.slots[place], piece{text: fill(pick(r, t.others), "{v}", value(times+1))})
	}
}

// places are n different sessions in order.
func (m *maker) places(n int) []int {
	all := m.r.Perm(len(m.slots))[:n]
	for i := range all {
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

// work puts something that was done into a session, and asks for it.
func (m *maker) work(w *work) {
	pairs := []string{"{m}", pick(m.r, modules), "{n}", fmt.Sprint(2 + m.r.IntN(97)), "{p}", pick(m.r, people)}
	at := len(m.h.Questions)
	m.h.Questions = append(m.h.Questions, Question{Text: fill(w.ask, pairs...)})
	place := m.r.IntN(len(m.slots))
	m.slots[place] = append(m.slots[place], piece{text: fill(w.user, pairs...), echo: fill(w.assistant, pairs...), said: func(id string) {
		m.h.Questions[at].Evidence = append(m.h.Questions[at].Evidence, id)
	}})
}
