package ctxrewrite

import (
	"bytes"
	"slices"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// An Epoch is a frozen rewrite of the beginning of one conversation. It never changes, except for where it was swapped in.
type Epoch struct {
	Number int    // in its session, from 1
	Task   int    // the message that carries the digest
	Cover  int    // the messages behind Task and before this one are left out, unless they stay
	Chain  uint64 // the agent's chain, without system text, after message Cover-1
	Shape  uint64 // of the line, up to and including message Cover
	Window int    // tokens that a prompt could take when it was made: it is for windows like that
	Notes  uint64 // digest of the exchange edits inside
	Pins   uint64 // sum of the hashes of the agent's rules that it was made with
	Tokens int    // estimate of the digest
	Text   []byte // the digest as escaped content

	parent  *Epoch
	dialect wire.Dialect
	digest  *digest.Digest
	swaps   []point // where it was swapped in: one for each branch
	gaps    gaps
}

// gaps are the runs of messages that an epoch leaves out of one line: what stays stands between them.
type gaps struct {
	agent uint64 // the agent's whole chain after what is covered: system text counts here
	runs  [][2]int
	kept  int32 // estimate of what stays
}

// cover is how many messages an epoch stands for, 0 when there is none.
func (ep *Epoch) cover() int {
	if ep == nil {
		return 0
	}
	return ep.Cover
}

// gapsOf finds an epoch's gaps in this request, or knows them from the one before.
func (f *fit) gapsOf(ep *Epoch) *gaps {
	g, v, line := &ep.gaps, f.r.View, &f.conv.line
	if agent := line.agent[ep.Cover-1]; g.runs == nil || g.agent != agent {
		*g = gaps{agent: agent, runs: g.runs[:0]}
		open := false
		for i := ep.Task + 1; i < ep.Cover; i++ {
			if history.Stays(v, &v.Msgs[i]) {
				g.kept += int32(line.of(i, i+1))
				open = false
				continue
			}
			if !open {
				g.runs = append(g.runs, [2]int{i, i})
			}
			open = true
			g.runs[len(g.runs)-1][1] = i + 1
		}
	}
	return g
}

// A point is a place in a conversation: so many messages, and their chain.
type point struct {
	messages int
	chain    uint64
}

// maxSwaps bounds the branches that an epoch remembers.
const maxSwaps = 16

// latch notes that the epoch is in use from the end of this line on.
func (ep *Epoch) latch(chain []uint64) {
	if ep.swappedIn(chain) {
		return
	}
	if len(ep.swaps) == maxSwaps {
		ep.swaps = ep.swaps[1:]
	}
	ep.swaps = append(ep.swaps, point{len(chain), chain[len(chain)-1]})
}

// swappedIn says that it was swapped in on this line, at its end or before.
func (ep *Epoch) swappedIn(chain []uint64) bool {
	return slices.ContainsFunc(ep.swaps, func(p point) bool { return p.messages <= len(chain) && chain[p.messages-1] == p.chain })
}

// apply adds the splices of an epoch.
func (f *fit) apply(ep *Epoch) {
	if ep == nil {
		return
	}
	v, call := f.r.View, f.r.Call
	insertText(call, v, ep.Task, ep.Text)
	for _, run := range f.gapsOf(ep).runs {
		call.Replace(wire.Span{Start: v.Msgs[run[0]].Span.Start, End: v.Msgs[run[1]].Span.Start}, nil)
	}
}

// insertText puts escaped content at the end of a message's text.
func insertText(call *wire.Edits, v *wire.View, i int, text []byte) {
	m := &v.Msgs[i]
	if n := m.Text.To; n > m.Text.From {
		call.Insert(v.Texts[n-1].End-1, text)
		return
	}
	kind := "text"
	if v.Dialect == wire.Responses {
		kind = "input_text"
	}
	part := append([]byte(`,{"type":"`+kind+`","text":"`), text...)
	part = append(part, `"}`...)
	switch c := v.Raw(m.Content); {
	case len(c) == 0: // no such member: one of our own, in front
		call.Insert(m.Span.Start+1, append(append([]byte(`"content":"`), text...), `",`...))
	case c[0] != '[': // null
		call.Replace(m.Content, append(append([]byte{'"'}, text...), '"'))
	case len(bytes.TrimSpace(c[1:len(c)-1])) == 0:
		call.Insert(m.Content.End-1, part[1:])
	default:
		call.Insert(m.Content.End-1, part)
	}
}

// takesText reports whether a message's content is of a kind that text can be added to.
func takesText(v *wire.View, m *wire.Message) bool {
	c := v.Raw(m.Content)
	return len(c) == 0 || c[0] == '"' || c[0] == '[' || c[0] == 'n'
}
