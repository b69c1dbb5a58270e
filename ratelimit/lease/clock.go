package lease

import "time"

// A Clock is time as the client sees it.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f, which does not block, once d has passed. It must not call it before it returns.
	AfterFunc(d time.Duration, f func()) Timer
}

// A Timer is one pending call. Stop reports whether it prevented it.
type Timer interface{ Stop() bool }

type systemClock struct{}

func (systemClock) Now() time.Time                            { return time.Now() }
func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
