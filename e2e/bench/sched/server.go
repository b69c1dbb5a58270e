package main

import (
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A call is one model call of a scenario.
type call struct {
	benchkit.Length
	tenant  int
	program *program // nil outside S2 and AIOS's experiment
	seq     int      // by arrival

	arrived, sent, ended float64
	service              float64 // seconds in a slot, where slots serve one call each
	left                 float64 // cost of this call and of all later ones of its program: the oracle's knowledge
	maxTokens            int     // what the agent asked for at most

	unread, unwritten int // what is still to be prefilled and emitted
	over              func(*call)
}

// outWeight is the price of a written token over a read one (VTC's w_q over w_p).
const outWeight = 2

// cost is the service that a request takes: 1 for a token read, outWeight for a token written.
func cost(l benchkit.Length) float64 { return float64(l.In) + outWeight*float64(l.Out) }

func (c *call) wait() float64 { return c.sent - c.arrived }

// An order decides which call is sent next.
type order interface {
	arrive(now float64, c *call)
	next(now float64) *call // nil: nothing may be sent now
	progress(now float64, c *call, in, out int)
	done(now float64, c *call)
}

// A capacity is what a server can do at a time.
type capacity struct {
	slots int
	kv    int // tokens; 0: no limit
}

// A maker makes an order for one run.
type maker func(t *timeline, c capacity) order

// plain is the maker of an order that needs neither time nor capacity.
func plain(mk func() order) maker { return func(*timeline, capacity) order { return mk() } }

// The server model of the notes: continuous batching.
const (
	batchSlots   = 32
	batchKV      = 150_000 // tokens
	prefillChunk = 1024    // tokens in a step
	stepBase     = 0.020   // seconds
	stepRunning  = 0.000_15
	stepPrefill  = 0.000_06
)

// A batcher is one engine that runs its requests step by step.
type batcher struct {
	*timeline
	order   order
	running []*call
	kv      int
	served  float64 // cost read and written
	stepped func()  // called after each step; may be nil
}

func newBatcher(mk maker) *batcher {
	t := &timeline{}
	return &batcher{timeline: t, order: mk(t, capacity{slots: batchSlots, kv: batchKV})}
}

// submit brings a call in now.
func (b *batcher) submit(c *call) {
	c.arrived = b.now
	b.order.arrive(b.now, c)
	b.fill()
}

// fill sends calls while there is room; they join the batch at the next step.
func (b *batcher) fill() {
	for len(b.running) < batchSlots && b.kv < batchKV {
		c := b.order.next(b.now)
		if c == nil {
			return
		}
		c.sent, c.unread, c.unwritten = b.now, c.In, c.Out
		b.kv += c.In + c.Out
		b.running = append(b.running, c)
	}
}

// run goes on until the given time, or until nothing runs and nothing is planned.
func (b *batcher) run(until float64) {
	for b.now < until {
		at, planned := b.due()
		if len(b.running) == 0 {
			if !planned {
				return
			}
			b.fire()
			continue
		}
		end := b.step(at, planned)
		for planned && at <= end { // what arrives during a step is queued, and sent, at its own time
			b.fire()
			at, planned = b.due()
		}
		b.now = end
		if b.stepped != nil {
			b.stepped()
		}
		b.finish()
	}
}

// step runs one step, or many equal ones while nobody prefills, nobody ends and nothing is due; it returns when they end.
func (b *batcher) step(due float64, planned bool) float64 {
	batch, read, steps := len(b.running), 0, math.MaxInt
	for _, c := range b.running {
		n := min(prefillChunk-read, c.unread)
		c.unread -= n
		read += n
		if n > 0 {
			b.served += float64(n)
			b.order.progress(b.now, c, n, 0)
			steps = 1
		}
		if c.unread > 0 {
			steps = 1
		}
		steps = min(steps, c.unwritten)
	}
	took := stepBase + stepRunning*float64(batch) + stepPrefill*float64(read)
	if planned && steps > 1 {
		steps = min(steps, max(1, int(math.Ceil((due-b.now)/took))))
	}
	for _, c := range b.running {
		if c.unread == 0 {
			c.unwritten -= steps
			b.served += outWeight * float64(steps)
			b.order.progress(b.now, c, 0, steps)
		}
	}
	return b.now + took*float64(steps)
}

// finish takes the calls out that have written their last token.
func (b *batcher) finish() {
	kept, ended := b.running[:0], []*call(nil)
	for _, c := range b.running {
		if c.unread == 0 && c.unwritten <= 0 {
			ended = append(ended, c)
			b.kv -= c.In + c.Out
		} else {
			kept = append(kept, c)
		}
	}
	b.running = kept
	for _, c := range ended {
		c.ended = b.now
		b.order.done(b.now, c)
	}
	for _, c := range ended {
		c.over(c)
	}
	if len(ended) > 0 {
		b.fill()
	}
}

// slots serve one call each for its own service time, as the hog test and AIOS's experiment want it.
type slots struct {
	*timeline
	order order
	n     int
	busy  int
	used  float64 // seconds of slots, those within [from, to] only
	from  float64
	to    float64
}

func newSlots(mk maker, n int) *slots {
	t := &timeline{}
	return &slots{timeline: t, order: mk(t, capacity{slots: n}), n: n, to: math.Inf(1)}
}

func (s *slots) submit(c *call) {
	c.arrived = s.now
	s.order.arrive(s.now, c)
	s.fill()
}

func (s *slots) fill() {
	for s.busy < s.n {
		c := s.order.next(s.now)
		if c == nil {
			return
		}
		c.sent = s.now
		s.busy++
		s.used += max(0, min(s.now+c.service, s.to)-max(s.now, s.from))
		s.plan(s.now+c.service, func() {
			s.busy--
			c.ended = s.now
			s.order.progress(s.now, c, c.In, c.Out)
			s.order.done(s.now, c)
			c.over(c)
			s.fill()
		})
	}
}

func (s *slots) run(until float64) {
	for at, ok := s.due(); ok && at < until; at, ok = s.due() {
		s.fire()
	}
}
