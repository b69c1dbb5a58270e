package simmodel

import (
	"context"
	"time"
)

// A Clock is the time a model lives in. The wall clock is right inside a testing/synctest bubble too.
type Clock interface {
	Now() time.Time
	// Wait returns nil at t (at once when t has passed) or ctx's error, whichever comes first.
	Wait(ctx context.Context, t time.Time) error
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Wait(ctx context.Context, t time.Time) error {
	// A context that is done wins even when no time is left to wait: nothing is generated for an agent that is gone.
	if err := ctx.Err(); err != nil {
		return err
	}
	d := time.Until(t)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
