package main

import (
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// virtualBound is what light tenants wait in virtual time when no hog's call goes while a light one waits.
func virtualBound(seeds int) (waits []float64) {
	for seed := range seeds {
		agents := simLoad.agents(uint64(seed+1), "", "", "")
		waits = append(waits, lightFirst(agents, benchkit.HogSlots)...)
	}
	return waits
}

// lightFirst runs agents through slots, the lower rank first, then the first that came, and returns the waits of tenants other
// than the hog that came in the time that counts. Time goes from event to event: somebody asks, or somebody has been served.
func lightFirst(agents []agent, slots int) (waits []float64) {
	const never = math.MaxFloat64
	type state struct {
		next      int     // call
		ask, done float64 // when; never: not now
		asked     float64
		waiting   bool
	}
	all := make([]state, len(agents))
	for i := range all {
		all[i] = state{ask: agents[i].First, done: never}
	}
	for free := slots; ; {
		now := never
		for i := range all {
			now = min(now, all[i].ask, all[i].done)
		}
		if now >= benchkit.HogFor { // nobody asks any more, and who waits now has been counted when it asked
			return waits
		}
		for i := range all {
			s, a := &all[i], &agents[i]
			if s.done <= now {
				free++
				s.next++
				s.done, s.ask = never, now+a.Calls[s.next].Think
			}
			if s.ask <= now {
				s.asked, s.ask, s.waiting = s.ask, never, true
			}
		}
		for ; free > 0; free-- {
			best := -1
			for i := range all {
				if s := &all[i]; s.waiting && (best < 0 || before(agents[i].Rank, s.asked, agents[best].Rank, all[best].asked)) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			s := &all[best]
			s.waiting, s.done = false, now+agents[best].Calls[s.next].service
			if agents[best].tenant > 0 && s.asked >= benchkit.HogFrom {
				waits = append(waits, now-s.asked)
			}
		}
	}
}

func before(rank int, at float64, otherRank int, otherAt float64) bool {
	return rank < otherRank || rank == otherRank && at < otherAt
}
