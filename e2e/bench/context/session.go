package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// sessionFile is the session when none is named: data beside the repository, never in it.
const sessionFile = "../shared/data/tau_session_dev.json"

// modelName is what agents of the replay ask for.
const modelName = "bench-1"

// A session is one long conversation and what was planted in it.
type session struct {
	name   string
	Tools  json.RawMessage `json:"tools"`
	Raw    []string        `json:"raw"`    // the JSON text of each message, as the agent spells it
	Points []int           `json:"points"` // a request is made before each of these messages
	Pins   []pin           `json:"pins"`
	IDs    []id            `json:"ids"`
}

// A pin is a rule that a message states.
type pin struct {
	Message int    `json:"message"`
	Text    string `json:"text"`

	escaped string // the text as the message spells it
}

// An id is a code that a message says, and no other.
type id struct {
	Message int    `json:"message"`
	Code    string `json:"code"`
}

func readSession(path string) (*session, error) {
	if path == "" {
		root, err := rig.Root()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(root, sessionFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &session{name: filepath.Base(path)}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// check refuses what could not be replayed, and finds how pins are spelled.
func (s *session) check() error {
	if len(s.Raw) == 0 || len(s.Points) == 0 || !slices.IsSorted(s.Points) {
		return errors.New("no messages, or no points in order")
	}
	if s.Points[0] < 1 || s.Points[len(s.Points)-1] >= len(s.Raw) {
		return errors.New("a point lies outside the messages")
	}
	for i := range s.Pins {
		p := &s.Pins[i]
		if p.Message < 0 || p.Message >= len(s.Raw) {
			return fmt.Errorf("pin %d is in no message", i)
		}
		var ok bool
		if p.escaped, ok = spelled(s.Raw[p.Message], p.Text); !ok {
			return fmt.Errorf("message %d does not say pin %d", p.Message, i)
		}
	}
	for i, d := range s.IDs {
		if d.Message < 0 || d.Message >= len(s.Raw) {
			return fmt.Errorf("id %d is in no message", i)
		}
		if _, ok := spelled(s.Raw[d.Message], d.Code); !ok {
			return fmt.Errorf("message %d does not say id %d", d.Message, i)
		}
	}
	return nil
}

// body is the request with the first n messages, in the order in which OpenAI's SDKs write it.
func (s *session) body(n int) []byte {
	b := append([]byte(nil), `{"messages":[`...)
	for i, raw := range s.Raw[:n] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, raw...)
	}
	b = append(b, `],"model":"`+modelName+`","tools":`...)
	b = append(b, s.Tools...)
	return append(b, '}')
}

// task is the index of the last user message before the first tool call, and 0 without one.
func (s *session) task(l *library) (at int) {
	for i, raw := range s.Raw {
		switch t := l.text(raw); {
		case t.role == "user":
			at = i
		case len(t.calls) > 0:
			return at
		}
	}
	return at
}
