package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/trapgate/trapgate/internal/head"
)

// maxHead is the longest response head in bytes.
const maxHead = 256 << 10

// A Response is the answer to one try. Its bytes live in the connection's buffers: a piece is valid until the next call of
// Next, the fields until Close.
type Response struct {
	Status   int
	Reason   []byte // the phrase of the status line
	Fields   head.Fields
	Trailers head.Fields // set once Next has returned io.EOF
	Length   int64       // of the body; -1: chunked, -2: until the connection closes
	Bodiless bool        // HEAD, 204, 304, 101

	c     *conn
	ahead ahead
	idle  time.Duration
	left  int64 // of the body or the chunk
	done  bool
	cut   bool // it ended before its end
	keep  bool // the connection may be used again
}

// Next returns the next piece of the body without waiting for more than one byte of it. io.EOF is the clean end; a body that
// ends early gives io.ErrUnexpectedEOF.
func (r *Response) Next() ([]byte, error) {
	if piece, ok, err := r.ahead.take(); ok {
		return piece, err
	}
	return r.next()
}

func (r *Response) next() ([]byte, error) {
	if r.done || r.Bodiless {
		r.done = true
		return nil, io.EOF
	}
	if r.left < 0 && r.Length == -1 {
		r.c.readWithin(r.idle)
		if err := r.eatLineEnd(); err != nil {
			return nil, err
		}
	}
	if r.left == 0 && r.Length == -1 {
		if err := r.nextChunk(); err != nil {
			return nil, err
		}
	}
	if r.left == 0 && r.Length != -2 {
		r.done = true
		return nil, io.EOF
	}
	br := r.c.br
	if br.Buffered() == 0 {
		r.c.readWithin(r.idle)
		if _, err := br.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				if r.Length == -2 {
					r.done = true
					return nil, io.EOF
				}
				err = io.ErrUnexpectedEOF
			}
			return nil, r.broken(err)
		}
	}
	n := br.Buffered()
	if r.Length != -2 && int64(n) > r.left {
		n = int(r.left)
	}
	piece, _ := br.Peek(n)
	br.Discard(n)
	r.left -= int64(n)
	if r.left == 0 && r.Length == -1 {
		r.endChunk()
	}
	return piece, nil
}

// More reports whether Next can go on without waiting: bytes of the body, or its end, are here already.
func (r *Response) More() bool { return r.ahead.any() || r.more() }

// more is More for what has not been read ahead.
func (r *Response) more() bool {
	switch {
	case r.done || r.Length >= 0 && r.left == 0:
		return true
	case r.Length != -1 || r.left > 0:
		return r.c.br.Buffered() > 0
	}
	b, _ := r.c.br.Peek(r.c.br.Buffered())
	if r.left < 0 {
		if len(b) < 2 {
			return false
		}
		b = b[2:]
	}
	nl := bytes.IndexByte(b, '\n')
	if nl < 0 || nl+1 == len(b) {
		return false
	}
	size, ok := chunkSize(b[:nl])
	return !ok || size > 0 || bytes.HasPrefix(b[nl+1:], []byte("\r\n"))
}

// Complete reports whether the whole body has been read.
func (r *Response) Complete() bool {
	return len(r.ahead.bytes) == 0 && !r.cut && (r.done || r.Bodiless || r.Length >= 0 && r.left == 0)
}

// nextChunk reads a chunk's size line; behind the last one, the trailers.
func (r *Response) nextChunk() error {
	r.c.readWithin(r.idle)
	line, err := r.c.br.ReadSlice('\n')
	if err != nil {
		return r.broken(eof(err))
	}
	size, ok := chunkSize(line)
	if !ok {
		return r.broken(fmt.Errorf("malformed chunk size %.20q", line))
	}
	if r.left = size; size > 0 {
		return nil
	}
	for {
		line, err := r.c.br.ReadSlice('\n')
		if err != nil {
			return r.broken(eof(err))
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return nil
		}
		if r.Trailers, err = head.Parse(r.Trailers, bytes.Clone(line)); err != nil || len(r.Trailers) > 100 {
			return r.broken(errors.New("malformed trailers"))
		}
	}
}

// endChunk eats the line end behind a chunk if it is here: a piece in hand never waits for it.
func (r *Response) endChunk() {
	br := r.c.br
	if br.Buffered() >= 2 {
		if b, _ := br.Peek(2); b[0] == '\r' && b[1] == '\n' {
			br.Discard(2)
			r.left = 0
			return
		}
	}
	r.left = owed
}

// owed stands in left while the line end behind a chunk has not been read.
const owed = -2

func (r *Response) eatLineEnd() error {
	b, err := r.c.br.Peek(2)
	if err != nil {
		return r.broken(eof(err))
	}
	if b[0] != '\r' || b[1] != '\n' {
		return r.broken(errors.New("malformed chunk end"))
	}
	r.c.br.Discard(2)
	r.left = 0
	return nil
}

// chunkSize reads the hexadecimal size of a chunk; extensions are ignored.
func chunkSize(line []byte) (int64, bool) {
	line = bytes.TrimRight(line, "\r\n")
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range line {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | int64(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// broken turns a read error into an *Error.
func (r *Response) broken(err error) error {
	r.done, r.cut, r.keep = true, true, false
	return readError(r.c, err)
}

// HurryUp bounds the wait for the rest of the body.
func (r *Response) HurryUp(d time.Duration) {
	r.c.hurried.Store(true)
	r.c.Conn.SetReadDeadline(time.Now().Add(d))
}

// Spoil keeps the connection from being used again: somebody may be killing it.
func (r *Response) Spoil() { r.keep = false }

// A Hurrier is what an agent's leaving does to an answer that is over but for its last bytes: they get a moment more, and
// the connection is kept.
type Hurrier struct {
	mu   sync.Mutex
	resp *Response
	d    time.Duration
}

// Hurrier returns one that gives the rest of the body d. Release it before Close.
func (r *Response) Hurrier(d time.Duration) *Hurrier { return &Hurrier{resp: r, d: d} }

// Kill implements what the agent attaches; any goroutine may call it, also after Release.
func (h *Hurrier) Kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.resp != nil {
		h.resp.HurryUp(h.d)
	}
}

// Release ends the effect of Kill.
func (h *Hurrier) Release() {
	h.mu.Lock()
	h.resp = nil
	h.mu.Unlock()
}

// Close gives the connection back when the body was read to its end, and closes it else. Exactly once.
func (r *Response) Close() {
	c := r.c
	r.c = nil
	if r.keep && (r.done || r.Complete() && r.Length != -1) {
		if c.hurried.Swap(false) {
			c.readBy = time.Time{}
		}
		if cap(c.head) > 64<<10 {
			c.head = nil
		}
		c.pool.put(c)
		return
	}
	c.close()
}

// Take hands the connection over, for a tunnel: what has been read ahead of it comes first from the reader.
func (r *Response) Take() (net.Conn, io.Reader) {
	c := r.c
	r.c = nil
	c.pool.watcher.Remove(c.token)
	c.Conn.SetDeadline(time.Time{})
	return c.Conn, c.br
}
