package lease

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A standing clock moves only when it is told to.
type standing struct{ now time.Time }

type noTimer struct{}

func (noTimer) Stop() bool { return true }

func (s *standing) Now() time.Time                        { return s.now }
func (s *standing) AfterFunc(time.Duration, func()) Timer { return noTimer{} }

// A line is a store that can fail before or after it acted.
type line struct {
	Store
	cut, deaf bool
}

func (l *line) Exchange(ctx context.Context, r []Report) ([]Grant, error) {
	if l.cut {
		return nil, errors.New("cut")
	}
	g, err := l.Store.Exchange(ctx, r)
	if l.deaf {
		return nil, errors.New("deaf")
	}
	return g, err
}

// A system is some sidecars and their store, moved step by step.
type system struct {
	t       *rapid.T
	clock   *standing
	store   *Memory
	r       Resource
	lines   []*line
	clients []*Client
	leases  []*Lease
	used    []int64 // by sidecar; of Slots, in flight
	hears   bool    // nobody loses an answer
}

const systemDelta = time.Second

func newSystem(t *rapid.T, r Resource) *system {
	s := &system{t: t, clock: &standing{now: time.Unix(1_700_000_000, 0)}, r: r}
	s.store = NewMemory(s.clock.Now)
	for i := range r.Sidecars {
		l := &line{Store: s.store}
		c := New(l, Options{Holder: fmt.Sprint(i), Delta: systemDelta, Clock: s.clock})
		lease, err := c.Add(r)
		if err != nil {
			t.Fatal(err)
		}
		s.lines, s.clients, s.leases = append(s.lines, l), append(s.clients, c), append(s.leases, lease)
	}
	s.used = make([]int64, r.Sidecars)
	return s
}

// renew lets sidecar i exchange.
func (s *system) renew(i int) {
	s.clients[i].exchange(context.Background(), []*Lease{s.leases[i]}, s.clock.now)
}

func (s *system) pick() int { return rapid.IntRange(0, s.r.Sidecars-1).Draw(s.t, "sidecar") }

func (s *system) take(i int, n int64) bool {
	if !s.leases[i].TryTake(s.clock.now, n) {
		return false
	}
	s.used[i] += n
	return true
}

func (s *system) sum() (n int64) {
	for _, u := range s.used {
		n += u
	}
	return n
}

// round is a Delta in which everybody renews, in any order, and takes at random.
func (s *system) round(largest int64) {
	s.clock.now = s.clock.now.Add(systemDelta)
	for _, i := range rapid.Permutation(index(s.r.Sidecars)).Draw(s.t, "order") {
		s.lines[i].deaf = !s.hears && rapid.IntRange(0, 9).Draw(s.t, "deaf") == 0
		for range rapid.IntRange(0, 4).Draw(s.t, "takes") {
			s.take(i, rapid.Int64Range(1, largest).Draw(s.t, "n"))
		}
		s.renew(i)
	}
}

func index(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

func oneWindow(time.Time) (string, time.Time) { return "w", time.Unix(2_000_000_000, 0) }

// committed checks the store's side: what is used or held is never above the limit, and never less than what sidecars
// really have.
func (s *system) committed() {
	for _, k := range s.store.records {
		if c := k.committed(Budget, k.ids()); whole(c) > s.r.Limit || whole(c) < s.sum() {
			s.t.Fatalf("the store has %v committed, %d are used, the limit is %d", c, s.sum(), s.r.Limit)
		}
	}
}

func TestBudgetNeverOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSystem(t, Resource{
			Key: "b", Kind: Budget, Limit: rapid.Int64Range(0, 20_000).Draw(t, "limit"),
			Sidecars: rapid.IntRange(1, 5).Draw(t, "sidecars"), Window: oneWindow,
		})
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			s.round(1000)
			if s.sum() > s.r.Limit {
				t.Fatalf("%d used of %d", s.sum(), s.r.Limit)
			}
			s.committed()
			i := s.pick()
			if back := rapid.Int64Range(0, s.used[i]).Draw(t, "refund"); back > 0 && rapid.Bool().Draw(t, "refunds") {
				s.leases[i].Put(back)
				s.used[i] -= back
				s.renew(i)
			}
		}
	})
}

