package filtertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trapgate/trapgate/filters"
)

// ErrPlanned is the failure of a Failer that names no other.
var ErrPlanned = errors.New("filtertest: planned failure")

// A Holder holds events back: the first N of each call until the next one comes, or the end. Later events pass at once.
type Holder struct {
	Recorder
	N int
}

// Open returns a stream that holds back.
func (f Holder) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	var held []filters.Event
	release := func(out *filters.Emitter) error {
		for _, e := range held {
			if err := out.Emit(e); err != nil {
				return err
			}
		}
		held = held[:0]
		return nil
	}
	seen := 0
	return f.start(x, habit{
		head: func(*filters.ResponseHead) error { seen = 0; return nil },
		event: func(e filters.Event, out *filters.Emitter) error {
			if seen++; seen <= f.N {
				held = append(held, e.Clone())
				return nil
			}
			if err := release(out); err != nil {
				return err
			}
			return out.Emit(e)
		},
		end: release,
	}), nil
}

// A Multiplier emits its i-th event Times[i%len(Times)] times, and Tail at the end of each call.
type Multiplier struct {
	Recorder
	Times []int
	Tail  []byte // a whole frame or body; none when empty
}

// Open returns a stream that multiplies.
func (f Multiplier) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	i, body := 0, false
	return f.start(x, habit{
		event: func(e filters.Event, out *filters.Emitter) error {
			body = e.Body
			times := f.Times[i%len(f.Times)]
			i++
			for range times {
				if err := out.Emit(e); err != nil {
					return err
				}
			}
			return nil
		},
		end: func(out *filters.Emitter) error {
			if len(f.Tail) == 0 {
				return nil
			}
			return out.Emit(filters.Event{Raw: f.Tail, Data: f.Tail, Body: body})
		},
	}), nil
}

// A Refuser answers the agent itself: from Open of the given Call and Attempt on.
type Refuser struct {
	Recorder
	Reply         *filters.Reply
	Call, Attempt int
}

// Open refuses with Reply.
func (f Refuser) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if x.Call < f.Call || x.Call == f.Call && x.Attempt.Number < f.Attempt {
		return f.start(x, habit{}), nil
	}
	f.refuse(x)
	return nil, f.Reply
}

// A Failer returns an error at one place. Close has no error to return, so there it panics.
type Failer struct {
	Recorder
	At    filters.Op
	Err   error // nil means ErrPlanned
	After int   // OpEvent only: events that pass before
}

// Open fails or returns a stream that will.
func (f Failer) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	err := f.Err
	if err == nil {
		err = ErrPlanned
	}
	return trip(f.Recorder, x, f.At, f.After, func() error {
		if f.At == filters.OpClose {
			panic(err)
		}
		return err
	})
}

// A Panicker panics at one place.
type Panicker struct {
	Recorder
	At    filters.Op
	After int // OpEvent only: events that pass before
}

// Open panics or returns a stream that will.
func (f Panicker) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	return trip(f.Recorder, x, f.At, f.After, func() error { panic(fmt.Sprintf("planned panic of %s", f.Label)) })
}

// trip opens a stream that calls fall at one place.
func trip(r Recorder, x *filters.Exchange, at filters.Op, after int, fall func() error) (filters.Stream, error) {
	var h habit
	switch at {
	case filters.OpOpen:
		r.refuse(x)
		return nil, fall()
	case filters.OpHead:
		h.head = func(*filters.ResponseHead) error { return fall() }
	case filters.OpEvent:
		h.event = func(e filters.Event, out *filters.Emitter) error {
			if after--; after >= 0 {
				return out.Emit(e)
			}
			return fall()
		}
	case filters.OpEnd:
		h.end = func(*filters.Emitter) error { return fall() }
	case filters.OpClose:
		h.close = func(error) { _ = fall() }
	}
	return r.start(x, h), nil
}

// A Repeater asks for another call at the end of its first Times ends: hidden turns.
type Repeater struct {
	Recorder
	Times int
	Hide  bool // keep the events of those calls from the agent
}

// Open returns a stream that asks.
func (f Repeater) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	asked := 0
	return f.start(x, habit{
		event: func(e filters.Event, out *filters.Emitter) error {
			if f.Hide && asked < f.Times {
				return nil
			}
			return out.Emit(e)
		},
		end: func(out *filters.Emitter) error {
			if asked < f.Times {
				asked++
				out.Again()
			}
			return nil
		},
	}), nil
}

// An Editor inserts Text into the request: behind the last message as an exchange edit, or with Call before the first as an
// edit of the attempt.
type Editor struct {
	Recorder
	Text string
	Call bool
}

// Open edits the request.
func (f Editor) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if msgs := x.View.Msgs; f.Call {
		x.CallEdits.Insert(msgs[0].Span.Start, []byte(f.Text))
	} else {
		x.Edits.Insert(msgs[len(msgs)-1].Span.End, []byte(f.Text))
	}
	return f.start(x, habit{}), nil
}

// A Waiter waits in Open or End until its context ends, as a queue or a tool does, and returns the cause. In End it has
// kept the events back: the agent is still waiting for its answer. A context that does not end within 5 s is a fault.
type Waiter struct {
	Recorder
	At      filters.Op    // OpOpen or OpEnd
	Waiting chan struct{} // closed when it waits
}

// Open waits or returns a stream that will.
func (f Waiter) Open(ctx context.Context, x *filters.Exchange) (filters.Stream, error) {
	wait := func() error {
		close(f.Waiting)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Second):
			f.Log.fault("%s: the context did not end when the agent left in %s", f.Label, f.At)
			return ErrPlanned
		}
	}
	if f.At == filters.OpOpen {
		f.refuse(x)
		return nil, wait()
	}
	return f.start(x, habit{
		event: func(filters.Event, *filters.Emitter) error { return nil },
		end:   func(*filters.Emitter) error { return wait() },
	}), nil
}
