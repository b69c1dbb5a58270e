package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/internal/head"
)

// A Leaver is whoever the request is made for. Its context ends when it leaves; a connection attached to it is killed then.
type Leaver interface {
	context.Context
	Attach(interface{ Kill() }) bool
	Detach() bool
}

// Do makes one try: it sends the request and reads the head of the answer. The response must be closed. The connection stays
// attached to l; whoever reads the body detaches. A stale kept connection is replaced once by a fresh one, when provably no
// byte of the request was taken.
func (u *Upstream) Do(l Leaver, r *Request) (*Response, error) {
	c, err := u.pool.get(l)
	if err != nil {
		if l.Err() != nil {
			return nil, &Error{Agent, err}
		}
		return nil, err
	}
	resp, stale, err := u.try(l, c, r)
	if !stale {
		return resp, err
	}
	// The rest of the pool is probably stale too.
	u.redials.Add(1)
	if c, err = u.pool.dial(l); err != nil {
		if l.Err() != nil {
			return nil, &Error{Agent, err}
		}
		return nil, err
	}
	resp, _, err = u.try(l, c, r)
	return resp, err
}

// try uses one connection, and closes it on failure. stale says that it was a kept one that had ended before.
func (u *Upstream) try(l Leaver, c *conn, r *Request) (resp *Response, stale bool, err error) {
	before := c.sent.n
	if !l.Attach(c) {
		u.pool.put(c)
		return nil, false, &Error{Agent, context.Canceled}
	}
	resp, err = u.exchange(c, r)
	if err == nil {
		return resp, false, nil
	}
	l.Detach()
	stale = c.reused && !c.killed.Load() && r.Stream == nil && ended(err) && untouched(c, before, err)
	err = readError(c, err)
	c.close()
	return nil, stale, err
}

// ended reports whether an error is how a connection that the other side has closed shows itself.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// untouched reports whether provably nobody has read a byte of the request.
func untouched(c *conn, before uint64, err error) bool {
	if c.pool.up.Network == "unix" {
		return errors.Is(err, syscall.EPIPE) // the socket was closed before anything was queued on it
	}
	return !taken(c.raw, before)
}

// exchange writes the request and reads the head of the answer. io.EOF means that not one byte of an answer came.
func (u *Upstream) exchange(c *conn, r *Request) (*Response, error) {
	c.out = r.appendHead(c.out[:0], u.Config)
	limit := u.Config.ResponseTimeout
	var err error
	switch {
	case r.Stream != nil:
		c.interrupt.Store(&r.Interrupt)
		err = r.writeStream(c, limit)
		c.interrupt.Store(nil)
	case r.Chunked:
		err = c.write(c.out, appendChunk(nil, r.Body), limit)
	default:
		err = c.write(c.out, r.Body, limit)
	}
	if r.Sent != nil {
		r.Sent()
	}
	if err != nil {
		// An upstream may answer before it has read all, and close: its answer counts for more than our failed write.
		if resp, rerr := u.readHead(c, r, time.Second); rerr == nil {
			resp.keep = false
			return resp, nil
		}
		return nil, err
	}
	return u.readHead(c, r, limit)
}

// errDeaf says that an upstream has closed its side in the middle of an upload; it may have answered before.
var errDeaf = errors.New("the upstream reads no more of the request")

func appendChunk(b, body []byte) []byte {
	if len(body) > 0 {
		b = append(strconv.AppendInt(b, int64(len(body)), 16), "\r\n"...)
		b = append(append(b, body...), "\r\n"...)
	}
	return append(b, "0\r\n\r\n"...)
}

// writeStream copies a body that nobody reads.
func (r *Request) writeStream(c *conn, limit time.Duration) error {
	if err := c.write(c.out, nil, limit); err != nil {
		return err
	}
	buf := make([]byte, 32<<10)
	for sent := 0; ; {
		n, err := r.Stream.Read(buf[:])
		if n > 0 {
			piece := buf[:n]
			if r.Chunked {
				piece = append(append(strconv.AppendInt(nil, int64(n), 16), "\r\n"...), piece...)
				piece = append(piece, "\r\n"...)
			}
			if werr := c.write(c.out[:0], piece, limit); werr != nil {
				return werr
			}
			sent += n
		}
		switch {
		case err == nil:
			continue
		case c.deaf.Load():
			return errDeaf
		case !errors.Is(err, io.EOF) || r.Length >= 0 && sent < r.Length:
			return &Error{Agent, err}
		case r.Chunked:
			return c.write(c.out[:0], []byte("0\r\n\r\n"), limit)
		}
		return nil
	}
}

