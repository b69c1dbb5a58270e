package limit

import (
	"math"
	"time"
)

// A mirror is the provider's count as its headers tell it, carried on by what we dispatch and by its refill. Each newer
// response replaces it, upwards too: a provider that charges max_tokens first and gives the rest back would otherwise leave
// us with what it held at its worst moment.
//
// How it refills has to be found out, since "limit" may be for a minute, a day (requests at OpenAI's lower tiers, Groq) or a
// fixed window. A bucket that refills evenly is full after reset = used/limit * period, which gives the period. In a fixed
// window the reset stays where it is while the remainder falls, which gives it away at the second response; it then refills
// at the reset only.
type mirror struct {
	known  bool
	fixed  bool    // refills at the reset only
	stays  bool    // its reset was seen to stay
	limit  float64 // +Inf when not told
	left   float64
	slope  float64 // units a second
	period time.Duration
	at     time.Time
	reset  time.Time // zero when not told
	mark   float64
	last   Quota
}

const (
	defaultPeriod = time.Minute
	maxPeriod     = 32 * 24 * time.Hour
	// resetNoise is what resets rounded to whole seconds, and the way back, may be off.
	resetNoise = 1500 * time.Millisecond
)

func (m *mirror) advance(now time.Time) {
	if !m.known {
		return
	}
	if d := now.Sub(m.at); d > 0 {
		if !m.fixed {
			m.left = min(m.limit, m.left+m.slope*d.Seconds())
		}
		m.at = now
	}
	// Past the reset of a fixed window nothing is known but the limit, and what was sent since is not told apart.
	if m.fixed && !m.reset.IsZero() && !now.Before(m.reset) {
		m.known = !math.IsInf(m.limit, 1)
		m.left, m.reset, m.fixed = m.limit, time.Time{}, false
	}
}

func (m *mirror) take(n float64) {
	if m.known {
		m.left -= n
	}
}

func (m *mirror) fits(n, taken float64) bool {
	return !m.known || m.left-taken+slack >= min(n, m.limit)
}

func (m *mirror) fitsAt(n, taken float64) time.Time {
	if m.fits(n, taken) {
		return time.Time{}
	}
	if m.fixed || m.slope <= 0 {
		if m.reset.IsZero() {
			return m.at.Add(defaultPeriod)
		}
		return m.reset
	}
	return m.at.Add(seconds((min(n, m.limit) - m.left + taken) / m.slope))
}

// sync replaces the count. since is what was dispatched after the call whose response this is.
func (m *mirror) sync(now time.Time, q Quota, mark, since float64) bool {
	if !q.HasRemaining || m.known && mark < m.mark {
		return false
	}
	limit := math.Inf(1)
	if q.HasLimit {
		limit = q.Limit
	}
	m.observeShape(now, q)
	m.known, m.limit, m.left, m.at, m.mark, m.last = true, limit, q.Remaining-since, now, mark, q
	m.reset = time.Time{}
	if q.HasReset {
		m.reset = now.Add(q.Reset)
	}
	m.slope, m.fixed = 0, m.stays || !q.HasLimit
	if !m.fixed {
		m.slope = q.Limit / m.period.Seconds()
	}
	return true
}

// observeShape learns the period and whether the window is fixed.
func (m *mirror) observeShape(now time.Time, q Quota) {
	if m.period == 0 {
		m.period = defaultPeriod
	}
	if q.Period > 0 {
		m.period = q.Period
	}
	if !q.HasLimit || !q.HasReset {
		return
	}
	used := q.Limit - q.Remaining
	if m.known && m.last.HasReset && m.last.HasLimit && !m.reset.IsZero() && m.last.Remaining > q.Remaining {
		moved := now.Add(q.Reset).Sub(m.reset)
		would := time.Duration((m.last.Remaining - q.Remaining) / q.Limit * float64(m.period))
		if would > 2*resetNoise {
			m.stays = moved < resetNoise
		}
	}
	// Too little used, and the rounding of the reset says more than the period does.
	if q.Period > 0 || m.stays || used < 0.05*q.Limit && q.Reset < windowLength+resetNoise {
		return
	}
	if p := time.Duration(min(float64(q.Reset)/used*q.Limit, float64(maxPeriod))); used > 0 && p > 0 {
		m.period = p
		if p < defaultPeriod*3/2 { // a minute told in whole seconds, or one that is no longer than a minute
			m.period = max(defaultPeriod, p)
		}
	}
}

// perMinute returns the limit as a rate for a bucket of ours, or 0 when the period is so much longer than a minute that
// spreading it would hold back what the provider gives at once.
func (m *mirror) perMinute() float64 {
	if !m.known || math.IsInf(m.limit, 1) || m.period > 2*defaultPeriod || !m.reset.IsZero() && m.reset.Sub(m.at) > 2*defaultPeriod {
		return 0
	}
	return m.limit
}
