package limit

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketSpendsAndRefills(t *testing.T) {
	b := NewBucket(at(0), Rate{PerMinute: 600}) // 10 a second, burst 60
	for i := range 60 {
		if !b.Fits(at(0), 1, 0) {
			t.Fatalf("%d of a burst of 60 fit", i)
		}
		b.Reserve(at(0), 1)
	}
	if b.Fits(at(0), 1, 0) {
		t.Error("more than the burst fits at once")
	}
	if got := b.RefillAt(at(0), 5, 0); !got.Equal(at(0.5)) {
		t.Errorf("5 fit at %v, want half a second", got.Sub(t0))
	}
	if b.Fits(at(0.49), 5, 0) || !b.Fits(at(0.5), 5, 0) {
		t.Error("5 do not fit exactly when the bucket holds them")
	}
	near(t, "level", b.Level(at(0.5)), 5, 1e-9)
	b.Settle(at(0.5), 1, 1)
	near(t, "in flight", b.InFlight(), 59, 1e-9)
	near(t, "last minute", b.LastMinute(at(0.5)), 1, 1e-9)
	near(t, "level when time runs backwards", b.Level(at(0.1)), 5, 1e-9)
}

func TestBucketDebt(t *testing.T) {
	b := NewBucket(at(0), Rate{PerMinute: 600})
	if !b.Fits(at(0), 100, 0) {
		t.Fatal("a call larger than the burst must go when the bucket is full")
	}
	b.Reserve(at(0), 100)
	near(t, "level", b.Level(at(0)), -40, 1e-9)
	if got := b.RefillAt(at(0), 1, 0); got.Sub(at(4.1)).Abs() > time.Microsecond {
		t.Errorf("1 fits at %v, want 4.1 s", got.Sub(t0))
	}
	b.Adjust(at(0), 20) // an estimate that was too small
	near(t, "level after a top-up", b.Level(at(0)), -60, 1e-9)
	b.Settle(at(0), 120, 0) // refunded
	near(t, "level after a refund", b.Level(at(0)), 60, 1e-9)
	near(t, "in flight after a refund", b.InFlight(), 0, 1e-9)
	near(t, "last minute after a refund", b.LastMinute(at(0)), 0, 1e-9)
	b.Empty(at(0))
	near(t, "level when emptied", b.Level(at(0)), 0, 1e-9)
}

func TestBucketSavesForTheHead(t *testing.T) {
	b := NewBucket(at(0), Rate{PerMinute: 600})
	b.Save(at(0), 300)
	near(t, "level", b.Level(at(10)), 160, 1e-9)
	b.Save(at(10), 300)
	near(t, "level", b.Level(at(60)), 300, 1e-9)
	b.Reserve(at(60), 10) // another one passes
	near(t, "level", b.Level(at(60)), 290, 1e-9)
	b.Reserve(at(60), 300)
	near(t, "level", b.Level(at(60)), -10, 1e-9)
	near(t, "level after the head", b.Level(at(600)), 60, 1e-9)

	b.Save(at(600), 300)
	near(t, "level when nobody asked for a minute", b.Level(at(700)), 60, 1e-9)
}

func TestBucketRateChangeKeepsTheLedger(t *testing.T) {
	b := NewBucket(at(0), Rate{})
	if !math.IsInf(b.Level(at(0)), 1) || !b.Fits(at(0), 1e9, 1e9) || !b.RefillAt(at(0), 1e9, 0).Equal(at(0)) {
		t.Error("a bucket without a limit limits")
	}
	b.Reserve(at(0), 1050)
	b.Settle(at(1), 1050, 1050)
	b.SetRate(at(2), Rate{PerMinute: 1000})
	if b.Fits(at(2), 100, 0) {
		t.Error("a limit found later does not know what was sent before it")
	}
	if b.Fits(at(60), 100, 0) || !b.Fits(at(61.5), 100, 0) {
		t.Error("what ended at 1 s does not leave the window at 61 s")
	}
	b.Reserve(at(70), 150)
	b.SetRate(at(70), Rate{PerMinute: 500})
	near(t, "debt after the limit fell", b.Level(at(70)), -50, 1e-9)
	b.SetRate(at(600), Rate{PerMinute: 10})
	near(t, "level after the limit fell", b.Level(at(600)), 1, 1e-9)
	if b.Rate().PerMinute != 10 {
		t.Error("the rate in force is not the one set")
	}
}

func TestWindowHoldsWhatRunsAndWhatEnded(t *testing.T) {
	b := NewBucket(at(0), Rate{PerMinute: 100, Burst: 1000})
	b.Reserve(at(0), 60)
	if b.Fits(at(0), 60, 0) || !b.Fits(at(0), 40, 0) {
		t.Error("60 running of 109 leave something else than 49")
	}
	b.Reserve(at(0), 40)
	b.Settle(at(1), 60, 60)
	b.Settle(at(1.5), 40, 40)
	if b.Fits(at(2), 20, 0) {
		t.Error("20 fit beside 100 that have just ended")
	}
	want := b.RefillAt(at(2), 20, 0)
	if want.Before(at(61)) || want.After(at(61.5)) {
		t.Errorf("20 fit at %v, want when the 60 leave the window", want.Sub(t0))
	}
	if b.Fits(want.Add(-time.Second), 20, 0) || !b.Fits(want, 20, 0) {
		t.Error("20 do not fit exactly when RefillAt says")
	}
	b.Settle(at(61.5), 0, 9)
	head, small := 80.0, 15.0 // 49 of 109 ended: the head fits when the 40 are out
	if !b.Delays(at(61.5), 2*small, head, 0) || b.Delays(at(61.5), small, head, 0) {
		t.Error("30 more put off a head of 80 beside 9, and 15 do not")
	}
}