// readHead reads the final response head; interim ones (1xx) are skipped.
func (u *Upstream) readHead(c *conn, r *Request, limit time.Duration) (*Response, error) {
	for range 10 {
		block, err := c.readHeadBlock(limit)
		if err != nil {
			return nil, err
		}
		resp := &c.resp
		if err := resp.parseHead(block, r.Method); err != nil {
			return nil, err
		}
		if resp.Status == 101 && !r.Upgrade {
			return nil, errors.New("switching protocols was not asked for")
		}
		if resp.Status >= 200 || resp.Status == 101 {
			resp.c, resp.idle = c, u.Config.StreamIdle
			return resp, nil
		}
	}
	return nil, errors.New("too many interim responses")
}

// readHeadBlock reads up to and including the empty line.
func (c *conn) readHeadBlock(limit time.Duration) ([]byte, error) {
	c.readWithin(limit)
	c.head = c.head[:0]
	if _, err := c.br.Peek(1); err != nil {
		return nil, err
	}
	if b, _ := c.br.Peek(c.br.Buffered()); len(b) > 0 { // nearly always it has come in one piece
		if n := min(len(b), len(statusStart)); !bytes.Equal(b[:n], statusStart[:n]) {
			return nil, fmt.Errorf("malformed status line %.40q", b)
		}
		// A head with bare line feeds ends before that; the slow way below reads it.
		if end := bytes.Index(b, headEnd); end >= 0 && !bytes.Contains(b[:end], bareEnd) && bytes.Index(b, mixedEnd) == end+1 {
			c.head = append(c.head, b[:end+len(headEnd)]...)
			c.br.Discard(end + len(headEnd))
			return c.head, nil
		}
	}
	for {
		line, err := c.br.ReadSlice('\n')
		c.head = append(c.head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, eof(err)
		}
		if len(c.head) > maxHead {
			return nil, errors.New("response head too long")
		}
		if err == nil && len(bytes.TrimRight(line, "\r\n")) == 0 && len(c.head) > 2 {
			return c.head, nil
		}
	}
}

var (
	headEnd     = []byte("\r\n\r\n")
	bareEnd     = []byte("\n\n")
	mixedEnd    = []byte("\n\r\n")
	statusStart = []byte("HTTP/1.")
)

// parseHead reads a status line and the fields behind it, and decides how the body is delimited. The slice of fields is reused.
func (resp *Response) parseHead(block []byte, method string) error {
	line, rest, _ := bytes.Cut(block, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return fmt.Errorf("malformed status line %.40q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 100 || len(line) > 12 && line[12] != ' ' {
		return fmt.Errorf("malformed status line %.40q", line)
	}
	*resp = Response{Status: status, Length: -2, keep: line[7] == '1', Fields: resp.Fields[:0]}
	if len(line) > 13 {
		resp.Reason = line[13:]
	}
	if resp.Fields, err = head.Parse(resp.Fields, rest); err != nil {
		return err
	}
	if err := resp.frame(); err != nil {
		return err
	}
	resp.Bodiless = method == "HEAD" || status == 204 || status == 304 || status == 101
	if resp.Length == -2 && !resp.Bodiless {
		resp.keep = false
	}
	resp.left = max(resp.Length, 0)
	return nil
}

// frame reads the header lines that delimit the body (RFC 9112, section 6.3).
func (r *Response) frame() error {
	for _, f := range r.Fields {
		switch {
		case head.Is(f.Name, "content-length"):
			n, err := strconv.ParseUint(string(f.Value), 10, 62)
			if err != nil || r.Length >= 0 && r.Length != int64(n) {
				return fmt.Errorf("malformed content-length %.20q", f.Value)
			}
			if r.Length != -1 {
				r.Length = int64(n)
			}
		case head.Is(f.Name, "transfer-encoding"):
			if !bytes.EqualFold(f.Value, chunked) {
				return fmt.Errorf("transfer-encoding %.20q is not understood", f.Value)
			}
			r.Length = -1
		case head.Is(f.Name, "connection"):
			if head.Lists(f.Value, []byte("close")) {
				r.keep = false
			}
		}
	}
	return nil
}
