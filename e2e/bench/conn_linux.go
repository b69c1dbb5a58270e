package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// A conn is one keep-alive HTTP/1.1 connection of a load generator. It parses as little as it can, so that what is
// measured is the other side.
type conn struct {
	net.Conn
	in *bufio.Reader
}

// dial connects to a side. Addresses that begin with / are Unix sockets; conf makes it TLS.
func dial(addr string, conf *tls.Config) (*conn, error) {
	network := "tcp"
	if addr[0] == '/' {
		network = "unix"
	}
	c, err := net.DialTimeout(network, addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if conf != nil {
		c = tls.Client(c, conf)
	}
	return wrap(c), nil
}

func wrap(c net.Conn) *conn { return &conn{Conn: c, in: bufio.NewReaderSize(c, 64<<10)} }

// send writes parts as one request.
func (c *conn) send(parts ...[]byte) error {
	if len(parts) == 1 {
		_, err := c.Write(parts[0])
		return err
	}
	bufs := make(net.Buffers, len(parts))
	copy(bufs, parts)
	_, err := bufs.WriteTo(c.Conn)
	return err
}

var (
	lengthName = []byte("content-length:")
	codingName = []byte("transfer-encoding:")
	errStatus  = errors.New("bench: not 200")
)

// head reads a response head. length is -1 for a chunked body. A status other than 200 is an error that shows the body.
func (c *conn) head() (length int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("bench: bad status line %q", line)
	}
	ok := string(line[9:12]) == "200"
	status := string(bytes.TrimSpace(line[9:]))
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		switch {
		case hasFold(line, lengthName):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthName):]))); err != nil {
				return 0, err
			}
		case hasFold(line, codingName):
			length = -1
		}
	}
	if !ok {
		text := make([]byte, min(max(length, 0), 300))
		_, _ = io.ReadFull(c.in, text)
		return 0, fmt.Errorf("%w: %s: %s", errStatus, status, text)
	}
	return length, nil
}

// hasFold says whether line begins with name, which is in lower case.
func hasFold(line, name []byte) bool {
	return len(line) >= len(name) && line[0]|0x20 == name[0] && bytes.EqualFold(line[:len(name)], name)
}

// chunk reads one chunk of a chunked body; nil is the last one. The bytes are valid until the next read.
func (c *conn) chunk(buf []byte) ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
	if err != nil {
		return nil, fmt.Errorf("bench: chunk size: %w", err)
	}
	if int(n)+2 > cap(buf) {
		buf = make([]byte, n+2)
	}
	buf = buf[:n+2]
	if _, err := io.ReadFull(c.in, buf); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	return buf[:n], nil
}

// discard reads and drops a body whose length head has returned.
func (c *conn) discard(length int) error {
	if length >= 0 {
		_, err := c.in.Discard(length)
		return err
	}
	buf := make([]byte, 4096)
	for {
		b, err := c.chunk(buf)
		if err != nil || b == nil {
			return err
		}
	}
}

// ask sends one unary request and reads its answer.
func (c *conn) ask(parts ...[]byte) error {
	if err := c.send(parts...); err != nil {
		return err
	}
	length, err := c.head()
	if err != nil {
		return err
	}
	return c.discard(length)
}
