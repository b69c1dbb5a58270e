package ratelimit

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A lane drives a programOrder as the tree does, with programs of one call at a time.
type lane struct {
	o    *programOrder
	now  time.Time
	seq  uint64
	wait []*flow
}

func newLane() *lane { return &lane{o: newProgramLevels(), now: time.Unix(1_800_000_000, 0)} }

func (l *lane) program() *flow {
	l.seq++
	f := &flow{prog: &program{seq: l.seq, arrived: l.now}}
	f.prog.flows = []*flow{f}
	f.tickets = heap[Ticket]{before: ticketBefore, at: ticketPlace}
	return f
}

func (l *lane) arrive(f *flow) {
	l.seq++
	f.tickets.push(&Ticket{seq: l.seq, enq: l.now, cost: 1})
	l.o.add(f)
	l.wait = append(l.wait, f)
}

func (l *lane) leave(f *flow) {
	l.o.remove(f)
	f.tickets.remove(f.head())
	l.wait = slices.DeleteFunc(l.wait, func(g *flow) bool { return g == f })
}

func (l *lane) charge(f *flow, cost int64) {
	before := f.prog.attained
	f.prog.attained += cost
	l.o.charged(f.prog, before)
	if f.tickets.len() > 0 {
		l.o.fix(f)
	}
}

// learn lets 100 programs end, of which 10 cost far more than the others, and serves 1000 a second meanwhile.
func (l *lane) learn() {
	waiting := l.program()
	l.arrive(waiting)
	for i := range 100 {
		f := l.program()
		cost := int64(1000)
		if i%10 == 0 {
			cost = 51_000
		}
		l.now = l.now.Add(time.Duration(cost) * time.Millisecond)
		l.o.at(l.now)
		l.charge(f, cost)
	}
	l.leave(waiting)
	l.o.costs.stale = survivalLook
}

func TestProgramOrderLevels(t *testing.T) {
	l := newLane()
	l.learn()
	if cut := l.o.costs.cut(); cut < 1000 || cut > 51_000 {
		t.Fatalf("cut %d is not between what small and large programs cost", cut)
	}
	if got := l.o.rate.perSecond(); got < 990 || got > 1010 {
		t.Fatalf("service of %.1f a second, want 1000", got)
	}
	// Alone, a program stands at 60 s for 60,000, less by keenness; with others, at as many times more.
	old, large, larger, small, tiny := l.program(), l.program(), l.program(), l.program(), l.program()
	for f, cost := range map[*flow]int64{old: 90_000, large: 60_000, larger: 70_000, small: 900, tiny: 100} {
		l.charge(f, cost)
	}
	want := func(what string, f *flow) {
		t.Helper()
		if got := l.o.first(); got != f {
			t.Errorf("%s: program %d is first, want %d", what, got.prog.seq, f.prog.seq)
		}
	}
	l.arrive(larger)
	want("alone", larger)
	stands := l.o.of[larger].fair.Sub(larger.prog.arrived).Seconds()
	if exact := 70.0 / keenness; math.Abs(stands-exact) > 1 {
		t.Errorf("alone, 70,000 stand at %.1f s, want %.1f", stands, exact)
	}
	l.leave(larger)
	l.arrive(large)
	l.arrive(larger)
	want("of an age, the least attained", large)
	l.leave(large)
	l.now = l.now.Add(time.Hour)
	young := l.program()
	l.charge(young, 55_000)
	l.arrive(young)
	want("an old one before a young one that attained less", larger)
	l.arrive(old)
	l.arrive(small)
	want("below the cut", small)
	l.arrive(tiny)
	want("below the cut the least attained", tiny)
}

// Whatever happens, first is the least of those that wait, by level and then by the level's own order, and nothing is lost.
func TestProgramOrderModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLane()
		if rapid.Bool().Draw(t, "learnt") {
			l.learn()
		}
		var idle []*flow
		t.Repeat(map[string]func(*rapid.T){
			"new":  func(*rapid.T) { l.arrive(l.program()) },
			"tick": func(t *rapid.T) { l.now = l.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "s")) * time.Second) },
			"back": func(t *rapid.T) {
				if len(idle) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(idle)-1).Draw(t, "i")
				f := idle[i]
				idle = slices.Delete(idle, i, i+1)
				l.arrive(f)
			},
			"serve": func(t *rapid.T) {
				f := l.o.first()
				if f == nil {
					t.Skip()
				}
				l.leave(f)
				l.charge(f, int64(rapid.IntRange(1, 30_000).Draw(t, "cost")))
				idle = append(idle, f)
			},
			"correct": func(t *rapid.T) { // a settlement, of a program that waits or does not
				all := append(slices.Clone(l.wait), idle...)
				if len(all) == 0 {
					t.Skip()
				}
				f := rapid.SampledFrom(all).Draw(t, "f")
				l.charge(f, int64(rapid.IntRange(-int(f.prog.attained), 10_000).Draw(t, "delta")))
			},
			"": func(t *rapid.T) { l.check(t) },
		})
	})
}

