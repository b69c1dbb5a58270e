package memory

import "time"

const (
	sweepEvery = 10 * time.Minute
	sweepEach  = 2000 // records added
)

// sweepLoop removes what has expired or is over the caps.
func (e *Engine) sweepLoop() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-e.sweepIt:
		case <-e.life.Done():
			return
		}
		e.sweep()
	}
}

func (e *Engine) sweep() {
	e.added.Store(0)
	caps := e.config.Load().Caps
	caps.Now = e.opt.Now()
	swept, err := e.opt.Store.Sweep(e.life, caps)
	e.counts.swept.Add(int64(swept.Expired + swept.Capped))
	if err != nil && e.life.Err() == nil {
		e.opt.Log.Warn("memory: not swept", "error", err)
	}
}
