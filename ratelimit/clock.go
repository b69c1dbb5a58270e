package ratelimit

import "time"

// A Clock tells the time and calls back later. Tests and simulators inject their own.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once d has passed, on a goroutine of the clock's choice and never before it returns.
	AfterFunc(d time.Duration, f func()) Timer
}

// A Timer is one pending callback. Stop reports whether it prevented the call.
type Timer interface{ Stop() bool }

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns the time with its monotonic reading.
func (SystemClock) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (SystemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

var _ Clock = SystemClock{}
