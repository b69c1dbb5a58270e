package ctxrewrite

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// A trimmed is a text of the tail that did not fit and was cut inside. It stays so in all later requests of the line.
type trimmed struct {
	message int
	chain   uint64 // after the message
	nth     int    // which of the message's texts
	with    []byte // what stands in its place: a raw JSON string
	saved   int32  // estimated tokens
}

// How much of a text is left at least, in estimated tokens: at first, and when that was not enough.
const (
	leastLeft = 200
	lastLeft  = 40
)

// trimmed is what the cuts behind a cover save in this request.
func (f *fit) trimmed(cover int) (saved int) {
	if !f.long {
		return 0
	}
	chain := f.conv.line.chain
	for i := range f.conv.trims {
		if t := &f.conv.trims[i]; t.message >= cover && t.message < len(chain) && chain[t.message] == t.chain {
			saved += int(t.saved)
		}
	}
	return f.scaled(saved)
}

// trim cuts inside what no epoch may leave out, when that is over the window. Cuts made before stay.
func (f *fit) trim(ep *Epoch) {
	cover := ep.cover()
	if over := f.plan.To - f.usable; over > 0 {
		f.shorten(cover, f.unscaled(over)+1)
		f.plan.To = f.sizeWith(ep)
		f.plan.raw = f.unscaled(f.plan.To)
	}
	f.plan.Cut = f.cuts(cover, func(wire.Span, []byte) {})
}

// cuts gives the cuts behind a cover, as edits of this request, and reports whether there are any.
func (f *fit) cuts(cover int, edit func(at wire.Span, with []byte)) (any bool) {
	v, chain := f.r.View, f.conv.line.chain
	for i := range f.conv.trims {
		t := &f.conv.trims[i]
		if !f.long || t.message < cover || t.message >= len(chain) || chain[t.message] != t.chain {
			continue
		}
		m := v.Msgs[t.message]
		if at := m.Text.From + int32(t.nth); at < m.Text.To {
			any = true
			edit(v.Texts[at], t.with)
		}
	}
	return any
}

// A candidate is a text that may be cut.
type candidate struct {
	message, nth int
	tokens       int
	result       bool
}

// shorten cuts the largest tool results, then the largest user texts, until so many estimated tokens are saved.
func (f *fit) shorten(cover, over int) {
	var kept []store.Content
	was := len(f.conv.trims)
	for _, least := range [...]int{leastLeft, lastLeft} {
		kept, over = f.shortenTo(least, cover, over, kept)
	}
	f.noteTrims(f.conv.trims[was:])
	if n := len(f.conv.trims) - maxTrims; n > 0 {
		f.conv.trims = slices.Delete(f.conv.trims, 0, n)
	}
	if len(kept) > 0 {
		f.e.counts.cuts.Add(1)
		f.e.keep(f.conv.key, kept)
	}
}

// shortenTo leaves at least so many tokens of each text. It returns what it left out besides kept, and what is still over.
func (f *fit) shortenTo(least, cover, over int, kept []store.Content) ([]store.Content, int) {
	for _, c := range f.candidates(cover, 2*least) {
		if over <= 0 {
			break
		}
		left := max(least, c.tokens-over-c.tokens/50)
		if left >= c.tokens {
			continue
		}
		v := f.r.View
		raw := v.Raw(v.Texts[int(v.Msgs[c.message].Text.From)+c.nth])
		handle := digest.HandleOf(raw)
		how, keep := "it is kept as "+handle, func(text []byte, _ int) [][]byte { return digest.Rules(text, f.options()) }
		if c.result {
			how, keep = "call the tool again for a part of it; it is kept as "+handle, errorLines
		}
		with := cutText(raw, left, c.tokens, how, keep)
		saved := c.tokens - tokens.Estimate(with)
		if saved <= 0 {
			continue
		}
		over -= saved
		kept = append(kept, store.Content{Handle: handle, Body: bytes.Clone(raw)})
		f.conv.trims = append(f.conv.trims, trimmed{c.message, f.conv.line.chain[c.message], c.nth, with, int32(saved)})
	}
	return kept, over
}

