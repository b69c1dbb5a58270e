package filtertest

import (
	"context"

	"github.com/trapgate/trapgate/filters"
)

// A Looker shows each step of its streams, with the exchange as it is then.
type Looker struct {
	Recorder
	Look func(op filters.Op, x *filters.Exchange)
}

// Open looks, and returns a stream that does.
func (f Looker) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	f.Look(filters.OpOpen, x)
	return f.start(x, habit{
		head: func(*filters.ResponseHead) error { f.Look(filters.OpHead, x); return nil },
		event: func(e filters.Event, out *filters.Emitter) error {
			f.Look(filters.OpEvent, x)
			return out.Emit(e)
		},
		end:   func(*filters.Emitter) error { f.Look(filters.OpEnd, x); return nil },
		close: func(error) { f.Look(filters.OpClose, x) },
	}), nil
}

// A Leaver of the inner ring counts its attempts in Attempt.Left, and says in Seen what it found there at each Open. In the
// outer ring it leaves a first number.
type Leaver struct {
	Recorder
	Seen  *[]int
	First int // outer ring: what it leaves
}

// Open counts.
func (f Leaver) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	n, _ := x.Attempt.Left.Get("leaver").(int)
	if f.Seen == nil {
		n = f.First - 1
	} else {
		*f.Seen = append(*f.Seen, n)
	}
	x.Attempt.Left.Put("leaver", n+1)
	return f.start(x, habit{}), nil
}

// A Plainer adds Text before the first message, and when the upstream answers with Status asks for an attempt without.
type Plainer struct {
	Recorder
	Text   string
	Status int
	Plain  *[]bool // Attempt.Plain at each Open
}

// Open edits the request unless the attempt is plain.
func (f Plainer) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	*f.Plain = append(*f.Plain, x.Attempt.Plain)
	plain := x.Attempt.Plain
	if !plain {
		x.CallEdits.Insert(x.View.Msgs[0].Span.Start, []byte(f.Text))
	}
	return f.start(x, habit{head: func(h *filters.ResponseHead) error {
		if h.Status == f.Status && !plain {
			return filters.ErrPlain
		}
		return nil
	}}), nil
}

// A Rescuer knows a way out of a refusal: its attempts after it has been asked carry Text.
type Rescuer struct {
	Recorder
	Text  string
	Asked *[]int // the statuses that it was asked about
	Lost  bool   // it knows none, whatever it is asked
}

// Open edits the request once a refusal has been seen.
func (f Rescuer) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if len(*f.Asked) > 0 && !f.Lost {
		x.CallEdits.Insert(x.View.Msgs[0].Span.Start, []byte(f.Text))
	}
	return &rescuing{f.start(x, habit{}), f.Asked, f.Lost}, nil
}

type rescuing struct {
	filters.Stream
	asked *[]int
	lost  bool
}

func (s *rescuing) Refused(status int, _ filters.Fields, body []byte) bool {
	*s.asked = append(*s.asked, status)
	return !s.lost && len(body) > 0 && len(*s.asked) < 4 // a host that asks for ever is told of by then
}

// A Commenter sends the agent N comments in Open, if it may have any, and then refuses with Reply when that is set.
type Commenter struct {
	Recorder
	N     int
	Reply *filters.Reply
	Sent  *int
}

// Open sends comments.
func (f Commenter) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	for range f.N {
		if x.KeepAlive == nil {
			break
		}
		if err := x.KeepAlive(); err != nil {
			f.refuse(x)
			return nil, err
		}
		*f.Sent++
	}
	if f.Reply != nil {
		f.refuse(x)
		return nil, f.Reply
	}
	return f.start(x, habit{}), nil
}
