package simmodel

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// InstantOptions describe the upstream for speed benches: fixed answers, no model behind them.
type InstantOptions struct {
	// Tokens is the number of events in a stream; 0 is 64.
	Tokens int
	// Interval is the time between two events; 0 writes them back to back, each with its own write.
	Interval time.Duration
	// Stamp puts the wall clock, in unix nanoseconds at the moment of the write, into each token: "@1700000000000000000 ".
	Stamp bool
	// Body is the size of a unary answer's text in bytes; 0 is 32.
	Body int
	// FirstDelay is the time before the first byte of any answer.
	FirstDelay time.Duration
}

// An Instant is an HTTP/1.1 server that costs next to nothing: one goroutine and one read and write for a small unary
// exchange. It speaks the three dialects (by path), streams when the body says "stream":true, and checks nothing.
type Instant struct {
	URL string // base URL without /v1

	opt   InstantOptions
	l     net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	done  bool
	full  [3][]byte // unary answers with their headers
}

// StartInstant serves on addr, "127.0.0.1:0" for one.
func StartInstant(addr string, o InstantOptions) (*Instant, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("simmodel: %w", err)
	}
	return ServeInstant(l, o), nil
}

// ServeInstant serves on l and takes it over.
func ServeInstant(l net.Listener, o InstantOptions) *Instant {
	if o.Tokens == 0 {
		o.Tokens = 64
	}
	if o.Body == 0 {
		o.Body = 32
	}
	s := &Instant{URL: "http://" + l.Addr().String(), opt: o, l: l, conns: map[net.Conn]struct{}{}}
	for d, body := range instantBodies(strings.Repeat("tok ", (o.Body+3)/4)[:o.Body]) {
		s.full[d] = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_instant\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	s.wg.Add(1)
	go s.accept()
	return s
}

func instantBodies(text string) [3]string {
	return [3]string{
		chat:      `{"id":"chatcmpl-instant","object":"chat.completion","created":1700000000,"model":"sim","choices":[{"index":0,"message":{"role":"assistant","content":"` + text + `","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":16,"completion_tokens":8,"total_tokens":24,"prompt_tokens_details":{"cached_tokens":0}}}`,
		responses: `{"id":"resp_instant","object":"response","created_at":1700000000,"status":"completed","model":"sim","output":[{"id":"msg_instant","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"` + text + `"}],"role":"assistant"}],"usage":{"input_tokens":16,"input_tokens_details":{"cached_tokens":0},"output_tokens":8,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":24}}`,
		messages:  `{"model":"sim","id":"msg_instant","type":"message","role":"assistant","content":[{"type":"text","text":"` + text + `"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":16,"cache_read_input_tokens":0,"output_tokens":8}}`,
	}
}

// Close ends all connections and waits for their goroutines.
func (s *Instant) Close() error {
	err := s.l.Close()
	s.mu.Lock()
	s.done = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

func (s *Instant) accept() {
	defer s.wg.Done()
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.done {
			c.Close()
		} else {
			s.conns[c] = struct{}{}
			s.wg.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

func (s *Instant) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	r := &instantConn{Conn: c, r: bufio.NewReaderSize(c, 16<<10)}
	for {
		if err := r.request(); err != nil {
			return
		}
		if s.opt.FirstDelay > 0 {
			time.Sleep(s.opt.FirstDelay)
		}
		var err error
		if r.stream {
			err = s.streamTo(r)
		} else {
			_, err = c.Write(s.full[r.dialect])
		}
		if err != nil || r.close {
			return
		}
	}
}

// An instantConn reads just enough of HTTP/1.1.
type instantConn struct {
	net.Conn
	r       *bufio.Reader
	body    []byte
	dialect dialect
	stream  bool
	close   bool
	out     []byte
}

var errInstant = errors.New("simmodel: bad request for the instant server")

func (c *instantConn) request() error {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	switch {
	case bytes.Contains(line, []byte("/responses")):
		c.dialect = responses
	case bytes.Contains(line, []byte("/messages")):
		c.dialect = messages
	default:
		c.dialect = chat
	}
	length, chunked := 0, false
	c.close = false
	for {
		line, err = c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		switch {
		case field(line, "content-length:"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil || length < 0 || length > maxBody {
				return errInstant
			}
		case field(line, "transfer-encoding:"):
			chunked = true
		case field(line, "connection:"):
			c.close = bytes.Contains(bytes.ToLower(line), []byte("close"))
		case field(line, "expect:"):
			if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return err
			}
		}
	}
	if err := c.readBody(length, chunked); err != nil {
		return err
	}
	c.stream = bytes.Contains(c.body, []byte(`"stream":true`)) || bytes.Contains(c.body, []byte(`"stream": true`))
	return nil
}

// field compares a header line's name without caring for case.
func field(line []byte, name string) bool {
	return len(line) >= len(name) && line[0]|0x20 == name[0] && bytes.EqualFold(line[:len(name)], []byte(name))
}

func (c *instantConn) readBody(length int, chunked bool) error {
	c.body = c.body[:0]
	if !chunked {
		return c.more(length)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		hex, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
		n, err := strconv.ParseInt(hex, 16, 32)
		if err != nil || n < 0 || len(c.body)+int(n) > maxBody {
			return errInstant
		}
		if err := c.more(int(n)); err != nil {
			return err
		}
		if _, err := c.r.ReadSlice('\n'); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

func (c *instantConn) more(n int) error {
	from := len(c.body)
	if cap(c.body) < from+n {
		c.body = append(make([]byte, 0, from+n), c.body...)
	}
	c.body = c.body[:from+n]
	_, err := io.ReadFull(c.r, c.body[from:])
	return err
}

var instantHead = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nx-request-id: req_instant\r\nTransfer-Encoding: chunked\r\n\r\n")

// Opening, one delta (with the text's place as %s) and the end of a stream, for each dialect.
var instantEvents = [3]struct{ open, delta, end string }{
	chat: {
		`data: {"id":"chatcmpl-instant","object":"chat.completion.chunk","created":1700000000,"model":"sim","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n",
		`data: {"id":"chatcmpl-instant","object":"chat.completion.chunk","created":1700000000,"model":"sim","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}` + "\n\n",
		`data: {"id":"chatcmpl-instant","object":"chat.completion.chunk","created":1700000000,"model":"sim","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
	},
	responses: {
		`event: response.created` + "\n" + `data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_instant","object":"response","status":"in_progress","model":"sim","output":[]}}` + "\n\n",
		`event: response.output_text.delta` + "\n" + `data: {"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_instant","output_index":0,"content_index":0,"delta":"%s"}` + "\n\n",
		`event: response.completed` + "\n" + `data: {"type":"response.completed","sequence_number":2,"response":{"id":"resp_instant","object":"response","status":"completed","model":"sim","output":[],"usage":{"input_tokens":16,"output_tokens":8,"total_tokens":24}}}` + "\n\n",
	},
	messages: {
		`event: message_start` + "\n" + `data: {"type":"message_start","message":{"model":"sim","id":"msg_instant","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":16,"output_tokens":1}}}` + "\n\n" + `event: content_block_start` + "\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n",
		`event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}` + "\n\n",
		`event: content_block_stop` + "\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n" + `event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":8}}` + "\n\n" + `event: message_stop` + "\n" + `data: {"type":"message_stop"}` + "\n\n",
	},
}

// streamTo writes the header with the opening and the first token, then a token at each interval.
func (s *Instant) streamTo(c *instantConn) error {
	ev := &instantEvents[c.dialect]
	before, after, _ := strings.Cut(ev.delta, "%s")
	c.out = append(c.out[:0], instantHead...)
	c.out = appendChunk(c.out, ev.open)
	next := time.Now()
	for range s.opt.Tokens {
		if s.opt.Interval > 0 {
			time.Sleep(time.Until(next))
			next = next.Add(s.opt.Interval)
		}
		text := "tok "
		if s.opt.Stamp {
			text = "@" + strconv.FormatInt(time.Now().UnixNano(), 10) + " "
		}
		c.out = appendChunk(c.out, before, text, after)
		if _, err := c.Write(c.out); err != nil {
			return err
		}
		c.out = c.out[:0]
	}
	c.out = append(appendChunk(c.out, ev.end), "0\r\n\r\n"...)
	_, err := c.Write(c.out)
	return err
}

func appendChunk(b []byte, parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b = append(strconv.AppendInt(b, int64(n), 16), '\r', '\n')
	for _, p := range parts {
		b = append(b, p...)
	}
	return append(b, '\r', '\n')
}
