package simmodel

// messagesSink writes Anthropic's message events.
type messagesSink struct {
	e      *eventWriter
	q      *request
	a      *answer
	pinged bool
}

func (u *usage) messages(b []byte, output int) []byte {
	b = appendInt(append(b, `{"input_tokens":`...), u.prompt-u.cached-u.created)
	b = appendInt(append(b, `,"cache_creation_input_tokens":`...), u.created)
	b = appendInt(append(b, `,"cache_read_input_tokens":`...), u.cached)
	b = appendInt(append(b, `,"cache_creation":{"ephemeral_5m_input_tokens":`...), u.created)
	b = appendInt(append(b, `,"ephemeral_1h_input_tokens":0},"output_tokens":`...), output)
	return append(b, `,"service_tier":"standard"}`...)
}

func (s *messagesSink) begin(u usage) {
	s.e.head()
	b := appendQuoted([]byte(`{"type":"message_start","message":{"model":`), s.q.model)
	b = append(append(b, `,"id":"msg_`...), s.a.id...)
	b = append(b, `","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	s.e.event("message_start", append(u.messages(b, 1), `}}`...))
}

func (s *messagesSink) open(i int, p *part) {
	b := appendInt([]byte(`{"type":"content_block_start","index":`), i)
	b = append(b, `,"content_block":`...)
	switch p.kind {
	case textPart:
		b = append(b, `{"type":"text","text":""}`...)
	case thinkPart:
		b = append(b, `{"type":"thinking","thinking":"","signature":""}`...)
	case callPart:
		b = append(append(b, `{"type":"tool_use","id":"`...), p.callID...)
		b = append(appendQuoted(append(b, `","name":`...), p.tool.full()), `,"input":{}}`...)
	}
	s.e.event("content_block_start", append(b, '}'))
	if !s.pinged {
		s.pinged = true
		s.e.event("ping", []byte(`{"type":"ping"}`))
	}
	if p.kind == callPart {
		s.delta(i, p, "")
	}
}

func (s *messagesSink) delta(i int, p *part, text string) {
	b := appendInt([]byte(`{"type":"content_block_delta","index":`), i)
	switch p.kind {
	case textPart:
		b = append(b, `,"delta":{"type":"text_delta","text":`...)
	case thinkPart:
		b = append(b, `,"delta":{"type":"thinking_delta","thinking":`...)
	case callPart:
		b = append(b, `,"delta":{"type":"input_json_delta","partial_json":`...)
	}
	s.e.event("content_block_delta", append(appendQuoted(b, text), `}}`...))
}

func (s *messagesSink) close(i int, p *part) {
	if p.kind == thinkPart {
		b := appendInt([]byte(`{"type":"content_block_delta","index":`), i)
		b = append(b, `,"delta":{"type":"signature_delta","signature":`...)
		s.e.event("content_block_delta", append(appendQuoted(b, signature(p)), `}}`...))
	}
	b := appendInt([]byte(`{"type":"content_block_stop","index":`), i)
	s.e.event("content_block_stop", append(b, '}'))
}

// signature stands for the seal of a thinking block.
func signature(p *part) string { return "sim-" + p.id }

func messagesStop(a *answer) (reason string, sequence []byte) {
	switch {
	case a.finish == "length":
		return "max_tokens", []byte("null")
	case a.finish == "tool_calls":
		return "tool_use", []byte("null")
	case a.cut != "":
		return "stop_sequence", quote(a.cut)
	}
	return "end_turn", []byte("null")
}

func (s *messagesSink) end(a *answer, u usage) {
	reason, sequence := messagesStop(a)
	b := append([]byte(`{"type":"message_delta","delta":{"stop_reason":"`), reason...)
	b = append(append(b, `","stop_sequence":`...), sequence...)
	b = appendInt(append(b, `},"usage":{"input_tokens":`...), u.prompt-u.cached-u.created)
	b = appendInt(append(b, `,"cache_creation_input_tokens":`...), u.created)
	b = appendInt(append(b, `,"cache_read_input_tokens":`...), u.cached)
	b = appendInt(append(b, `,"output_tokens":`...), u.output)
	s.e.event("message_delta", append(b, `}}`...))
	if !s.e.f.has("no_done") {
		s.e.event("message_stop", []byte(`{"type":"message_stop"}`))
	}
}

// messagesAnswer is the unary answer.
func messagesAnswer(q *request, a *answer, u usage) []byte {
	b := appendQuoted([]byte(`{"model":`), q.model)
	b = append(append(b, `,"id":"msg_`...), a.id...)
	b = append(b, `","type":"message","role":"assistant","content":[`...)
	for i := range a.parts {
		p := &a.parts[i]
		if i > 0 {
			b = append(b, ',')
		}
		switch p.kind {
		case textPart:
			b = appendQuoted(append(b, `{"type":"text","text":`...), p.text)
		case thinkPart:
			b = appendQuoted(append(b, `{"type":"thinking","thinking":`...), p.text)
			b = appendQuoted(append(b, `,"signature":`...), signature(p))
		case callPart:
			b = append(append(b, `{"type":"tool_use","id":"`...), p.callID...)
			b = appendQuoted(append(b, `","name":`...), p.tool.full())
			b = append(append(b, `,"input":`...), objectOf(p.text)...)
		}
		b = append(b, '}')
	}
	reason, sequence := messagesStop(a)
	b = append(append(b, `],"stop_reason":"`...), reason...)
	b = append(append(b, `","stop_sequence":`...), sequence...)
	return append(u.messages(append(b, `,"usage":`...), u.output), '}')
}

// objectOf is the arguments as an object; ones cut by max_tokens are no JSON any more and become empty.
func objectOf(args string) string {
	if !validJSON(args) {
		return "{}"
	}
	return args
}
