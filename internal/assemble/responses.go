package assemble

// response takes one event of the responses dialect. Only the terminal one is read beyond its type.
func (a *Assembler) response(event []byte) {
	s := &a.s
	if s.peek() != '{' {
		s.fail()
		return
	}
	whole := s.b[s.i:]
	var response, timings []byte
	typ, failed := event, false
	for more := s.first(); more; more = s.another('}') {
		switch key := s.key(); string(key) {
		case "type":
			if t := unquoted(s.value()); len(t) > 0 {
				typ = t
			}
			if !terminal(typ) {
				return
			}
		case "response":
			response = s.value()
		case "timings":
			timings = s.value()
		case "error":
			failed = s.peek() == '{'
			s.skip()
		default:
			s.skip()
		}
	}
	switch {
	case s.bad || !s.end():
		s.bad = true
	case string(typ) == "error", failed && len(response) == 0 && !terminal(typ):
		a.upstreamError(whole)
	case !terminal(typ):
	case len(response) == 0 || response[0] != '{':
		a.form("no response in the terminal event")
	case a.charge(len(response)):
		if string(typ) == "response.completed" {
			response = llamaCompleted(response, timings)
		}
		a.raw, a.done = append(a.raw[:0], response...), true
	}
}

// terminal reports whether an event of this type ends the answer.
func terminal(typ []byte) bool {
	switch string(typ) {
	case "response.completed", "response.incomplete", "response.failed", "error":
		return true
	}
	return false
}
