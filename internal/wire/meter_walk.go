package wire

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// first enters an object or array and reports whether it has a member; another does so behind one. Both take the closing
// bracket. An error ends every loop.
func (s *scanner) first() bool {
	c := s.peek()
	if c != '{' && c != '[' {
		s.skip()
		return false
	}
	if !s.open() {
		return false
	}
	if s.peek() == c+2 {
		s.close()
		return false
	}
	return true
}

func (s *scanner) another(closing byte) bool {
	if s.err != nil {
		return false
	}
	switch s.peek() {
	case ',':
		s.i++
		return true
	case closing:
		s.close()
		return false
	}
	return s.unexpected("a comma or the end")
}

// member takes a key and its colon and returns the key as it stands between its quotes; the value is next.
func (s *scanner) member() []byte {
	if s.peek() != '"' {
		s.unexpected("a key")
		return nil
	}
	b, at := s.b, s.i+1
	for p := at; p >= 0 && p+8 < len(b); p += 8 { // the way of nearly all keys: no escape, the colon right behind
		if m := special(binary.LittleEndian.Uint64(b[p : p+8])); m != 0 {
			end := p + bits.TrailingZeros64(m)>>3
			if b[end] == '"' && b[end+1] == ':' {
				s.i = end + 2
				return b[at:end]
			}
			break
		}
	}
	if !s.str() {
		return nil
	}
	end := s.i - 1
	if !s.colon() {
		return nil
	}
	return b[at:end]
}

// string takes a value and returns its span when it is a string.
func (s *scanner) string() Span {
	if s.peek() != '"' {
		s.skip()
		return Span{}
	}
	at := s.i
	if !s.str() {
		return Span{}
	}
	return Span{int32(at), int32(s.i)}
}

// number takes a value and returns it when it is an integer that is not negative, else -1.
func (s *scanner) number() int64 {
	s.peek()
	n := int64(0)
	i := s.i
	for ; i < len(s.b) && '0' <= s.b[i] && s.b[i] <= '9' && n < 1<<58; i++ {
		n = n*10 + int64(s.b[i]-'0')
	}
	if i > s.i && i < len(s.b) && (s.b[i] == ',' || s.b[i] == '}' || s.b[i] == ' ') {
		s.i = i
		return n
	}
	s.skip()
	return -1
}

// inner returns the bytes between a string's quotes.
func (m *Meter) inner(sp Span) []byte {
	if sp.Empty() {
		return nil
	}
	return m.s.b[sp.Start+1 : sp.End-1]
}

// A place says which object root walks.
type place uint8

const (
	inEvent  place = iota // the data of an event
	inNested              // the `response` or `message` object that some events hold
	inBody                // a whole JSON answer
)

// root walks the top-level object of an event or a body, or the object that some events hold.
func (m *Meter) root(at place) {
	s := &m.s
	if s.peek() != '{' {
		s.fail(s.i, CodeNotObject, "not an object")
		return
	}
	noChoices, usage := false, false
	var code, message Span // of a responses error event, which has its fields at the top
	for more := s.first(); more; more = s.another('}') {
		switch key := s.member(); string(key) {
		case "id":
			if sp := s.string(); m.a.ID == "" && !sp.Empty() && (at != inEvent || m.d != Responses && m.d != Messages) {
				m.a.ID = String(s.b[sp.Start:sp.End])
				m.ev.other = true
			}
		case "model":
			if sp := s.string(); m.a.Model == "" && !sp.Empty() {
				m.a.Model = internModel(s.b[sp.Start:sp.End])
				m.ev.other = true
			}
		case "choices":
			noChoices = s.peek() == '[' && m.choices()
		case "usage":
			usage = s.peek() == '{'
			m.usage()
		case "error":
			m.failure()
		case "type":
			if sp := s.string(); !sp.Empty() && at != inNested {
				m.ev.hasType = true
				m.typ = m.inner(sp)
			}
		case "response", "message":
			if s.peek() == '{' && (m.d == Responses || m.d == Messages) && at == inEvent {
				m.root(inNested)
			} else {
				message = s.string()
			}
		case "code":
			code = s.string()
		case "created", "sequence_number", "obfuscation":
			m.changing()
		default:
			m.special(key, at)
		}
	}
	if at != inNested && m.d == Responses && string(m.typ) == "error" && s.err == nil {
		m.errorField(&m.a.ErrorCode, code)
		m.errorField(&m.a.ErrorMessage, message)
		if !m.a.Failed() {
			m.a.ErrorType = "error"
		}
	}
	m.UsageOnly = noChoices && usage && at == inEvent
}

