package recall

import (
	"sync"

	"github.com/trapgate/trapgate/internal/wire"
)

// A session is what is remembered of one conversation: how far it was given to the engine. It holds no text.
type session struct {
	mu   sync.Mutex
	tips []tip  // where its latest requests ended
	at   int    // of the next
	next int64  // above every place given
	turn uint64 // of a conversation that the provider keeps, whose requests say nothing of what was before
}

// maxTips is how many requests back an agent may go without giving its whole history once more.
const maxTips = 32

// A tip is the end of a request whose messages were given.
type tip struct {
	chain    uint64 // 0: none
	first    int64  // the place of its first message
	answered bool   // its answer was given too
}

// A reach is what of a request is new.
type reach struct {
	from     int   // index of the first new message
	first    int64 // the place of message 0 in the conversation
	answered bool  // what the model says from there on, up to the next that it does not say, was given
}

// session finds or begins what is remembered of a scope.
func (s *stream) session() *session {
	all := s.f.sessions
	if found, ok := all.Get(s.scope); ok {
		return found
	}
	fresh := &session{turn: uint64(s.x.Start.UnixNano())}
	if old, ok, _ := all.PeekOrAdd(s.scope, fresh); ok {
		return old
	}
	return fresh
}

// reach finds how far a request was given before. Where it goes on from none of the latest requests, and these were not all, the agent
// has made a new history: its messages get places of their own, and what was said before is no longer in it.
func (c *session) reach(chains []uint64) reach {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(chains) - 1; i >= 0; i-- {
		for k := range c.tips {
			if t := &c.tips[k]; t.chain == chains[i] && t.chain != 0 {
				return reach{i + 1, t.first, t.answered}
			}
		}
	}
	return reach{first: c.next}
}

// gave notes that a request's messages were given, and its answer.
func (c *session) gave(chains []uint64, r reach, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := chains[len(chains)-1]
	c.next = max(c.next, r.first+int64(len(chains))+1)
	c.turn++
	for k := range c.tips {
		if t := &c.tips[k]; t.chain == last {
			t.answered = t.answered || answered
			return
		}
	}
	if len(c.tips) < maxTips {
		c.tips = append(c.tips, tip{})
	}
	c.tips[c.at] = tip{last, r.first, answered}
	c.at = (c.at + 1) % maxTips
}

// turnNow tells apart the requests of a conversation that the provider keeps; a request that failed and comes again has the same.
func (c *session) turnNow() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn
}

// chain is the prefix chain of the agent's messages without system text, after each of them: notes keep their messages when an agent
// writes the time into its instructions. Where the provider keeps the history before, it begins with the name of that.
func (s *stream) chain(c *session) []uint64 {
	v, start := s.x.View, uint64(0)
	switch {
	case !v.PreviousID.Empty():
		start = wire.TextHash(v.PreviousResponse()) | 1
	case s.serverSide():
		start = c.turnNow()<<1 | 1
	}
	s.chains = v.Chain(start, 0, s.chains[:0], wire.ChainOptions{SkipSystem: true})
	return s.chains
}

// serverSide reports whether the provider has the messages before those of the request.
func (s *stream) serverSide() bool {
	v := s.x.View
	if !v.PreviousID.Empty() {
		return true
	}
	c := v.Conversation.Of(v.Body)
	return len(c) > 2 && (c[0] == '{' || c[0] == '"')
}
