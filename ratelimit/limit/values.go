package limit

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

const (
	maxNumber = 1e13 // Unix milliseconds of the year 2286
	// maxAmount is more than anybody's limit; what is above it is no limit.
	maxAmount = 1e12
	maxValue  = 64
	// A bare number is Unix time from here on (1973), and Unix milliseconds from there on.
	unixSeconds = 1e8
	unixMillis  = 1e11
)

// number reads a plain decimal that is not negative, up to a comma or semicolon (the IETF draft adds policies behind it).
func number(v []byte) (float64, bool) {
	if i := bytes.IndexAny(v, ",;"); i >= 0 {
		v = bytes.TrimSpace(v[:i])
	}
	if len(v) == 0 || len(v) > maxValue {
		return 0, false
	}
	for _, c := range v { // no signs, exponents, hexadecimals, infinities
		if (c < '0' || c > '9') && c != '.' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f > maxNumber {
		return 0, false
	}
	return f, true
}

// amount is a number of requests or tokens.
func amount(v []byte) (float64, bool) {
	f, ok := number(v)
	if !ok || f > maxAmount {
		return 0, false
	}
	return f, true
}

// span reads the time until a reset, in any of the forms that Parse names.
func span(now time.Time, v []byte) (time.Duration, bool) {
	if len(v) == 0 || len(v) > maxValue {
		return 0, false
	}
	if f, ok := number(v); ok {
		switch {
		case f >= unixMillis:
			return until(now, time.UnixMilli(int64(f)))
		case f >= unixSeconds:
			return until(now, time.Unix(int64(f), 0))
		}
		return bounded(f * float64(time.Second))
	}
	if ns, ok := goDuration(v); ok {
		return bounded(ns)
	}
	if t, ok := date(v); ok {
		return until(now, t)
	}
	return 0, false
}

func bounded(ns float64) (time.Duration, bool) {
	if math.IsNaN(ns) || ns < 0 || ns > float64(maxPeriod) {
		return 0, false
	}
	return time.Duration(ns), true
}

// goDuration reads a duration as Go spells it (6m0s, 20ms) in nanoseconds: like time.ParseDuration, without a sign and without
// putting the text on the heap.
func goDuration(v []byte) (ns float64, ok bool) {
	for len(v) > 0 {
		n := 0
		for n < len(v) && (v[n] >= '0' && v[n] <= '9' || v[n] == '.') {
			n++
		}
		f, err := strconv.ParseFloat(string(v[:n]), 64)
		if err != nil {
			return 0, false
		}
		u := n
		for u < len(v) && v[u] != '.' && (v[u] < '0' || v[u] > '9') {
			u++
		}
		var unit time.Duration
		switch string(v[n:u]) {
		case "ns":
			unit = time.Nanosecond
		case "us", "\u00b5s", "\u03bcs":
			unit = time.Microsecond
		case "ms":
			unit = time.Millisecond
		case "s":
			unit = time.Second
		case "m":
			unit = time.Minute
		case "h":
			unit = time.Hour
		default:
			return 0, false
		}
		ns += f * float64(unit)
		v, ok = v[u:], true
	}
	return ns, ok
}

// until is 0 for a moment that has just passed: resets are rounded, and answers travel. One long past is a wrong clock.
func until(now, t time.Time) (time.Duration, bool) {
	d := t.Sub(now)
	if d < -time.Hour || d > maxPeriod {
		return 0, false
	}
	return max(0, d), true
}

// date reads RFC 3339 and the three forms of an HTTP date (RFC 9110, section 5.6.7).
func date(v []byte) (time.Time, bool) {
	if len(v) < len("2006-01-02T15:04:05Z") || len(v) > maxValue {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, "Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(layout, string(v)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
