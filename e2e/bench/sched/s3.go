package main

import (
	"slices"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// S3 as the notes define it: a provider's tokens a minute at three times overload.
const (
	s3For    = 1800.0
	s3From   = 120.0
	s3Queue  = 100
	s3Window = 60.0
	s3Rate   = 3.7 // calls a second for 100,000 tokens a minute
	s3Head   = 0.5 // seconds before the first token
	s3Token  = 0.025
)

type s3Limit struct {
	tpm       float64
	maxTokens int
}

var s3Limits = []s3Limit{{100_000, 4096}, {30_000, 16_384}}

type s3Result struct {
	Worst   float64 // tokens counted in the worst 60 s, over the limit
	Debt    float64 // the deepest level of a bucket debited when usage is counted, in limits
	Use     float64 // of the limit
	Refused float64 // share of arrivals that found the queue full
	P99     float64 // wait
	waits   []benchkit.Point
}

// An admission makes an admitter; send sends a call.
type admission func(t *timeline, l s3Limit, send func(*call)) admitter

// An admitter decides when a call may be sent under a token limit. arrive reports whether there was a place.
type admitter interface {
	arrive(t *timeline, c *call) bool
	done(t *timeline, c *call)
}

// s3 runs the scenario.
func s3(seed uint64, l s3Limit, duration float64, ls []benchkit.Length, mk admission) s3Result {
	t := &timeline{}
	var calls []*call
	var ad admitter
	send := func(c *call) {
		c.sent = t.now
		t.plan(t.now+s3Head+s3Token*float64(c.Out), func() {
			c.ended = t.now
			ad.done(t, c)
		})
	}
	ad = mk(t, l, send)
	r := benchkit.Source(seed, 3)
	rate := s3Rate * l.tpm / 100_000
	arrived, refused := 0.0, 0.0
	var next func()
	next = func() {
		c := &call{Length: benchkit.Draw(r, ls), seq: len(calls), arrived: t.now, sent: -1, maxTokens: l.maxTokens}
		c.Out = min(c.Out, l.maxTokens)
		calls = append(calls, c)
		arrived++
		if !ad.arrive(t, c) {
			refused++
		}
		t.plan(t.now+r.ExpFloat64()/rate, next)
	}
	t.plan(r.ExpFloat64()/rate, next)
	for at, ok := t.due(); ok && at < duration; at, ok = t.due() {
		t.fire()
	}
	return s3Figures(calls, l, duration, refused/arrived)
}

func s3Figures(calls []*call, l s3Limit, duration, refused float64) s3Result {
	res := s3Result{Refused: refused}
	var ended []*call
	var waits []float64
	for _, c := range calls {
		if c.sent >= 0 {
			waits = append(waits, c.wait())
			res.waits = append(res.waits, benchkit.Point{At: c.arrived, Value: c.wait()})
		}
		if c.ended > 0 {
			ended = append(ended, c)
		}
	}
	res.P99 = benchkit.Percentile(waits, 0.99)
	slices.SortFunc(ended, func(a, b *call) int { return cmpFloat(a.ended, b.ended) })
	sum, used, level, at, first := 0.0, 0.0, l.tpm/10, 0.0, 0
	for i, c := range ended {
		tokens := float64(c.In + c.Out)
		level = min(l.tpm/10, level+(c.ended-at)*l.tpm/60) - tokens
		at = c.ended
		res.Debt = max(res.Debt, -level/l.tpm)
		if c.ended >= s3From {
			used += tokens
		}
		sum += tokens
		for ended[first].ended <= c.ended-s3Window {
			sum -= float64(ended[first].In + ended[first].Out)
			first++
		}
		if c.ended >= s3From+s3Window && i > first {
			res.Worst = max(res.Worst, sum/l.tpm)
		}
	}
	res.Use = used / (l.tpm / 60 * (duration - s3From))
	return res
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// A bucketed admitter is the baseline: first come, first served, one token bucket that holds a minute's
// tokens, as is usual.
type bucketed struct {
	guess func(b *bucketed, c *call) float64 // output tokens to reserve; negative: charge at the end only
	send  func(*call)
	rate  float64
	burst float64
	level float64
	at    float64
	queue []*call
	wake  *event
	held  map[*call]float64
	outs  tally
	seen  []int // outputs, sorted
}

func bucket(guess func(b *bucketed, c *call) float64) admission {
	return func(_ *timeline, l s3Limit, send func(*call)) admitter {
		return &bucketed{guess: guess, send: send, rate: l.tpm / 60, burst: l.tpm, level: l.tpm, held: map[*call]float64{}}
	}
}

func (b *bucketed) arrive(t *timeline, c *call) bool {
	if len(b.queue) >= s3Queue {
		return false
	}
	b.queue = append(b.queue, c)
	b.drain(t)
	return true
}

func (b *bucketed) refill(t *timeline) {
	b.level = min(b.burst, b.level+(t.now-b.at)*b.rate)
	b.at = t.now
}

func (b *bucketed) drain(t *timeline) {
	b.refill(t)
	for len(b.queue) > 0 {
		c := b.queue[0]
		need, least := 0.0, 1e-6 // charged at the end: any positive level will do
		if out := b.guess(b, c); out >= 0 {
			need = float64(c.In) + out
			least = min(need, b.burst)
		}
		if b.level < least-1e-9 {
			if b.wake != nil {
				b.wake.off = true
			}
			b.wake = t.plan(t.now+(least-b.level)/b.rate+1e-6, func() { b.wake = nil; b.drain(t) })
			return
		}
		b.level -= need
		b.held[c] = need
		b.queue = b.queue[1:]
		b.send(c)
	}
}

func (b *bucketed) done(t *timeline, c *call) {
	b.refill(t)
	b.level = min(b.burst, b.level+b.held[c]-float64(c.In+c.Out))
	delete(b.held, c)
	b.outs.add(float64(c.Out))
	i, _ := slices.BinarySearch(b.seen, c.Out)
	b.seen = slices.Insert(b.seen, i, c.Out)
	b.drain(t)
}

func chargeAtEnd(*bucketed, *call) float64      { return -1 }
func reserveMax(_ *bucketed, c *call) float64   { return float64(c.maxTokens) }
func reserveMean(b *bucketed, c *call) float64  { return min(b.outs.or(600), float64(c.maxTokens)) }
func reserveKnown(_ *bucketed, c *call) float64 { return float64(c.Out) }
func reserveP95(b *bucketed, c *call) float64 {
	if len(b.seen) < 20 {
		return min(600, float64(c.maxTokens))
	}
	return float64(b.seen[len(b.seen)*95/100])
}
