package history

import "github.com/trapgate/trapgate/internal/wire"

// pairs checks that calls and results belong together.
type pairs struct {
	*checker
	calls  map[string]*pair // by id: the latest call
	near   bool             // results must follow directly
	remote bool             // calls may be at the provider
	group  wire.Range       // near: the calls that wait for the results behind them
	old    int              // the message whose function_call, which has no id, waits; or -1
}

type pair struct {
	message  int
	call     int32
	answered bool
}

func newPairs(c *checker) *pairs {
	v := c.v
	return &pairs{
		checker: c, calls: make(map[string]*pair, len(v.Calls)),
		near:   c.p.Adjacent && v.Dialect != wire.Responses,
		remote: !v.PreviousID.Empty() || !v.Conversation.Empty(),
		old:    -1,
	}
}

func (s *pairs) run() {
	for i := range s.v.Msgs {
		m := &s.v.Msgs[i]
		switch {
		case m.Result.To > m.Result.From:
			s.results(i, m)
		case s.v.Dialect == wire.Messages && m.Role == wire.Assistant && i > 0 && s.v.Msgs[i-1].Role == wire.Assistant:
			// one turn in two messages
		default:
			s.settle()
		}
		s.made(i, m)
	}
	if s.p.Closed {
		s.settle()
	}
	if !s.near {
		s.open()
	}
}

// made takes the calls of message i.
func (s *pairs) made(i int, m *wire.Message) {
	if s.group.To == s.group.From {
		s.group = m.Call
	}
	s.group.To = m.Call.To
	for k := m.Call.From; k < m.Call.To; k++ {
		call := &s.v.Calls[k]
		if call.ID.Empty() {
			if call.Type.Empty() { // chat's function_call has no id
				s.old = i
			} else {
				s.fault(i, MissingID)
			}
			continue
		}
		id := s.v.Text(call.ID)
		if p := s.calls[id]; p != nil && (s.p.UniqueIDs || !p.answered) {
			s.fault(i, DuplicateID)
		}
		s.calls[id] = &pair{message: i, call: k}
	}
}

func (s *pairs) results(i int, m *wire.Message) {
	for k := m.Result.From; k < m.Result.To; k++ {
		r := &s.v.Results[k]
		if r.ID.Empty() {
			s.oldResult(i, m)
			continue
		}
		p := s.calls[s.v.Text(r.ID)]
		switch {
		case p == nil && s.remote:
		case p == nil, s.near && (p.call < s.group.From || p.call >= s.group.To):
			s.fault(i, OrphanResult)
		case p.answered:
			s.fault(i, DuplicateResult)
		default:
			p.answered = true
		}
		if s.p.ResultsFirst && k == m.Result.From {
			for _, t := range s.v.Texts[m.Text.From:m.Text.To] {
				if t.Start < r.Span.Start {
					s.fault(i, TextBeforeResult)
					break
				}
			}
		}
	}
}

// oldResult is a result without an id, which only a message of chat's role function may be.
func (s *pairs) oldResult(i int, m *wire.Message) {
	switch {
	case s.v.Dialect != wire.Chat || s.v.Text(m.RoleSpan) != "function":
		s.fault(i, MissingID)
	case s.old < 0:
		s.fault(i, OrphanResult)
	default:
		s.old = -1
	}
}

// settle ends the group whose results should have come.
func (s *pairs) settle() {
	if s.near {
		for k := s.group.From; k < s.group.To; k++ {
			if p := s.calls[s.v.Text(s.v.Calls[k].ID)]; p != nil && p.call == k && !p.answered {
				s.fault(p.message, Unanswered)
			}
		}
	}
	s.group = wire.Range{}
	if s.old >= 0 {
		s.fault(s.old, Unanswered)
		s.old = -1
	}
}

// open reports calls without results wherever those might have stood. Those of a turn that ends the history may be in
// flight.
func (s *pairs) open() {
	last := 0 // the last message that neither belongs to a turn with calls nor answers one
	for i := range s.v.Msgs {
		m := &s.v.Msgs[i]
		model := m.Call.To > m.Call.From || s.v.Dialect == wire.Responses && m.Role != wire.User && !Stays(s.v, m)
		if m.Result.To == m.Result.From && !model {
			last = i
		}
	}
	for i := range s.v.Msgs {
		m := &s.v.Msgs[i]
		if i > last && !s.p.Closed {
			return
		}
		for k := m.Call.From; k < m.Call.To; k++ {
			if p := s.calls[s.v.Text(s.v.Calls[k].ID)]; p != nil && p.call == k && !p.answered {
				s.fault(i, Unanswered)
			}
		}
	}
}
