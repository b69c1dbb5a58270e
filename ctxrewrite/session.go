package ctxrewrite

import (
	"bytes"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// sessions are the conversations in memory.
type sessions struct {
	mu    sync.Mutex
	byKey *lru.Cache[store.Key, *conversation]
}

func (s *sessions) init(most int) (err error) {
	s.byKey, err = lru.New[store.Key, *conversation](most)
	return err
}

// of finds or begins the conversation of a request. One without a session has one to itself.
func (s *sessions) of(r *Request) *conversation {
	if r.Session == "" {
		return &conversation{loaded: true}
	}
	key := store.Key{Tenant: r.Tenant, Session: r.Session}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.byKey.Get(key); ok {
		return c
	}
	c := &conversation{key: key}
	s.byKey.Add(key, c)
	return c
}

// taught is what a request's session learnt of estimates; nil: it has none.
func (s *sessions) taught(r *Request) *tokens.Session {
	if r.Session == "" {
		return nil
	}
	return &s.of(r).taught
}

// A conversation is what is known of one session.
type conversation struct {
	key store.Key

	taught tokens.Session // by the usage of its own requests

	mu       sync.Mutex
	line     line     // of the request before
	notes    edits    // of the outer ring, in the request before
	epochs   []*Epoch // of all its branches, in the order in which they were made
	loaded   bool     // what the store knows is here
	trims    []trimmed
	building map[*Epoch]bool // behind which epochs one is being prepared
	retry    time.Time       // when the store may be asked again
	pins     []string        // that the agent gave, with any request
	pinSum   uint64          // of their hashes
	last     *Epoch          // that was swapped in
	seen     time.Time

	requests int // that were fitted
	made     int // the request that swapped the last epoch in
	quick    int // how many epochs in a row came soon after the one before
	broken   string
}

// A line is a request's history, measured message by message.
type line struct {
	agent []uint64 // the agent's chain after each message
	chain []uint64 // the same without system text: what epochs are stored under
	shape []uint64 // roles and kinds of the messages up to and including each: the chain leaves some messages out
	sum   []int32  // estimated tokens up to and including each message
	rest  sized    // tools and top-level system text
}

type sized struct {
	hash   uint64
	tokens int32
}

// measure brings the line up to date with a request and reads only what is new.
func (l *line) measure(v *wire.View, chains []uint64) {
	same := l.reshape(v, l.common(chains))
	l.agent = append(l.agent[:same], chains[same:]...)
	prev, sum := uint64(0), int32(0)
	if same > 0 {
		prev, sum = l.chain[same-1], l.sum[same-1]
	}
	l.chain = v.Chain(prev, same, l.chain[:same], wire.ChainOptions{SkipSystem: true})
	l.sum = l.sum[:same]
	for i := same; i < len(chains); i++ {
		sum += int32(estimate(v, &v.Msgs[i]))
		l.sum = append(l.sum, sum)
	}
	system, tools := v.Raw(v.System), v.Raw(v.ToolsSpan)
	if h := xxh3.HashSeed(system, xxh3.Hash(tools)); h != l.rest.hash || l.rest.tokens == 0 {
		l.rest = sized{h, int32(tokens.Estimate(system) + tokens.Estimate(tools) + perRequest)}
	}
}

// has says that an epoch's covered messages are the line's own.
func (l *line) has(ep *Epoch) bool {
	return ep.Cover < len(l.chain) && l.chain[ep.Cover-1] == ep.Chain && l.shape[ep.Cover] == ep.Shape
}

// reshape brings the shape up to date, and returns how many of the same first messages are alike in it too.
func (l *line) reshape(v *wire.View, same int) int {
	h := uint64(1)
	old := l.shape
	l.shape = l.shape[:0]
	for i := range v.Msgs {
		h = (h ^ uint64(v.Msgs[i].Role)<<8 ^ uint64(v.Msgs[i].Kind)) * 0x9E3779B97F4A7C15
		h ^= h >> 29
		if i < same && old[i] != h {
			same = i
		}
		l.shape = append(l.shape, h)
	}
	return same
}

// Images and documents stand in a body as base64, whose bytes say nothing of what a provider counts for them.
const (
	largeMessage = 16 << 10 // bytes; smaller ones are not searched
	partTokens   = 1500     // for each encoded part
)

// estimate is the size of a message in tokens.
func estimate(v *wire.View, m *wire.Message) int {
	raw := v.Raw(m.Span)
	if len(raw) < largeMessage || m.Kind != wire.Msg {
		return tokens.Estimate(raw)
	}
	parts := bytes.Count(raw, []byte(";base64,")) + bytes.Count(raw, []byte(`"base64"`))
	if parts == 0 {
		return tokens.Estimate(raw)
	}
	n := parts * partTokens
	for _, t := range v.Texts[m.Text.From:m.Text.To] {
		n += tokens.Estimate(v.Raw(t))
	}
	for i := m.Call.From; i < m.Call.To; i++ {
		n += tokens.Estimate(v.Raw(v.Calls[i].Span))
	}
	return min(n, tokens.Estimate(raw))
}

// perRequest is what the frame of a request takes, in tokens.
const perRequest = 8

// common is how many messages the last request and this one have in common. A chain value stands for all before it.
func (l *line) common(chains []uint64) int {
	lo, hi := 0, min(len(l.agent), len(chains))
	for lo < hi {
		mid := int(uint(lo+hi+1) / 2)
		if l.agent[mid-1] == chains[mid-1] {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// of is the estimate of messages [from, to).
func (l *line) of(from, to int) int {
	if to <= from {
		return 0
	}
	n := l.sum[to-1]
	if from > 0 {
		n -= l.sum[from-1]
	}
	return int(n)
}

// all is the estimate of the whole request as the agent sent it.
func (l *line) all() int { return int(l.rest.tokens) + l.of(0, len(l.sum)) }
