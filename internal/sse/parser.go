package sse

import (
	"bytes"
	"errors"
)

// DefaultLimit is the largest frame that a Parser accepts unless told otherwise, in bytes: a line of 64 MiB and its company.
const DefaultLimit = 64<<20 + 64<<10

// keep is the largest buffer that is kept for later frames, in bytes.
const keep = 64 << 10

// ErrTooLong is what Err returns after a frame went over the limit.
var ErrTooLong = errors.New("sse: frame above the limit")

// An Event is one frame of the stream: its lines up to and including the blank one. All slices are valid until the next
// call of a method of the parser and must not be changed; they alias the chunk when the frame lay wholly in it.
type Event struct {
	Raw  []byte // the whole frame as it came, blank line included
	Name []byte // the last event field, nil when absent
	Data []byte // the data fields joined by \n, not nil (though maybe empty) when there is one
	ID   []byte // the last id field without NUL, nil when absent
	// Retry is the last retry field that is all digits (milliseconds), nil when absent.
	Retry []byte
	// Comment says that the frame has no data field: comments, a stray blank line, or other fields only. A reader dispatches
	// nothing for it, a relay passes it on.
	Comment bool
	// Partial says that the stream ended inside the frame (Finish only). A reader throws it away.
	Partial bool
}

type lineEnd uint8

const (
	none lineEnd = iota // nothing before: the start of the stream
	lf
	cr
	crlf
)

// A Parser splits a stream that arrives in chunks into frames. The zero value is ready to use. It is not safe for
// concurrent use.
//
//	p.Feed(chunk)
//	for e, ok := p.Next(); ok; e, ok = p.Next() { ... }
//	// the chunk may be reused from here on: what was left of it is in the parser
type Parser struct {
	// Limit is the largest frame in bytes, blank line included; 0 means DefaultLimit. It bounds the parser's memory.
	Limit int

	chunk []byte // what was fed last
	start int    // in chunk: where the frame under way, or its part behind carry, begins
	pos   int    // in chunk: what stands before has been scanned
	// The next LF and CR in chunk at or after pos, len(chunk) when there is none; stale when less than pos. So each byte is
	// looked at twice at most, however the line ends are mixed.
	nextLF, nextCR int

	carry  []byte // the frame under way, as far as it came in earlier chunks
	data   []byte // joined data lines
	line   int    // length so far of the line under way
	prev   lineEnd
	half   bool // the last byte scanned is a CR and may be half of a CRLF
	wait   bool // with half: that CR made a blank line, the frame is over with or without the LF
	crs    bool // the frame under way has a CR
	lent   bool // carry was given out as an event
	begun  bool // a frame was given out: no byte order mark any more
	joined bool // data holds the data lines of the frame being read
	err    error
}

// Reset makes the parser ready for another stream. Large buffers are let go.
func (p *Parser) Reset() {
	carry, data := p.carry, p.data
	*p = Parser{Limit: p.Limit}
	if cap(carry) <= keep {
		p.carry = carry[:0]
	}
	if cap(data) <= keep {
		p.data = data[:0]
	}
}

// Feed hands the next chunk of the stream to the parser. The chunk must stay as it is until Next has returned false. After
// an error Feed does nothing: relay what Rest returns, then the chunks themselves.
func (p *Parser) Feed(chunk []byte) {
	if p.err != nil {
		return
	}
	p.giveBack()
	if p.start < len(p.chunk) { // the caller did not drain the last one
		joined := make([]byte, 0, len(p.chunk)-p.start+len(chunk))
		joined = append(append(joined, p.chunk[p.start:]...), chunk...)
		p.pos -= p.start
		chunk = joined
	} else {
		p.pos = 0
	}
	p.chunk, p.start = chunk, 0
	p.nextLF, p.nextCR = -1, -1
}

// Next returns the next whole frame. It returns false when more bytes are needed, or after an error: see Err.
func (p *Parser) Next() (Event, bool) {
	if p.err != nil {
		return Event{}, false
	}
	p.giveBack()
	limit := p.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	if p.start == p.pos && p.begun && !p.half && len(p.carry) == 0 {
		if e, ok := p.inline(limit); ok {
			return e, true
		}
	}
	whole := p.scan()
	if len(p.carry)+p.pos-p.start > limit {
		p.err = ErrTooLong
		return Event{}, false
	}
	if !whole {
		if p.start < len(p.chunk) {
			p.carry = append(p.carry, p.chunk[p.start:]...)
		}
		p.chunk, p.start, p.pos = nil, 0, 0
		return Event{}, false
	}
	return p.parse(p.take()), true
}

