package record

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a recorded connection as HTTP/1.1. It returns what it could read even when it returns an error, which says
// at what byte of which direction the recording stops being HTTP.
func Parse(c Conn) ([]Exchange, error) {
	up := reader{flow: &c.Up, what: "request"}
	down := reader{flow: &c.Down, what: "response"}
	var out []Exchange
	for !up.empty() {
		x := Exchange{Conn: c.ID, Index: len(out), down: &c.Down}
		if err := up.message(&x.Request, requestFraming); err != nil {
			return out, fmt.Errorf("record: connection %d: %w", c.ID, err)
		}
		err := down.response(&x)
		if x.Response.Ending == Cut || x.Response.Ending == Missing {
			if agentLeft(&c) {
				x.Response.Ending = Left
			}
		}
		out = append(out, x)
		if err != nil {
			return out, fmt.Errorf("record: connection %d: %w", c.ID, err)
		}
		if x.Tunnel || x.Request.Ending != Complete || x.Response.Ending != Complete {
			return out, nil
		}
	}
	if !down.empty() {
		return out, fmt.Errorf("record: connection %d: %d bytes of response that nobody asked for: %q", c.ID,
			len(down.rest()), excerpt(down.rest()))
	}
	return out, nil
}

// agentLeft reports whether the agent ended the connection before the other side did.
func agentLeft(c *Conn) bool {
	return c.Up.End != Open && (c.Down.End == Open || c.Up.EndAt.Before(c.Down.EndAt))
}

type framing int

const (
	noBody framing = iota
	byLength
	byChunks
	byClose
)

type reader struct {
	flow *Flow
	what string
	pos  int
}

func (r *reader) empty() bool  { return r.pos >= len(r.flow.Data) }
func (r *reader) rest() []byte { return r.flow.Data[r.pos:] }

// short is the ending of a message whose bytes ran out.
func (r *reader) short() Ending {
	if r.flow.End == Open {
		return Unfinished
	}
	return Cut
}

func (r *reader) response(x *Exchange) error {
	for {
		if r.empty() {
			x.Response.Ending = Missing
			if r.flow.End == Open {
				x.Response.Ending = Unfinished
			}
			return nil
		}
		var m Message
		err := r.message(&m, func(m *Message) (framing, int, error) { return responseFraming(x, m) })
		x.Response = m
		status := x.Status()
		if err != nil {
			return err
		}
		if status == 101 {
			x.Tunnel = true
			return nil
		}
		if status < 100 || status >= 200 || m.Ending != Complete {
			return nil
		}
		x.Interim = append(x.Interim, m)
		x.Response = Message{}
	}
}

// message reads one head and the body that frame finds.
func (r *reader) message(m *Message, frame func(*Message) (framing, int, error)) error {
	m.StartAt = r.flow.At(r.pos)
	end := bytes.Index(r.rest(), []byte("\r\n\r\n"))
	if end < 0 {
		if len(r.rest()) > 1<<20 {
			return r.bad("no end of the head in 1 MiB")
		}
		m.StartLine, _, _ = strings.Cut(string(r.rest()), "\r\n")
		r.pos = len(r.flow.Data)
		m.Ending, m.EndAt = r.short(), r.flow.At(r.pos-1)
		return nil
	}
	lines := strings.Split(string(r.rest()[:end]), "\r\n")
	m.StartLine = lines[0]
	fields, err := parseFields(lines[1:])
	if err != nil {
		return r.bad(err.Error())
	}
	m.Fields = fields
	r.pos += end + 4
	m.HeadAt = r.flow.At(r.pos - 1)
	m.EndAt = m.HeadAt
	kind, length, err := frame(m)
	if err != nil {
		return r.bad(err.Error())
	}
	switch kind {
	case byLength:
		r.length(m, length)
	case byChunks:
		err = r.chunks(m)
	case byClose:
		r.untilClose(m)
	}
	if r.pos > 0 {
		m.EndAt = r.flow.At(r.pos - 1)
	}
	return err
}

