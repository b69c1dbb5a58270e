package ratelimit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Invariant 6, inside a tenant: before a call goes, its tenant gives others at most promoteShare times the cost of the calls
// that are as old or older, and one call more, whatever arrives later and however its programs are named. Between tenants
// invariant 4 bounds the rest.
func TestStarvationBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bed := newBed(nil, Config{}, PoolConfig{Policy: Program, Limits: Limits{Concurrency: 1}})
		var running *Ticket
		var log []*Ticket
		var waits []*Ticket
		n := 0
		submit := func(program string, size int) *Ticket {
			n++
			x := &Ticket{Call: Call{Exchange: fmt.Sprint(n), Tenant: "t", Program: program, Input: int64(size)}}
			x.Ready = func(x *Ticket, err error) { running, log = x, append(log, x) }
			if ok, _ := bed.p.Submit(x); ok {
				running, log = x, append(log, x)
			} else {
				waits = append(waits, x)
			}
			return x
		}
		// A large program, so that attained service speaks against the victim.
		for range rapid.IntRange(1, 5).Draw(t, "past") {
			x := submit("victim", 5000)
			if x == running {
				finish(x)
			}
		}
		submit("first", 10)
		for range rapid.IntRange(0, 5).Draw(t, "older") {
			submit(fmt.Sprint("old", n), rapid.IntRange(1, 3000).Draw(t, "old size"))
		}
		for _, x := range waits {
			_ = x
		}
		victim := submit("victim", rapid.IntRange(1, 3000).Draw(t, "victim size"))
		from := len(log)
		before := int64(0)
		for _, x := range waits {
			before += x.cost // itself too
		}
		worst := int64(0)
		style := rapid.IntRange(0, 2).Draw(t, "adversary")
		passed := func() (sum int64) {
			for _, x := range log[from:] {
				if x.seq > victim.seq {
					sum += x.cost
				}
			}
			return sum
		}
		for victim.state == waiting {
			size := rapid.IntRange(1, 2000).Draw(t, "size")
			worst = max(worst, int64(size))
			switch style {
			case 0: // a new name each time
				submit(fmt.Sprint("new", n), size)
			case 1: // a few names, many calls
				submit(fmt.Sprint("few", n%3), size)
			case 2: // floods
				for range 3 {
					submit(fmt.Sprint("new", n), size)
				}
			}
			bed.clock.advance(time.Second)
			finish(running)
			if got, bound := passed(), promoteShare*before+worst; got > bound {
				t.Fatalf("passed by %d, bound %d", got, bound)
			}
			if len(log) > 5000 {
				t.Fatalf("still waiting after %d calls", len(log))
			}
		}
	})
}

// Under Priority a rank is worth Ageing of arrival time and no more.
func TestAgeing(t *testing.T) {
	bed := newBed(t, Config{
		Classes: []ClassConfig{{Name: "high"}, {Name: "low"}}, Queue: QueueConfig{Ageing: 10 * time.Second},
	}, PoolConfig{Policy: Priority, Limits: Limits{Concurrency: 1}})
	first := bed.call(Call{Exchange: "0"})
	all := []*Ticket{bed.call(Call{Exchange: "low", Class: "low", Program: "l"})}
	for i := range 4 {
		bed.clock.advance(4 * time.Second)
		all = append(all, bed.call(Call{Exchange: fmt.Sprint("high", i), Class: "high", Program: fmt.Sprint(i)}))
	}
	finish(first)
	for range all {
		for _, x := range all {
			if x.state == granted {
				finish(x)
			}
		}
	}
	if got, want := fmt.Sprint(bed.went), "[0 high0 high1 low high2 high3]"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}
