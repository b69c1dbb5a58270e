package limit

import "time"

const (
	aimdCut    = 0.7  // what a refusal leaves
	aimdBusy   = 0.8  // the use of a limit from which on it is worth more
	aimdSafe   = 0.95 // of what was proven or refused: how near growth comes to it
	aimdSearch = 3    // windows after the first refusal in which a limit may be looked for by refusals
	// In the search a step is taken every sixth of a window, by a fifth.
	aimdSteps  = 6
	aimdStride = 1.2
	// After so many windows without a refusal the ceiling is doubted and raised by aimdDoubt; each time that was wrong the
	// next doubt waits twice as long.
	aimdRetest = 30
	aimdDoubt  = 1.2
	maxRetest  = 24 * 60
	// The first refusal may come after a moment: a rate is not told from less than this share of a window.
	firstMeasure = 1.0 / 12
	// What came through in the window before the first refusal is at most twice the limit where a window's worth can be
	// saved: cuts in the window after it stop at that half.
	firstFloor = aimdCut / 2
)

// AIMDOptions say what is learnt. Zero fields mean their defaults.
type AIMDOptions struct {
	// Concurrent: the limit is of calls in flight. Else it is of units (requests or tokens) in a window.
	Concurrent bool
	Start      float64       // the limit to begin with; 0: none, until the first refusal
	Min        float64       // default 1
	Step       float64       // growth of a window, at least 1 % of the limit for rates; default 1
	Window     time.Duration // default a minute
}

// An AIMD learns a limit that nobody states from refusals (429, 529): additive increase, multiplicative decrease (Chiu and Jain,
// "Analysis of the increase and decrease algorithms for congestion avoidance", 1989). A refusal of something that was sent under
// the limit in force takes 30 %; a window without one, at 80 % use or more, gives one step.
//
// Plain AIMD goes on to refusals for ever. Two things end that. A refusal says that the provider's bucket is empty; what it
// admits from then on, over a window or more, is therefore no more than its rate, and exactly that up to the next refusal,
// whatever its burst is. So a limit of 0.95 of the greatest such measure is proven, and is not passed any more, until 30 windows
// have gone by in peace; then a fifth is tried, once, and each failure doubles the wait. And in the first three windows after the
// first refusal the limit is looked for quickly, by a fifth every sixth of a window, so that it is proven by their end.
type AIMD struct {
	o       AIMDOptions
	limit   float64 // 0: none
	ceiling float64 // 0: none known; growth stays under aimdSafe of it
	proven  float64 // units a window
	settled bool    // the search is over
	began   time.Time
	since   time.Time // of the window, or of the step while searching
	used    float64   // units in the window, or the most in flight
	refused bool      // in the window
	cutAt   time.Time
	first   time.Time // first refusal ever
	floor   float64   // in the window after it
	empty   time.Time // the refusal from which on passed counts
	passed  float64   // units admitted since, or since began before the first refusal
	calm    time.Time // last refusal, or the last doubt
	retest  int
}

// NewAIMD returns a learner.
func NewAIMD(now time.Time, o AIMDOptions) *AIMD {
	if o.Window <= 0 {
		o.Window = time.Minute
	}
	if o.Min <= 0 {
		o.Min = 1
	}
	if o.Step <= 0 {
		o.Step = 1
	}
	return &AIMD{o: o, limit: o.Start, began: now, since: now, calm: now, retest: aimdRetest}
}

// Limit returns what is known: units for each window, or calls in flight; 0 while there is no reason to limit.
func (a *AIMD) Limit() float64 { return a.limit }

// Sent tells that n units were dispatched, or of a concurrent limit that n calls are in flight.
func (a *AIMD) Sent(now time.Time, n float64) {
	a.roll(now)
	if a.o.Concurrent {
		a.used = max(a.used, n)
		return
	}
	a.used += n
	a.passed += n
}

