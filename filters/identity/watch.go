package identity

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A watch finds the tool calls in an answer. What an event costs that has none is one search for a word: nothing else is
// parsed, and nothing is ever changed.
type watch struct {
	dialect  wire.Dialect
	calls    bool // look for tool calls
	broken   bool // the stream has said that it failed
	scope    uint64
	response string // id of the response, when it was seen and not yet learnt

	pending []pendingCall // calls of which only a part is here
	done    []toolCall
	bytes   int // of arguments so far
}

type pendingCall struct {
	index int
	id    string
	args  []byte
}

// needed reports whether the events of the answer will be worth a look. Without a view nothing is known yet.
func (w *watch) needed(v *wire.View) bool {
	w.calls = v == nil || len(v.Tools) > 0
	return w.calls || w.dialect == wire.Responses
}

// see looks at one event or body, and reports whether there is something to learn.
func (w *watch) see(e *filters.Event) bool {
	if e.Body {
		w.body(e.Data)
		return true
	}
	switch w.dialect {
	case wire.Chat:
		return w.chat(e.Data)
	case wire.Responses:
		return w.responses(e)
	case wire.Messages:
		return w.messages(e)
	}
	return false
}

// drop forgets what has been learnt.
func (w *watch) drop() {
	clear(w.done)
	w.done, w.response = w.done[:0], ""
}

// part adds a piece of a call. Beyond maxCallBytes for the exchange, calls keep their ids only.
func (w *watch) part(index int, id, args string) {
	at := -1
	for i := len(w.pending) - 1; i >= 0; i-- {
		if w.pending[i].index == index {
			at = i
			break
		}
	}
	if at < 0 {
		if len(w.pending) == maxOpenCalls {
			return
		}
		w.pending = append(w.pending, pendingCall{index: index})
		at = len(w.pending) - 1
	}
	c := &w.pending[at]
	if c.id == "" && len(id) <= maxCallBytes {
		c.id = id
	}
	if w.bytes += len(args); w.bytes > maxCallBytes {
		c.args = nil
		return
	}
	c.args = append(c.args, args...)
}

// finish takes the pending calls for complete.
func (w *watch) finish() {
	for i := range w.pending {
		c := &w.pending[i]
		w.done = append(w.done, toolCall{c.id, argumentText(string(c.args))})
	}
	clear(w.pending)
	w.pending = w.pending[:0]
}

// whole takes a call that came in one piece.
func (w *watch) whole(id string, args gjson.Result) {
	text := args.Str
	if args.Type != gjson.String {
		text = args.Raw
	}
	if w.bytes += len(text); w.bytes > maxCallBytes {
		text = ""
	}
	if len(w.done) < maxOpenCalls {
		w.done = append(w.done, toolCall{id, argumentText(text)})
	}
}

// body takes the calls of a whole answer.
func (w *watch) body(data []byte) {
	switch w.dialect {
	case wire.Chat:
		if w.calls && bytes.Contains(data, callWord) {
			gjson.GetBytes(data, "choices").ForEach(func(_, choice gjson.Result) bool {
				w.chatCalls(int(choice.Get("index").Int()), choice.Get("message"))
				w.finish()
				return true
			})
		}
	case wire.Responses:
		w.response = gjson.GetBytes(data, "id").String()
		if w.calls && bytes.Contains(data, callWord) {
			gjson.GetBytes(data, "output").ForEach(func(_, item gjson.Result) bool {
				w.item(item)
				return true
			})
		}
	case wire.Messages:
		if w.calls && bytes.Contains(data, toolUse) {
			gjson.GetBytes(data, "content").ForEach(func(_, block gjson.Result) bool {
				if block.Get("type").Str == string(toolUse) {
					w.whole(block.Get("id").Str, block.Get("input"))
				}
				return true
			})
		}
	}
}