func (r *reader) bad(why string) error {
	return fmt.Errorf("%s at byte %d is not HTTP: %s: %q", r.what, r.pos, why, excerpt(r.rest()))
}

func parseFields(lines []string) (Fields, error) {
	var out Fields
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("malformed header line %q", line)
		}
		out = append(out, Field{name, strings.Trim(value, " \t")})
	}
	return out, nil
}

func requestFraming(m *Message) (framing, int, error) {
	if isChunked(m.Fields) {
		return byChunks, 0, nil
	}
	return lengthFraming(m.Fields, noBody)
}

func responseFraming(x *Exchange, m *Message) (framing, int, error) {
	if !strings.HasPrefix(m.StartLine, "HTTP/1.") {
		return noBody, 0, fmt.Errorf("status line %q", m.StartLine)
	}
	probe := Exchange{Response: *m}
	status := probe.Status()
	if strings.HasPrefix(x.Request.StartLine, "HEAD ") || status < 200 || status == 204 || status == 304 {
		return noBody, 0, nil
	}
	if isChunked(m.Fields) {
		return byChunks, 0, nil
	}
	return lengthFraming(m.Fields, byClose)
}

func isChunked(f Fields) bool {
	v := strings.ToLower(f.Get("transfer-encoding"))
	return v == "chunked" || strings.HasSuffix(v, ",chunked") || strings.HasSuffix(v, ", chunked")
}

func lengthFraming(f Fields, without framing) (framing, int, error) {
	v := f.Get("content-length")
	if v == "" {
		return without, 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return noBody, 0, fmt.Errorf("content-length %q", v)
	}
	return byLength, n, nil
}

func (r *reader) take(m *Message, n int) {
	if n == 0 {
		return
	}
	m.pieces = append(m.pieces, piece{body: len(m.Body), flow: r.pos})
	m.Body = append(m.Body, r.flow.Data[r.pos:r.pos+n]...)
	r.pos += n
}

func (r *reader) length(m *Message, n int) {
	if have := len(r.rest()); have < n {
		r.take(m, have)
		m.Ending = r.short()
		return
	}
	r.take(m, n)
}

func (r *reader) untilClose(m *Message) {
	r.take(m, len(r.rest()))
	switch r.flow.End {
	case Open:
		m.Ending = Unfinished
	case Reset, Stopped:
		m.Ending = Cut
	}
}

func (r *reader) chunks(m *Message) error {
	for {
		eol := bytes.Index(r.rest(), []byte("\r\n"))
		if eol < 0 {
			r.pos = len(r.flow.Data)
			m.Ending = r.short()
			return nil
		}
		size, _, _ := strings.Cut(string(r.rest()[:eol]), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if err != nil {
			return r.bad("chunk size")
		}
		r.pos += eol + 2
		if n == 0 {
			return r.trailer(m)
		}
		m.Chunks++
		if have := len(r.rest()); have < int(n) {
			r.take(m, have)
			m.Ending = r.short()
			return nil
		}
		r.take(m, int(n))
		if len(r.rest()) < 2 {
			r.pos = len(r.flow.Data)
			m.Ending = r.short()
			return nil
		}
		if !bytes.HasPrefix(r.rest(), []byte("\r\n")) {
			return r.bad("no line end after a chunk")
		}
		r.pos += 2
	}
}

func (r *reader) trailer(m *Message) error {
	if bytes.HasPrefix(r.rest(), []byte("\r\n")) {
		r.pos += 2
		return nil
	}
	end := bytes.Index(r.rest(), []byte("\r\n\r\n"))
	if end < 0 {
		r.pos = len(r.flow.Data)
		m.Ending = r.short()
		return nil
	}
	fields, err := parseFields(strings.Split(string(r.rest()[:end]), "\r\n"))
	if err != nil {
		return r.bad(err.Error())
	}
	m.Trailer = fields
	r.pos += end + 4
	return nil
}

func excerpt(b []byte) []byte {
	if len(b) > 80 {
		return b[:80]
	}
	return b
}