// changing takes a member that is new in each event and means nothing to us.
func (m *Meter) changing() {
	sp, c, ok := m.s.value()
	switch {
	case !ok:
	case c == '"':
		m.ev.hole(sp, stringHole)
	case '0' <= c && c <= '9':
		m.ev.hole(sp, numberHole)
	}
}

// special walks the members that only responses and messages have.
func (m *Meter) special(key []byte, at place) {
	s := &m.s
	if m.d != Responses && m.d != Messages {
		s.skip()
		return
	}
	switch string(key) {
	case "delta":
		m.delta()
	case "item", "content_block":
		m.item(false)
	case "output", "content":
		if at != inBody || s.peek() != '[' {
			s.skip()
			return
		}
		for more := s.first(); more; more = s.another(']') {
			m.item(true)
		}
	case "status":
		if sp := s.string(); m.d == Responses && at != inEvent && !sp.Empty() {
			m.status(m.inner(sp))
		}
	case "stop_reason":
		if sp := s.string(); !sp.Empty() {
			m.finish(0, m.inner(sp))
		}
	case "incomplete_details":
		m.incomplete()
	default:
		s.skip()
	}
}

// choices walks chat's and completions' choices; it reports whether there are none.
func (m *Meter) choices() bool {
	s := &m.s
	none := true
	for more := s.first(); more; more = s.another(']') {
		none = false
		if s.peek() != '{' {
			s.skip()
			continue
		}
		choice, reason := int64(0), Span{}
		for more := s.first(); more; more = s.another('}') {
			switch string(s.member()) {
			case "index":
				choice = s.number()
			case "delta", "message":
				m.choiceDelta(choice)
			case "text":
				m.text(s.string())
			case "finish_reason":
				reason = s.string()
			default:
				s.skip()
			}
		}
		if !reason.Empty() && s.err == nil {
			m.finish(choice, m.inner(reason))
		}
	}
	return none && s.err == nil
}

// choiceDelta walks a chat delta or message.
func (m *Meter) choiceDelta(choice int64) {
	s := &m.s
	if s.peek() != '{' {
		s.skip()
		return
	}
	for more := s.first(); more; more = s.another('}') {
		switch string(s.member()) {
		case "content", "reasoning_content", "reasoning", "refusal":
			m.text(s.string())
		case "tool_calls":
			if s.peek() != '[' {
				s.skip()
				continue
			}
			for more := s.first(); more; more = s.another(']') {
				m.chatCall(choice)
			}
		case "function_call":
			if s.peek() == '{' {
				m.callBody(true)
			} else {
				s.skip()
			}
		default:
			s.skip()
		}
	}
}

// chatCall walks a piece of a tool call. Index tells the calls of a choice apart; where it is missing, the id does.
func (m *Meter) chatCall(choice int64) {
	s := &m.s
	if s.peek() != '{' {
		s.skip()
		return
	}
	m.ev.other, m.ev.tokens = true, true
	index, id := int64(-1), Span{}
	for more := s.first(); more; more = s.another('}') {
		switch string(s.member()) {
		case "index":
			index = s.number()
		case "id":
			id = s.string()
		case "function", "custom":
			m.callBody(false)
		default:
			s.skip()
		}
	}
	switch {
	case s.err != nil:
	case index >= 0:
		m.countCall(uint64(choice)<<32 | uint64(index)&0xffffffff)
	case id.End-id.Start > 2:
		if h := xxh3.Hash(m.inner(id)) | 1; h != m.lastID {
			m.lastID = h
			m.a.ToolCalls++
		}
	}
}

func (m *Meter) countCall(call uint64) {
	const most = 256
	for _, c := range m.calls {
		if c == call {
			return
		}
	}
	if len(m.calls) < most {
		m.calls = append(m.calls, call)
		m.a.ToolCalls++
	}
}

// callBody walks a function's name and arguments. old is chat's function_call, which has no id.
func (m *Meter) callBody(old bool) {
	s := &m.s
	m.ev.other, m.ev.tokens = true, true
	if s.peek() != '{' {
		s.skip()
		return
	}
	for more := s.first(); more; more = s.another('}') {
		switch string(s.member()) {
		case "arguments", "input":
			m.text(s.string())
		case "name":
			if sp := s.string(); old && sp.End-sp.Start > 2 {
				m.a.ToolCalls++
			}
		default:
			s.skip()
		}
	}
}
