package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

type hogResult struct {
	waits     []float64 // of light tenants, seconds
	use, jain float64
}

// at is a quantile of sorted waits.
func (h *hogResult) at(q float64) float64 { return h.waits[int(q*float64(len(h.waits)))] }

// runHog plays the hog test for 60 s. With strict set the light tenants are a class above everybody.
func runHog(t *testing.T, policy Policy, seed uint64, strict bool) hogResult {
	const slots, lights, outstanding = 8, 20, 60
	if strict {
		policy = Priority
	}
	bed := newBed(t, Config{
		Classes: []ClassConfig{{Name: "light"}, {Name: "hog"}},
		Queue:   QueueConfig{Ageing: 1000 * time.Hour},
	}, PoolConfig{Policy: policy, Limits: Limits{Concurrency: slots}}, func(o *Options) { o.Output = nil })
	// Each tenant has its own luck, whatever the policy: only the order differs.
	luck := make([]*rand.Rand, lights+1)
	for i := range luck {
		luck[i] = rand.New(rand.NewPCG(seed, uint64(i)))
	}
	began := bed.clock.now
	end := began.Add(60 * time.Second)
	counted := func() bool { return bed.clock.now.Sub(began) > 10*time.Second && bed.clock.now.Before(end) }
	var waits []float64
	busy := 0.0
	speed, served := make([]float64, lights), make([]float64, lights)
	var request func(who int)
	request = func(who int) {
		c := Call{Tenant: fmt.Sprint("light", who), Agent: "a", Program: fmt.Sprint("p", who), Model: "m", Input: 10, MaxOutput: 125}
		if strict {
			c.Class = "light"
		}
		if who < 0 {
			c.Tenant, c.Program = "hog", fmt.Sprint("h", bed.clock.seq)
			if strict {
				c.Class = "hog"
			}
		}
		came, rng := bed.clock.now, luck[who+1]
		service := 0.5 + 2*rng.Float64()
		run := func(x *Ticket, err error) {
			if err != nil {
				t.Fatal("a call was lost", err)
			}
			if who >= 0 && counted() {
				waits = append(waits, bed.clock.now.Sub(came).Seconds())
			}
			from := bed.clock.now
			bed.clock.after(seconds(service), func() {
				x.Settle(Usage{Input: 10, Output: int64(service * 50)})
				x.Release()
				if counted() {
					busy += bed.clock.now.Sub(maxTime(from, began.Add(10*time.Second))).Seconds()
					if who >= 0 {
						served[who]++
						speed[who] += service / bed.clock.now.Sub(came).Seconds()
					}
				}
				if who < 0 {
					request(who)
				} else {
					bed.clock.after(seconds(rng.ExpFloat64()*4), func() { request(who) })
				}
			})
		}
		x := &Ticket{Call: c, Ready: run}
		if ok, err := bed.p.Submit(x); ok || err != nil {
			run(x, err)
		}
	}
	for range outstanding {
		request(-1)
	}
	for i := range lights {
		bed.clock.after(seconds(luck[i+1].Float64()*6), func() { request(i) })
	}
	bed.clock.advance(60*time.Second - time.Nanosecond)
	for x := range bed.p.live.all() {
		busy += end.Sub(maxTime(x.went, began.Add(10*time.Second))).Seconds()
	}
	sum, squares := 0.0, 0.0
	for i, n := range served {
		s := speed[i] / n // what part of its time a tenant's call was served, on average
		sum, squares = sum+s, squares+s*s
	}
	return hogResult{waits: waits, use: busy / (50 * slots), jain: sum * sum / (squares * lights)}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
