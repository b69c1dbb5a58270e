package judge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trapgate/trapgate/e2e/memory/history"
	"github.com/trapgate/trapgate/memory/store"
)

// deep is how far down a ranking is looked at.
const deep = 20

// Counts are of the changes of one style.
type Counts struct {
	Changes  int
	Above    int // the current value was told or found, and above every closed one; records that are marked as closed do not count
	Lost     int // the current value was neither told nor found among the first 20
	Told     int // the note for a new conversation's first message says the current value
	Injected int // notes with a line that says a closed value and not the current one
}

// Add adds others.
func (c *Counts) Add(o Counts) {
	c.Changes += o.Changes
	c.Above += o.Above
	c.Lost += o.Lost
	c.Told += o.Told
	c.Injected += o.Injected
}

// A Score is what was counted over histories.
type Score struct {
	Styles map[history.Style]*Counts
	Wrong  []string // what was wrong with changes, for people

	Questions          int
	Any5, Any10, Any20 int     // questions with evidence among the first 5, 10 or 20 messages found
	Reciprocal         float64 // sum of 1/rank of the first evidence
	Notes, NoteTokens  int     // notes that were made for changes and questions, empty ones too, and their tokens
}

// NewScore returns one that has counted nothing.
func NewScore() *Score {
	return &Score{Styles: map[history.Style]*Counts{history.Plain: {}, history.Free: {}, history.Kept: {}}}
}

// Changed is the sum over the styles that change something.
func (s *Score) Changed() (c Counts) {
	c.Add(*s.Styles[history.Plain])
	c.Add(*s.Styles[history.Free])
	return c
}

// Judge asks for all changes and questions of a history that was played.
func (s *Score) Judge(ctx context.Context, m *Mind, h *history.History) error {
	for i := range h.Changes {
		if err := s.change(ctx, m, h, &h.Changes[i]); err != nil {
			return err
		}
	}
	for i := range h.Questions {
		if err := s.question(ctx, m, h, &h.Questions[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Score) change(ctx context.Context, m *Mind, h *history.History, c *history.Change) error {
	told, err := m.Ask(ctx, Scope(h, ""), c.Ask)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", h.User, c.Ask, err)
	}
	found, err := m.Search(ctx, Scope(h, "asks"), c.Ask, deep, false)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", h.User, c.Ask, err)
	}
	hits := slices.Concat(told.Hits, found)
	current, closed := -1, -1
	for i, hit := range hits {
		switch text := hit.Record.Text; {
		case !hit.Record.Current(h.End): // shown as closed, and never told
		case current < 0 && says(text, c.Current):
			current = i
		case closed < 0 && old(text, c):
			closed = i
		}
	}
	s.note(&told.Note)
	n := s.Styles[c.Style]
	n.Changes++
	wrong := ""
	switch {
	case current < 0:
		n.Lost++
		wrong = "not found"
	case closed >= 0 && closed < current:
		wrong = fmt.Sprintf("below %q", hits[closed].Record.Text)
	default:
		n.Above++
	}
	if says(told.Note.Text, c.Current) {
		n.Told++
	} else {
		wrong += "; not told"
	}
	for line := range strings.Lines(told.Note.Text) {
		if old(line, c) {
			n.Injected++
			wrong += "; told: " + strings.TrimSpace(line)
			break
		}
	}
	if wrong != "" {
		s.Wrong = append(s.Wrong, fmt.Sprintf("%s %s %s, %q is %q: %s", h.User, c.Style, c.Topic, c.Ask, c.Current, strings.TrimPrefix(wrong, "; ")))
	}
	return nil
}

func (s *Score) note(n *store.Note) {
	s.Notes++
	s.NoteTokens += n.Tokens
}

func (s *Score) question(ctx context.Context, m *Mind, h *history.History, q *history.Question) error {
	hits, err := m.Search(ctx, Scope(h, "asks"), q.Text, 2*deep, false)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", h.User, q.Text, err)
	}
	told, err := m.Ask(ctx, Scope(h, ""), q.Text)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", h.User, q.Text, err)
	}
	s.note(&told.Note)
	s.Questions++
	rank, seen := 0, map[string]bool{}
	for _, hit := range hits {
		id := fmt.Sprintf("%s/%d", hit.Record.Scope.Session, hit.Record.Seq)
		if seen[id] { // a fact and the message that it is from
			continue
		}
		seen[id] = true
		if len(seen) > deep {
			break
		}
		if slices.Contains(q.Evidence, id) {
			rank = len(seen)
			break
		}
	}
	if rank == 0 {
		return nil
	}
	s.Reciprocal += 1 / float64(rank)
	s.Any20++
	if rank <= 10 {
		s.Any10++
	}
	if rank <= 5 {
		s.Any5++
	}
	return nil
}

// old reports whether a text says a value that is closed, and not the one that took its place.
func old(text string, c *history.Change) bool {
	for _, v := range c.Closed {
		if says(text, v) && !says(text, c.Current) {
			return true
		}
	}
	return false
}

// says reports whether a value stands in a text as words of its own.
func says(text, value string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], value)
		if i < 0 {
			return false
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(value):])
		if !letter(before) && !letter(after) {
			return true
		}
		from = i + len(value)
	}
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