// Refused tells that something sent at sentAt was refused: n units, which Sent had counted, or of a concurrent limit the calls
// that were in flight when it was sent, itself included. It returns whether the limit changed. Which of several limits of a
// provider a refusal means is for the caller to tell apart, by its message.
func (a *AIMD) Refused(now, sentAt time.Time, n float64) bool {
	a.roll(now)
	a.refused, a.calm = true, now
	if !a.o.Concurrent {
		a.used = max(0, a.used-n)
		a.passed = max(0, a.passed-n)
	}
	if !a.cutAt.IsZero() && sentAt.Before(a.cutAt) {
		return false // sent before the limit was what it is
	}
	if a.settled {
		a.retest = min(maxRetest, 2*a.retest)
	}
	was := a.limit
	if a.o.Concurrent {
		a.cutConcurrent(n)
	} else {
		a.cutRate(now)
	}
	a.limit = max(a.o.Min, a.limit)
	a.cutAt, a.since, a.used, a.refused = now, now, 0, false
	return a.limit != was
}

func (a *AIMD) cutConcurrent(n float64) {
	a.settled = true
	if a.limit == 0 || n < a.limit {
		a.limit = max(n, a.o.Min)
	}
	a.ceiling = a.limit
	a.limit *= aimdCut
}

func (a *AIMD) cutRate(now time.Time) {
	w := a.o.Window.Seconds()
	if a.first.IsZero() { // nothing is known of the provider's burst: take what came through as the rate, and cut from there
		took := max(now.Sub(a.began).Seconds(), w*firstMeasure)
		rate := a.passed / took * w
		if a.limit == 0 || rate < a.limit {
			a.limit = rate
		}
		a.limit *= aimdCut
		a.floor = firstFloor * min(a.passed, rate)
		a.first, a.empty, a.passed = now, now, 0
		return
	}
	cut := a.limit * aimdCut
	if now.Sub(a.first) < a.o.Window {
		a.limit = max(cut, a.floor)
		return
	}
	a.prove(now, a.o.Window)
	a.empty, a.passed = now, 0
	a.limit = max(cut, min(a.limit, a.proven*aimdSafe))
	if a.settled {
		a.ceiling = a.limit / aimdSafe
	}
}

// prove takes what came through since the provider was empty for its rate, if that is long enough ago.
func (a *AIMD) prove(now time.Time, least time.Duration) {
	took := now.Sub(a.empty)
	if took < least {
		return
	}
	rate := a.passed / took.Seconds() * a.o.Window.Seconds()
	if a.settled { // what was proven long ago may hold no more
		a.proven = rate
		return
	}
	a.proven = max(a.proven, rate)
}

func (a *AIMD) searching(now time.Time) bool {
	return !a.o.Concurrent && !a.first.IsZero() && now.Sub(a.first) < aimdSearch*a.o.Window-a.o.Window/12
}

// settle ends the search.
func (a *AIMD) settle(now time.Time) {
	a.settled = true
	if a.o.Concurrent {
		return
	}
	a.settled = false
	a.prove(now, a.o.Window/2)
	a.settled = true
	if a.proven > 0 {
		a.limit = max(a.o.Min, min(a.limit, a.proven*aimdSafe))
	}
	a.ceiling = a.limit / aimdSafe
}

// roll ends windows that are over.
func (a *AIMD) roll(now time.Time) {
	if a.limit == 0 {
		return
	}
	searching := a.searching(now)
	if !searching && !a.settled && !a.first.IsZero() {
		a.settle(now)
	}
	length, share := a.o.Window, 1.0
	if searching {
		length, share = a.o.Window/aimdSteps, 1.0/aimdSteps
	}
	d := now.Sub(a.since)
	if d < length {
		return
	}
	if a.o.Concurrent {
		share = 1
	}
	// Idle windows behind the first prove nothing.
	if d < 2*length && !a.refused && a.used >= aimdBusy*a.limit*share {
		a.grow(now, searching)
	}
	a.since, a.used, a.refused = now, 0, false
}

func (a *AIMD) grow(now time.Time, searching bool) {
	if a.ceiling > 0 && now.Sub(a.calm) >= time.Duration(a.retest)*a.o.Window {
		a.ceiling *= aimdDoubt
		a.calm = now
	}
	next := a.limit + a.o.Step
	switch {
	case a.o.Concurrent:
		if a.ceiling > 0 {
			next = min(next, max(a.ceiling-1, a.ceiling*aimdSafe))
		}
	case searching:
		next = max(next, a.limit*aimdStride)
	default:
		next = max(next, a.limit*1.01)
		if a.ceiling > 0 {
			next = min(next, a.ceiling*aimdSafe)
		}
	}
	a.limit = max(a.limit, next)
}