// maxTrims bounds what a conversation remembers of its cuts.
const maxTrims = 256

// candidates are the texts behind a cover with more than so many tokens, which may be cut: tool results before user texts, the
// largest first.
func (f *fit) candidates(cover, more int) (all []candidate) {
	users := more > 2*lastLeft // short ones stay: what would be won is little
	v := f.r.View
	for i := cover; i < len(v.Msgs); i++ {
		m := &v.Msgs[i]
		done := slices.ContainsFunc(f.conv.trims, func(t trimmed) bool { return t.message == i && t.chain == f.conv.line.chain[i] })
		if done || m.Result.To == m.Result.From && (m.Role != wire.User || !users) {
			continue
		}
		for n := m.Text.From; n < m.Text.To; n++ {
			result := slices.ContainsFunc(v.Results[m.Result.From:m.Result.To], func(r wire.ToolResult) bool { return n >= r.Text.From && n < r.Text.To })
			if size := tokens.Estimate(v.Raw(v.Texts[n])); size > more {
				all = append(all, candidate{i, int(n - m.Text.From), size, result})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		if a.result != b.result {
			if a.result {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.tokens, a.tokens)
	})
	return all
}

// overlap is how far into what stands the middle is read, in bytes: a sentence may begin or end there.
const overlap = 400

// cutText leaves of a raw JSON string of size tokens about left: its beginning, what keep finds in the middle (of at most so many
// bytes, if it can), and its end, which is where errors stand.
func cutText(raw []byte, left, size int, how string, find func(text []byte, most int) [][]byte) []byte {
	text := raw[1 : len(raw)-1]
	keep := len(text) * left / size
	head := safeCut(text, keep*11/20)
	tail := max(head, safeCut(text, len(text)-keep*7/20))
	out := make([]byte, 0, keep+256)
	out = append(append(out, '"'), text[:head]...)
	out = fmt.Appendf(out, `\n[... %d of %d bytes are left out here because they do not fit the context window; %s ...]\n`, tail-head, len(text), how)
	for _, line := range find(text[safeCut(text, head-overlap):safeCut(text, tail+overlap)], keep/10) {
		out = append(append(out, line...), `\n`...)
	}
	return append(append(out, text[tail:]...), '"')
}

// safeCut moves an offset into escaped content back to where a character begins.
func safeCut(text []byte, at int) int {
	at = min(max(at, 0), len(text))
	for at > 0 && at < len(text) && text[at]&0xC0 == 0x80 { // inside a UTF-8 sequence
		at--
	}
	for from := max(0, at-12); from < at; from++ { // inside an escape, or between two that are one character
		if text[from] != '\\' || from > 0 && backslashes(text[:from])%2 == 1 {
			continue
		}
		n := 2
		if from+1 < len(text) && text[from+1] == 'u' {
			if n = 6; from+8 < len(text) && digest.HighSurrogate(text[from:]) && text[from+6] == '\\' {
				n = 12
			}
		}
		if from+n > at {
			return from
		}
	}
	return at
}

func backslashes(text []byte) (n int) {
	for n < len(text) && text[len(text)-1-n] == '\\' {
		n++
	}
	return n
}

// errorLines are the lines of escaped content that tell of errors, in order, of most bytes in all.
func errorLines(text []byte, most int) (lines [][]byte) {
	for line := range bytes.SplitSeq(text, []byte(`\n`)) {
		if len(line) == 0 || len(line) > 400 || !tellsError(line) {
			continue
		}
		if most -= len(line) + 2; most < 0 || safeCut(line, len(line)) != len(line) {
			break
		}
		lines = append(lines, line)
	}
	return lines
}

func tellsError(line []byte) bool {
	low := bytes.ToLower(line)
	for _, word := range [...]string{"error", "exception", "traceback", "fatal", "panic", "failed", "denied"} {
		if bytes.Contains(low, []byte(word)) {
			return true
		}
	}
	return false
}
