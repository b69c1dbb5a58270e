package main

import (
	"strconv"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
)

// began is what virtual time 0 is for the engine.
var began = time.Unix(1_700_000_000, 0)

// Now and AfterFunc make a timeline the engine's clock.
func (t *timeline) Now() time.Time { return began.Add(time.Duration(t.now * 1e9)) }

// AfterFunc plans f.
func (t *timeline) AfterFunc(d time.Duration, f func()) ratelimit.Timer {
	// Rounded up to the next nanosecond: never before it is due by the engine's own reckoning.
	return (*planned)(t.plan(t.now+float64(d+1)/1e9, f))
}

type planned event

// Stop takes a planned call back.
func (p *planned) Stop() bool {
	was := !p.off
	p.off = true
	return was
}

// An engine is the real thing as an order: package ratelimit decides, and what it has granted is handed on.
type engine struct {
	t       *timeline
	pool    *ratelimit.Pool
	granted []*call
	open    map[*call]*ratelimit.Ticket
	lost    int // refused: none may be, except under S3's cap
}

const poolName = "sim"

func newEngine(t *timeline, l ratelimit.Limits, q ratelimit.QueueConfig) *engine {
	cfg := ratelimit.Config{Pools: []ratelimit.PoolConfig{{Name: poolName, Limits: l}}, Queue: q}
	s := ratelimit.New(cfg, ratelimit.Options{Clock: t})
	return &engine{t: t, pool: s.Pool(poolName), open: make(map[*call]*ratelimit.Ticket)}
}

// trapgate is the engine with its defaults, told what the server can do.
func trapgate(t *timeline, c capacity) order {
	return newEngine(t, ratelimit.Limits{Concurrency: c.slots, KV: int64(c.kv)}, ratelimit.QueueConfig{})
}

// submit brings a call in and reports whether the engine took it.
func (e *engine) submit(c *call, ready func(c *call)) bool {
	x := &ratelimit.Ticket{Call: ratelimit.Call{
		Exchange: strconv.Itoa(c.seq), Tenant: "tenant-" + strconv.Itoa(c.tenant), Model: "m",
		Program: "alone-" + strconv.Itoa(c.seq), // outside S2 each request is a task of its own
		Input:   int64(c.In), MaxOutput: int64(c.maxTokens), Stream: true,
	}}
	if c.program != nil {
		x.Call.Program = "program-" + strconv.Itoa(c.program.seq)
	}
	x.Ready = func(_ *ratelimit.Ticket, err error) {
		if err != nil {
			e.lost++
			return
		}
		ready(c)
	}
	e.open[c] = x
	granted, err := e.pool.Submit(x)
	if err != nil {
		e.lost++
		delete(e.open, c)
		return false
	}
	if granted {
		ready(c)
	}
	return true
}

func (e *engine) arrive(_ float64, c *call) {
	e.submit(c, func(c *call) { e.granted = append(e.granted, c) })
}

func (e *engine) next(float64) *call {
	if len(e.granted) == 0 {
		return nil
	}
	c := e.granted[0]
	e.granted = e.granted[1:]
	return c
}

func (e *engine) progress(_ float64, c *call, _, out int) {
	if out > 0 {
		e.open[c].Streamed(int64(c.Out - c.unwritten))
	}
}

func (e *engine) done(_ float64, c *call) {
	x := e.open[c]
	delete(e.open, c)
	x.Settle(ratelimit.Usage{Input: int64(c.In), Output: int64(c.Out)})
	x.Release()
}

// underLimit is the engine under S3: a limit on tokens, none on concurrency, and the scenario's queue.
type underLimit struct {
	*engine
	send func(*call)
}

func trapgateLimit(t *timeline, l s3Limit, send func(*call)) admitter {
	e := newEngine(t, ratelimit.Limits{Tokens: int64(l.tpm)}, ratelimit.QueueConfig{Calls: s3Queue})
	return &underLimit{engine: e, send: send}
}

func (u *underLimit) arrive(_ *timeline, c *call) bool { return u.submit(c, u.send) }
func (u *underLimit) done(t *timeline, c *call)        { u.engine.done(t.now, c) }
