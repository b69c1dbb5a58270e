package limit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSetCountsByItsRules(t *testing.T) {
	c := Cost{Requests: 1, Input: 1000, Cached: 900, Output: 50, MaxOutput: 4000}
	rates := Rates{Requests: Rate{PerMinute: 100}, Tokens: Rate{PerMinute: 1e5}, Input: Rate{PerMinute: 1e5}, Output: Rate{PerMinute: 1e4}}
	for _, tt := range []struct {
		name  string
		rules Rules
		want  [4]float64 // levels after one call
	}{
		{"all of it", Rules{}, [4]float64{9, 1e4 - 1050, 1e4 - 1000, 1e3 - 50}},
		{"cached input is free", Rules{CachedFree: true}, [4]float64{9, 1e4 - 150, 1e4 - 100, 1e3 - 50}},
	} {
		s := NewSet(t0, rates, tt.rules)
		if !s.Fits(t0, c) {
			t.Fatal("does not fit")
		}
		s.Reserve(t0, c)
		got := [4]float64{s.Requests.Level(t0), s.Tokens.Level(t0), s.Input.Level(t0), s.Output.Level(t0)}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		s.Adjust(t0, Cost{Output: 64})
		c2 := c
		c2.Output += 64
		s.Settle(at(1), c2, Cost{Requests: 1}) // refunded: the request stays counted
		near(t, tt.name+": output in flight", s.Output.InFlight(), 0, 1e-9)
		near(t, tt.name+": output ended", s.Output.LastMinute(at(1)), 0, 1e-9)
		near(t, tt.name+": requests", s.Requests.LastMinute(at(1)), 1, 1e-9)
	}
}

func TestSetWaitsForTheScarcest(t *testing.T) {
	s := NewSet(t0, Rates{Requests: Rate{PerMinute: 600, Burst: 1}, Output: Rate{PerMinute: 60, Burst: 10}}, Rules{})
	c := Cost{Requests: 1, Input: 5, Output: 10}
	s.Reserve(t0, c)
	if s.Fits(t0, c) || !s.RefillAt(t0, c).Equal(at(10)) {
		t.Errorf("fits at %v, want 10 s", s.RefillAt(t0, c).Sub(t0))
	}
	if !s.Await(t0, c).Equal(at(10)) {
		t.Error("Await and RefillAt differ")
	}
	if s.Delays(at(1), Cost{Requests: 1}, c) || !s.Delays(at(1), Cost{Requests: 1, Output: 1}, c) {
		t.Error("what takes no output delays nobody, and what takes some does")
	}
	cp := s
	cp.Reserve(t0, c)
	if s.Output.Level(t0) == cp.Output.Level(t0) {
		t.Error("a copy shares its ledger")
	}
}

func TestSyncFollowsTheProvider(t *testing.T) {
	s := NewSet(t0, Rates{Tokens: Rate{PerMinute: 60_000}}, Rules{GateOnMax: true})
	c := Cost{Requests: 1, Input: 900, Output: 100, MaxOutput: 4000}
	s.Reserve(t0, c)
	first := s.Mark()
	s.Reserve(t0, c)
	second := s.Mark()
	if !s.Fits(t0, c) {
		t.Fatal("nothing was said, and it does not fit")
	}
	// The answer to the second: 5,000 left of 60,000, so both were charged with their max_tokens.
	s.Sync(at(0.1), Observation{Tokens: full(60_000, 5000, 55*time.Second)}, second)
	if left, ok := s.Tokens.Theirs(at(0.1)); !ok || left != 5000 {
		t.Errorf("the provider's count is %v %v", left, ok)
	}
	if !s.Fits(at(0.1), c) {
		t.Error("900 + 4,000 of 5,000 do not fit")
	}
	s.Reserve(at(0.1), c)
	if s.Fits(at(0.1), c) {
		t.Error("what was dispatched since is not taken off")
	}
	if got := s.RefillAt(at(0.1), c).Sub(at(0.1)); got < 900*time.Millisecond || got > 910*time.Millisecond {
		t.Errorf("900 + 4,000 fit after %v, want 0.9 s", got)
	}
	// The answer to the first arrives late.
	s.Sync(at(0.2), Observation{Tokens: full(60_000, 59_000, time.Second)}, first)
	if left, _ := s.Tokens.Theirs(at(0.2)); left > 4200 {
		t.Errorf("an older answer was believed: %v left", left)
	}
	// A newer one raises the count again: the provider gave back what was not used.
	s.Reserve(at(0.3), c)
	third := s.Mark()
	s.Reserve(at(0.3), c)
	s.Sync(at(0.4), Observation{Tokens: full(60_000, 50_000, 10*time.Second)}, third)
	if left, _ := s.Tokens.Theirs(at(0.4)); left != 49_000 {
		t.Errorf("%v left, want what was said less the one dispatched since", left)
	}
	near(t, "told rate", s.Told().Tokens.PerMinute, 60_000, 0)
}

