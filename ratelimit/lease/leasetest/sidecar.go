package leasetest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// A Load is what one tenant sends through one sidecar.
type Load struct {
	Tenant string
	Weight float64
	Speed  func(at time.Duration) float64 // units a second that arrive, at a time since the start
}

// A Sidecar is a small scheduler in front of one lease of a Rate or a Budget: queues of calls by tenant, fair queueing by
// the parts that the lease tells. It runs in the time of whoever runs it, which may be a synctest bubble's.
type Sidecar struct {
	Lease *lease.Lease

	loads   []Load
	delta   time.Duration
	rand    *rand.Rand
	began   time.Time
	changed chan struct{}

	mu       sync.Mutex
	flows    []flow
	arrivals []Spend
	spends   []Spend
}

type flow struct {
	queue   []int64 // costs
	queued  int64
	next    time.Time // arrival
	start   float64   // virtual
	arrived int64     // since the last report
}

// A Spend is one call that went, or that came.
type Spend struct {
	At     time.Duration `json:"at"` // since the start
	Load   int           `json:"load"`
	Amount int64         `json:"n"`
	Alone  bool          `json:"alone"` // in fallback
}

// longestQueue bounds a tenant's queue; what comes above it is lost, as its agents would be.
const longestQueue = 200

// NewSidecar adds r to c and puts loads before it. Calls cost between 0.2 and 1.8 times cost.
func NewSidecar(c *lease.Client, r lease.Resource, delta time.Duration, began time.Time, seed uint64, loads []Load) (*Sidecar, error) {
	s := &Sidecar{
		loads: loads, delta: delta, rand: rand.New(rand.NewPCG(seed, 7)), began: began,
		changed: make(chan struct{}, 1), flows: make([]flow, len(loads)),
	}
	for i := range s.flows {
		s.flows[i].next = began.Add(time.Duration(s.rand.Int64N(int64(delta))))
	}
	r.Demands = s.demands
	r.Changed = func(lease.Share) {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
	var err error
	s.Lease, err = c.Add(r)
	return s, err
}

func (s *Sidecar) demands(buf []lease.Demand) []lease.Demand {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.loads {
		f := &s.flows[i]
		if n := f.queued + f.arrived; n > 0 {
			buf = append(buf, lease.Demand{Tenant: l.Tenant, Weight: l.Weight, Amount: n})
		}
		f.arrived = int64(float64(f.arrived) * .5) // an average over the last reports
	}
	return buf
}

// Run lets calls arrive and go until ctx is done. cost is the mean.
func (s *Sidecar) Run(ctx context.Context, cost int64) {
	for {
		now := time.Now()
		next := s.step(now, cost)
		t := time.NewTimer(next.Sub(now))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-s.changed:
			t.Stop()
		case <-t.C:
		}
	}
}

// step takes in what has arrived, sends what may go, and returns when there is more to do.
func (s *Sidecar) step(now time.Time, cost int64) time.Time {
	share := s.Lease.Share()
	s.mu.Lock()
	defer s.mu.Unlock()
	next := now.Add(time.Hour)
	for i := range s.flows {
		f := &s.flows[i]
		for !f.next.After(now) {
			speed := s.loads[i].Speed(f.next.Sub(s.began))
			if speed <= 0 {
				f.next = f.next.Add(s.delta)
				continue
			}
			n := cost/5 + s.rand.Int64N(cost*8/5)
			s.arrivals = append(s.arrivals, Spend{At: f.next.Sub(s.began), Load: i, Amount: n})
			f.next = f.next.Add(time.Duration(float64(n) / speed * 1e9))
			if len(f.queue) >= longestQueue {
				continue
			}
			if len(f.queue) == 0 { // who was away has no credit
				f.start = max(f.start, s.virtual())
			}
			f.queue, f.queued, f.arrived = append(f.queue, n), f.queued+n, f.arrived+n/2
		}
		if f.next.Before(next) {
			next = f.next
		}
	}
	for {
		i := s.first()
		if i < 0 {
			return next
		}
		f := &s.flows[i]
		n := f.queue[0]
		if !s.Lease.TryTake(now, n) {
			if share.Fallback {
				if at := now.Add(max(s.Lease.When(now, n), time.Millisecond)); at.Before(next) {
					next = at
				}
			}
			return next
		}
		f.queue, f.queued = f.queue[1:], f.queued-n
		f.start += float64(n) / s.part(share, i)
		s.spends = append(s.spends, Spend{At: now.Sub(s.began), Load: i, Amount: n, Alone: share.Fallback})
	}
}

// part is load i's part of the share, of 1; never 0, because it may have come up after the last report.
func (s *Sidecar) part(share lease.Share, i int) float64 {
	sum := 0.0
	for _, part := range share.Tenants {
		sum += part
	}
	if sum > 0 {
		return max(share.Tenants[s.loads[i].Tenant]/sum, .02)
	}
	for _, l := range s.loads {
		sum += l.Weight
	}
	return s.loads[i].Weight / sum
}

// first is the waiting flow that is served next, -1 when none waits.
func (s *Sidecar) first() int {
	best := -1
	for i := range s.flows {
		if len(s.flows[i].queue) > 0 && (best < 0 || s.flows[i].start < s.flows[best].start) {
			best = i
		}
	}
	return best
}

func (s *Sidecar) virtual() float64 {
	v := math.Inf(1)
	for i := range s.flows {
		if len(s.flows[i].queue) > 0 {
			v = min(v, s.flows[i].start)
		}
	}
	if math.IsInf(v, 1) {
		return 0
	}
	return v
}

// Spends are the calls that went until now.
func (s *Sidecar) Spends() []Spend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.spends)
}

// Arrivals are the calls that came until now.
func (s *Sidecar) Arrivals() []Spend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.arrivals)
}
