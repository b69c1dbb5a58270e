package record

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	answer = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nx-request-id: r1\r\n" +
		"content-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	events = ": ping\n\ndata: {\"a\": 1}\n\ndata: [DONE]\n\n"
)

// mangler is a proxy for one exchange on each connection. Its edits are what the comparison has to find.
type mangler struct {
	request  func(string) string // the raw request behind the proxy
	response func(string) string // the raw response before it
	cut      bool                // close without the end of the body
}

func (m mangler) serve(t *testing.T, target string) string {
	return listen(t, func(c net.Conn) {
		raw := readRequest(c)
		if raw == "" {
			return
		}
		if m.request != nil {
			raw = m.request(raw)
		}
		up, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer up.Close()
		fmt.Fprint(up, raw)
		_ = up.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(up)
		res := string(b)
		if m.response != nil {
			res = m.response(res)
		}
		if m.cut {
			res = strings.TrimSuffix(res, "0\r\n\r\n")
		}
		fmt.Fprint(c, res)
	})
}

func upstream(t *testing.T) string {
	return listen(t, func(c net.Conn) {
		if readRequest(c) != "" {
			fmt.Fprintf(c, "%s%x\r\n%s\r\n0\r\n\r\n", answer, len(events), events)
		}
	})
}

// readRequest returns the raw bytes of one request with a Content-Length.
func readRequest(c net.Conn) string {
	var raw bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReaderSize(io.TeeReader(c, &raw), 1<<16))
	if err != nil {
		return ""
	}
	_, _ = io.Copy(io.Discard, req.Body)
	return raw.String()
}

// listen serves each connection with handle, closes it after, and stops with the test.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			handle(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

const ask = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nX-Stainless-Lang: js\r\n" +
	"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"m\":\"a\"}"

// through sends raw through recorder, proxy, recorder and returns both recordings.
func through(t *testing.T, m mangler, raw string) (before, behind []Exchange) {
	t.Helper()
	b, err := Start(upstream(t))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, err := Start(m.serve(t, b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	c, err := net.Dial("tcp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(c, raw)
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	a.Settle(20*time.Millisecond, time.Second)
	b.Settle(20*time.Millisecond, time.Second)
	before, err = a.Exchanges()
	if err != nil {
		t.Log(err)
	}
	behind, err = b.Exchanges()
	if err != nil {
		t.Log(err)
	}
	return before, behind
}

func swap(old, with string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("the fault does not apply: " + old)
		}
		return strings.Replace(s, old, with, 1)
	}
}

// chunked replaces the body of the recorded answer.
func chunked(body string) func(string) string {
	return func(string) string { return fmt.Sprintf("%s%x\r\n%s\r\n0\r\n\r\n", answer, len(body), body) }
}

func TestCompareFindsFaults(t *testing.T) {
	tests := []struct {
		name  string
		proxy mangler
		find  string // in the first difference
	}{
		{"nothing", mangler{}, ""},
		{
			"reorders",
			mangler{request: swap("X-Stainless-Lang: js\r\nContent-Type: application/json\r\n",
				"Content-Type: application/json\r\nX-Stainless-Lang: js\r\n")},
			"request fields, names in order",
		},
		{"renames", mangler{request: swap("X-Stainless-Lang", "x-stainless-lang")}, "request fields, names in order"},
		{"drops", mangler{request: swap("X-Stainless-Lang: js\r\n", "")}, "request fields, names in order"},
		{"adds", mangler{request: swap("\r\n\r\n", "\r\nX-Forwarded-For: 1\r\n\r\n")}, "request fields, names in order"},
		{"changes a value", mangler{request: swap("Lang: js", "Lang: go")}, "request fields, number 3"},
		{"changes the path", mangler{request: swap("/v1/", "/v2/")}, "request line"},
		{
			"adds a space",
			mangler{request: swap("9\r\n\r\n{\"m\":\"a\"}", "10\r\n\r\n{\"m\": \"a\"}")},
			"request fields, number 5",
		},
		{"body of equal length", mangler{request: swap("{\"m\":\"a\"}", "{\"m\":\"b\"}")}, "request body"},
		{"swallows a comment", mangler{response: chunked(strings.Replace(events, ": ping\n\n", "", 1))}, "response body"},
		{"adds an event", mangler{response: chunked(events + "data: [DONE]\n\n")}, "response body"},
		{"line ends", mangler{response: chunked(strings.ReplaceAll(events, "\n", "\r\n"))}, "response body"},
		{"status", mangler{response: swap("200 OK", "201 Created")}, "status line"},
		{"reason", mangler{response: swap("200 OK", "200 Ok")}, "status line"},
		{"hides an id", mangler{response: swap("x-request-id: r1\r\n", "")}, "response fields, names in order"},
		{"spells a name anew", mangler{response: swap("content-type", "Content-Type")}, "response fields, names in order"},
		{"adds Server", mangler{response: swap("Date", "Server: me\r\nDate")}, "response fields, names in order"},
		{"a cut for an end", mangler{cut: true}, "end of the response"},
		{"no answer", mangler{response: func(string) string { return "" }}, "status line"},
		{"chunks for a length", mangler{response: func(string) string {
			s := strings.Replace(answer, "Transfer-Encoding: chunked", fmt.Sprintf("Content-Length: %d", len(events)), 1)
			return s + events
		}}, "response fields, names in order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, behind := through(t, tt.proxy, ask)
			diffs, _ := Compare(before, behind, Relay())
			if tt.find == "" {
				if len(diffs) > 0 {
					t.Fatalf("differences where there are none:\n%v", diffs)
				}
				return
			}
			if len(diffs) == 0 {
				t.Fatal("not found")
			}
			if !strings.Contains(diffs[0].String(), tt.find) {
				t.Fatalf("found as\n%v\nwant %q", diffs[0], tt.find)
			}
		})
	}
}

