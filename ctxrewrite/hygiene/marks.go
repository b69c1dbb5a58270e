package hygiene

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// Rules of Anthropic's prompt cache.
const (
	maxMarks = 4
	// lookBack: from a mark the provider looks back over 20 blocks for what it has. Thinking and images are not counted here.
	lookBack = 15

	markMember = `"cache_control":{"type":"ephemeral"}`
)

var markName = []byte(`"cache_control"`)

// A markEdit is what sets a mark: two inserts when a text without blocks has to become one block.
type markEdit struct {
	at    int32 // the mark stands before this byte
	whole wire.Span
}

// addMarks adds the marks that pay, as far as the agent has left some.
func addMarks(r *Request) (added int) {
	v := r.View
	own, ok := agentMarks(v)
	if !ok || len(own) >= maxMarks {
		return 0
	}
	for _, spot := range spots(r) {
		if added+len(own) == maxMarks {
			break
		}
		if spot.Empty() || within(own, spot) || longLived(v, own, spot.End) {
			continue
		}
		if m, ok := markAt(r, spot); ok && r.large(m.at) {
			m.set(r)
			added++
		}
	}
	return added
}

// spots are the values at whose ends a mark pays, the most useful first; some are empty or the same.
func spots(r *Request) [5]wire.Span {
	v := r.View
	tail := lastUser(v, len(v.Msgs))
	out := [5]wire.Span{1: v.System, 4: v.ToolsSpan}
	if tail < 0 {
		return out
	}
	out[0] = v.Msgs[tail].Span
	before := tail // the last message of the request before: what stands in front of the model's last turn
	for before > 0 && v.Msgs[before-1].Role != wire.Assistant {
		before--
	}
	if before = lastUser(v, before); before >= 0 && blocks(v, before+1, tail+1) > lookBack {
		out[2] = v.Msgs[before].Span
	}
	if i := digestMessage(r); i >= 0 && i != tail && i != before {
		out[3] = v.Msgs[i].Span
	}
	return out
}

func lastUser(v *wire.View, before int) int {
	for i := before - 1; i >= 0; i-- {
		if v.Msgs[i].Role == wire.User {
			return i
		}
	}
	return -1
}

// blocks counts those of messages [from, to).
func blocks(v *wire.View, from, to int) (n int) {
	for i := from; i < to; i++ {
		m := &v.Msgs[i]
		n += int(m.Text.To - m.Text.From + m.Call.To - m.Call.From)
		for _, res := range v.Results[m.Result.From:m.Result.To] {
			n += 1 - int(res.Text.To-res.Text.From)
		}
	}
	return n
}

// digestMessage is the message that a rewrite has put a digest into: the first with an insert; -1: none.
func digestMessage(r *Request) int {
	if r.Call.Len() == 0 {
		return -1
	}
	at := int32(-1)
	r.Call.All(func(s wire.Span, with []byte) {
		if s.Start == s.End && len(with) > 0 && s.Start > r.View.History.Start && (at < 0 || s.Start < at) {
			at = s.Start
		}
	})
	for i := range r.View.Msgs {
		if s := r.View.Msgs[i].Span; s.Start < at && at < s.End {
			return i
		}
	}
	return -1
}

// agentMarks are where the agent's own marks stand. ok is false when one is outside of tools, system text and messages: then the
// provider sets marks itself. What only looks like a mark (a property in a schema) counts as one, which is on the safe side.
func agentMarks(v *wire.View) (at []int32, ok bool) {
	for i := 0; ; {
		k := bytes.Index(v.Body[i:], markName)
		if k < 0 {
			return at, true
		}
		k += i
		if i = k + len(markName); v.Body[k-1] == '\\' {
			continue
		}
		p := wire.Span{Start: int32(k), End: int32(i)}
		if !inside(p, v.ToolsSpan) && !inside(p, v.System) && !inside(p, v.History) {
			return nil, false
		}
		at = append(at, int32(k))
	}
}

func inside(s, outer wire.Span) bool { return outer.Start <= s.Start && s.End <= outer.End }

func within(marks []int32, s wire.Span) bool {
	for _, at := range marks {
		if s.Start <= at && at < s.End {
			return true
		}
	}
	return false
}

// longLived reports whether one of the agent's marks for an hour stands behind: none for five minutes may stand before it. They are
// ordered as the provider reads them, which is not the order of members.
func longLived(v *wire.View, marks []int32, end int32) bool {
	for _, at := range marks {
		value := v.Body[at:min(int(at)+80, len(v.Body))]
		if i := bytes.IndexByte(value, '}'); i >= 0 {
			value = value[:i]
		}
		if bytes.Contains(value, []byte(`"1h"`)) && (part(v, at) > part(v, end-1) || part(v, at) == part(v, end-1) && at >= end) {
			return true
		}
	}
	return false
}

