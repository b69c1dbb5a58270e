package wire

// delta walks the `delta` of a responses event (a string) or a messages event (an object).
func (m *Meter) delta() {
	s := &m.s
	if s.peek() != '{' {
		m.text(s.string())
		return
	}
	for more := s.first(); more; more = s.another('}') {
		switch string(s.member()) {
		case "text", "partial_json", "thinking":
			m.text(s.string())
		case "stop_reason":
			if sp := s.string(); !sp.Empty() {
				m.finish(0, m.inner(sp))
			}
		default:
			s.skip()
		}
	}
}

// item walks an output item (responses) or content block (messages): of an event that opens it, or whole in a body.
func (m *Meter) item(whole bool) {
	s := &m.s
	if s.peek() != '{' {
		s.skip()
		return
	}
	m.ev.other = true
	var typ Span
	for more := s.first(); more; more = s.another('}') {
		key := s.member()
		switch string(key) {
		case "type":
			typ = s.string()
		case "text", "thinking", "arguments":
			if whole {
				m.text(s.string())
			} else {
				s.skip()
			}
		case "input":
			if whole {
				m.size()
			} else {
				s.skip()
			}
		case "content", "summary":
			if !whole || s.peek() != '[' {
				s.skip()
				continue
			}
			for more := s.first(); more; more = s.another(']') {
				m.item(true)
			}
		default:
			s.skip()
		}
	}
	if s.err != nil || !isCall(m.inner(typ)) {
		return
	}
	m.ev.tokens = true
	if whole {
		m.a.ToolCalls++
	} else {
		m.ev.call = true
	}
}

// size counts the raw bytes of a value as output.
func (m *Meter) size() {
	if sp, _, ok := m.s.value(); ok {
		m.a.OutputChars += int64(sp.End - sp.Start)
	}
}

// isCall reports whether an output item or block is a call that the agent has to answer.
func isCall(typ []byte) bool {
	switch string(typ) {
	case "tool_use", "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call":
		return true
	}
	return false
}

// status notes the status of a whole responses object; an incomplete one is told by its reason where there is one.
func (m *Meter) status(status []byte) {
	switch string(status) {
	case "completed", "failed", "incomplete", "cancelled":
		m.finish(0, status)
	}
}

func (m *Meter) incomplete() {
	s := &m.s
	if s.peek() != '{' {
		s.skip()
		return
	}
	for more := s.first(); more; more = s.another('}') {
		if string(s.member()) != "reason" {
			s.skip()
			continue
		}
		if sp := s.string(); !sp.Empty() {
			m.seen |= 1
			m.a.Finish = append(m.a.Finish[:0], string(m.inner(sp)))
		}
	}
}

// failure walks an `error`: an object with type, code and message, a string, or null.
func (m *Meter) failure() {
	s := &m.s
	switch s.peek() {
	case '"':
		m.errorField(&m.a.ErrorMessage, s.string())
	case '{':
		m.ev.other = true
		for more := s.first(); more; more = s.another('}') {
			switch string(s.member()) {
			case "type":
				m.errorField(&m.a.ErrorType, s.string())
			case "code":
				m.errorField(&m.a.ErrorCode, s.scalarSpan())
			case "message":
				m.errorField(&m.a.ErrorMessage, s.string())
			default:
				s.skip()
			}
		}
		if s.err == nil && !m.a.Failed() {
			m.a.ErrorType = "error"
		}
	default:
		s.skip()
	}
}

// scalarSpan takes a value and returns its span when it is a string or a number: some upstreams give the status as code.
func (s *scanner) scalarSpan() Span {
	sp, c, ok := s.value()
	if !ok || c == '{' || c == '[' || c == 'n' {
		return Span{}
	}
	return sp
}

func (m *Meter) errorField(dst *string, sp Span) {
	if sp.Empty() {
		return
	}
	m.ev.other = true
	if raw := m.s.b[sp.Start:sp.End]; raw[0] == '"' {
		*dst = String(raw)
	} else {
		*dst = string(raw)
	}
}

// usage walks a `usage` object of any dialect.
func (m *Meter) usage() {
	s := &m.s
	if s.peek() != '{' {
		s.skip()
		return
	}
	m.ev.other = true
	r := &m.raw
	for more := s.first(); more; more = s.another('}') {
		switch string(s.member()) {
		case "prompt_tokens", "input_tokens":
			s.take(&r.input)
		case "completion_tokens", "output_tokens":
			s.take(&r.output)
		case "cache_read_input_tokens", "prompt_cache_hit_tokens":
			s.take(&r.read)
		case "cache_creation_input_tokens":
			s.take(&r.write)
		case "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details":
			m.usageDetails()
		default:
			s.skip()
		}
	}
	if s.err != nil {
		return
	}
	u := Usage{Input: r.input, Output: r.output, CachedInput: r.read, CacheWrite: r.write, Reasoning: r.reasoning, Known: true}
	if m.d == Messages { // the only dialect that counts cached tokens beside the others
		u.Input += r.read + r.write
	}
	m.a.Usage = u
}

func (m *Meter) usageDetails() {
	s := &m.s
	if s.peek() != '{' {
		s.skip()
		return
	}
	for more := s.first(); more; more = s.another('}') {
		switch string(s.member()) {
		case "cached_tokens":
			s.take(&m.raw.read)
		case "reasoning_tokens":
			s.take(&m.raw.reasoning)
		default:
			s.skip()
		}
	}
}

// take takes a number into n; anything else leaves n as it was.
func (s *scanner) take(n *int64) {
	if v := s.number(); v >= 0 {
		*n = v
	}
}
