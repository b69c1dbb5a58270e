package limit

import (
	"math"
	"time"
)

const (
	// defaultBurst is the share of a minute's rate that may go at once: with it no sliding minute can dispatch more than
	// 1.10 times the rate, and a provider that refills a bucket of a tenth of a minute or more never refuses.
	defaultBurst = 0.1
	// slack absorbs what floating point loses between RefillAt and Fits.
	slack = 1e-6
)

// Forever is a wait or a hold without an end of its own.
const Forever = time.Duration(math.MaxInt64)

// A Rate is a limit: units a minute, and how many of them may go at once. The zero Rate is no limit.
type Rate struct {
	PerMinute float64
	// Burst is the most that an idle bucket saves; 0 means a tenth of PerMinute.
	Burst float64
}

func (r Rate) limited() bool { return r.PerMinute > 0 }

func (r Rate) burst() float64 {
	if r.Burst > 0 {
		return r.Burst
	}
	return r.PerMinute * defaultBurst
}

// A Bucket is one limit of one pool, and its ledger. It admits what passes three tests at once:
//
//   - its own token bucket: level >= min(n, burst). The level may fall below zero (debt): a call larger than the burst is
//     admitted when the bucket is full and paid for afterwards, and so is what an estimate left out. Over any time T it
//     admits at most max(burst, largest n) + rate*T, plus what running calls turn out to be larger than reserved, what calls
//     reserved before give back in T, and what Save let it save.
//   - a window: what runs, plus what ended in the last minute, stays under 1.10 times the rate. Calls bunch at their ends
//     however evenly they were sent, and whoever counts usage when it is known sees those bunches (see window).
//   - the provider's own count, when it told one (see mirror): remaining - dispatched since.
//
// The zero Bucket has no limit, and still keeps the ledger, so that a limit found later begins with what is known.
type Bucket struct {
	rate   Rate
	level  float64
	at     time.Time
	saved  float64 // what a call that waits may save beyond the burst
	savedT time.Time
	mark   float64
	atDisp bool // usage counts when it is sent (requests), not when it ends
	win    window
	theirs mirror
}

// NewBucket returns a full bucket.
func NewBucket(now time.Time, r Rate) *Bucket {
	b := new(Bucket)
	b.init(now, r, false)
	return b
}

func (b *Bucket) init(now time.Time, r Rate, atDispatch bool) {
	b.rate, b.at, b.level, b.atDisp = r, now, r.burst(), atDispatch
	b.win.advance(now)
}

// Rate returns the rate in force.
func (b *Bucket) Rate() Rate { return b.rate }

// SetRate changes the rate and keeps the ledger: debt stays, savings are cut to the new burst, the window and the provider's
// count are not touched.
func (b *Bucket) SetRate(now time.Time, r Rate) {
	b.advance(now)
	if !b.rate.limited() {
		b.level = r.burst()
	}
	b.rate = r
	b.level = min(b.level, b.full())
}

// full is the level at which the bucket stops to fill.
func (b *Bucket) full() float64 { return max(b.rate.burst(), b.saved) }

func (b *Bucket) advance(now time.Time) {
	if now == b.at { // the same reading of the same clock, which is the usual case
		return
	}
	if d := now.Sub(b.at); d > 0 {
		if b.saved > 0 && now.Sub(b.savedT) > windowLength { // whoever waited does not ask any more
			b.saved = 0
			b.level = min(b.level, b.full())
		}
		if b.level < b.full() {
			b.level = min(b.full(), b.level+b.rate.PerMinute*d.Minutes())
		}
		b.at = now
	}
	b.win.advance(b.at)
	b.theirs.advance(b.at)
}

// Level returns what may be sent at once by the token bucket alone: negative in debt, +Inf without a limit.
func (b *Bucket) Level(now time.Time) float64 {
	if !b.rate.limited() {
		return math.Inf(1)
	}
	b.advance(now)
	return b.level
}

// InFlight returns what is reserved and not settled.
func (b *Bucket) InFlight() float64 { return b.win.inflight }

// LastMinute returns what was settled in the last minute (for requests: sent).
func (b *Bucket) LastMinute(now time.Time) float64 {
	b.advance(now)
	return b.win.sum
}

// Fits reports whether n may be reserved now. gate is what the provider looks for before it admits the call, where that is
// more than n (input + max_tokens, say); it is compared with the provider's count only. Calls larger than a whole limit are
// compared by the limit: holding them for ever would help nobody, and the provider is the one to refuse them.
func (b *Bucket) Fits(now time.Time, n, gate float64) bool {
	b.advance(now)
	return b.fits(n, gate, 0)
}

