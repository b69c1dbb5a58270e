package ctxrewrite

import "sync/atomic"

// counts are for metrics; they only grow.
type counts struct {
	requests, rewritten, epochs, inPath, cuts, broken, learnt, tooLarge, removed atomic.Int64
}

func (c *counts) add(p *Plan) {
	c.requests.Add(1)
	if p.Action == TooLarge {
		c.tooLarge.Add(1)
	}
	if p.Action == Rewrite && !p.Observed {
		c.rewritten.Add(1)
		c.removed.Add(int64(p.From - p.To))
	}
	if p.Made {
		c.epochs.Add(1)
	}
}

// Counts are what the engine has done since it began.
type Counts struct {
	Requests  int64 // fitted, with a known window
	Rewritten int64 // that went out with an epoch in front, or cut
	Epochs    int64 // swapped in
	InPath    int64 // of them built while a request waited
	Cuts      int64 // requests in which a text was newly cut inside
	Broken    int64 // conversations whose epochs were stopped
	Learnt    int64 // windows learnt from refusals
	TooLarge  int64 // requests over the window that nothing could be left out of
	Removed   int64 // tokens left out of requests
}

// Counts reads them; each for itself.
func (e *Engine) Counts() Counts {
	c := &e.counts
	return Counts{
		c.requests.Load(), c.rewritten.Load(), c.epochs.Load(), c.inPath.Load(), c.cuts.Load(), c.broken.Load(), c.learnt.Load(),
		c.tooLarge.Load(), c.removed.Load(),
	}
}
