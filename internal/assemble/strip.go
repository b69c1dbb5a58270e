package assemble

import (
	"bytes"
)

// A Frame is one SSE event: Raw as it goes out with its blank line, Name and Data what is in it.
type Frame struct{ Raw, Name, Data []byte }

// A UsageStripper keeps usage from an agent that did not ask for it, when AskUsage did: the agent sees the chunks that it
// would have seen otherwise. The zero value is ready for one stream. Not for concurrent use.
//
// The usage chunk (no choices) is dropped. The member `usage`, which OpenAI puts into every chunk then (null), is cut out
// of the others; all other bytes stay. An engine that puts it there unasked (SGLang's null, DeepSeek's last chunk) cannot be
// told apart, and loses it too. llama.cpp moves its timings from a choice's last chunk into the usage chunk that follows: they
// are put back, for which such a chunk waits for the event behind it, comments excepted. Nothing else ever waits.
type UsageStripper struct {
	held    Frame // owned
	holding bool
	buf     []byte // other data
	raw     []byte // the frame around it
}

// Event calls emit with what the agent is to see, in order, none, one or two frames. They are valid during the call only, and may
// be f itself. The error is the one of emit.
func (u *UsageStripper) Event(f Frame, emit func(Frame) error) error {
	if len(f.Data) == 0 {
		return emit(f) // a comment may overtake what is held
	}
	c := read(f.Data)
	if c.usageOnly() {
		if !u.holding {
			return nil
		}
		u.holding = false
		if c.timings != nil && read(u.held.Data).timings == nil {
			end := bytes.LastIndexByte(u.held.Data, '}')
			u.buf = append(append(u.buf[:0], u.held.Data[:end]...), `,"timings":`...)
			u.buf = append(append(u.buf, c.timings...), u.held.Data[end:]...)
			return emit(u.reframe(u.held))
		}
		return emit(u.held)
	}
	if err := u.End(emit); err != nil {
		return err
	}
	if c.usage.to > 0 {
		u.buf = append(append(u.buf[:0], f.Data[:c.usage.from]...), f.Data[c.usage.to:]...)
		f = u.reframe(f)
	}
	if c.finished && c.llama {
		u.held, u.holding = Frame{bytes.Clone(f.Raw), bytes.Clone(f.Name), bytes.Clone(f.Data)}, true
		return nil
	}
	return emit(f)
}

// End gives out what is still held when the stream is over, however it ended.
func (u *UsageStripper) End(emit func(Frame) error) error {
	if !u.holding {
		return nil
	}
	u.holding = false
	return emit(u.held)
}

// A chunk is what matters here of a chat chunk.
type chunk struct {
	usage    cut    // the member `usage`, if there is one
	counted  bool   // which is an object
	empty    bool   // choices are an empty array
	finished bool   // a choice has a finish reason
	timings  []byte // the value of `timings`
	llama    bool   // it is llama.cpp's
}

// A cut is what to take out of an object to remove a member, with one comma.
type cut struct{ from, to int }

func (c *chunk) usageOnly() bool { return c.empty && c.counted }

// read reads a chunk; what is none has nothing of interest.
func read(data []byte) (c chunk) {
	s := scanner{b: data}
	if s.peek() != '{' {
		return chunk{}
	}
	before := -1  // the comma before the member
	open := false // usage was the first member: the comma behind it goes
	for more := s.first(); more; more = s.another('}') {
		s.peek()
		at := s.i
		if open {
			c.usage.to, open = at, false
		}
		switch key := s.key(); string(key) {
		case "choices":
			c.empty, c.finished = choicesOf(&s)
		case "usage":
			raw := s.value()
			c.counted = len(raw) > 0 && raw[0] == '{'
			c.usage = cut{at, s.i}
			if open = before < 0; !open {
				c.usage.from = before
			}
		case "timings":
			c.timings = s.value()
		case "system_fingerprint":
			c.llama = llamaBuild(unquoted(s.value()))
		default:
			s.skip()
		}
		s.peek()
		before = s.i
	}
	if !s.end() {
		return chunk{}
	}
	return c
}

// choicesOf reads the choices that are next.
func choicesOf(s *scanner) (empty, finished bool) {
	if s.peek() != '[' {
		s.skip()
		return false, false
	}
	empty = true
	for more := s.first(); more; more = s.another(']') {
		empty = false
		if s.peek() != '{' {
			s.skip()
			continue
		}
		for more := s.first(); more; more = s.another('}') {
			key := s.key()
			raw := s.value()
			finished = finished || string(key) == "finish_reason" && len(raw) > 0 && raw[0] == '"'
		}
	}
	return empty, finished
}

// reframe is f with buf for its data.
func (u *UsageStripper) reframe(f Frame) Frame {
	at := bytes.Index(f.Raw, f.Data)
	if before := bytes.TrimSuffix(f.Raw[:max(at, 0)], []byte(" ")); bytes.HasSuffix(before, []byte("\ndata:")) || string(before) == "data:" {
		u.raw = append(append(u.raw[:0], f.Raw[:at]...), u.buf...)
		u.raw = append(u.raw, f.Raw[at+len(f.Data):]...)
	} else {
		u.raw = relined(u.raw[:0], f.Raw, u.buf)
	}
	return Frame{u.raw, f.Name, u.buf}
}

// relined appends a frame with other data to out, whatever its lines are like. Those that are no data stay.
func relined(out, raw, data []byte) []byte {
	placed := false
	for rest := raw; len(rest) > 0; {
		n := bytes.IndexAny(rest, "\r\n")
		if n < 0 {
			n = len(rest)
		}
		end := n
		for _, c := range []byte("\r\n") {
			if end < len(rest) && rest[end] == c {
				end++
			}
		}
		line, eol := rest[:n], rest[n:end]
		rest = rest[end:]
		field, _, _ := bytes.Cut(line, []byte(":"))
		if string(bytes.TrimPrefix(field, []byte("\xef\xbb\xbf"))) != "data" {
			out = append(append(out, line...), eol...)
			continue
		}
		if placed {
			continue
		}
		placed = true
		colon := []byte("data:")
		if len(line) > len(field) {
			colon = line[:len(field)+1]
		}
		tight := len(line) > len(colon) && line[len(colon)] != ' '
		for part := range bytes.SplitSeq(data, []byte("\n")) {
			out = append(out, colon...)
			if !tight || len(part) > 0 && part[0] == ' ' {
				out = append(out, ' ')
			}
			out = append(append(out, part...), eol...)
		}
	}
	return out
}