func (l *lane) check(t *rapid.T) {
	o, first := l.o, l.o.first()
	if n := o.len(); n != len(l.wait) {
		t.Fatalf("%d in the heaps, %d wait", n, len(l.wait))
	}
	held := 0.0
	for _, n := range o.costs.waiting {
		held += n
	}
	if int(held) != len(l.wait) {
		t.Fatalf("%v censored, %d wait", held, len(l.wait))
	}
	if (first == nil) != (len(l.wait) == 0) {
		t.Fatalf("first %v of %d", first, len(l.wait))
	}
	for _, f := range l.wait {
		s, x := o.of[first], o.of[f]
		less := !x.beyond && (s.beyond || f.prog.attained < first.prog.attained)
		if x.beyond && s.beyond {
			less = x.fair.Before(s.fair)
		}
		if less {
			t.Fatalf("program %d (beyond %v, %d, %v) waits behind %d (beyond %v, %d, %v)", f.prog.seq, x.beyond, f.prog.attained,
				x.fair, first.prog.seq, s.beyond, first.prog.attained, s.fair)
		}
	}
	seen := 0
	o.visit(len(l.wait)+1, func(f *flow) bool { seen++; return true })
	if seen != len(l.wait) {
		t.Fatalf("visit saw %d of %d", seen, len(l.wait))
	}
}

// The cut is the quantile that it says, whatever the unit of cost, and a backlog does not move it.
func TestSurvivalCut(t *testing.T) {
	for _, scale := range []float64{1, 1000} {
		for _, stuck := range []int{0, 400} {
			r := rand.New(rand.NewPCG(1, 2))
			var s survival
			var costs []float64
			for range 3000 {
				c := scale * math.Exp(8+1.2*r.NormFloat64())
				costs = append(costs, c)
				s.move(0, int64(c/3)) // in two steps, as a program's calls do
				s.move(int64(c/3), int64(c))
			}
			for i := range stuck { // begun, and waiting since: they may become as large as any
				c := int64(scale * math.Exp(7+float64(i%10)/10))
				s.move(0, c)
				s.waiting[costBin(c)]++
			}
			slices.Sort(costs)
			exact := costs[int(float64(len(costs))*(1-lateShare))]
			if got := float64(s.look()); got < exact/1.1 || got > exact*1.1 {
				t.Errorf("scale %v, %d waiting: cut %.0f, want %.0f within 10 %%", scale, stuck, got, exact)
			}
		}
	}
}

func TestSurvivalForgets(t *testing.T) {
	var s survival
	feed := func(n int, cost int64) {
		for i := range n {
			c := cost
			if i%4 == 0 {
				c *= 20
			}
			s.move(0, c)
		}
	}
	feed(survivalMin-1, 100)
	if got := s.look(); got != math.MaxInt64 {
		t.Errorf("cut %d after %d programs, want none", got, survivalMin-1)
	}
	feed(5000, 100)
	before := s.look()
	feed(20*survivalKeep, 10_000)
	if after := s.look(); after < 50*before {
		t.Errorf("cut %d, then %d when programs cost a hundred times more", before, after)
	}
}

func TestCostBins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.Int64Range(1, math.MaxInt64).Draw(t, "cost")
		b := costBin(c)
		if low, high := costEdge(b), costEdge(b+1); float64(c) < low || float64(c) > high {
			t.Fatalf("cost %d in bin %d from %g to %g", c, b, low, high)
		}
	})
	if costBin(0) != 0 || costBin(-5) != 0 || costBin(math.MaxInt64) >= costBins {
		t.Error("bins at the ends")
	}
}

func BenchmarkProgramOrder(b *testing.B) {
	l := newLane()
	l.learn()
	for range 10_000 {
		f := l.program()
		l.charge(f, rand.Int64N(100_000))
		f.tickets.push(&Ticket{seq: l.seq, enq: l.now, cost: 1})
		l.o.add(f)
	}
	b.ReportAllocs()
	for b.Loop() {
		f := l.o.first()
		l.o.remove(f)
		before := f.prog.attained
		f.prog.attained += 1000
		l.o.charged(f.prog, before)
		l.o.add(f)
	}
}
