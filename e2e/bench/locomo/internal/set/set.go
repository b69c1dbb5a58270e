// Package set reads question sets of LoCoMo's shape: conversations of dated sessions of turns, and questions of which the turns that
// hold the evidence are known.
package set

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A Conversation is one of a set's.
type Conversation struct {
	ID        string     `json:"id"`
	Sessions  []Session  `json:"sessions"`
	Questions []Question `json:"qa"`
}

// A Session is what was said on one occasion.
type Session struct {
	ID    string `json:"id"`
	Date  string `json:"date_time"`
	Turns []Turn `json:"turns"`
}

// A Turn is what one speaker said.
type Turn struct {
	ID      string `json:"id"`
	Speaker string `json:"speaker"`
	Text    string `json:"text"`
}

// A Question is answered by the turns that are its evidence.
type Question struct {
	Text     string   `json:"question"`
	Category int      `json:"category"`
	Evidence []string `json:"evidence"`
}

// Category names LoCoMo's categories; others are their numbers.
func Category(n int) string {
	names := [...]string{1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
	if n > 0 && n < len(names) {
		return names[n]
	}
	return fmt.Sprint("category ", n)
}

// Speakers are who speaks, in the order in which they begin. The first is the user.
func (c *Conversation) Speakers() (names []string) {
	for _, s := range c.Sessions {
		for _, t := range s.Turns {
			if !slices.Contains(names, t.Speaker) {
				names = append(names, t.Speaker)
			}
		}
	}
	return names
}

// User is who speaks first.
func (c *Conversation) User() string {
	if names := c.Speakers(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// Read reads a set. Evidence that names no turn of its conversation is left out, as are, from the figures, questions without any.
func Read(path string) ([]Conversation, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set []Conversation
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("%s: no conversations", path)
	}
	for i := range set {
		turns := map[string]bool{}
		for _, s := range set[i].Sessions {
			for _, t := range s.Turns {
				turns[t.ID] = true
			}
		}
		for j := range set[i].Questions {
			q := &set[i].Questions[j]
			var known []string
			for _, e := range q.Evidence {
				if turns[e] {
					known = append(known, e)
				}
			}
			q.Evidence = known
		}
	}
	return set, nil
}

// Said is when a session took place; the zero time where its date is of no known form.
func (s *Session) Said() time.Time {
	forms := [...]string{"3:04 pm on 2 January, 2006", "3:04 PM on 2 January, 2006", time.RFC3339, "2006/01/02 (Mon) 15:04", time.DateOnly}
	for _, form := range forms {
		if t, err := time.Parse(form, strings.TrimSpace(s.Date)); err == nil {
			return t
		}
	}
	return time.Time{}
}
