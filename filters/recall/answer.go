package recall

import (
	"bytes"
	"unicode/utf16"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// maxAnswer bounds what is kept of an answer's text, in bytes; the rest is not learned.
const maxAnswer = 64 << 10

// A collector gathers the model's words from an answer as it passes. It keeps them escaped, as they come, and decodes them when they
// are asked for. What an event costs is a search for where the text begins; only an event that looks unlike the usual is parsed.
type collector struct {
	dialect wire.Dialect
	buf     []byte // escaped text
	cuts    []int  // where in buf the second and further messages of the answer begin
	block   bool   // a block has ended: the next text stands apart from what came before
	full    bool
	head    []byte // chat: how the last event began, up to its text
}

// maxHead is how long the beginning of an event may be that is kept.
const maxHead = 1 << 10

// reset makes the collector ready for another answer; its memory is kept when it is small.
func (c *collector) reset(d wire.Dialect) {
	if cap(c.buf) > maxAnswer {
		c.buf = nil
	}
	*c = collector{dialect: d, buf: c.buf[:0], cuts: c.cuts[:0], head: c.head[:0]}
}

// see takes the text of one event or body.
func (c *collector) see(e *filters.Event) {
	switch {
	case c.full:
	case e.Body:
		c.body(e.Data)
	case c.dialect == wire.Chat:
		c.chat(e.Data)
	case c.dialect == wire.Responses:
		c.responses(e)
	case c.dialect == wire.Messages:
		c.messages(e)
	}
}

// add takes a raw JSON string.
func (c *collector) add(raw []byte) {
	if len(raw) <= 2 || raw[0] != '"' || c.full {
		return
	}
	raw = raw[1 : len(raw)-1]
	if c.block && len(c.buf) > c.start() {
		c.buf = append(c.buf, apart...)
	}
	c.block = false
	if room := maxAnswer - len(c.buf); len(raw) > room {
		raw, c.full = whole(raw[:max(room, 0)]), true
	}
	c.buf = append(c.buf, raw...)
}

// whole is an escaped text without the escape, or character, that was cut in two at its end.
func whole(raw []byte) []byte {
	if i := bytes.LastIndexByte(raw, '\\'); i >= 0 && len(raw)-i < len(`\u0000\u000`) {
		return raw[:i]
	}
	for i := 0; i < 3 && len(raw) > 0 && raw[len(raw)-1] >= 0x80; i++ {
		raw = raw[:len(raw)-1]
	}
	return raw
}

// next begins another message of the answer.
func (c *collector) next() {
	if len(c.buf) > c.start() {
		c.cuts = append(c.cuts, len(c.buf))
	}
	c.block = false
}

// start is where the message under way begins in buf.
func (c *collector) start() int {
	if n := len(c.cuts); n > 0 {
		return c.cuts[n-1]
	}
	return 0
}

// texts are the decoded texts of the answer's messages.
func (c *collector) texts() (all []string) {
	from := 0
	for i := 0; i <= len(c.cuts); i++ {
		to := len(c.buf)
		if i < len(c.cuts) {
			to = c.cuts[i]
		}
		if to > from {
			raw := append(append([]byte{'"'}, c.buf[from:to]...), '"')
			all = append(all, wire.String(raw))
		}
		from = to
	}
	return all
}

var (
	contentKey  = []byte(`content":`)
	deltaKey    = []byte(`"delta":`)
	firstIndex  = []byte(`"index":0,`)
	textKey     = []byte(`"text":`)
	textDelta   = []byte(`"text_delta"`)
	outputDelta = []byte(`response.output_text.delta`)
	itemAdded   = []byte(`response.output_item.added`)
	partAdded   = []byte(`response.content_part.added`)
	blockDelta  = []byte(`content_block_delta`)
	blockStart  = []byte(`content_block_start`)
)

// chat takes the text of a chunk. Chunks of a stream begin alike: up to their text nothing but the first one is parsed.
func (c *collector) chat(data []byte) {
	if n := len(c.head); n > 0 && len(data) > n && bytes.Equal(data[:n], c.head) {
		c.add(stringAt(data, n))
		return
	}
	if !bytes.Contains(data, contentKey) {
		return
	}
	gjson.GetBytes(data, "choices").ForEach(func(_, choice gjson.Result) bool {
		if choice.Get("index").Int() != 0 {
			return true
		}
		text := choice.Get("delta.content")
		if text.Type != gjson.String {
			return true
		}
		c.add([]byte(text.Raw))
		if at := headOf(data); at > 0 && at <= maxHead && string(stringAt(data, at)) == text.Raw {
			c.head = append(c.head[:0], data[:at]...)
		}
		return true
	})
}

// headOf is where the text of the first choice of a chunk begins, 0 when it is not in its usual place: right behind the delta's brace,
// the choice's index before it. What begins in the same way has its text there too.
func headOf(data []byte) int {
	at := bytes.Index(data, deltaKey)
	if at < 0 || !bytes.Contains(data[:at], firstIndex) {
		return 0
	}
	rest := bytes.TrimLeft(data[at+len(deltaKey):], " ")
	if len(rest) == 0 || rest[0] != '{' {
		return 0
	}
	rest = bytes.TrimLeft(rest[1:], " ")
	rest, ok := bytes.CutPrefix(rest, []byte(`"content":`))
	if !ok {
		return 0
	}
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) == 0 || rest[0] != '"' {
		return 0
	}
	return len(data) - len(rest)
}

