package limit

import "time"

const (
	noiseFall    = 4     // so far must a limit have fallen for refusals to be doubted
	noiseLost    = 4     // refusals that tell
	noiseLeast   = 0.005 // their least share in what is sent meanwhile: fewer cost little
	noiseMost    = 0.3   // the share from which on they are a rate's after all
	noiseMemory  = 64    // calls over which the share is smoothed
	noiseWindows = 60    // for which what was found holds
)

// A noise tells refusals that no rate is behind: those of an upstream that refuses a share of its calls, whatever is sent. A rate
// refuses no more once the limit is below it, and most of what is sent when it has itself fallen far below the limit. So a share
// between nothing and noiseMost that goes on when a limit has fallen by noiseFall has not followed the limit. From then on a
// refusal is only believed when the share of late comes to noiseMost; for noiseWindows, because the upstream may change.
type noise struct {
	until      time.Time // what was found holds; zero: nothing was
	share      float64   // refused of late, while it holds
	high       float64   // limit from which on it has fallen
	sent, lost float64   // calls since it has fallen so far
}

func (z *noise) found(now time.Time) bool { return now.Before(z.until) }

// low reports whether a limit has fallen so far that its refusals are doubted.
func (z *noise) low(limit float64) bool { return limit > 0 && limit <= z.high/noiseFall }

// call counts a call that is sent under a limit, which is settled or still looked for.
func (z *noise) call(now time.Time, limit float64, settled bool) {
	if z.found(now) {
		z.share -= z.share / noiseMemory
		return
	}
	if !z.until.IsZero() {
		*z = noise{}
	}
	z.high = max(z.high, limit)
	if !settled || !z.low(limit) {
		z.sent, z.lost = 0, 0
		return
	}
	if z.sent++; z.sent > noiseLost/noiseLeast {
		*z = noise{high: limit}
	}
}

// doubts counts a refusal under a limit, and reports whether it is no reason to lower it.
func (z *noise) doubts(now time.Time, limit float64, window time.Duration) bool {
	if z.found(now) {
		if z.share += 1.0 / noiseMemory; z.share < noiseMost {
			return true
		}
		z.share = 0 // the limit falls: what comes then is judged anew
		return false
	}
	if !z.low(limit) || z.sent == 0 {
		return false
	}
	if z.lost++; z.lost < noiseLost {
		return true
	}
	share := z.lost / z.sent
	*z = noise{high: limit}
	if share >= noiseMost {
		return false
	}
	z.until, z.share = now.Add(noiseWindows*window), share
	return true
}