// part is which part of the prompt a byte is in: tools, system text, messages.
func part(v *wire.View, at int32) int {
	for i, s := range [...]wire.Span{v.ToolsSpan, v.System} {
		if s.Start <= at && at < s.End {
			return i
		}
	}
	return 2
}

// markAt finds the last block in a value, a message, the system text or the list of tools, that can carry a mark.
func markAt(r *Request, spot wire.Span) (markEdit, bool) {
	v := r.View
	if spot == v.ToolsSpan {
		return toolMark(r)
	}
	content := spot
	for i := range v.Msgs {
		if v.Msgs[i].Span == spot {
			content = v.Msgs[i].Content
		}
	}
	if content.Empty() || !r.free(wire.Span{Start: content.Start, End: content.Start + 1}) {
		return markEdit{}, false
	}
	if raw := v.Raw(content); raw[0] == '"' {
		return markEdit{at: content.End, whole: content}, !blank(raw[1:len(raw)-1]) && r.untouched(content)
	}
	found, ok := markEdit{}, false
	gjson.ParseBytes(v.Raw(content)).ForEach(func(_, block gjson.Result) bool {
		if at := content.Start + int32(block.Index+len(block.Raw)) - 1; carries(block) && r.freeAt(at) {
			found, ok = markEdit{at: at}, true
		}
		return true
	})
	return found, ok
}

// untouched reports whether nothing is edited at the edges of a value, where somebody else may be making a list of it.
func (r *Request) untouched(s wire.Span) bool {
	ok := r.free(wire.Span{Start: s.End - 1, End: s.End})
	for _, e := range [...]*wire.Edits{r.Exchange, r.Call, r.Out} {
		if e.Len() > 0 {
			e.All(func(at wire.Span, _ []byte) { ok = ok && at.Start != s.Start && at.End != s.End && at.Start != s.End })
		}
	}
	return ok
}

func carries(block gjson.Result) bool {
	switch block.Get("type").String() {
	case "text":
		return !blank([]byte(block.Get("text").String()))
	case "image", "document", "tool_use", "tool_result":
		return true
	}
	return false
}

// blank reports whether escaped content is white space or nothing.
func blank(text []byte) bool {
	for _, escaped := range [...]string{`\n`, `\t`, `\r`} {
		text = bytes.ReplaceAll(text, []byte(escaped), nil)
	}
	return len(bytes.TrimSpace(text)) == 0
}

// toolMark marks the last tool. One that is loaded later must not carry a mark.
func toolMark(r *Request) (markEdit, bool) {
	v := r.View
	last := wire.Span{}
	for i := range v.Tools {
		if s := v.Tools[i].Span; inside(s, v.ToolsSpan) && s.End > last.End {
			last = s
		}
	}
	if last.Empty() || bytes.Contains(v.Raw(last), []byte(`"defer_loading"`)) {
		return markEdit{}, false
	}
	return markEdit{at: last.End - 1}, r.freeAt(last.End - 1)
}

func (m markEdit) set(r *Request) {
	if m.whole.Empty() {
		r.Out.Insert(m.at, []byte(","+markMember))
		return
	}
	r.Out.Insert(m.whole.Start, []byte(`[{"type":"text","text":`))
	r.Out.Insert(m.whole.End, []byte(","+markMember+"}]"))
}

// large reports whether what stands before a mark is as much as the provider keeps at least.
func (r *Request) large(at int32) bool {
	v, least := r.View, leastCached(r.Model)
	var parts [3]wire.Span
	for i, s := range [...]wire.Span{v.ToolsSpan, v.System, v.History} {
		switch {
		case s.Start <= at && at <= s.End:
			parts[i] = wire.Span{Start: s.Start, End: at}
		case i < part(v, at-1):
			parts[i] = s
		}
	}
	size := 0
	for _, s := range parts {
		size += int(s.End - s.Start)
	}
	if size > 8*least {
		return true
	}
	n := 0
	for _, s := range parts {
		n += tokens.Estimate(v.Raw(s))
	}
	return n >= least
}

// leastCached is how many tokens a prefix must have to be kept, by model. A mark on a shorter one does nothing.
func leastCached(model string) int {
	model = strings.ToLower(strings.ReplaceAll(model, ".", "-"))
	for _, m := range [...]struct {
		part  string
		least int
	}{
		{"3-haiku", 2048},
		{"3-5-haiku", 2048},
		{"haiku", 4096},
		{"sonnet-4-6", 2048},
		{"sonnet", 1024},
		{"3-opus", 1024},
		{"opus-4-1", 1024},
		{"opus-4-2", 1024},
		{"opus", 4096},
	} {
		if strings.Contains(model, m.part) {
			return m.least
		}
	}
	return 1024
}
