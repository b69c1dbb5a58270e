package simmodel

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are a model's counters since it was made.
type Stats struct {
	Requests  int64 `json:"requests"`  // generations asked for, refused ones included
	Completed int64 `json:"completed"` // answered to the end
	InFlight  int64 `json:"in_flight"` // in a handler now, queued ones included
	Running   int64 `json:"running"`   // slots busy now
	Queued    int64 `json:"queued"`    // waiting for a slot now
	MaxQueued int64 `json:"max_queued"`

	Abandoned             int64 `json:"abandoned"`               // left by the agent before the end
	AbandonedQueued       int64 `json:"abandoned_queued"`        // of those, while waiting for a slot
	TokensAfterAbandoning int64 `json:"tokens_after_abandoning"` // generated after the agent had left: must stay 0

	PromptTokens  int64 `json:"prompt_tokens"`
	CachedTokens  int64 `json:"cached_tokens"`  // of the prompt tokens, not prefilled
	PrefillTokens int64 `json:"prefill_tokens"` // really prefilled, also for requests that were abandoned later
	OutputTokens  int64 `json:"output_tokens"`

	Rejected  map[string]int64 `json:"rejected,omitempty"` // by reason: rpm, tpm, itpm, otpm, queue, context, history, invalid, auth, model, fault
	Faults    int64            `json:"faults"`             // deliberate faults
	CacheHeld int64            `json:"cache_held_tokens"`
	// SlotSeconds is the sum over slots of the time they were busy.
	SlotSeconds float64 `json:"slot_seconds"`
	// FreedAfter is how long the slowest and the last abandoned request kept its slot or place after its context ended.
	FreedAfterMax Duration `json:"freed_after_max"`
}

type counters struct {
	requests, completed, inFlight, maxQueued              atomic.Int64
	abandoned, abandonedQueued, after                     atomic.Int64
	prompt, cached, prefilled, output, faults, freedAfter atomic.Int64

	slotTime time.Duration // under engine.mu

	mu       sync.Mutex
	rejected map[string]int64
}

func raise(a *atomic.Int64, v int64) {
	for {
		old := a.Load()
		if v <= old || a.CompareAndSwap(old, v) {
			return
		}
	}
}

func (c *counters) queued(n int64) { raise(&c.maxQueued, n) }

func (c *counters) reject(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rejected == nil {
		c.rejected = map[string]int64{}
	}
	c.rejected[kind]++
}

// Stats returns the counters as they are now.
func (m *Model) Stats() Stats {
	c := &m.stats
	busy, queued, slotTime := m.eng.load()
	s := Stats{
		Requests: c.requests.Load(), Completed: c.completed.Load(), InFlight: c.inFlight.Load(),
		Running: int64(busy), Queued: int64(queued), MaxQueued: c.maxQueued.Load(),
		Abandoned: c.abandoned.Load(), AbandonedQueued: c.abandonedQueued.Load(), TokensAfterAbandoning: c.after.Load(),
		PromptTokens: c.prompt.Load(), CachedTokens: c.cached.Load(), PrefillTokens: c.prefilled.Load(), OutputTokens: c.output.Load(),
		Faults: c.faults.Load(), CacheHeld: int64(m.cache.held()), SlotSeconds: slotTime.Seconds(), FreedAfterMax: Duration(c.freedAfter.Load()),
	}
	c.mu.Lock()
	s.Rejected = maps.Clone(c.rejected)
	c.mu.Unlock()
	return s
}