func TestSyncKnowsLongAndFixedWindows(t *testing.T) {
	t.Run("a day", func(t *testing.T) {
		b := NewBucket(t0, Rate{})
		b.Sync(t0, full(200, 50, 150*432*time.Second), 0) // 432 s each
		if b.theirs.period < 23*time.Hour || b.theirs.period > 25*time.Hour {
			t.Errorf("period %v, want a day", b.theirs.period)
		}
		if b.theirs.perMinute() != 0 {
			t.Error("a limit of a day is taken for one of a minute")
		}
		b.Reserve(t0, 50)
		if b.Fits(t0, 1, 0) || !b.RefillAt(t0, 1, 0).Equal(at(432)) {
			t.Errorf("the next goes after %v, want 432 s", b.RefillAt(t0, 1, 0).Sub(t0))
		}
	})
	t.Run("fixed", func(t *testing.T) {
		b := NewBucket(t0, Rate{})
		b.Reserve(t0, 10)
		b.Sync(t0, full(100, 90, 50*time.Second), b.Mark())
		b.Reserve(t0, 80)
		b.Sync(at(5), full(100, 10, 45*time.Second), b.Mark())
		b.Reserve(at(5), 10)
		if got := b.RefillAt(at(5), 1, 0); !got.Equal(at(50)) {
			t.Errorf("refills at %v, want the reset", got.Sub(t0))
		}
		if b.Fits(at(49), 1, 0) || !b.Fits(at(50), 100, 0) {
			t.Error("a fixed window refills at its reset and not before")
		}
	})
	t.Run("even", func(t *testing.T) {
		b := NewBucket(t0, Rate{})
		b.Sync(t0, full(60, 54, 6*time.Second), b.Mark())
		b.Reserve(t0, 25)
		b.Sync(at(1), full(60, 30, 30*time.Second), b.Mark())
		if b.theirs.fixed {
			t.Error("a bucket whose reset moves is taken for a fixed window")
		}
		b.Reserve(at(1), 30)
		if !b.Fits(at(2), 1, 0) {
			t.Error("one a second does not refill")
		}
	})
	t.Run("no limit said", func(t *testing.T) {
		b := NewBucket(t0, Rate{})
		b.Sync(t0, Quota{HasRemaining: true, Remaining: 3, HasReset: true, Reset: 20 * time.Second}, 0)
		b.Reserve(t0, 3)
		if b.Fits(at(19), 1, 0) || !b.Fits(at(20), 1000, 0) {
			t.Error("three are left until the reset, and nothing is known after it")
		}
	})
	t.Run("nothing said", func(t *testing.T) {
		b := NewBucket(t0, Rate{})
		if b.Sync(t0, Quota{HasLimit: true, Limit: 5}, 0) {
			t.Error("a response without a count was taken")
		}
		if b.Sync(t0, full(5, 1, time.Second), 3); b.Sync(t0, full(5, 5, 0), 2) {
			t.Error("an older response was taken")
		}
	})
}
