package history

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/trapgate/trapgate/internal/wire"
)

// content checks that message i says something.
func (c *checker) content(i int) {
	m := &c.v.Msgs[i]
	calls, results := m.Call.To > m.Call.From, m.Result.To > m.Result.From
	switch {
	case m.Kind == wire.ResultItem, m.Kind == wire.Msg && m.Role != wire.NoRole && m.Role != wire.OtherRole:
	default:
		return
	}
	raw := c.v.Raw(m.Content)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		if !calls && !c.otherwise(m) {
			c.fault(i, NoContent)
		}
	case c.p.NonEmpty && c.hollow(m, raw, calls, results):
		c.fault(i, EmptyContent)
	}
}

// otherwise reports whether an assistant's message says something by another member than content.
func (c *checker) otherwise(m *wire.Message) bool {
	if m.Role != wire.Assistant || c.v.Dialect != wire.Chat {
		return false
	}
	for _, r := range gjson.GetManyBytes(c.v.Raw(m.Span), "refusal", "audio") {
		if r.Exists() && r.Type != gjson.Null {
			return true
		}
	}
	return false
}

// hollow reports whether the content is empty where it may not be.
func (c *checker) hollow(m *wire.Message, raw []byte, calls, results bool) bool {
	blank, full := 0, 0
	for _, t := range c.v.Texts[m.Text.From:m.Text.To] {
		if results && c.inResult(m, t) {
			continue
		}
		if c.blank(t) {
			blank++
		} else {
			full++
		}
	}
	if c.v.Dialect == wire.Messages { // each block counts there
		return blank > 0 || !results && emptyArray(raw)
	}
	if full > 0 || calls || results {
		return false
	}
	return emptyArray(raw) || blank > 0 && (raw[0] == '"' || int(gjson.GetBytes(raw, "#").Int()) == blank)
}

func (c *checker) inResult(m *wire.Message, t wire.Span) bool {
	for _, r := range c.v.Results[m.Result.From:m.Result.To] {
		if t.Start >= r.Span.Start && t.End <= r.Span.End {
			return true
		}
	}
	return false
}

// blank reports whether a raw JSON string is empty or white space.
func (c *checker) blank(t wire.Span) bool {
	raw := c.v.Raw(wire.Span{Start: t.Start + 1, End: t.End - 1})
	raw = bytes.TrimLeft(raw, " ")
	for len(raw) > 1 && raw[0] == '\\' && (raw[1] == 'n' || raw[1] == 'r' || raw[1] == 't') {
		raw = bytes.TrimLeft(raw[2:], " ")
	}
	if len(raw) == 0 {
		return true
	}
	if raw[0] != '\\' && raw[0] < utf8.RuneSelf { // nearly always
		return false
	}
	return strings.TrimSpace(c.v.Text(t)) == ""
}

func emptyArray(raw []byte) bool {
	return raw[0] == '[' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}
