package history

import (
	"bytes"

	"github.com/tidwall/gjson"
	"github.com/trapgate/trapgate/internal/wire"
)

// thinking checks what models thought, in the form of the dialect.
func (c *checker) thinking() {
	switch {
	case c.v.Dialect == wire.Responses && c.p.Reasoning:
		c.reasoningItems()
	case c.v.Dialect == wire.Messages && c.p.Signed:
		c.thinkingBlocks()
	case c.v.Dialect == wire.Chat:
		if c.p.ReasoningContent {
			c.allOrNone(ReasoningLost, c.hasReasoning)
		}
		if c.p.ThoughtSignature {
			c.allOrNone(SignatureLost, c.hasSignature)
		}
	}
}

func (c *checker) reasoningItems() {
	open := -1
	for i := range c.v.Msgs {
		m := &c.v.Msgs[i]
		if Stays(c.v, m) {
			continue
		}
		if open >= 0 && (m.Kind == wire.ResultItem || m.Kind == wire.Msg && m.Role != wire.Assistant) {
			c.fault(open, ReasoningAlone)
		}
		open = -1
		if m.Kind == wire.Reasoning {
			open = i
		}
	}
	if open >= 0 {
		c.fault(open, ReasoningAlone)
	}
}

func (c *checker) thinkingBlocks() {
	first, loop := -1, false // the beginning of the last turn, and whether results follow it
	for i := range c.v.Msgs {
		m := &c.v.Msgs[i]
		if m.Role != wire.Assistant {
			loop = m.Result.To > m.Result.From
			continue
		}
		if i == 0 || c.v.Msgs[i-1].Role != wire.Assistant {
			first = i
		}
		if raw := c.v.Raw(m.Content); bytes.Contains(raw, []byte("thinking\"")) && !signed(raw) {
			c.fault(i, ThinkingBroken)
		}
	}
	if first < 0 || !loop {
		return
	}
	head := gjson.GetBytes(c.v.Raw(c.v.Msgs[first].Content), "0.type").Str
	if !isThinking(head) && gjson.GetBytes(c.v.Body, "thinking.type").Str == "enabled" {
		c.fault(first, ThinkingBroken)
	}
}

func isThinking(typ string) bool { return typ == "thinking" || typ == "redacted_thinking" }

// signed reports whether thinking blocks of a content have their signatures, and something behind them.
func signed(content []byte) bool {
	ok, typ := true, ""
	gjson.ParseBytes(content).ForEach(func(_, block gjson.Result) bool {
		typ = block.Get("type").Str
		ok = typ != "thinking" || block.Get("signature").Str != ""
		return ok
	})
	return ok && !isThinking(typ)
}

// allOrNone reports the turns with calls for which has is false, when it is true for any.
func (c *checker) allOrNone(code string, has func(m *wire.Message) bool) {
	var without []int
	any := false
	for i := range c.v.Msgs {
		switch m := &c.v.Msgs[i]; {
		case m.Call.To == m.Call.From:
		case has(m):
			any = true
		default:
			without = append(without, i)
		}
	}
	if any {
		for _, i := range without {
			c.fault(i, code)
		}
	}
}

func (c *checker) hasReasoning(m *wire.Message) bool {
	raw := c.v.Raw(m.Span)
	return bytes.Contains(raw, []byte(`"reasoning_content"`)) && gjson.GetBytes(raw, "reasoning_content").Type == gjson.String
}

// hasSignature looks at the first call only: Gemini signs one of a parallel group.
func (c *checker) hasSignature(m *wire.Message) bool {
	return bytes.Contains(c.v.Raw(c.v.Calls[m.Call.From].Span), []byte(`"thought_signature"`))
}
