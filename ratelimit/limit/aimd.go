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
	Start  float64       // the limit to begin with; 0: none, until the first refusal
	Min    float64       // default 1
	Step   float64       // growth of a window, at least 1 % of the limit; default 1
	Window time.Duration // default a minute
}

// An AIMD learns a rate, in units (requests or tokens) a window, that nobody states, from refusals (429, 529): additive increase,
// multiplicative decrease (Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance", 1989). A
// refusal of something that was sent under the limit in force takes 30 %; a window without one, at 80 % use or more, gives one step.
//
// Plain AIMD goes on to refusals for ever. Two things end that. A refusal says that the provider's bucket is empty; what it
// admits from then on, over a window or more, is therefore no more than its rate, and exactly that up to the next refusal,
// whatever its burst is. So a limit of 0.95 of the greatest such measure is proven, and is not passed any more, until 30 windows
// have gone by in peace; then a fifth is tried, once, and each failure doubles the wait. And in the first three windows after the
// first refusal the limit is looked for quickly, by a fifth every sixth of a window, so that it is proven by their end.
//
// Refusals at random, which come whatever is sent, would take any limit down to nothing. Once they are found out (see noise) the
// limit is learnt anew, and from then on only of many refusals at a time.
//
// Only active time is measured: that in which somebody waited for this limit, and what the limit itself allows for a call that
// nobody had to wait for. A pause, or a demand that is small, proves nothing against a limit.
type AIMD struct {
	o       AIMDOptions
	limit   float64   // 0: none
	ceiling float64   // 0: none known; growth stays under aimdSafe of it
	proven  float64   // units a window
	settled bool      // the search is over
	since   time.Time // of the window, or of the step while searching
	used    float64   // units in the window
	refused bool      // in the window
	cutAt   time.Time
	trail   trail         // what was sent before the first refusal
	first   time.Time     // first refusal that said something
	floor   float64       // in the window after it
	last    time.Time     // up to which time is counted
	active  time.Duration // since the first refusal
	empty   time.Time     // the refusal from which on passed counts
	emptyAt time.Duration // active then
	passed  float64       // units sent since, less those refused
	calm    time.Time     // last refusal, or the last doubt
	retest  int
	noise   noise
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
	return &AIMD{o: o, limit: o.Start, trail: newTrail(now, o.Window), since: now, last: now, calm: now, retest: aimdRetest}
}

// Limit returns what is known, in units a window; 0 while there is no reason to limit.
func (a *AIMD) Limit() float64 { return a.limit }

// Sent tells that n units were dispatched, which had waited for this limit for so long; 0: they found room, or waited for
// something else.
func (a *AIMD) Sent(now time.Time, n float64, waited time.Duration) {
	a.elapse(now, n, waited)
	a.roll(now)
	a.add(now, n)
	a.noise.call(now, a.limit, a.settled)
}

// Used tells that what was sent at sentAt came to delta units more, or less, than Sent was told.
func (a *AIMD) Used(now, sentAt time.Time, delta float64) {
	a.roll(now)
	if sentAt.Before(a.empty) {
		return
	}
	a.add(now, delta)
}

func (a *AIMD) add(now time.Time, n float64) {
	if a.first.IsZero() {
		a.trail.add(now, n)
	}
	a.used = max(0, a.used+n)
	a.passed = max(0, a.passed+n)
}

// elapse counts the active part of the time since the last event.
func (a *AIMD) elapse(now time.Time, n float64, waited time.Duration) {
	gap := now.Sub(a.last)
	if gap <= 0 {
		return
	}
	a.last = now
	if a.limit > 0 {
		waited = max(waited, seconds(n/a.limit*a.o.Window.Seconds()))
	}
	a.active += min(gap, waited)
}

// From is since when what was sent matters to a refusal at now.
func (a *AIMD) From(now time.Time) time.Time {
	if a.first.IsZero() {
		return now.Add(-a.o.Window)
	}
	return a.empty
}

// Refused tells that something sent at sentAt was refused: n units, which Sent had counted. unsure is what was sent since From and
// was not answered yet. It returns false for a refusal that says nothing of a rate, because nothing has passed before it: then
// nothing is learnt, and all that the caller can do is wait. Which of several limits of a provider a refusal means is for the
// caller to tell apart, by its message.
func (a *AIMD) Refused(now, sentAt time.Time, n, unsure float64) bool {
	a.elapse(now, n, 0)
	a.roll(now)
	if !sentAt.Before(a.empty) {
		a.add(now, -n)
	}
	if a.random(now, sentAt) {
		return true
	}
	a.refused, a.calm = true, now
	if !a.cutAt.IsZero() && sentAt.Before(a.cutAt) { // before the limit was what it is
		if sentAt.Before(a.first) { // it was taken for one that had passed
			a.floor = max(0, a.floor-firstFloor*n)
		}
		return true
	}
	switch {
	case a.first.IsZero():
		if !a.begin(now, unsure) {
			return false
		}
	case a.passed-unsure <= slack:
		return false
	default:
		a.cut(now, unsure)
	}
	a.limit = max(a.o.Min, a.limit)
	a.cutAt, a.since, a.used, a.refused = now, now, 0, false
	return true
}