// The store is lost for all, for a while, and may come back empty. Each sidecar stays within its static share, and all
// together within the limit but for what was granted to others after a sidecar heard of the store last.
func TestBudgetFallback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSystem(t, Resource{
			Key: "b", Kind: Budget, Limit: rapid.Int64Range(100, 20_000).Draw(t, "limit"),
			Sidecars: rapid.IntRange(1, 5).Draw(t, "sidecars"), Window: oneWindow,
		})
		s.hears = true
		slack := int64(0)
		for range rapid.IntRange(1, 4).Draw(t, "outages") {
			for range rapid.IntRange(0, 10).Draw(t, "rounds before") {
				s.round(500)
			}
			slack += s.unheard()
			s.outage(func(before []int64) {
				for i := range s.used {
					if most := max(before[i], s.r.static()); s.used[i] > most {
						t.Fatalf("sidecar %d used %d on its own, its share is %d, it had used %d", i, s.used[i], s.r.static(), before[i])
					}
				}
			})
			if rapid.Bool().Draw(t, "empty") {
				s.store.Forget()
			}
			for _, l := range s.lines {
				l.cut = false
			}
			if s.sum() > s.r.Limit+slack {
				t.Fatalf("%d used of %d + %d", s.sum(), s.r.Limit, slack)
			}
		}
		for range 10 {
			s.round(500)
		}
		if s.sum() > s.r.Limit+slack {
			t.Fatalf("%d used of %d + %d", s.sum(), s.r.Limit, slack)
		}
	})
}

// unheard is what sidecars could spend more than the limit because they do not know the last grants.
func (s *system) unheard() (slack int64) {
	total := s.sum()
	for _, k := range s.store.records {
		total = max(total, whole(k.committed(Budget, k.ids())))
	}
	for _, l := range s.leases {
		if l.heard {
			slack += max(total-l.known, 0)/int64(s.r.Sidecars) + 1
		} else {
			slack += total/int64(s.r.Sidecars) + 1
		}
	}
	return slack
}

// outage cuts all lines until every lease is over, lets everybody take what it can, and calls check with what was used when
// the leases ran out.
func (s *system) outage(check func(before []int64)) {
	for _, l := range s.lines {
		l.cut, l.deaf = true, false
	}
	for range 6 {
		s.clock.now = s.clock.now.Add(systemDelta)
		for i := range s.leases {
			s.take(i, rapid.Int64Range(1, 500).Draw(s.t, "n"))
			s.renew(i)
		}
	}
	before := append([]int64(nil), s.used...)
	for range rapid.IntRange(1, 30).Draw(s.t, "takes") {
		s.take(s.pick(), rapid.Int64Range(1, 500).Draw(s.t, "n"))
	}
	check(before)
}

func TestSlotsNeverOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "sidecars")
		s := newSystem(t, Resource{Key: "s", Kind: Slots, Limit: rapid.Int64Range(1, 30).Draw(t, "limit"), Sidecars: n})
		over := func(what string, limit int64) {
			if s.sum() > limit {
				t.Fatalf("%s: %d in flight of %d: %v", what, s.sum(), limit, s.used)
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			s.round(1)
			over("with the store", s.r.Limit)
			s.finish()
		}
		s.outage(func(before []int64) {
			for i := range s.used {
				if s.used[i] > max(before[i], s.r.static()) {
					t.Fatalf("sidecar %d has %d in flight on its own, its share is %d", i, s.used[i], s.r.static())
				}
			}
		})
		for i := range s.used { // once the calls of the leases have ended
			s.leases[i].Put(s.used[i])
			s.used[i] = 0
		}
		for range rapid.IntRange(1, 60).Draw(t, "takes alone") {
			s.take(s.pick(), 1)
			over("alone", s.r.static()*int64(n))
		}
	})
}

// finish ends some calls.
func (s *system) finish() {
	for i := range s.used {
		n := rapid.Int64Range(0, s.used[i]).Draw(s.t, "finish")
		s.leases[i].Put(n)
		s.used[i] -= n
	}
}

// In any time all sidecars together spend at most rate x time + depth + the largest call, with the store and, after a TTL,
// without it.
func TestRateNeverOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "sidecars")
		limit := rapid.Int64Range(60, 60_000).Draw(t, "limit")
		largest := rapid.Int64Range(1, 1+limit/50).Draw(t, "largest")
		s := newSystem(t, Resource{Key: "r", Kind: Rate, Limit: limit, Sidecars: n})
		type point struct {
			at  time.Time
			sum int64
		}
		history := []point{{s.clock.now, 0}}
		check := func(slack float64) {
			p := point{s.clock.now, s.sum()}
			for _, from := range history {
				most := float64(limit)*p.at.Sub(from.at).Minutes() + slack
				if got := float64(p.sum - from.sum); got > most+1 {
					t.Fatalf("%v spent in %v, at most %v", got, p.at.Sub(from.at), most)
				}
			}
			history = append(history, p)
		}
		depth := float64(max(limit/25, largest) + largest)
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			s.round(largest)
			check(depth)
		}
		s.outage(func([]int64) {})
		history = []point{{s.clock.now, s.sum()}}
		alone := depth + float64(int64(n)*(largest+1))
		for range rapid.IntRange(1, 40).Draw(t, "rounds alone") {
			s.clock.now = s.clock.now.Add(time.Duration(rapid.Int64Range(0, 2000).Draw(t, "ms")) * time.Millisecond)
			for i := range s.leases {
				s.take(i, rapid.Int64Range(1, largest).Draw(t, "n"))
			}
			check(alone)
		}
	})
}
