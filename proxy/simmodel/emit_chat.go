package simmodel

import (
	"time"
)

// A sink turns generated tokens into the events of one dialect.
type sink interface {
	begin(u usage)
	open(i int, p *part)
	delta(i int, p *part, s string)
	close(i int, p *part)
	end(a *answer, u usage)
}

type usage struct{ prompt, cached, created, output, reasoning int }

// chatSink writes chat.completion.chunk events.
type chatSink struct {
	e       *eventWriter
	q       *request
	a       *answer
	created time.Time
	calls   int
	opened  bool // a delta with the role has been sent
	buf     []byte
}

// chunk starts a chunk; the caller appends the delta's members and calls done.
func (c *chatSink) chunk() {
	id := "chatcmpl-" + c.a.id
	if c.e.f.has("new_ids") {
		id += string(appendInt(nil, c.e.n))
	}
	b := append(c.buf[:0], `{"id":"`...)
	b = append(append(b, id...), `","object":"chat.completion.chunk","created":`...)
	b = append(appendInt(b, int(c.created.Unix())), `,"model":`...)
	b = append(appendQuoted(b, c.q.model), `,"service_tier":"default","system_fingerprint":"fp_simmodel"`...)
	if c.e.f.has("extra_fields") {
		b = append(b, `,"x_sim":{"deep":[1,2,{"n":12345678901234567890}]}`...)
	}
	c.buf = append(b, `,"choices":[`...)
}

func (c *chatSink) delta0(delta string) {
	c.chunk()
	b := append(append(c.buf, `{"index":0,"delta":{`...), delta...)
	c.buf = append(b, `},"logprobs":null`...)
}

func (c *chatSink) done(finish string, u *usage) {
	b := c.buf
	switch {
	case finish != "":
		b = append(append(append(b, `,"finish_reason":"`...), finish...), `"}]`...)
	case c.e.f.has("no_finish_key"):
		b = append(b, `}]`...)
	default:
		b = append(b, `,"finish_reason":null}]`...)
	}
	if u != nil {
		b = append(b, `,"usage":`...)
		b = u.chat(b)
	} else if c.q.includeUsage {
		b = append(b, `,"usage":null`...)
	}
	c.buf = append(b, '}')
	c.e.event("", c.buf)
}

func (c *chatSink) begin(usage) {
	c.e.head()
	if c.e.f.has("empty_first") {
		c.chunk()
		c.buf = append(c.buf, `]}`...)
		c.e.event("", c.buf)
	}
}

// role is the opening of the first delta.
func (c *chatSink) role(content string) string {
	if c.opened {
		return ""
	}
	c.opened = true
	if c.e.f.has("no_role") {
		return ""
	}
	return `"role":"assistant","content":` + content
}

func (c *chatSink) open(_ int, p *part) {
	if p.kind != callPart {
		if r := c.role(`""`); r != "" {
			c.delta0(r + `,"refusal":null`)
			c.done("", nil)
		}
		return
	}
	d := c.role("null")
	tail := ""
	if d != "" {
		d, tail = d+",", `,"refusal":null`
	}
	args := ""
	if c.e.f.has("whole_calls") {
		args = p.text
	}
	d += `"tool_calls":[{`
	if !c.e.f.has("no_index") {
		d += `"index":` + string(appendInt(nil, c.calls)) + `,`
	}
	d += `"id":"` + p.callID + `",`
	if p.tool.kind == "custom" {
		d += `"type":"custom","custom":{"name":` + string(quote(p.tool.full())) + `,"input":` + string(quote(args)) + `}}]`
	} else {
		d += `"type":"function","function":{"name":` + string(quote(p.tool.full())) + `,"arguments":` + string(quote(args)) + `}}]`
	}
	c.delta0(d + tail)
	c.done("", nil)
	c.calls++
}

func (c *chatSink) delta(_ int, p *part, s string) {
	switch {
	case p.kind == textPart:
		c.delta0(`"content":` + string(quote(s)))
	case p.kind == thinkPart:
		c.delta0(`"reasoning_content":` + string(quote(s)))
	case c.e.f.has("whole_calls"):
		return
	default:
		d := `"tool_calls":[{`
		if !c.e.f.has("no_index") {
			d += `"index":` + string(appendInt(nil, c.calls-1)) + `,`
		}
		if p.tool.kind == "custom" {
			d += `"custom":{"input":` + string(quote(s)) + `}}]`
		} else {
			d += `"function":{"arguments":` + string(quote(s)) + `}}]`
		}
		c.delta0(d)
	}
	c.done("", nil)
}

func (c *chatSink) close(int, *part) {}

