package wire

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
)

// ErrOverlap is returned by Apply when two splices overlap in part. It is a defect of who made them.
var ErrOverlap = errors.New("wire: edits overlap")

// Strict makes Apply panic where it would return ErrOverlap. Tests set it.
var Strict bool

// Edits are splices of one layer, in coordinates of the agent's body. The zero value is ready. Not for concurrent use.
type Edits struct{ list []splice }

type splice struct {
	at    Span
	with  []byte
	layer uint8
	nth   int32
}

// Replace puts with in place of span. with is kept until Reset, not copied.
func (e *Edits) Replace(span Span, with []byte) {
	e.list = append(e.list, splice{at: span, with: with, nth: int32(len(e.list))})
}

// Insert puts text before the byte at. text is kept until Reset, not copied.
func (e *Edits) Insert(at int32, text []byte) { e.Replace(Span{at, at}, text) }

// Len is the number of splices.
func (e *Edits) Len() int {
	if e == nil {
		return 0
	}
	return len(e.list)
}

// Reset forgets all splices and keeps the memory.
func (e *Edits) Reset() {
	clear(e.list)
	e.list = e.list[:0]
}

// All calls f with each splice in the order of making.
func (e *Edits) All(f func(at Span, with []byte)) {
	if e == nil {
		return
	}
	for i := range e.list {
		f(e.list[i].at, e.list[i].with)
	}
}

// Apply appends body with both layers applied to dst[:0] and returns it; dst must not overlap body. Without edits it returns
// body itself. Either layer may be nil.
//
// Both layers are in coordinates of body. At one point inserts keep their order, those of exchange first, and stand before
// what replaces the bytes that follow. A splice of call swallows those of exchange that lie wholly in its span, inserts
// at its edges excepted. Every other overlap is ErrOverlap, and body comes back as it was.
func Apply(dst []byte, body []byte, exchange, call *Edits) ([]byte, error) {
	n := exchange.Len() + call.Len()
	if n == 0 {
		return body, nil
	}
	var few [16]splice
	all := few[:0]
	if exchange != nil {
		all = append(all, exchange.list...)
	}
	if call != nil {
		for _, s := range call.list {
			s.layer = 1
			all = append(all, s)
		}
	}
	all, err := merge(all, int32(len(body)))
	if err != nil {
		if Strict {
			panic(err)
		}
		return body, err
	}
	dst = dst[:0]
	size := len(body)
	for i := range all {
		size += len(all[i].with)
	}
	dst = slices.Grow(dst, size)
	at := int32(0)
	for i := range all {
		dst = append(dst, body[at:all[i].at.Start]...)
		dst = append(dst, all[i].with...)
		at = all[i].at.End
	}
	return append(dst, body[at:]...), nil
}

// merge sorts the splices of both layers and drops the swallowed ones.
func merge(all []splice, size int32) ([]splice, error) {
	for i := range all {
		if s := all[i].at; s.Start < 0 || s.End < s.Start || s.End > size {
			return nil, ErrOverlap
		}
	}
	slices.SortFunc(all, func(a, b splice) int {
		return cmp.Or(cmp.Compare(a.at.Start, b.at.Start), boolCompare(a.replaces(), b.replaces()),
			cmp.Compare(a.layer, b.layer), cmp.Compare(a.nth, b.nth))
	})
	all = swallow(all)
	for i := 1; i < len(all); i++ {
		if overlaps(all[i-1].at, all[i].at) {
			return nil, ErrOverlap
		}
	}
	return all, nil
}

// swallow drops the exchange splices inside what a call splice replaces. Call splices that overlap each other come out as
// they are.
func swallow(all []splice) []splice {
	var few [16]Span
	calls := few[:0]
	for i := range all {
		if all[i].layer == 1 && all[i].replaces() {
			calls = append(calls, all[i].at)
		}
	}
	out := all[:0]
	next := 0 // calls[next-1] is the last that starts at or before the splice
	for _, s := range all {
		for next < len(calls) && calls[next].Start <= s.at.Start {
			next++
		}
		if s.layer == 0 && next > 0 {
			c := calls[next-1]
			if !s.replaces() && c.Start < s.at.Start && s.at.Start < c.End || s.replaces() && s.at.End <= c.End {
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

func (s *splice) replaces() bool { return s.at.End > s.at.Start }

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// overlaps reports whether b, which does not sort before a, replaces bytes that a replaces too, or points into a.
func overlaps(a, b Span) bool {
	if b.Start == b.End {
		return a.Start < b.Start && b.Start < a.End
	}
	return a.Start < a.End && b.Start < a.End
}

// ReplaceModel makes the request ask for another model. A body without `model` gets one.
func (e *Edits) ReplaceModel(v *View, name string) {
	e.setMember(v, v.modelVal, "model", Quote(nil, name))
}

// SetStream sets the request's `stream`.
func (e *Edits) SetStream(v *View, on bool) {
	e.setMember(v, v.StreamSpan, "stream", strconv.AppendBool(nil, on))
}

// SetIncludeUsage asks for the usage chunk in a chat or completions stream (stream_options.include_usage). The agent that
// did not ask must not see the chunk: see Meter.UsageOnly.
func (e *Edits) SetIncludeUsage(v *View) {
	raw := v.Options.Of(v.Body)
	if len(raw) == 0 || raw[0] != '{' {
		e.setMember(v, v.Options, "stream_options", []byte(`{"include_usage":true}`))
		return
	}
	if r := gjson.GetBytes(raw, "include_usage"); r.Exists() && r.Index > 0 {
		at := v.Options.Start + int32(r.Index)
		e.Replace(Span{at, at + int32(len(r.Raw))}, []byte("true"))
		return
	}
	with := []byte(`"include_usage":true`)
	if len(bytes.TrimSpace(raw[1:len(raw)-1])) > 0 {
		with = append(with, ',')
	}
	e.Insert(v.Options.Start+1, with)
}

// setMember replaces the value of a top-level member, or adds it as the first one.
func (e *Edits) setMember(v *View, value Span, name string, with []byte) {
	if !value.Empty() {
		e.Replace(value, with)
		return
	}
	member := append(Quote(nil, name), ':')
	member = append(member, with...)
	at := v.Root.Start + 1
	switch empty := len(bytes.TrimLeft(v.Body[at:v.Root.End-1], " \t\r\n")) == 0; {
	case !empty:
		member = append(member, ',')
	case slices.ContainsFunc(e.list, func(s splice) bool { return s.at == Span{at, at} }):
		member = append([]byte{','}, member...)
	}
	e.Insert(at, member)
}
