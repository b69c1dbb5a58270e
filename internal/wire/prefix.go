package wire

import (
	"encoding/binary"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// A Prefix is what a view knows up to the end of a late history element: an owned, immutable copy of its spans, and hashes
// of the bytes they stand for. The next request of the same conversation is read from there.
//
// It can be left at several places (cuts), because some agents change the last messages again: Claude Code moves its cache
// marker. Bytes are compared by xxh3, keyed anew in each process, so that nobody can prepare two bodies that pass as one.
type Prefix struct {
	dialect Dialect
	lim     Limits
	head    headState
	msgs    []Message
	texts   []Span
	calls   []ToolCall
	results []ToolResult
	tools   []ToolDecl
	extras  []extra
	hashes  []uint64
	cuts    []cut
	late    []*memo
	// Hashes of the tools and the system text, 0 when nobody has asked for them.
	toolsSum, sysSum uint64

	taken bool // a longer prefix grew into the spare room of the slices; guarded by the cache
}

// A cut is a place to go on from: behind one history element.
type cut struct {
	end    int32 // bytes before it
	msgs   int32
	mark   uint64 // the eight bytes before it: most strangers are told by these
	hash   uint64 // of the bytes, chained from cut to cut
	stable bool   // stays when the conversation grows
}

const (
	stride = 32 << 10 // bytes between stable cuts
	tail   = 3        // last elements that get a cut each
)

// Prefix makes a compact copy, or nil when the body has no history array with elements.
func (v *View) Prefix() *Prefix { return v.extend(nil, false) }

// extend makes the prefix of v. from is the one that v started from, if any; in place says that its spare room is free.
func (v *View) extend(from *Prefix, inPlace bool) *Prefix {
	if !v.scan.start.set || len(v.Msgs) == 0 || v.Msgs[0].Span.Start <= v.History.Start {
		return nil
	}
	p := &Prefix{
		dialect: v.Dialect, lim: v.scan.lim, head: v.scan.start, late: v.memos(), toolsSum: v.toolsSum, sysSum: v.sysSum,
	}
	last := &v.Msgs[len(v.Msgs)-1]
	var old Prefix
	if from != nil && inPlace {
		n := from.cuts[v.fromCut].msgs
		m := &from.msgs[n-1]
		old = Prefix{
			msgs: from.msgs[:n], texts: from.texts[:m.Text.To], calls: from.calls[:m.Call.To], results: from.results[:m.Result.To],
			tools: from.tools[:m.Tool.To], extras: from.extras[:m.extra.To], hashes: from.hashes[:min(len(from.hashes), int(n))],
		}
		if int(n) < len(from.msgs) { // what stands behind the cut may still be read by others
			old = Prefix{}
		}
	}
	p.head.keys = append([]uint64(nil), v.scan.start.keys...)
	p.msgs = grow(old.msgs, v.Msgs)
	p.texts = grow(old.texts, v.Texts[:last.Text.To])
	p.calls = grow(old.calls, v.Calls[:last.Call.To])
	p.results = grow(old.results, v.Results[:last.Result.To])
	p.tools = grow(old.tools, v.Tools[:last.Tool.To])
	p.extras = grow(old.extras, v.extras[:last.extra.To])
	p.hashes = grow(old.hashes, v.hashes)
	if from != nil {
		for _, c := range from.cuts[:v.fromCut+1] {
			if c.stable {
				p.cuts = append(p.cuts, c)
			}
		}
	}
	p.addCuts(v)
	return p
}

// grow returns all as an owned slice, going on in old's memory when there is room behind it.
func grow[T any](old, all []T) []T {
	if len(all) == 0 {
		return nil
	}
	if cap(old) >= len(all) {
		return append(old, all[len(old):]...)
	}
	spare := len(all) / 4
	if old == nil {
		spare = len(all)/8 + 4
	}
	return append(make([]T, 0, len(all)+spare), all...)
}

// A tally chains the hashes of a prefix from cut to cut. A stable cut is hashed from the stable one before, so that it does
// not depend on those that come and go.
type tally struct {
	stableEnd, end   int32
	stableHash, hash uint64
}

func (t *tally) next(body []byte, end int32, stable bool) uint64 {
	if stable {
		t.stableHash = xxh3.HashSeed(body[t.stableEnd:end], keySeed^t.stableHash)
		t.stableEnd, t.end, t.hash = end, end, t.stableHash
	} else {
		t.hash = xxh3.HashSeed(body[t.end:end], keySeed^t.hash)
		t.end = end
	}
	return t.hash
}

// addCuts appends stable cuts about every stride bytes and one behind each of the last elements.
func (p *Prefix) addCuts(v *View) {
	var t tally
	from := 0
	if n := len(p.cuts); n > 0 { // all of them stable
		c := &p.cuts[n-1]
		from = int(c.msgs)
		t = tally{c.end, c.end, c.hash, c.hash}
	}
	for i := from; i < len(p.msgs); i++ {
		end := p.msgs[i].Span.End
		far := end-t.stableEnd >= stride
		if far || i >= len(p.msgs)-tail {
			p.cuts = append(p.cuts, cut{
				end: end, msgs: int32(i + 1), mark: markAt(v.Body, end), stable: far, hash: t.next(v.Body, end, far),
			})
		}
	}
}

// Sum is a hash of all of Body, keyed anew in each process: equal bodies have equal sums, whether they were read from a prefix or
// not. Of a body that goes on from a prefix little more than what is new is read.
func (v *View) Sum() uint64 {
	var t tally
	from := 0
	if v.from != nil {
		for i := v.fromCut; i >= 0; i-- {
			if c := &v.from.cuts[i]; c.stable {
				t, from = tally{c.end, c.end, c.hash, c.hash}, int(c.msgs)
				break
			}
		}
	}
	for i := from; i < len(v.Msgs); i++ { // as addCuts goes, so that its cuts are on the way
		if end := v.Msgs[i].Span.End; end-t.stableEnd >= stride {
			t.next(v.Body, end, true)
		}
	}
	return t.next(v.Body, int32(len(v.Body)), true)
}

// markAt reads the eight bytes before end.
func markAt(body []byte, end int32) uint64 {
	if end < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(body[end-8:])
}

// Len is the number of bytes that the prefix stands for.
func (p *Prefix) Len() int { return int(p.cuts[len(p.cuts)-1].end) }

// Messages is the number of history elements that the prefix stands for.
func (p *Prefix) Messages() int { return len(p.msgs) }

// Size is the memory that the prefix holds, in bytes.
func (p *Prefix) Size() int {
	return int(unsafe.Sizeof(*p)) + size(p.head.keys) + size(p.msgs) + size(p.texts) + size(p.calls) + size(p.results) +
		size(p.tools) + size(p.extras) + size(p.hashes) + size(p.cuts) + p.lateSize()
}

func (p *Prefix) lateSize() int {
	n := size(p.late)
	for _, m := range p.late {
		n += int(unsafe.Sizeof(*m)) + size(m.tools) + size(m.texts)
	}
	return n
}

func size[T any](s []T) int {
	var t T
	return cap(s) * int(unsafe.Sizeof(t))
}

// candidate is the index of the longest cut that body may go on from, judged by length and mark alone; -1 for none.
func (p *Prefix) candidate(body []byte, below int) int {
	for i := below - 1; i >= 0; i-- {
		if c := &p.cuts[i]; int(c.end) <= len(body) && markAt(body, c.end) == c.mark {
			return i
		}
	}
	return -1
}

// match is the index of the longest cut whose bytes body begins with, at most upTo; -1 for none.
func (p *Prefix) match(body []byte, upTo int) int {
	found := -1
	var t tally
	for i := range p.cuts[:upTo+1] {
		c := &p.cuts[i]
		if int(c.end) > len(body) || markAt(body, c.end) != c.mark || t.next(body, c.end, c.stable) != c.hash {
			break
		}
		found = i
	}
	return found
}

// AcquireFrom is Acquire, starting behind p when body begins with the bytes that p stands for; hit says whether it did.
// Apart from Known the result is the same as Acquire's in every case. p may be nil.
func AcquireFrom(p *Prefix, d Dialect, body []byte, lim Limits) (v *View, hit bool, err error) {
	if p != nil && p.dialect == d && p.lim == lim.withDefaults() && len(body) <= p.lim.Bytes {
		if i := p.candidate(body, len(p.cuts)); i >= 0 {
			if i = p.match(body, i); i >= 0 {
				v, err = p.resume(i, body)
				return v, true, err
			}
		}
	}
	if v, err = acquire(d, body, lim); err != nil {
		return nil, false, err
	}
	v, err = v.done(v.readRoot())
	return v, false, err
}

// resume makes a view of body, which is known to begin with the bytes up to cut i.
func (p *Prefix) resume(i int, body []byte) (*View, error) {
	v := views.Get().(*View)
	v.Dialect, v.Body = p.dialect, body
	s := &v.scan
	s.b, s.lim = body, p.lim
	c := &p.cuts[i]
	m := &p.msgs[c.msgs-1]
	v.Msgs = append(v.Msgs, p.msgs[:c.msgs]...)
	v.Texts = append(v.Texts, p.texts[:m.Text.To]...)
	v.Calls = append(v.Calls, p.calls[:m.Call.To]...)
	v.Results = append(v.Results, p.results[:m.Result.To]...)
	v.Tools = append(v.Tools, p.tools[:m.Tool.To]...)
	v.extras = append(v.extras, p.extras[:m.extra.To]...)
	v.hashes = append(v.hashes, p.hashes[:min(len(p.hashes), int(c.msgs))]...)
	v.loadScalars(&p.head.scalars)
	v.known, v.from, v.fromCut = int(c.msgs), p, i
	if !v.ToolsSpan.Empty() { // they stand before the history, so they are the same
		v.toolsSum = p.toolsSum
	}
	if !v.System.Empty() {
		v.sysSum = p.sysSum
	}
	keys := s.start.keys
	s.start = p.head
	s.start.keys = append(keys[:0], p.head.keys...)
	s.keys = append(s.keys, p.head.keys...)
	s.depth, s.count, s.i = 2, int(m.count), int(c.end)
	o := p.head.root
	return v.done(v.resume(&o))
}

// Known is the number of leading Msgs that were taken from a prefix rather than read again.
func (v *View) Known() int { return v.known }