func TestWindowLetsLongCallsThrough(t *testing.T) {
	// Calls of two minutes: counted whole, with a minute more, they would leave a third of the rate.
	b := NewBucket(at(0), Rate{PerMinute: 6000})
	used, end := drive(b, 100, 1200, func() (float64, float64, float64) { return 50, 50, 120 })
	near(t, "use", used/(6000*(end-240)/60), 0.99, 0.03)
}

// drive keeps a bucket busy: calls of (reserved, actual, seconds), admitted as soon as they fit. It returns what was used by
// calls that began after 240 s.
func drive(b *Bucket, step int, until float64, call func() (reserved, actual, seconds float64)) (used, end float64) {
	type running struct{ reserved, actual, end float64 }
	var run []running
	r, a, d := call()
	for now := 0.0; now < until; now += float64(step) / 1000 {
		kept := run[:0]
		for _, c := range run {
			if c.end <= now {
				b.Settle(at(now), c.reserved, c.actual)
				continue
			}
			kept = append(kept, c)
		}
		run = kept
		for b.Fits(at(now), r, 0) {
			b.Reserve(at(now), r)
			if now >= 240 {
				used += a
			}
			run = append(run, running{r, a, now + d})
			r, a, d = call()
		}
	}
	return used, until
}

// Invariant 8: in any window T, what is admitted stays under burst + rate*T + what running calls were underestimated by (and
// what earlier ones gave back, which their reservations had held); and what ended in any sliding minute stays under the cap of
// the window.
func TestBucketBoundsEveryWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(10, 1e5).Draw(t, "rate")
		burst := rate * rapid.Float64Range(0.02, 0.5).Draw(t, "burst")
		b := NewBucket(at(0), Rate{PerMinute: rate, Burst: burst})
		type admitted struct{ at, reserved, actual, end float64 }
		var all []admitted
		var running []int
		now, largest, saved := 0.0, burst, 0.0
		n := rapid.IntRange(1, 60).Draw(t, "steps")
		for range n {
			now += rapid.Float64Range(0, 5).Draw(t, "pass")
			switch rapid.IntRange(0, 2).Draw(t, "do") {
			case 0, 1:
				r := rate * rapid.Float64Range(0.001, 0.4).Draw(t, "size")
				if !b.Fits(at(now), r, 0) {
					if rapid.Bool().Draw(t, "save") {
						b.Save(at(now), r)
						saved = max(saved, r)
					}
					refill := b.RefillAt(at(now), r, 0)
					if !refill.After(at(now)) {
						t.Fatalf("%v does not fit now and RefillAt says now", r)
					}
					if rapid.Bool().Draw(t, "wait") && len(running) == 0 {
						now = refill.Sub(t0).Seconds() + 1e-6
						if !b.Fits(at(now), r, 0) {
							t.Fatalf("%v does not fit at the time that RefillAt said", r)
						}
					} else {
						continue
					}
				}
				b.Reserve(at(now), r)
				largest = max(largest, r)
				all = append(all, admitted{at: now, reserved: r, actual: r, end: math.Inf(1)})
				running = append(running, len(all)-1)
			case 2:
				if len(running) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				c := &all[running[i]]
				c.actual = c.reserved * rapid.Float64Range(0, 2).Draw(t, "actual")
				c.end = now
				b.Settle(at(now), c.reserved, c.actual)
				running = append(running[:i], running[i+1:]...)
			}
		}
		under := 0.0
		for _, c := range all {
			under += max(0, c.actual-c.reserved)
		}
		for i := range all {
			sum, back := 0.0, 0.0
			for _, c := range all[:i] {
				if c.end >= all[i].at {
					back += max(0, c.reserved-c.actual)
				}
			}
			for _, c := range all[i:] {
				sum += min(c.actual, c.reserved)
				if bound := back + largest + saved + rate/60*(c.at-all[i].at) + under; sum > bound*(1+1e-9)+1e-3 {
					t.Fatalf("%v admitted in %v s, bound %v", sum, c.at-all[i].at, bound)
				}
			}
		}
		lateFor := 0.0
		for _, c := range all {
			if !math.IsInf(c.end, 1) {
				lateFor = max(lateFor, c.end-c.at)
			}
		}
		if lateFor > 6 || now > 30 {
			return // long calls raise the cap (see window)
		}
		near60 := 0.0
		for _, c := range all {
			if !math.IsInf(c.end, 1) {
				near60 += c.actual
			}
		}
		if near60 > windowCap*rate*(1+1e-9)+under+largest {
			t.Fatalf("%v ended within half a minute at %v a minute", near60, rate)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	s := NewSet(at(0), Rates{Requests: Rate{PerMinute: 1e9}, Tokens: Rate{PerMinute: 1e12}}, Rules{})
	c := Cost{Requests: 1, Input: 1000, Output: 200}
	now := t0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if s.Fits(now, c) {
			s.Reserve(now, c)
		}
		s.Settle(now, c, c)
	}
}
