package digest

import (
	"bytes"

	"github.com/trapgate/trapgate/internal/wire"
)

// maxPin is the length of the longest rule that is pinned, in bytes; longer "sentences" are mostly no prose.
const maxPin = 1500

// spoken reads a text of the system, the developer or the user: the only ones who can give rules.
func (c *collector) spoken(raw []byte) {
	for _, p := range tagged(raw) {
		c.addPin(raw[p.Start:p.End], marked)
	}
	var spans []wire.Span // of rules, as facts in them need no other place
	Load()
	f := pinFinder{c: c, raw: raw, spans: spans}
	sentences(raw, f.sentence)
	f.flush()
	c.read(raw, userText, f.spans)
}

// A pinFinder goes through the sentences of one text.
type pinFinder struct {
	c     *collector
	raw   []byte
	spans []wire.Span
	prev  sentence
	at    wire.Span // the rule found last, not yet added
	rank  rank
	list  bool // it announces the list items that follow
}

func (f *pinFinder) sentence(s sentence) {
	text := f.c.plain(f.raw[s.From:s.To])
	r := f.c.grammar.judge(text)
	for _, p := range f.c.opt.Patterns {
		if p.Match(text) {
			r = marked
		}
	}
	if s.Fenced && r == strongRule {
		r = weakRule
	}
	switch {
	case f.list && s.Item >= 0 && f.at.End > 0:
		f.at.End = int32(s.To)
		f.prev = s
		return
	case r > 0:
		f.rule(s, r)
	default:
		f.list = false
	}
	f.prev = s
}

func (f *pinFinder) rule(s sentence, r rank) {
	from, to := s.From, s.To
	if s.Item >= 0 {
		from = s.Item
		if from < int(f.at.Start) || to > int(f.at.End) {
			to = lineEnd(f.raw, to)
		}
	} else if f.c.grammar.refers() && f.prev.To > 0 && s.From-f.prev.To <= 3 && f.prev.Item < 0 {
		from = f.prev.From // "It must not ..." says nothing without what it is
	}
	if f.at.End > 0 && from < int(f.at.End) {
		f.at.End = int32(max(to, int(f.at.End)))
		f.rank = max(f.rank, r)
	} else {
		f.flush()
		f.at, f.rank = wire.Span{Start: int32(from), End: int32(to)}, r
	}
	f.list = r >= strongRule && bytes.HasSuffix(trim(f.raw[s.From:s.To]), []byte(":"))
}

func (f *pinFinder) flush() {
	if f.at.End == 0 {
		return
	}
	body := trim(f.raw[f.at.Start:f.at.End])
	if len(body) > maxPin {
		f.c.drop(head(body, 200))
	} else {
		f.c.addPin(body, f.rank)
		if f.rank >= strongRule {
			f.spans = append(f.spans, f.at)
		}
	}
	f.at = wire.Span{}
}

// maxPins bounds the work on a text that is nothing but rules; a budget takes far fewer.
const maxPins = 1024

// lineEnd is where the line that holds i ends.
func lineEnd(raw []byte, i int) int {
	for i < len(raw) {
		if raw[i] == '\\' && i+1 < len(raw) && raw[i+1] == 'n' {
			return i
		}
		i += step(raw[i:])
	}
	return len(raw)
}

// tagged finds what <ctx:pin> and </ctx:pin> enclose; encoders may write < and > as escapes, and / with a backslash.
func tagged(raw []byte) []wire.Span {
	var out []wire.Span
	name := []byte("ctx:pin")
	from := -1
	for i := 0; ; {
		k := bytes.Index(raw[i:], name)
		if k < 0 {
			return out
		}
		at := i + k
		i = at + len(name)
		n := closeLen(raw[i:])
		if n == 0 {
			continue
		}
		before := raw[:at]
		if opener := openLen(before); opener > 0 {
			from = i + n
		} else if b, ok := bytes.CutSuffix(before, []byte("/")); ok && from >= 0 {
			b = bytes.TrimSuffix(b, []byte(`\`))
			if opener := openLen(b); opener > 0 {
				body := trim(raw[from : len(b)-opener])
				if len(body) > 0 {
					start := from + bytes.Index(raw[from:], body)
					out = append(out, wire.Span{Start: int32(start), End: int32(start + len(body))})
				}
				from = -1
			}
		}
	}
}

// openLen is the length of the < that raw ends with.
func openLen(raw []byte) int {
	if bytes.HasSuffix(raw, []byte("<")) {
		return 1
	}
	if n := len(raw); n >= 6 && bytes.EqualFold(raw[n-6:], []byte(`\u003c`)) && oddSlash(raw[:n-5]) {
		return 6
	}
	return 0
}

// closeLen is the length of the > that raw begins with.
func closeLen(raw []byte) int {
	if bytes.HasPrefix(raw, []byte(">")) {
		return 1
	}
	if len(raw) >= 6 && bytes.EqualFold(raw[:6], []byte(`\u003e`)) {
		return 6
	}
	return 0
}

// addPin adds a rule, unless the same bytes are pinned already.
func (c *collector) addPin(raw []byte, r rank) {
	raw = trim(raw)
	if len(raw) == 0 {
		return
	}
	if n := len(c.state.Pins); n >= maxPins && r <= strongRule || n >= 2*maxPins {
		c.drop(raw)
		return
	}
	for i := range c.state.Pins {
		if p := &c.state.Pins[i]; p.Raw == string(raw) {
			p.Rank = max(p.Rank, r)
			return
		}
	}
	c.state.Pins = append(c.state.Pins, pin{newItem(raw), r})
}

// fitPins brings the rules into their budget. Weak ones may use a 24th of it and the oldest of them goes first; of the
// others the lowest rank goes first, and in it the newest: a text full of "must" cannot push out what was agreed before.
func (c *collector) fitPins() {
	total, weak := 0, 0
	for _, p := range c.state.Pins {
		total += p.Cost
		if p.Rank == weakRule {
			weak += p.Cost
		}
	}
	limit := min(c.opt.PinBudget/24, c.opt.PinBudget-(total-weak))
	kept := c.state.Pins[:0]
	for _, p := range c.state.Pins {
		if p.Rank == weakRule && weak > limit {
			weak -= p.Cost
			total -= p.Cost
			continue
		}
		kept = append(kept, p)
	}
	c.state.Pins = kept
	for r := strongRule; r <= marked && total > c.opt.PinBudget; r++ {
		for i := len(c.state.Pins) - 1; i >= 0 && total > c.opt.PinBudget; i-- {
			if p := c.state.Pins[i]; p.Rank == r {
				total -= p.Cost
				c.drop([]byte(p.Raw))
				c.state.Pins = append(c.state.Pins[:i], c.state.Pins[i+1:]...)
			}
		}
	}
}

// drop notes a rule that found no place.
func (c *collector) drop(raw []byte) {
	if len(c.state.Dropped) < 64 {
		c.state.Dropped = append(c.state.Dropped, string(unescape(raw)))
	}
}

// Rules are the constraints that a text of the user states, as escaped content: what stays of it when it is cut. The slices may
// alias raw.
func Rules(raw []byte, opt *Options) (all [][]byte) {
	c := collector{opt: opt}
	Load()
	f := pinFinder{c: &c, raw: respell(raw)}
	for _, p := range tagged(f.raw) {
		c.addPin(f.raw[p.Start:p.End], marked)
	}
	sentences(f.raw, f.sentence)
	f.flush()
	for _, p := range c.state.Pins {
		if p.Rank >= strongRule {
			all = append(all, []byte(p.Raw))
		}
	}
	return all
}
