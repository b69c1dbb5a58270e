package hygiene

import (
	"bytes"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// What stands in place of a volatile line, and around its text at the tail. Both are escaped content.
var reference = []byte(`(the current text of this line stands in the newest message that repeats it)`)

const (
	stampOpens  = `\n\n[line of the system prompt, now: `
	stampCloses = `]`
)

// move takes the volatile segments of a prompt out of the system text, appends the stamps of earlier requests where they were, and a
// new one to the newest message when the text has changed. why: nothing was done.
func (s *session) move(h *Hygiene, r *Request, sc *scan, p *prompt) (why string) {
	v := r.View
	for _, i := range p.volatile {
		switch at := sc.segs[i].at; {
		case at.End-at.Start > maxMoved:
			return "the line is too long"
		case !r.free(at):
			return "something else edits the line"
		}
	}
	sc.chain = v.Chain(0, 0, sc.chain[:0], wire.ChainOptions{SkipSystem: true})
	tail, at := r.tail()
	text := stampText(v.Body, sc, p)
	last := s.replay(r, sc.chain, tail)
	switch {
	case bytes.Equal(last, text):
		if tail >= 0 {
			s.stamps.drop(point{sc.chain[tail], 0}) // of a try before this one
		}
	case tail >= 0:
		if now := (point{sc.chain[tail], 0}); !bytes.Equal(s.stamps.texts[now], text) {
			s.stamps.put(now, text)
			h.noteStamp(r, now.chain, text)
		}
		at.insert(r.Out, text)
	case last == nil:
		return "no text to append it to"
	}
	for _, i := range p.volatile {
		r.Out.Replace(sc.segs[i].at, reference)
	}
	return ""
}

// replay appends the stamps of the messages before the tail again, and returns the newest of them.
func (s *session) replay(r *Request, chain []uint64, tail int) (last []byte) {
	if len(s.stamps.texts) == 0 {
		return nil
	}
	v, next := r.View, uint64(0)
	for i := len(chain) - 1; i >= 0; i-- {
		if i > 0 && chain[i] == chain[i-1] { // not part of the chain
			continue
		}
		where := point{chain[i], next}
		if next = chain[i]; i == tail || !takesText(v, &v.Msgs[i]) {
			continue
		}
		text := s.stamps.get(where)
		if text == nil {
			continue
		}
		if at, ok := r.place(i); ok {
			at.insert(r.Out, text)
			if last == nil {
				last = text
			}
		}
	}
	return last
}

// stampText is what stands at the tail for the volatile segments of a prompt.
func stampText(body []byte, sc *scan, p *prompt) (b []byte) {
	for _, i := range p.volatile {
		b = append(append(append(b, stampOpens...), sc.segs[i].at.Of(body)...), stampCloses...)
	}
	return b
}

// A place is where a stamp is put into a message.
type place struct {
	at    int32
	block bool // as a block of its own
}

func (p place) insert(out *wire.Edits, text []byte) {
	if p.block {
		b := append([]byte(`,{"type":"text","text":"`), text[len(`\n\n`):]...)
		text = append(b, `"}`...)
	}
	out.Insert(p.at, text)
}

// tail is the newest message that a stamp can be put into, behind all turns of the model but one that the agent has begun for it;
// -1: there is none.
func (r *Request) tail() (int, place) {
	msgs := r.View.Msgs
	end := len(msgs)
	for end > 0 && ofModel(&msgs[end-1]) {
		end--
	}
	for i := end - 1; i >= 0 && !ofModel(&msgs[i]); i-- {
		if at, ok := r.place(i); ok {
			return i, at
		}
	}
	return -1, place{}
}

func ofModel(m *wire.Message) bool {
	return m.Role == wire.Assistant || m.Kind == wire.CallItem || m.Kind == wire.Reasoning
}

// place is the end of a message's last text: it is the agent's own content that grows, so that no provider sees a message more. Results
// of the messages dialect stay as they are, failed ones too, where a text may follow them in their message.
func (r *Request) place(i int) (place, bool) {
	v, m := r.View, &r.View.Msgs[i]
	if !takesText(v, m) {
		return place{}, false
	}
	for t := m.Text.To - 1; t >= m.Text.From; t-- {
		if v.Dialect == wire.Messages && behindResults(r.Profile) && inResult(v, m, t) {
			break
		}
		if at := v.Texts[t].End - 1; r.freeAt(at) {
			return place{at: at}, true
		}
	}
	c := m.Content
	if v.Dialect == wire.Messages && m.Result.To > m.Result.From && behindResults(r.Profile) && !c.Empty() && v.Body[c.Start] == '[' && r.freeAt(c.End-1) {
		return place{at: c.End - 1, block: true}, true
	}
	return place{}, false
}

// takesText reports whether a message is a user's or a result whose text may be anything.
func takesText(v *wire.View, m *wire.Message) bool {
	switch m.Kind {
	case wire.Msg:
		return m.Role == wire.User || m.Role == wire.Tool
	case wire.ResultItem:
		t := v.Raw(m.TypeSpan)
		return string(t) == `"function_call_output"` || string(t) == `"custom_tool_call_output"`
	}
	return false
}

// behindResults: a text may stand behind results in one message, so that the results stay as they are.
func behindResults(p *history.Profile) bool { return !p.AssistantAfterResult }

// inResult reports whether a text of a message is in one of its results.
func inResult(v *wire.View, m *wire.Message, text int32) bool {
	for _, res := range v.Results[m.Result.From:m.Result.To] {
		if res.Text.From <= text && text < res.Text.To {
			return true
		}
	}
	return false
}