// random reports whether a refusal has nothing to do with the limit. When that has just turned out, neither had those before it.
func (a *AIMD) random(now, sentAt time.Time) bool {
	known := a.noise.found(now)
	if !known && (!a.settled || sentAt.Before(a.cutAt)) {
		return false
	}
	if !a.noise.doubts(now, a.limit, a.o.Window) {
		return false
	}
	if z := a.noise; !known && z.found(now) {
		*a = *NewAIMD(now, a.o)
		a.noise = z
	}
	return true
}

// begin takes what came through lately as the rate, and cuts from there: nothing is known of the provider's burst.
func (a *AIMD) begin(now time.Time, unsure float64) bool {
	passed, took := a.trail.sum(now)
	if passed -= unsure; passed <= slack {
		return false
	}
	w := a.o.Window.Seconds()
	rate := passed / max(took.Seconds(), w*firstMeasure) * w
	if a.limit == 0 || rate < a.limit {
		a.limit = rate
	}
	a.limit *= aimdCut
	a.floor = firstFloor * min(passed, rate)
	a.first, a.empty, a.passed = now, now, 0
	a.active, a.emptyAt, a.last = 0, 0, now
	return true
}

func (a *AIMD) cut(now time.Time, unsure float64) {
	cut := max(a.limit*aimdCut, min(a.limit, a.came(unsure)*aimdSafe))
	if a.settled {
		a.retest = min(maxRetest, 2*a.retest)
	}
	if now.Sub(a.first) < a.o.Window {
		a.limit = max(cut, a.floor)
		return
	}
	told := a.prove(a.o.Window)
	a.empty, a.emptyAt, a.passed = now, a.active, 0
	if a.settled && !told { // again, and so soon: what was proven holds no more
		a.limit = cut
	} else {
		a.limit = max(cut, min(a.limit, a.proven*aimdSafe))
	}
	if a.settled {
		a.ceiling = max(a.limit, a.o.Min) / aimdSafe
	}
}

// came is what came through since the provider was empty, by the window: 0 when that is too short a time to tell.
func (a *AIMD) came(unsure float64) float64 {
	took := a.active - a.emptyAt
	if took < a.o.Window/aimdSteps {
		return 0
	}
	return max(0, a.passed-unsure) / took.Seconds() * a.o.Window.Seconds()
}

// prove takes what came through since the provider was empty for its rate, if that is enough active time, and says whether.
func (a *AIMD) prove(least time.Duration) bool {
	took := a.active - a.emptyAt
	if took < least {
		return false
	}
	rate := a.passed / took.Seconds() * a.o.Window.Seconds()
	if a.settled { // what was proven long ago may hold no more
		a.proven = rate
	} else {
		a.proven = max(a.proven, rate)
	}
	return true
}

func (a *AIMD) searching() bool {
	return !a.first.IsZero() && a.active < aimdSearch*a.o.Window-a.o.Window/12
}

// settle ends the search.
func (a *AIMD) settle() {
	a.prove(a.o.Window / 2)
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
	searching := a.searching()
	if !searching && !a.settled && !a.first.IsZero() {
		a.settle()
	}
	length, share := a.o.Window, 1.0
	if searching {
		length, share = a.o.Window/aimdSteps, 1.0/aimdSteps
	}
	d := now.Sub(a.since)
	if d < length {
		return
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
	next := max(a.limit+a.o.Step, a.limit*1.01)
	if searching {
		next = max(next, a.limit*aimdStride)
	} else if a.ceiling > 0 {
		next = min(next, a.ceiling*aimdSafe)
	}
	a.limit = max(a.limit, next)
}

// A trail is what was sent in about the last window, by twelfths of it.
type trail struct {
	slots  [trailSlots]float64
	cur    int64 // number of the newest slot, counted from origin
	origin time.Time
	length time.Duration
}

const trailSlots = 12 + 1 // one more, because the oldest is only partly out

func newTrail(now time.Time, window time.Duration) trail {
	return trail{origin: now, length: max(1, window/(trailSlots-1))}
}

func (r *trail) advance(now time.Time) {
	next := max(r.cur, int64(now.Sub(r.origin)/r.length))
	if next-r.cur >= trailSlots {
		r.slots, r.cur = [trailSlots]float64{}, next
	}
	for r.cur < next {
		r.cur++
		r.slots[r.cur%trailSlots] = 0
	}
}

// add counts n units; less than nothing is taken from the newest entries.
func (r *trail) add(now time.Time, n float64) {
	r.advance(now)
	if n >= 0 {
		r.slots[r.cur%trailSlots] += n
		return
	}
	for i := r.cur; i >= 0 && i > r.cur-trailSlots && n < 0; i-- {
		s := &r.slots[i%trailSlots]
		t := min(*s, -n)
		*s -= t
		n += t
	}
}

// sum returns the units and the time since the first of them.
func (r *trail) sum(now time.Time) (n float64, took time.Duration) {
	r.advance(now)
	for i := max(0, r.cur-trailSlots+1); i <= r.cur; i++ {
		if v := r.slots[i%trailSlots]; v > 0 {
			if n == 0 {
				took = now.Sub(r.origin.Add(time.Duration(i) * r.length))
			}
			n += v
		}
	}
	return n, took
}
