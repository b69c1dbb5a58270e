package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/proxy/config"
)

// longest bounds every wait of a test on a socket.
const longest = 8 * time.Second

// A message is a request or a response as it stood on the wire.
type message struct {
	Line     string   // request or status line
	Fields   []string // header lines as they were, without line ends
	Chunked  bool
	Sized    bool
	Chunks   []string // of a chunked body
	Body     string
	Trailers []string
	Cut      bool // the connection ended inside the message
}

// get returns the first value of a header line by its lower-case name.
func (m *message) get(name string) string {
	for _, f := range m.Fields {
		if n, v, _ := strings.Cut(f, ":"); strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (m *message) has(name string) bool {
	return slices.ContainsFunc(m.Fields, func(f string) bool {
		n, _, _ := strings.Cut(f, ":")
		return strings.EqualFold(n, name)
	})
}

// without returns the header lines apart from those named, in lower case.
func (m *message) without(names ...string) []string {
	var out []string
	for _, f := range m.Fields {
		n, _, _ := strings.Cut(f, ":")
		if !slices.Contains(names, strings.ToLower(n)) {
			out = append(out, f)
		}
	}
	return out
}

func (m *message) status() int {
	n, _ := strconv.Atoi(strings.Fields(m.Line + " 0 0")[1])
	return n
}

// readHead reads the first line and the header lines.
func readHead(r *bufio.Reader) (*message, error) {
	m := &message{}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if m.Line != "" || line != "" {
				err = io.ErrUnexpectedEOF
			}
			return m, err
		}
		line = strings.TrimSuffix(line, "\r\n")
		switch {
		case line == "" && m.Line != "":
			m.Chunked = strings.EqualFold(m.get("transfer-encoding"), "chunked")
			m.Sized = m.has("content-length")
			return m, nil
		case m.Line == "":
			m.Line = line
		default:
			m.Fields = append(m.Fields, line)
		}
	}
}

// readBody reads what follows a head. toEnd: without framing the body lasts until the connection closes.
func (m *message) readBody(r *bufio.Reader, toEnd bool) error {
	var b bytes.Buffer
	defer func() { m.Body = b.String() }()
	switch {
	case m.Chunked:
		for {
			line, err := r.ReadString('\n')
			n, perr := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
			if err != nil || perr != nil {
				m.Cut = true
				return io.ErrUnexpectedEOF
			}
			if n == 0 {
				break
			}
			at := b.Len()
			got, err := io.CopyN(&b, r, n)
			m.Chunks = append(m.Chunks, string(b.Bytes()[at:at+int(got)]))
			if err == nil {
				_, err = r.Discard(2)
			}
			if err != nil {
				m.Cut = true
				return io.ErrUnexpectedEOF
			}
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				m.Cut = true
				return io.ErrUnexpectedEOF
			}
			if line = strings.TrimSuffix(line, "\r\n"); line == "" {
				return nil
			}
			m.Trailers = append(m.Trailers, line)
		}
	case m.Sized:
		n, _ := strconv.ParseInt(m.get("content-length"), 10, 64)
		if got, err := io.CopyN(&b, r, n); got < n {
			m.Cut = true
			return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
		}
	case toEnd:
		_, err := io.Copy(&b, r)
		return err
	}
	return nil
}

// open starts the whole of Trapgate, as serve does, with a configuration and an environment.
func open(tb testing.TB, yaml string, change ...func(*gatewayOptions)) *gateway {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "trapgate.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		tb.Fatal(err)
	}
	o := gatewayOptions{
		file: file, log: io.Discard, quiet: true,
		env:   config.Env{Lookup: func(string) (string, bool) { return "", false }, ReadFile: os.ReadFile},
		flags: config.Overrides{Listen: "127.0.0.1:0", Admin: "off", Data: tb.TempDir()},
	}
	for _, f := range change {
		f(&o)
	}
	g, err := newGateway(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if g.server.Draining() {
			return // by the test itself
		}
		if err := g.Shutdown(context.Background()); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
	})
	return g
}

// through starts Trapgate before one upstream that gets the agent's credential.
func through(tb testing.TB, up *fake, more string) *gateway {
	tb.Helper()
	return open(tb, "upstreams: [{name: u, base_url: "+up.url()+", credential: agent}]\n"+more)
}

// with sets environment variables for open.
func with(env map[string]string) func(*gatewayOptions) {
	return func(o *gatewayOptions) {
		o.env.Lookup = func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	}
}

// An agentSide is the agent's end of a connection.
type agentSide struct {
	net.Conn
	r  *bufio.Reader
	tb testing.TB
}

func (g *gateway) dial(tb testing.TB) *agentSide {
	tb.Helper()
	c, err := net.Dial(g.listener.Addr().Network(), g.listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	return agentOn(tb, c)
}

func agentOn(tb testing.TB, c net.Conn) *agentSide {
	c.SetDeadline(time.Now().Add(longest))
	tb.Cleanup(func() { c.Close() })
	return &agentSide{c, bufio.NewReader(c), tb}
}

func (a *agentSide) send(s string) {
	a.tb.Helper()
	if _, err := io.WriteString(a, s); err != nil {
		a.tb.Error("send:", err)
	}
}

// head reads a final head, and body what follows it.
func (a *agentSide) head() *message {
	a.tb.Helper()
	m, err := readHead(a.r)
	if err != nil {
		m.Cut = true
		a.tb.Errorf("no answer: %v", err)
	}
	return m
}

// read reads one whole answer; a cut is told by the message.
func (a *agentSide) read() *message {
	a.tb.Helper()
	m := a.head()
	if !m.Cut && m.status() != 204 && m.status() != 304 {
		m.readBody(a.r, true)
	}
	return m
}

// closed reports whether the connection ends now, without another byte.
func (a *agentSide) closed() bool {
	a.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err := a.r.ReadByte()
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return false
	}
	return err != nil
}

// do sends one request on a connection of its own and reads the answer.
func (g *gateway) do(tb testing.TB, request string) *message {
	tb.Helper()
	a := g.dial(tb)
	defer a.Close()
	a.send(request)
	return a.read()
}

// post makes a request with a body; lines are further header lines.
func post(path, body string, lines ...string) string {
	var b strings.Builder
	b.WriteString("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String() + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func get(path string, lines ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

const chatRequest = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

// eventually waits until a condition holds.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(longest); ; time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			tb.Errorf("in %v never: %s", longest, what)
			return
		}
	}
}

// outcome waits until n exchanges have been recorded and returns their outcomes.
func (g *gateway) outcomes(tb testing.TB, n int64) map[string]int64 {
	tb.Helper()
	eventually(tb, fmt.Sprintf("%d exchanges have ended", n), func() bool { return g.telemetry.Ledger().Totals().Exchanges >= n })
	return g.telemetry.Ledger().Totals().Outcomes
}

// A lockedBuffer is where a log goes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func writeFile(tb testing.TB, name, text string) string {
	tb.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}