// responses takes the text of an event of the Responses API. Of other than the usual order of members nothing is missed: the value of
// the top-level delta is looked for by its key, which no string can hold unescaped, and no other member of this event has.
func (c *collector) responses(e *filters.Event) {
	switch kind := eventType(e); {
	case bytes.Equal(kind, outputDelta):
		c.addValue(e.Data, deltaKey)
	case bytes.Equal(kind, itemAdded):
		c.next()
	case bytes.Equal(kind, partAdded):
		c.block = true
	}
}

func (c *collector) messages(e *filters.Event) {
	switch kind := eventType(e); {
	case bytes.Equal(kind, blockDelta):
		if at := bytes.Index(e.Data, textDelta); at >= 0 {
			c.addValue(e.Data, textKey)
		}
	case bytes.Equal(kind, blockStart):
		c.block = true
	}
}

// addValue takes the string that is the value of a key.
func (c *collector) addValue(data, key []byte) {
	if at := bytes.Index(data, key); at >= 0 {
		at += len(key)
		for at < len(data) && data[at] == ' ' {
			at++
		}
		c.add(stringAt(data, at))
	}
}

// stringAt is the JSON string that begins at a byte, nil when there is none.
func stringAt(data []byte, at int) []byte {
	if at >= len(data) || data[at] != '"' {
		return nil
	}
	in := inside(data[at:])
	if end := at + 1 + len(in); end < len(data) && data[end] == '"' {
		return data[at : end+1]
	}
	return nil
}

// eventType is the SSE event field, else what the type member says.
func eventType(e *filters.Event) []byte {
	if len(e.Name) > 0 {
		return e.Name
	}
	if rest, ok := bytes.CutPrefix(e.Data, []byte(`{"type":"`)); ok {
		return rest[:max(bytes.IndexByte(rest, '"'), 0)]
	}
	return []byte(gjson.GetBytes(e.Data, "type").Str)
}

// body takes the text of a whole answer.
func (c *collector) body(data []byte) {
	add := func(r gjson.Result) {
		if r.Type == gjson.String {
			c.add([]byte(r.Raw))
		}
	}
	parts := func(list gjson.Result, kind string) {
		list.ForEach(func(_, part gjson.Result) bool {
			c.block = true
			if part.Get("type").Str == kind {
				add(part.Get("text"))
			}
			return true
		})
	}
	switch c.dialect {
	case wire.Chat:
		content := gjson.GetBytes(data, "choices.0.message.content")
		add(content)
		if content.IsArray() {
			parts(content, "text")
		}
	case wire.Responses:
		gjson.GetBytes(data, "output").ForEach(func(_, item gjson.Result) bool {
			c.next()
			if item.Get("type").Str == "message" {
				parts(item.Get("content"), "output_text")
			}
			return true
		})
	case wire.Messages:
		parts(gjson.GetBytes(data, "content"), "text")
	}
}

// utf16Units are the code units of a character.
func utf16Units(r rune) []uint16 { return utf16.AppendRune(nil, r) }
