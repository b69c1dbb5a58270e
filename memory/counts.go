package memory

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/trapgate/trapgate/memory/record"
)

// counts are for metrics; they only grow.
type counts struct {
	refused, failed, redacted, recalls, hits, told, tokens, abstained, late, denseLate, denseFailed atomic.Int64
	closed, merged, forgotten, swept, junk, asked, askedFailed                                      atomic.Int64

	mu      sync.Mutex
	kinds   map[string]int64
	reasons map[string]int64
}

func (c *counts) learned(r *record.Record) { c.add(&c.kinds, r.Kind.String()) }
func (c *counts) drop(reason string)       { c.add(&c.reasons, reason) }

func (c *counts) add(to *map[string]int64, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *to == nil {
		*to = map[string]int64{}
	}
	(*to)[key]++
}

// Counts are what the engine has done since it began.
type Counts struct {
	Learned     map[string]int64 // records by kind
	Dropped     map[string]int64 // messages, and pieces of them, by reason: those of memory/decide, "known" and "no-session"; facts of models: "extract-..."
	Queue       int              // turns that wait now
	Refused     int64            // turns and notes that found the queue full
	Failed      int64            // turns that could not be stored
	Redacted    int64            // secrets cut out
	Merged      int64            // near duplicates
	Closed      int64            // records superseded or taken back
	Recalls     int64            // questions
	Notes       int64            // notes that told something, their records and their tokens
	Hits        int64
	Tokens      int64
	Abstained   int64 // questions for which something was found, and nothing worth telling
	Late        int64 // questions that the deadline cut off
	DenseLate   int64 // questions whose embedding came too late
	DenseFailed int64
	Forgotten   int64 // records
	Swept       int64 // records that expired or were over the caps
	Junk        int64 // found by audits
	Asked       int64 // calls of models that looked for facts
	AskedFailed int64 // of them, those that brought no answer
}

// Counts reads them; each for itself.
func (e *Engine) Counts() Counts {
	c := &e.counts
	c.mu.Lock()
	kinds, reasons := maps.Clone(c.kinds), maps.Clone(c.reasons)
	c.mu.Unlock()
	return Counts{
		Learned: kinds, Dropped: reasons, Queue: e.queue.len(), Refused: c.refused.Load(), Failed: c.failed.Load(),
		Redacted: c.redacted.Load(), Merged: c.merged.Load(), Closed: c.closed.Load(), Recalls: c.recalls.Load(), Notes: c.told.Load(),
		Hits: c.hits.Load(), Tokens: c.tokens.Load(), Abstained: c.abstained.Load(), Late: c.late.Load(), DenseLate: c.denseLate.Load(),
		DenseFailed: c.denseFailed.Load(), Forgotten: c.forgotten.Load(), Swept: c.swept.Load(), Junk: c.junk.Load(),
		Asked: c.asked.Load(), AskedFailed: c.askedFailed.Load(),
	}
}