func TestCompareCounts(t *testing.T) {
	before, behind := through(t, mangler{}, ask)
	if d, pairs := Compare(before, append(behind, behind[0]), Relay()); len(d) != 1 || len(pairs) != 1 {
		t.Errorf("a second attempt is not found: %v", d)
	}
	if d, _ := Compare(before, nil, Relay()); len(d) != 1 {
		t.Errorf("a request that went nowhere is not found: %v", d)
	}
}

func TestRulesOfTrapgate(t *testing.T) {
	req := func(fields ...Field) Exchange {
		return Exchange{
			Request: Message{StartLine: "POST /x HTTP/1.1", Fields: fields},
			Response: Message{StartLine: "HTTP/1.1 200 OK", Fields: Fields{
				{"Date", "d"}, {"Server-Timing", "a"}, {"x-trapgate-request-id", "1"},
			}},
		}
	}
	behindOf := func(x Exchange) Exchange {
		x.Response.Fields = Fields{{"Date", "d"}}
		return x
	}
	tests := []struct {
		name           string
		before, behind Fields
		ok             bool
	}{
		{
			"allowed",
			Fields{{"Host", "a"}, {"Connection", "keep-alive"}, {"accept-encoding", "gzip"}, {"X-Trapgate-User", "u"}},
			Fields{{"Host", "b"}, {"accept-encoding", "identity"}},
			true,
		},
		{"encoding kept", Fields{{"Accept-Encoding", "gzip"}}, Fields{{"Accept-Encoding", "gzip"}}, false},
		{"encoding dropped", Fields{{"Accept-Encoding", "gzip"}}, nil, false},
		{"encoding added", nil, Fields{{"Accept-Encoding", "identity"}}, false},
		{"ours forwarded", Fields{{"x-trapgate-user", "u"}}, Fields{{"x-trapgate-user", "u"}}, false},
		{"host moved", Fields{{"Host", "a"}, {"A", "1"}}, Fields{{"A", "1"}, {"Host", "a"}}, false},
		{"trace replaced", Fields{{"traceparent", "a"}, {"A", "1"}}, Fields{{"traceparent", "b"}, {"A", "1"}}, true},
		{"trace added", nil, Fields{{"traceparent", "b"}}, false},
		{"named hop by hop", Fields{{"Connection", "X-Hop"}, {"X-Hop", "1"}}, nil, true},
		{"authorization", Fields{{"Authorization", "Bearer a"}}, Fields{{"Authorization", "Bearer b"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			diffs, _ := Compare([]Exchange{req(tt.before...)}, []Exchange{behindOf(req(tt.behind...))}, Trapgate())
			if (len(diffs) == 0) != tt.ok {
				t.Fatalf("differences: %v", diffs)
			}
		})
	}
	t.Run("own fields missing", func(t *testing.T) {
		x := behindOf(req())
		if diffs, _ := Compare([]Exchange{x}, []Exchange{x}, Trapgate()); len(diffs) != 2 {
			t.Fatalf("differences: %v", diffs)
		}
	})
	t.Run("upstream's Server-Timing kept", func(t *testing.T) {
		a, b := req(), behindOf(req())
		b.Response.Fields = append(b.Response.Fields, Field{"server-timing", "up;dur=1"})
		if diffs, _ := Compare([]Exchange{a}, []Exchange{b}, Trapgate()); len(diffs) == 0 {
			t.Fatal("lost, and not found")
		}
		a.Response.Fields = append(Fields{{"Date", "d"}, {"server-timing", "up;dur=1"}}, a.Response.Fields[1:]...)
		if diffs, _ := Compare([]Exchange{a}, []Exchange{b}, Trapgate()); len(diffs) != 0 {
			t.Fatalf("differences: %v", diffs)
		}
	})
}
