package recall

import (
	"bytes"

	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
)

// sight says of a question's conversation what the model does not see: what the agent has cut from its own history, and what context
// leaves out of this request. hidden are the latter, by their index.
func (s *stream) sight(q *memory.Question, last int) (hidden []memory.Evicted) {
	if s.serverSide() {
		q.Chains = nil // those before it are not in the request, and still part of the conversation
		return nil
	}
	if s.reach.first > 0 {
		q.Evicted = append(q.Evicted, memory.Evicted{To: s.reach.first})
	}
	if s.f.opt.Evicted == nil {
		return nil
	}
	id, at := &s.x.Identity, 0
	var seen []uint64
	for _, e := range s.f.opt.Evicted(id.Tenant, id.Session, id.Chains) {
		from, to := max(int(e.From), at), min(int(e.To), last)
		if from >= to {
			continue
		}
		hidden = append(hidden, memory.Evicted{From: int64(from), To: int64(to)})
		q.Evicted = append(q.Evicted, memory.Evicted{From: s.reach.first + int64(from), To: s.reach.first + int64(to), Handle: e.Handle})
		seen, at = append(seen, s.chains[at:from]...), to
	}
	if hidden != nil {
		q.Chains = append(seen, s.chains[at:]...)
	}
	return hidden
}

// visible reports whether a text stands in the messages of the request besides the hidden ones. It compares with the spellings that
// agents use: characters as they are, or all that is not ASCII as \u escapes.
func visible(v *wire.View, hidden []memory.Evicted, text string) bool {
	needle := escape(text)[len(apart):]
	spellings := [][]byte{needle}
	if !ascii(needle) {
		spellings = append(spellings, escapeAll(needle))
	}
	from := v.History.Start
	for i := 0; i <= len(hidden); i++ {
		to, next := v.History.End, v.History.End
		if i < len(hidden) {
			to, next = v.Msgs[hidden[i].From].Span.Start, v.Msgs[hidden[i].To].Span.Start
		}
		for _, n := range spellings {
			if bytes.Contains(v.Body[from:to], n) {
				return true
			}
		}
		from = next
	}
	return false
}
