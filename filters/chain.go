package filters

import (
	"context"
	"time"
)

// A Chain is one ring of filters in the order in which they see a request. It is immutable and safe for concurrent use.
type Chain struct {
	filters []Filter
	names   []string
	inner   bool
}

// NewChain makes the outer ring: opened once for an exchange.
func NewChain(filters ...Filter) *Chain {
	c := &Chain{filters: filters, names: make([]string, len(filters))}
	for i, f := range filters {
		c.names[i] = f.Name()
	}
	return c
}

// NewInnerChain makes the inner ring: opened anew for each attempt. A stream of it that asks for another call fails.
func NewInnerChain(filters ...Filter) *Chain {
	c := NewChain(filters...)
	c.inner = true
	return c
}

// Len returns the number of filters.
func (c *Chain) Len() int { return len(c.filters) }

// Open opens every filter in order and returns the flow of the response. On an error (a *FilterError, which may hold a
// *Reply; or the cause of ctx) the flow holds the streams opened so far. It is never nil, and the caller must Close it in
// both cases.
func (c *Chain) Open(ctx context.Context, x *Exchange) (*Flow, error) {
	return c.OpenIn(nil, ctx, x)
}

// OpenIn is Open for a host that keeps a Flow to be used again: a ring without filters needs no other.
func (c *Chain) OpenIn(empty *Flow, ctx context.Context, x *Exchange) (*Flow, error) {
	f := empty
	if f == nil || len(c.filters) > 0 {
		f = new(Flow)
	}
	*f = Flow{chain: c, x: x, sink: noSink{}, at: hostCode}
	if len(c.filters) == 0 {
		return f, nil
	}
	f.links = make([]Emitter, len(c.filters))
	before := x.where.Load()
	defer x.where.Store(before)
	start := clock()
	for i := range c.filters {
		if ctx.Err() != nil {
			f.err = context.Cause(ctx)
			return f, f.err
		}
		o := &f.links[i]
		o.flow, o.index, o.start = f, i, start
		x.where.Store(&c.names[i])
		waited := x.Waited
		err := f.open(ctx, o)
		end := clock()
		o.spent, start = end-start-(x.Waited-waited), end
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// open runs one filter's Open and links its stream.
func (f *Flow) open(ctx context.Context, o *Emitter) (err error) {
	f.op, f.at = OpOpen, o.index
	defer f.rescue(&err)
	stream, err := f.chain.filters[o.index].Open(ctx, f.x)
	if err != nil {
		return f.fail(o, OpOpen, err)
	}
	f.at, o.stream = hostCode, stream
	if stream == nil {
		return nil
	}
	if h, ok := stream.(HeadOnly); ok && h.HeadOnly() {
		o.headOnly = true
		return nil
	}
	if ob, ok := stream.(Observer); !ok || !ob.Observes() {
		f.edits = true
	}
	o.outer, f.last = f.last, o
	return nil
}

// Clock readings are offsets from a fixed instant: half the cost of time.Now.
var epoch = time.Now()

func clock() time.Duration { return time.Since(epoch) }