// Err returns ErrTooLong after a frame went over the limit, else nil. The events before that frame have been given out.
func (p *Parser) Err() error { return p.err }

// Rest returns the bytes that no event has held so far, for a relay that must stop inside a frame: after a cut or an error.
// They stay in the parser and are valid until the next call of a method.
func (p *Parser) Rest() []byte {
	p.giveBack()
	if len(p.carry) == 0 {
		return p.chunk[p.start:len(p.chunk):len(p.chunk)]
	}
	if p.start < len(p.chunk) {
		// A copy of both, as carry may not grow by bytes that Next will look at again.
		return append(p.carry[:len(p.carry):len(p.carry)], p.chunk[p.start:]...)
	}
	return p.carry
}

// Finish returns the frame that the end of the stream left without its blank line, and false when there is none. Call it
// after Next has returned false, at a clean end; at a cut, Rest is what is due.
func (p *Parser) Finish() (Event, bool) {
	p.giveBack()
	if p.err != nil || len(p.carry) == 0 {
		return Event{}, false
	}
	partial := !p.half || !p.wait
	p.half, p.wait, p.line = false, false, 0
	e := p.parse(p.take())
	e.Partial = partial
	return e, true
}

// giveBack frees carry once the event in it is no longer valid.
func (p *Parser) giveBack() {
	if !p.lent {
		return
	}
	p.lent = false
	p.carry = p.carry[:0]
	if cap(p.carry) > keep {
		p.carry = nil
	}
}

// take ends the frame under way at pos and returns its bytes.
func (p *Parser) take() []byte {
	raw := p.chunk[p.start:p.pos:p.pos]
	p.start = p.pos
	if len(p.carry) > 0 {
		p.carry = append(p.carry, raw...)
		p.lent = true
		return p.carry
	}
	return raw
}

// inline is the short way for what nearly all frames are: wholly in the chunk, with LF for line ends. It reads the fields
// as it finds the lines. When the frame turns out to be something else, nothing has happened.
func (p *Parser) inline(limit int) (e Event, ok bool) {
	e.Comment = true
	p.next(p.pos)
	first := p.nextLF
	for at := p.pos; at < len(p.chunk); {
		end := p.next(at)
		if end == len(p.chunk) || p.chunk[end] == '\r' {
			break
		}
		if end == at {
			if end+1-p.start > limit {
				break
			}
			p.pos, p.prev = end+1, lf
			e.Raw = p.take()
			p.join(&e)
			return e, true
		}
		e.line(p.chunk[at:end:end], p)
		at = end + 1
	}
	p.joined, p.nextLF = false, first
	return Event{}, false
}

// scan moves pos on and reports whether it is at the end of a frame now.
func (p *Parser) scan() bool {
	for p.pos < len(p.chunk) {
		if p.half {
			p.half, p.prev = false, cr
			if p.chunk[p.pos] == '\n' {
				p.pos, p.prev = p.pos+1, crlf
			}
			if p.wait {
				p.wait = false
				return true
			}
			continue
		}
		at := p.next(p.pos)
		p.line += at - p.pos
		p.pos = at
		if at == len(p.chunk) {
			return false
		}
		blank := p.line == 0 || p.line == len(bom) && !p.begun && p.onlyBOM()
		p.line, p.pos = 0, at+1
		if at == p.nextLF {
			p.prev = lf
			if blank {
				return true
			}
			continue
		}
		p.crs = true
		if blank && p.prev == cr {
			return true
		}
		p.half, p.wait = true, blank
	}
	return false
}

// next returns the place of the next line end in chunk at or after from, its length when there is none.
func (p *Parser) next(from int) int {
	if p.nextLF < from {
		p.nextLF = index(p.chunk, from, '\n')
	}
	if p.nextCR < from {
		p.nextCR = index(p.chunk, from, '\r')
	}
	return min(p.nextLF, p.nextCR)
}

// index finds c in b at or after from, or returns len(b).
func index(b []byte, from int, c byte) int {
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

const bom = "\xef\xbb\xbf"

// onlyBOM reports whether the stream so far, up to pos, is a byte order mark. There are len(bom) bytes in the line.
func (p *Parser) onlyBOM() bool {
	n := len(p.carry) + p.pos - p.start
	if n != len(bom) {
		return false
	}
	var b [len(bom)]byte
	k := copy(b[:], p.carry)
	copy(b[k:], p.chunk[p.start:p.pos])
	return string(b[:]) == bom
}
