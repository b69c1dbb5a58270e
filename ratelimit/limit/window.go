package limit

import (
	"math"
	"time"
)

const (
	windowLength = time.Minute
	slotLength   = 250 * time.Millisecond
	// One more slot than a minute has, because the oldest is only partly out of the window.
	slotCount = int(windowLength/slotLength) + 1
	// windowCap is the share of a minute's rate that may run or have ended within a minute. Reserving the 80th percentile
	// leaves about a hundredth under it.
	windowCap = 1.10
	// windowUse is the share of the rate that the window must leave reachable, however long calls take.
	windowUse = 0.98
	// windowMemory smooths the two averages that tell how long calls take.
	windowMemory = 2 * time.Minute
	windowStep   = float64(slotLength) / float64(windowMemory)
	maxStretch   = 30.0
)

// A window bounds what any sliding minute of *ended* usage can come to. At every moment the usage that ended in the minute
// before is at most load() = in flight + ended in that minute, and load only grows by what is reserved and by what estimates
// left out. So load <= cap bounds every minute, whether the provider counts a call at its start, at its end or in between.
//
// A call counts for its own duration and a minute more, so a cap of 1.10 rates leaves 1.10*60/(60+d) of the rate for calls
// of duration d. Where that is less than 0.98 the cap is raised to allow 0.98: with calls that long many are in flight at
// once, and their ends spread by themselves. d is in flight / throughput (Little's law), both smoothed, so no call has to be
// followed.
type window struct {
	slots    [slotCount]float64
	cur      int64 // number of the newest slot, counted from origin
	origin   time.Time
	at       time.Time
	sum      float64
	inflight float64
	area     float64 // in flight * seconds, in the slot so far
	avgIn    float64 // smoothed in flight
	avgRate  float64 // smoothed usage ended a second
}

func (w *window) advance(now time.Time) {
	if w.origin.IsZero() {
		w.origin, w.at = now, now
	}
	d := now.Sub(w.at)
	if d <= 0 {
		return
	}
	w.at = now
	w.area += w.inflight * d.Seconds()
	if next := int64(now.Sub(w.origin) / slotLength); next != w.cur {
		w.turn(next)
	}
}

// turn begins slot number next.
func (w *window) turn(next int64) {
	passed := next - w.cur
	length := slotLength.Seconds()
	if passed == 1 {
		w.avgIn += windowStep * (w.area/length - w.avgIn)
		w.avgRate *= 1 - windowStep
	} else {
		keep := math.Pow(1-windowStep, float64(passed))
		w.avgIn = w.avgIn*keep + w.area/(length*float64(passed))*(1-keep)
		w.avgRate *= keep
	}
	w.area = 0
	if passed >= int64(slotCount) {
		w.slots = [slotCount]float64{}
		w.cur = next
	}
	for w.cur < next {
		w.cur++
		w.slots[w.cur%int64(slotCount)] = 0
	}
	w.sum = 0 // summed anew, so that nothing drifts
	for _, v := range w.slots {
		w.sum += v
	}
}

// log adds ended usage; less than nothing is taken from the newest entries, so that it never outlives what it corrects.
func (w *window) log(n float64) {
	if n >= 0 {
		w.slots[w.cur%int64(slotCount)] += n
		w.sum += n
		w.avgRate += n / windowMemory.Seconds()
		return
	}
	for i := int64(0); i < int64(slotCount) && n < 0 && w.cur-i >= 0; i++ {
		s := &w.slots[(w.cur-i)%int64(slotCount)]
		t := min(*s, -n)
		*s -= t
		w.sum -= t
		n += t
	}
}

func (w *window) load() float64 { return w.sum + w.inflight }

// cap returns what load may come to at that rate.
func (w *window) cap(perMinute float64) float64 {
	stretch := 1.0
	switch {
	case w.avgIn <= 0:
	case w.avgRate <= 0:
		stretch = maxStretch // calls run and none has ended yet: nothing is known of their duration
	default:
		stretch = min(maxStretch, 1+w.avgIn/w.avgRate/windowLength.Seconds())
	}
	return perMinute * max(windowCap, windowUse*stretch)
}

// freeAt returns when n of the load will have left the window, running calls taken to end now.
func (w *window) freeAt(now time.Time, n float64) time.Time {
	for i := w.cur - int64(slotCount) + 1; i <= w.cur; i++ {
		if i < 0 {
			continue
		}
		n -= w.slots[i%int64(slotCount)]
		if n <= slack {
			return later(now, w.origin.Add(time.Duration(i+int64(slotCount))*slotLength))
		}
	}
	return now.Add(windowLength + slotLength)
}
