package telemetry

import (
	"strconv"

	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/attribute"

	"github.com/trapgate/trapgate/internal/wire"
)

// maxContent bounds each content attribute, in bytes. The newest messages are kept: the old ones are in older spans.
const maxContent = 64 << 10

// Content records the request's messages on the attempt's span, in the form of gen_ai.input.messages. It does nothing unless
// Options.Content is set and the span is kept. It must be called while v's body is whole; nothing is kept of it.
func (a *Attempt) Content(v *wire.View) {
	if !a.Contentful() || v == nil {
		return
	}
	a.told = true
	messages, omitted := inputMessages(v)
	a.span.SetAttributes(attribute.String("gen_ai.input.messages", messages))
	if omitted > 0 {
		a.span.SetAttributes(attribute.Int("trapgate.content.omitted", omitted))
	}
	if s := v.System.Of(v.Body); len(s) > 0 && len(s) <= maxContent {
		a.span.SetAttributes(attribute.String("gen_ai.system_instructions", systemParts(s)))
	}
}

// Output records the answer on the attempt's span, in the form of gen_ai.output.messages; the same conditions hold. It takes
// the dialect's whole JSON body, or text.
func (a *Attempt) Output(answer []byte) {
	if !a.Contentful() || len(answer) == 0 {
		return
	}
	a.answered = true
	parts, ok := bodyParts(a.ex.dialect, answer)
	if !ok {
		answer = answer[:min(len(answer), maxContent)] // a rune cut in two becomes U+FFFD
		parts = append(appendJSON([]byte(`{"type":"text","content":`), string(answer)), '}')
	}
	a.span.SetAttributes(attribute.String("gen_ai.output.messages", `[{"role":"assistant","parts":[`+string(parts)+`]}]`))
}

// content records what the end of an attempt brought and was not told before.
func (a *Attempt) content(e *AttemptEnd) {
	if !a.told && len(e.Input) > 0 && a.operation != "" {
		if v, err := wire.Acquire(a.ex.dialect, e.Input, wire.Limits{}); err == nil {
			a.Content(v)
			v.Release()
		}
	}
	if !a.answered {
		a.Output(e.Output)
	}
}

// Contentful reports whether Content and Output would record something.
func (a *Attempt) Contentful() bool { return a != nil && a.span != nil && a.ex.t.content }

// bodyParts are the parts of a whole JSON answer, as long as they fit.
func bodyParts(d wire.Dialect, body []byte) (parts []byte, ok bool) {
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return nil, false
	}
	add := func(kind string, pairs ...string) {
		b := append([]byte(nil), `{"type":"`+kind+`"`...)
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				b = append(b, `,"`+pairs[i]+`":`+pairs[i+1]...)
			}
		}
		if len(parts)+len(b)+2 > maxContent {
			return
		}
		if len(parts) > 0 {
			parts = append(parts, ',')
		}
		parts = append(append(parts, b...), '}')
	}
	block := func(_, v gjson.Result) bool {
		switch v.Get("type").Str {
		case "text", "output_text":
			add("text", "content", v.Get("text").Raw)
		case "tool_use":
			add("tool_call", "id", v.Get("id").Raw, "name", v.Get("name").Raw, "arguments", v.Get("input").Raw)
		case "function_call":
			add("tool_call", "id", v.Get("call_id").Raw, "name", v.Get("name").Raw, "arguments", v.Get("arguments").Raw)
		}
		return true
	}
	switch d {
	case wire.Chat:
		root.Get("choices").ForEach(func(_, choice gjson.Result) bool {
			m := choice.Get("message")
			if c := m.Get("content"); c.Type == gjson.String {
				add("text", "content", c.Raw)
			}
			m.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
				f := c.Get("function")
				add("tool_call", "id", c.Get("id").Raw, "name", f.Get("name").Raw, "arguments", f.Get("arguments").Raw)
				return true
			})
			return true
		})
	case wire.Messages:
		root.Get("content").ForEach(block)
	case wire.Responses:
		root.Get("output").ForEach(func(k, item gjson.Result) bool {
			item.Get("content").ForEach(block)
			return block(k, item)
		})
	}
	return parts, true
}

func systemParts(raw []byte) string {
	if raw[0] == '"' {
		return `[{"type":"text","content":` + string(raw) + `}]`
	}
	return string(raw) // a list of blocks already
}

// inputMessages builds the list from the end until the bound is reached, and says how many messages were left out.
func inputMessages(v *wire.View) (string, int) {
	size, from := 2, len(v.Msgs)
	for from > 0 {
		n := len(message(nil, v, &v.Msgs[from-1])) + 1
		if size+n > maxContent {
			break
		}
		size += n
		from--
	}
	b := append(make([]byte, 0, size), '[')
	for i := from; i < len(v.Msgs); i++ {
		if i > from {
			b = append(b, ',')
		}
		b = message(b, v, &v.Msgs[i])
	}
	return string(append(b, ']')), from
}

// message appends one message; texts, ids and arguments are JSON already and are spliced in as they came.
func message(b []byte, v *wire.View, m *wire.Message) []byte {
	b = append(b, `{"role":`...)
	b = strconv.AppendQuote(b, roleName(m))
	b = append(b, `,"parts":[`...)
	n := 0
	part := func(kind string) {
		if n > 0 {
			b = append(b, ',')
		}
		n++
		b = append(b, `{"type":"`+kind+`"`...)
	}
	value := func(key string, s wire.Span) {
		if !s.Empty() {
			b = append(append(b, `,"`+key+`":`...), s.Of(v.Body)...)
		}
	}
	if m.Result.To == m.Result.From { // the text of a result is in its body
		for _, s := range v.Texts[m.Text.From:m.Text.To] {
			part("text")
			value("content", s)
			b = append(b, '}')
		}
	}
	for _, c := range v.Calls[m.Call.From:m.Call.To] {
		part("tool_call")
		value("id", c.ID)
		value("name", c.Name)
		value("arguments", c.Args)
		b = append(b, '}')
	}
	for _, r := range v.Results[m.Result.From:m.Result.To] {
		part("tool_call_response")
		value("id", r.ID)
		value("response", r.Body)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

func roleName(m *wire.Message) string {
	switch {
	case m.Kind == wire.ResultItem || m.Role == wire.Tool:
		return "tool"
	case m.Kind == wire.CallItem || m.Kind == wire.Reasoning || m.Role == wire.Assistant:
		return "assistant"
	case m.Role == wire.System || m.Role == wire.Developer:
		return "system"
	}
	return "user"
}
