package upstream

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/internal/watch"
	"github.com/trapgate/trapgate/proxy/config"
)

// An Upstream is a model API that tries can be made at. It is safe for concurrent use.
type Upstream struct {
	Config *config.Upstream

	pool    *pool
	breaker circuitbreaker.CircuitBreaker[any]
	streak  atomic.Int32 // of successes, up to the breaker's window
	busy    atomic.Int64
	unary   atomic.Int64 // until when it is taken to refuse streams, in Unix seconds
	redials atomic.Int64
}

// A Set holds the upstreams of one configuration snapshot.
type Set struct {
	list []*Upstream // by config.Upstream.Index
}

// NewSet makes the upstreams of a snapshot. Breakers carry over from an older set by name.
func NewSet(w *watch.Watcher, s *config.Snapshot, old *Set) *Set {
	set := &Set{}
	for _, c := range s.Upstreams {
		u := &Upstream{Config: c, pool: newPool(w, c)}
		if before := old.named(c.Name); before != nil && before.Config.BaseURL == c.BaseURL {
			u.breaker = before.breaker
		} else {
			u.breaker = newBreaker()
		}
		set.list = append(set.list, u)
	}
	return set
}

// window is how many outcomes the breaker looks at. After as many successes it knows nothing else, and one more tells it
// nothing: it is left alone until something fails.
const window = 10

// newBreaker opens after 5 failures of the last 10 and lets a probe through after 10 s.
func newBreaker() circuitbreaker.CircuitBreaker[any] {
	return circuitbreaker.NewBuilder[any]().WithFailureThresholdRatio(5, window).WithDelay(10 * time.Second).WithSuccessThreshold(1).Build()
}

func (s *Set) named(name string) *Upstream {
	if s == nil {
		return nil
	}
	for _, u := range s.list {
		if u.Config.Name == name {
			return u
		}
	}
	return nil
}

// Close drops idle connections; those in use end with their exchange.
func (s *Set) Close() {
	for _, u := range s.list {
		u.pool.close()
	}
}

// Get returns the upstream of a configuration entry of the set's snapshot.
func (s *Set) Get(c *config.Upstream) *Upstream { return s.list[c.Index] }

// Named returns the upstream with that name, or nil.
func (s *Set) Named(name string) *Upstream { return s.named(name) }

// All returns the upstreams in the order of the file.
func (s *Set) All() []*Upstream { return s.list }

// RefusesStreams reports whether the upstream was found not to stream what it answers unary.
func (u *Upstream) RefusesStreams() bool {
	until := u.unary.Load()
	return until > 0 && time.Now().Unix() < until
}

// streamless is how long RefuseStreams holds: engines are restarted with other options.
const streamless = 10 * time.Minute

// RefuseStreams notes it.
func (u *Upstream) RefuseStreams() { u.unary.Store(time.Now().Add(streamless).Unix()) }

// Begin and End count the attempts under way: that is what balancing looks at.
func (u *Upstream) Begin() {
	u.busy.Add(1)
	if u.streak.Load() < window {
		u.breaker.TryAcquirePermit() // lets an open breaker become half open when its time has come
	}
}

// End closes Begin and tells the breaker how it went: only what shows a broken upstream counts as failed.
func (u *Upstream) End(failed bool) {
	u.busy.Add(-1)
	switch n := u.streak.Load(); {
	case failed:
		u.streak.Store(0)
		u.breaker.RecordFailure()
	case n < window:
		u.breaker.RecordSuccess()
		u.streak.CompareAndSwap(n, n+1) // who comes second at once counts for nothing, and the next one does
	}
}

// Abandon closes Begin when the attempt says nothing about the upstream: the agent left.
func (u *Upstream) Abandon() { u.busy.Add(-1) }

// Healthy reports whether the breaker lets requests through. It only steers: who has no other candidate goes on.
func (u *Upstream) Healthy() bool { return !u.breaker.IsOpen() || u.breaker.RemainingDelay() <= 0 }

// State describes the upstream for /debug/state.
func (u *Upstream) State() State {
	idle, dials := u.pool.stats()
	return State{u.Config.Name, u.breaker.State().String(), u.busy.Load(), idle, dials, u.redials.Load()}
}

// A State is what /debug/state shows of an upstream.
type State struct {
	Name    string `json:"name"`
	Breaker string `json:"breaker"`
	Busy    int64  `json:"busy"`    // attempts under way
	Idle    int    `json:"idle"`    // pooled connections
	Dials   int64  `json:"dials"`   // since the configuration was loaded
	Redials int64  `json:"redials"` // stale kept connections that were replaced
}

// Order lists the candidates of one call in the order in which they are tried: groups as configured, and inside a group the
// session's own replica first (rendezvous hashing), unless it is unhealthy or more than 1.5 times busier than the least busy.
func (s *Set) Order(dst []*Upstream, groups [][]*config.Upstream, session string) []*Upstream {
	for _, g := range groups {
		from := len(dst)
		for _, c := range g {
			dst = append(dst, s.Get(c))
		}
		if group := dst[from:]; len(group) > 1 {
			arrange(group, session)
		}
	}
	return preferHealthy(dst)
}

// arrange sorts a balanced group by score, the highest first.
func arrange(group []*Upstream, session string) {
	least := group[0].busy.Load()
	for _, u := range group {
		least = min(least, u.busy.Load())
	}
	scores := make([]uint64, len(group))
	for i, u := range group {
		scores[i] = u.score(session, least)
	}
	for i := 1; i < len(group); i++ {
		for j := i; j > 0 && scores[j] > scores[j-1]; j-- {
			group[j], group[j-1] = group[j-1], group[j]
			scores[j], scores[j-1] = scores[j-1], scores[j]
		}
	}
}

// score ranks a replica: without a session the least busy one first and ties by chance; with one by the hash of both, and
// behind all others when it is too busy.
func (u *Upstream) score(session string, least int64) uint64 {
	busy := u.busy.Load()
	if session == "" {
		return (1<<40-uint64(busy))<<20 | rand.Uint64()>>44
	}
	h := xxh3.HashString(session+"\x00"+u.Config.Name) >> 1
	if busy > 1 && float64(busy) > 1.5*float64(max(least, 1)) {
		return h
	}
	return h | 1<<63
}

// preferHealthy moves upstreams with an open breaker to the end, in their order.
func preferHealthy(list []*Upstream) []*Upstream {
	if len(list) < 2 {
		return list
	}
	broken := make([]*Upstream, 0, len(list))
	n := 0
	for _, u := range list {
		if u.Healthy() {
			list[n] = u
			n++
		} else {
			broken = append(broken, u)
		}
	}
	copy(list[n:], broken)
	return list
}