func (c *chatSink) end(a *answer, u usage) {
	var last *usage
	if c.e.f.has("usage_on_last") && c.q.includeUsage {
		last = &u
	}
	c.delta0("")
	c.done(a.finish, last)
	if c.e.f.has("finish_twice") {
		c.delta0("")
		c.done(a.finish, last)
	}
	if c.q.includeUsage && last == nil || c.e.f.has("usage_unasked") {
		c.chunk()
		c.buf = append(append(c.buf, `],"usage":`...), u.chat(nil)...)
		c.buf = append(c.buf, '}')
		c.e.event("", c.buf)
	}
	if !c.e.f.has("no_done") {
		c.e.event("", []byte("[DONE]"))
	}
}

func (u *usage) chat(b []byte) []byte {
	b = appendInt(append(b, `{"prompt_tokens":`...), u.prompt)
	b = appendInt(append(b, `,"completion_tokens":`...), u.output)
	b = appendInt(append(b, `,"total_tokens":`...), u.prompt+u.output)
	b = appendInt(append(b, `,"prompt_tokens_details":{"cached_tokens":`...), u.cached)
	b = appendInt(append(b, `,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":`...), u.reasoning)
	return append(b, `,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}

// chatBody is the unary answer.
func chatAnswer(q *request, a *answer, u usage, created time.Time) []byte {
	b := append([]byte(`{"id":"chatcmpl-`), a.id...)
	b = appendInt(append(b, `","object":"chat.completion","created":`...), int(created.Unix()))
	b = append(appendQuoted(append(b, `,"model":`...), q.model), `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	var text, think, calls []byte
	hasText := false
	for i := range a.parts {
		switch p := &a.parts[i]; p.kind {
		case textPart:
			text, hasText = append(text, p.text...), true
		case thinkPart:
			think = append(think, p.text...)
		case callPart:
			if len(calls) > 0 {
				calls = append(calls, ',')
			}
			calls = append(append(append(calls, `{"id":"`...), p.callID...), `",`...)
			if p.tool.kind == "custom" {
				calls = appendQuoted(append(calls, `"type":"custom","custom":{"name":`...), p.tool.full())
				calls = appendQuoted(append(calls, `,"input":`...), p.text)
			} else {
				calls = appendQuoted(append(calls, `"type":"function","function":{"name":`...), p.tool.full())
				calls = appendQuoted(append(calls, `,"arguments":`...), p.text)
			}
			calls = append(calls, `}}`...)
		}
	}
	if hasText {
		b = appendQuoted(b, string(text))
	} else {
		b = append(b, "null"...)
	}
	if len(think) > 0 {
		b = appendQuoted(append(b, `,"reasoning_content":`...), string(think))
	}
	if len(calls) > 0 {
		b = append(append(append(b, `,"tool_calls":[`...), calls...), ']')
	}
	b = append(b, `,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"`...)
	b = append(append(b, a.finish...), `"}],"usage":`...)
	return append(u.chat(b), `,"service_tier":"default","system_fingerprint":"fp_simmodel"}`...)
}

// completionSink writes legacy text_completion events.
type completionSink struct {
	e       *eventWriter
	q       *request
	a       *answer
	created time.Time
}

func completionJSON(q *request, a *answer, created time.Time, text, finish string, u *usage, choices bool) []byte {
	b := append([]byte(`{"id":"cmpl-`), a.id...)
	b = appendInt(append(b, `","object":"text_completion","created":`...), int(created.Unix()))
	b = append(appendQuoted(append(b, `,"model":`...), q.model), `,"choices":[`...)
	if choices {
		b = appendQuoted(append(b, `{"text":`...), text)
		b = append(append(b, `,"index":0,"logprobs":null,"finish_reason":`...), quoteOrNull(finish)...)
		b = append(b, '}')
	}
	b = append(b, ']')
	if u != nil {
		b = u.chat(append(b, `,"usage":`...))
	}
	return append(b, '}')
}

func (c *completionSink) begin(usage)      { c.e.head() }
func (c *completionSink) open(int, *part)  {}
func (c *completionSink) close(int, *part) {}
func (c *completionSink) delta(_ int, _ *part, s string) {
	c.e.event("", completionJSON(c.q, c.a, c.created, s, "", nil, true))
}

func (c *completionSink) end(a *answer, u usage) {
	c.e.event("", completionJSON(c.q, a, c.created, "", a.finish, nil, true))
	if c.q.includeUsage {
		c.e.event("", completionJSON(c.q, a, c.created, "", "", &u, false))
	}
	if !c.e.f.has("no_done") {
		c.e.event("", []byte("[DONE]"))
	}
}
