package budget

import "time"

// Window is how long a budget lasts: one minute, hour, day or month of the UTC calendar.
type Window uint8

// The values of Window.
const (
	Minute Window = iota
	Hour
	Day
	Month
)

var windowSeconds = [...]int64{Minute: 60, Hour: 3600, Day: 86400}

// Bounds returns the begin of the window that t is in and the begin of the one after.
func (w Window) Bounds(t time.Time) (start, end time.Time) {
	s, e := w.bounds(t.Unix())
	return time.Unix(s, 0).UTC(), time.Unix(e, 0).UTC()
}

// bounds is Bounds in seconds since 1970. Days of Unix time have no leap seconds, so they begin where the calendar's do.
func (w Window) bounds(now int64) (start, end int64) {
	if w != Month {
		n := windowSeconds[w]
		start = now - ((now%n)+n)%n
		return start, start + n
	}
	y, m, _ := time.Unix(now, 0).UTC().Date()
	return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).Unix()
}
