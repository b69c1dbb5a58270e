package filters_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/trapgate/trapgate/filters"
)

// A pass is a filter that does nothing, as cheaply as it can be done.
type pass struct{}

func (pass) Name() string { return "pass" }
func (pass) Open(context.Context, *filters.Exchange) (filters.Stream, error) {
	return pass{}, nil
}
func (pass) Head(*filters.ResponseHead) error                  { return nil }
func (pass) Event(e filters.Event, out *filters.Emitter) error { return out.Emit(e) }
func (pass) End(*filters.Emitter) error                        { return nil }
func (pass) Close(error)                                       {}

type count struct{ n int }

func (c *count) Emit(filters.Event) error { c.n++; return nil }

func ring(n int) *filters.Chain {
	list := make([]filters.Filter, n)
	for i := range list {
		list[i] = pass{}
	}
	return filters.NewChain(list...)
}

// BenchmarkEvents is 200 events through 5 filters in one ring, and in two (3 outer, 2 inner).
func BenchmarkEvents(b *testing.B) {
	x := new(filters.Exchange)
	e := filters.Event{Raw: make([]byte, 220), Data: make([]byte, 212)}
	run := func(b *testing.B, first *filters.Flow, sink *count) {
		b.ReportAllocs()
		for b.Loop() {
			for range 200 {
				if err := first.Emit(e); err != nil {
					b.Fatal(err)
				}
			}
		}
		if sink.n < 200 {
			b.Fatal(sink.n)
		}
	}
	for _, n := range []int{0, 1, 5} {
		b.Run(fmt.Sprintf("filters=%d", n), func(b *testing.B) {
			f, _ := ring(n).Open(b.Context(), x)
			sink := new(count)
			f.SetSink(sink)
			run(b, f, sink)
		})
	}
	b.Run("rings=3+2", func(b *testing.B) {
		outer, _ := ring(3).Open(b.Context(), x)
		inner, _ := ring(2).Open(b.Context(), x)
		sink := new(count)
		outer.SetSink(sink)
		inner.SetSink(outer)
		run(b, inner, sink)
	})
}

// BenchmarkLife is all of a ring but its events: Open, Head, End, Close.
func BenchmarkLife(b *testing.B) {
	for _, n := range []int{0, 1, 5} {
		b.Run(fmt.Sprintf("filters=%d", n), func(b *testing.B) {
			c, x, h := ring(n), new(filters.Exchange), new(filters.ResponseHead)
			b.ReportAllocs()
			for b.Loop() {
				f, _ := c.Open(b.Context(), x)
				_ = f.Head(h)
				_, _ = f.End()
				_ = f.Close(nil)
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	x, h := new(filters.Exchange), new(filters.ResponseHead)
	e := filters.Event{Raw: make([]byte, 220)}
	outer, _ := ring(3).Open(t.Context(), x)
	inner, _ := ring(2).Open(t.Context(), x)
	outer.SetSink(new(count))
	inner.SetSink(outer)
	if n := testing.AllocsPerRun(100, func() { _ = inner.Emit(e) }); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
	c := ring(5)
	if n := testing.AllocsPerRun(100, func() {
		f, _ := c.Open(context.Background(), x)
		_ = f.Head(h)
		_, _ = f.End()
		_ = f.Close(nil)
	}); n > 2 {
		t.Errorf("%v allocations for a ring", n)
	}
}
