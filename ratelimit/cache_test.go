package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// An engineRun is agents in closed loop over one engine with one slot, which keeps the prefix of the conversation that it served
// last and no other.
type engineRun struct {
	agents, turns  int
	tenants        int
	prefix, turn   int64         // tokens
	prefill        time.Duration // for each uncached token
	decode         time.Duration // for each token of output
	tool           func(r *rand.Rand) time.Duration
	cache          int
	prefilled      int64
	wall           time.Duration
	longest        time.Duration
	held, heldHits int
}

func (e *engineRun) run(t *testing.T) {
	bed := newBed(t, Config{}, PoolConfig{Limits: Limits{Concurrency: 1}, Cache: CacheConfig{Slots: e.cache}}, func(o *Options) {
		o.Output = nil
		o.Observer = &Observer{
			Held: func(_ *Pool, _ time.Duration, hit bool) {
				e.held++
				if hit {
					e.heldHits++
				}
			},
			Granted: func(_ *Pool, _ *Ticket, wait time.Duration, _ Cause) { e.longest = max(e.longest, wait) },
		}
	})
	began := bed.clock.now
	warm, warmTokens := -1, int64(0)
	left := e.agents
	for a := range e.agents {
		rng := rand.New(rand.NewPCG(7, uint64(a)))
		input := e.prefix
		var turn func(n int)
		turn = func(n int) {
			x := &Ticket{Call: Call{
				Exchange: fmt.Sprint(a, "-", n), Tenant: fmt.Sprint("t", a%e.tenants), Agent: "coder", Program: fmt.Sprint("p", a),
				Session: fmt.Sprint("s", a), Model: "m", Input: input, MaxOutput: 200, Stream: true,
			}}
			x.Ready = func(x *Ticket, err error) {
				if err != nil {
					t.Fatal(err)
				}
				cached := int64(0)
				if warm == a {
					cached = min(warmTokens, input)
				}
				e.prefilled += input - cached
				out := e.turn / 2
				first := time.Duration(input-cached) * e.prefill
				bed.clock.after(first, x.FirstByte)
				bed.clock.after(first+time.Duration(out)*e.decode, func() {
					warm, warmTokens = a, input+out
					x.Settle(Usage{Input: input, Cached: cached, Output: out})
					x.Release()
					input += e.turn
					if n+1 == e.turns {
						if left--; left == 0 {
							e.wall = bed.clock.now.Sub(began)
						}
						return
					}
					bed.clock.after(e.tool(rng), func() { turn(n + 1) })
				})
			}
			if ok, err := bed.p.Submit(x); ok || err != nil {
				x.Ready(x, err)
			}
		}
		bed.clock.after(time.Duration(a)*5*time.Millisecond, func() { turn(0) })
	}
	bed.clock.advance(time.Hour)
	if e.wall == 0 {
		t.Fatal("somebody never ended")
	}
	bed.wantEmpty()
}

// The figures of one slot and two agents of 8 turns: what a scheduler that knows the cache makes of them.
func TestTurnsTogether(t *testing.T) {
	short := func(r *rand.Rand) time.Duration {
		return 50*time.Millisecond + time.Duration(r.Int64N(int64(250*time.Millisecond)))
	}
	long := func(*rand.Rand) time.Duration { return 2 * time.Second }
	for _, c := range []struct {
		name            string
		tenants         int
		tool            func(r *rand.Rand) time.Duration
		prefill         time.Duration
		prefilled, wall float64 // at most, of what arrival order takes
	}{
		{"one tenant", 1, short, 200 * time.Microsecond, 0.15, 0.5},
		{"two tenants", 2, short, 200 * time.Microsecond, 0.35, 0.6},
		{"one tenant, slower engine", 1, short, 500 * time.Microsecond, 0.15, 0.5},
		{"two tenants, slower engine", 2, short, 500 * time.Microsecond, 0.35, 0.6},
		{"tool 2 s, one tenant", 1, long, 200 * time.Microsecond, 1.02, 1.02},
		{"tool 2 s, two tenants", 2, long, 200 * time.Microsecond, 1.02, 1.02},
		{"tool 2 s, fast engine", 1, long, 60 * time.Microsecond, 1.02, 1.02},
	} {
		direct := engineRun{agents: 2, turns: 8, tenants: c.tenants, prefix: 6000, turn: 100, prefill: c.prefill, decode: 2 * time.Millisecond, tool: c.tool}
		us := direct
		us.cache = 1
		direct.run(t)
		us.run(t)
		tokens, wall := float64(us.prefilled)/float64(direct.prefilled), float64(us.wall)/float64(direct.wall)
		t.Logf("%-27s prefilled %6d of %6d: %.3f (target %.2f); wall %6.2f of %6.2f s: %.3f (target %.2f); longest wait %.2f s, direct %.2f; kept %d times, %d hits",
			c.name, us.prefilled, direct.prefilled, tokens, c.prefilled, us.wall.Seconds(), direct.wall.Seconds(), wall, c.wall,
			us.longest.Seconds(), direct.longest.Seconds(), us.held, us.heldHits)
		if tokens > c.prefilled || wall > c.wall {
			t.Errorf("%s: beyond the target", c.name)
		}
	}
}