// fits is Fits after a call of taken was reserved.
func (b *Bucket) fits(n, gate, taken float64) bool {
	if !b.theirs.fits(max(n, gate), taken) {
		return false
	}
	if !b.rate.limited() {
		return true
	}
	return b.level-taken+slack >= min(n, b.rate.burst()) && b.excess(n, taken) <= slack
}

// excess is by how much n would pass the window's cap.
func (b *Bucket) excess(n, taken float64) float64 {
	room := b.win.cap(b.rate.PerMinute)
	return b.win.load() + taken + min(n, room) - room
}

// RefillAt returns when n will fit, if nothing is reserved or settled meanwhile; now if it fits. What only the end of a
// running call can free is taken to end at once, so the time is never too late to look again.
func (b *Bucket) RefillAt(now time.Time, n, gate float64) time.Time {
	b.advance(now)
	return b.refillAt(n, gate, 0)
}

func (b *Bucket) refillAt(n, gate, taken float64) time.Time {
	at := later(b.at, b.theirs.fitsAt(max(n, gate), taken))
	if !b.rate.limited() {
		return at
	}
	if lack := min(n, b.rate.burst()) - b.level + taken; lack > slack {
		at = later(at, b.at.Add(seconds(lack/b.rate.PerMinute*60)))
	}
	if over := b.excess(n, taken); over > slack {
		at = later(at, b.win.freeAt(b.at, over))
	}
	return at
}

// Delays reports whether reserving n now would put off the time at which head fits: whether n may pass it (EASY backfilling).
func (b *Bucket) Delays(now time.Time, n, head, headGate float64) bool {
	b.advance(now)
	return b.refillAt(head, headGate, n).After(b.refillAt(head, headGate, 0))
}

// Save tells that a call of n waits at the head, or with 0 that none does: the level may then climb to n instead of the
// burst, so that a call larger than the burst is not paid for twice, once while it waits for the window and once in debt.
// Reserving it ends that, and so does a minute without another Save.
func (b *Bucket) Save(now time.Time, n float64) {
	b.advance(now)
	b.saved, b.savedT = max(0, n), b.at
	b.level = min(b.level, b.full())
}

// Empty takes away what was saved: the provider has just refused, so there is none. Debt stays.
func (b *Bucket) Empty(now time.Time) {
	b.advance(now)
	b.level = min(b.level, 0)
}

// Reserve takes n, whether it fits or not.
func (b *Bucket) Reserve(now time.Time, n float64) {
	b.advance(now)
	b.mark += n
	b.level -= n
	b.theirs.take(n)
	if n >= b.saved {
		b.saved = 0
		b.level = min(b.level, b.full())
	}
	if b.atDisp {
		b.win.log(n)
	} else {
		b.win.inflight += n
	}
}

// Mark returns what was ever reserved. Taken right after a call's Reserve and handed to Sync with that call's response, it
// says what was dispatched since.
func (b *Bucket) Mark() float64 { return b.mark }

// Adjust changes a reservation by delta: a top-up as tokens stream, or less than nothing when part of it is given back.
func (b *Bucket) Adjust(now time.Time, delta float64) {
	b.advance(now)
	b.level = min(b.full(), b.level-delta)
	if delta > 0 {
		b.mark += delta
		b.theirs.take(delta)
	}
	if b.atDisp {
		b.win.log(delta)
		return
	}
	b.win.inflight = max(0, b.win.inflight+delta)
}

// Settle ends a reservation: reserved is what Reserve and Adjust took for it in all, actual what it came to. A refund is a
// settlement at 0. It must be called once for each reservation, and the provider's count is not raised by it: whether a
// provider gives unused tokens back, its next response tells.
func (b *Bucket) Settle(now time.Time, reserved, actual float64) {
	b.Adjust(now, actual-reserved)
	if b.atDisp {
		return
	}
	b.win.inflight = max(0, b.win.inflight-actual)
	b.win.log(actual)
}

// Sync takes the provider's count from a response. mark is what Mark returned when that response's call was reserved. A
// response older than the last one taken is ignored, and so is one that says nothing; Sync then returns false.
func (b *Bucket) Sync(now time.Time, q Quota, mark float64) bool {
	b.advance(now)
	return b.theirs.sync(b.at, q, mark, b.mark-mark)
}

// Theirs returns what the provider would admit now by its own count, and whether it told one.
func (b *Bucket) Theirs(now time.Time) (float64, bool) {
	b.advance(now)
	return b.theirs.left, b.theirs.known
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// seconds rounds up, so that what was computed to fit at a time does fit at it.
func seconds(s float64) time.Duration {
	if s >= math.MaxInt64/1e9 {
		return Forever
	}
	return time.Duration(math.Ceil(s * 1e9))
}
