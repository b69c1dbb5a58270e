package digest

import (
	"bytes"
	"strconv"
	"strings"
)

// spansShown is how many span handles stand in the text; older ones are listed in an offload of their own.
const spansShown = 2

// stubs makes the newest results of the span into stubs, before those of earlier spans, within the budget. Of repeated calls
// only the newest stays.
func (c *collector) stubs() {
	left := c.opt.StubBudget
	var list []stub
	add := func(s stub) bool {
		for _, o := range list {
			if o.Key == s.Key {
				return true
			}
		}
		if s.Cost > left {
			return false
		}
		left -= s.Cost
		list = append(list, s)
		return true
	}
	for k := len(c.results) - 1; k >= 0; k-- {
		if r := &c.results[k]; r.offload >= 0 && !add(c.stub(r, left)) {
			c.state.Stubs = list
			return
		}
	}
	for _, s := range c.state.Stubs {
		if !add(s) {
			break
		}
	}
	c.state.Stubs = list
}

// stub renders a result: the call, size, handle, and the beginning and the end of its text; of errors all within reason.
func (c *collector) stub(r *result, left int) stub {
	p := c.callAt(r.call)
	name, key := p.name, c.key(p)
	if name == "" {
		name = "result"
	}
	line := append([]byte(name), '(')
	line = append(append(line, key...), "): "...)
	line = append(strconv.AppendInt(line, int64(r.size), 10), " B, "...)
	line = append(append(line, c.offloads[r.offload].Handle...), ' ')
	switch whole := 600; {
	case p.failed && len(r.text) <= whole && len(r.text) < left*2:
		line = append(line, oneLine(nil, r.text)...)
	case r.text != nil:
		line = append(append(append(line, oneLine(nil, head(r.text, 32))...), " … "...), oneLine(nil, tail(r.text, 32))...)
	}
	return stub{newItem(bytes.TrimRight(line, " ")), name + "(" + string(key)}
}

// handles gives the results their handles.
func (c *collector) handles() {
	<-c.kept.done
	for k, h := range c.kept.handles {
		c.offloads[k].Handle = h
	}
}

// span gives the evicted messages, the first of which is number first, their handle.
func (c *collector) span(first int) {
	h := c.kept.span
	c.offloads = append(c.offloads, Offload{Handle: h, Content: c.kept.buf, Message: first, Kind: Span})
	s := &c.state
	s.Spans = append(s.Spans, h)
	if len(s.Spans) <= spansShown {
		return
	}
	for len(s.Spans) > spansShown {
		s.Older = append(s.Older, s.Spans[0])
		s.Spans = s.Spans[1:]
	}
	s.Index = c.offload([]byte(strings.Join(s.Older, "\n")), first, Index)
}

// offload adds a list made here, of what left with a span whose first message is number first, and returns its handle.
func (c *collector) offload(list []byte, first int, kind Kind) (handle string) {
	handle = HandleOf(list)
	c.offloads = append(c.offloads, Offload{Handle: handle, Content: list, Message: first, Kind: kind})
	return handle
}
