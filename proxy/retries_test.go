package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func failing(status string, lines ...string) string {
	return sized(status, "X-Kept: 1\r\n"+strings.Join(append(lines, ""), "\r\n"), `{"error":"upstream's own"}`)
}

// first answers the first n requests with one thing and the rest well.
func first(n int, answer string) func(c *upConn, m *message) bool {
	var seen atomic.Int32
	return func(c *upConn, m *message) bool {
		if int(seen.Add(1)) <= n {
			return c.say(answer)
		}
		return okAnswer(c, m)
	}
}

// What is tried again, what is passed on at once, and how often.
func TestRetries(t *testing.T) {
	t.Parallel()
	const soon = "Retry-After-Ms: 5"
	for _, tt := range []struct {
		name, answer, limits string
		fails                int // answers before a good one
		requests, status     int
		least, most          time.Duration
	}{
		{"once", failing("503 Busy", soon), "", 1, 2, 200, 0, time.Second},
		{"twice", failing("429 Slow", soon), "", 2, 3, 200, 0, time.Second},
		{"the budget is two", failing("502 Bad", soon), "", 9, 3, 502, 0, time.Second},
		{"a budget of none", failing("502 Bad", soon), "limits: {retry: {attempts: 0}}\n", 9, 1, 502, 0, time.Second},
		{"a budget of one", failing("408 Slow", soon), "limits: {retry: {attempts: 1}}\n", 9, 2, 408, 0, time.Second},
		{"504", failing("504 Late", soon), "", 1, 2, 200, 0, time.Second},
		{"500 is final", failing("500 Oops", soon), "", 1, 1, 500, 0, time.Second},
		{"500 if configured", failing("500 Oops", soon), "limits: {retry: {on_500: true}}\n", 1, 2, 200, 0, time.Second},
		{"400 is final", failing("400 No", soon), "", 1, 1, 400, 0, time.Second},
		{"529 is final", failing("529 Overloaded", soon), "", 1, 1, 529, 0, time.Second},
		{"x-should-retry: false", failing("503 Busy", soon, "X-Should-Retry: false"), "", 1, 1, 503, 0, time.Second},
		{"without a word of when", failing("503 Busy"), "", 1, 2, 200, 190 * time.Millisecond, 2 * time.Second},
		{"retry-after: 0", failing("503 Busy", "Retry-After: 0"), "", 1, 2, 200, 0, 2 * time.Second},
		{"in seconds", failing("429 Slow", "retry-after: 1"), "", 1, 2, 200, time.Second, 2500 * time.Millisecond},
		{"as a date", failing("429 Slow", "Retry-After: "+time.Now().Add(2500*time.Millisecond).UTC().Format(http.TimeFormat)), "", 1, 2, 200, 0, 4 * time.Second},
		{"a fraction", failing("429 Slow", "Retry-After: 0.05"), "", 1, 2, 200, 50 * time.Millisecond, time.Second},
		{"a longer one is passed on at once", failing("429 Slow", "Retry-After: 11"), "", 9, 1, 429, 0, time.Second},
		{"a longer one in ms", failing("429 Slow", "Retry-After-Ms: 10500"), "", 9, 1, 429, 0, time.Second},
		{"over a smaller total", failing("429 Slow", "Retry-After: 1"), "limits: {retry: {total: 500ms}}\n", 9, 1, 429, 0, 900 * time.Millisecond},
		{"garbage is no wish", failing("503 Busy", "Retry-After: soon"), "", 1, 2, 200, 0, 2 * time.Second},
		{"minus", failing("503 Busy", "Retry-After: -5"), "", 1, 2, 200, 0, 2 * time.Second},
		{"the total holds for all pauses", failing("503 Busy", "Retry-After-Ms: 300"), "limits: {retry: {total: 500ms, attempts: 9}}\n", 9, 2, 503, 290 * time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, first(tt.fails, tt.answer))
			g := through(t, up, tt.limits)
			start := time.Now()
			m := g.do(t, post("/v1/chat/completions", chatRequest))
			d := time.Since(start)
			if m.status() != tt.status || up.requests() != tt.requests || d < tt.least || d > tt.most {
				t.Errorf("%s after %d requests and %v", m.Line, up.requests(), d)
			}
			if tt.status != 200 {
				want, _, _ := strings.Cut(tt.answer, "\r\n\r\n")
				got := append([]string{m.Line}, m.without(ours...)...)
				if !slices.Equal(got, strings.Split(want, "\r\n")) || m.Body != `{"error":"upstream's own"}` || m.has("x-trapgate-error") {
					t.Errorf("the upstream's answer became %q %s", got, m.Body)
				}
			}
			if totals := g.telemetry.Ledger().Totals(); tt.status == 200 && totals.Retries != int64(tt.requests-1) {
				eventually(t, "retries are counted", func() bool { return g.telemetry.Ledger().Totals().Retries == int64(tt.requests-1) })
			}
		})
	}
}

// Each try sends the same bytes, however long.
func TestRetriesRepeatTheRequestByteForByte(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 64<<10 + 1, 3 << 20} {
		up := newFake(t, first(2, failing("503 Busy", "Retry-After-Ms: 2")))
		g := through(t, up, "")
		body := bodyOf(n)
		if m := g.do(t, post("/v1/chat/completions", body, "X: 1", "x-stainless-retry-count: 0")); m.status() != 200 || m.Body != okJSON {
			t.Fatal(m.Line)
		}
		for i, m := range up.got {
			if m.Body != body || !slices.Equal(m.Fields, up.got[0].Fields) {
				t.Errorf("try %d: %q, %d bytes", i, m.Fields, len(m.Body))
			}
		}
	}
}

// When no try is left, the last answer of an upstream goes out, also when the last try brought none.
func TestLastAnswerIsReplayed(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	up := newFake(t, func(c *upConn, m *message) bool {
		if n.Add(1) == 1 {
			c.say("HTTP/1.1 503 Very  busy\r\nx-First: 1\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\nRetry-After-Ms: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("bu") + chunk("sy") + "0\r\n\r\n")
			return true
		}
		return false
	})
	g := through(t, up, "")
	m := g.do(t, post("/v1/chat/completions", chatRequest))
	want := []string{"x-First: 1", "Set-Cookie: a=b", "set-cookie: c=d", "Retry-After-Ms: 5"}
	if m.Line != "HTTP/1.1 503 Very  busy" || m.Body != "busy" || !slices.Equal(m.without(append(ours, "content-length", "transfer-encoding")...), want) {
		t.Errorf("%s %q %q", m.Line, m.Fields, m.Body)
	}
	if up.requests() != 2 {
		t.Errorf("%d requests", up.requests())
	}
}

// Nothing is tried again once a byte of an answer has left.
func TestNoRetryAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, k := range talks {
		a, b := newFake(t, func(c *upConn, m *message) bool { c.say(streamHead + chunk(k.events[0])); return false }), newFake(t, okAnswer)
		g := open(t, "upstreams: [{name: a, base_url: "+a.url()+", credential: none}, {name: b, base_url: "+b.url()+", credential: none}]\nroutes: [{upstreams: [a, b]}]\n")
		if m := g.do(t, post(k.path, k.request)); !m.Cut || m.Body != k.events[0] {
			t.Errorf("%s: %q", k.name, m.Body)
		}
		if a.requests() != 1 || b.requests() != 0 {
			t.Errorf("%s: %d and %d requests", k.name, a.requests(), b.requests())
		}
	}
}

// An upstream that is down when the call comes, and up a moment later, is tried again.
func TestConnectErrorsAreRetried(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	g := open(t, "upstreams: [{name: u, base_url: http://"+addr+", credential: agent}]\n")
	done := make(chan *message)
	go func() { done <- g.do(t, post("/v1/chat/completions", chatRequest)) }()
	time.Sleep(50 * time.Millisecond)
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Skip("SKIP: the port was taken by somebody else meanwhile")
	}
	up := fakeOn(t, l, okAnswer)
	if m := <-done; m.status() != 200 || up.requests() != 1 {
		t.Errorf("%s after %d requests", m.Line, up.requests())
	}
}

// Fallback goes in the order of the route, without a pause, and ends with the last upstream's own answer.
func TestFallback(t *testing.T) {
	t.Parallel()
	a, b, c := newFake(t, raw(failing("503 A"))), newFake(t, raw(failing("429 B", "Retry-After: 60"))), newFake(t, okAnswer)
	dead, _ := net.Listen("tcp", "127.0.0.1:0")
	dead.Close()
	yaml := "upstreams:\n"
	for name, u := range map[string]string{"a": a.url(), "b": b.url(), "c": c.url(), "dead": "http://" + dead.Addr().String()} {
		yaml += fmt.Sprintf("- {name: %s, base_url: %s, credential: none, rename: {m: %s-model}}\n", name, u, name)
	}
	g := open(t, yaml+"routes: [{models: [m], upstreams: [a, dead, b, c]}, {models: [x], upstreams: [a, b]}]\n")
	start := time.Now()
	m := g.do(t, post("/v1/chat/completions", chatRequest))
	if m.status() != 200 || time.Since(start) > time.Second || a.requests() != 1 || b.requests() != 1 || c.requests() != 1 {
		t.Errorf("%s after %v: %d, %d, %d", m.Line, time.Since(start), a.requests(), b.requests(), c.requests())
	}
	want := strings.Replace(chatRequest, `"m"`, `"c-model"`, 1)
	if got := c.last(); got.Body != want || got.get("content-length") != fmt.Sprint(len(want)) {
		t.Errorf("renamed for c: %s %q", got.Body, got.Fields)
	}
	m = g.do(t, post("/v1/chat/completions", strings.Replace(chatRequest, `"m"`, `"x"`, 1)))
	if m.Line != "HTTP/1.1 429 B" || m.get("retry-after") != "60" {
		t.Errorf("the last one's answer: %s %q", m.Line, m.Fields)
	}
	if o := g.telemetry.Ledger().Totals(); o.Fallbacks != 4 {
		eventually(t, "fallbacks are counted", func() bool { return g.telemetry.Ledger().Totals().Fallbacks == 4 })
	}
}

// A breaker steers to others; alone, an upstream is always asked.
func TestBreakerOnlySteers(t *testing.T) {
	t.Parallel()
	bad, good := newFake(t, raw(failing("500 Oops"))), newFake(t, okAnswer)
	g := open(t, "upstreams: [{name: bad, base_url: "+bad.url()+", credential: none}, {name: good, base_url: "+good.url()+", credential: none}]\n"+
		"routes: [{models: [m], upstreams: [bad, good]}, {models: [alone], upstreams: [bad]}]\n")
	alone := strings.Replace(chatRequest, `"m"`, `"alone"`, 1)
	for range 20 {
		if m := g.do(t, post("/v1/chat/completions", alone)); m.Line != "HTTP/1.1 500 Oops" {
			t.Fatalf("alone: %s", m.Line)
		}
	}
	if bad.requests() != 20 {
		t.Errorf("alone: %d requests reached it", bad.requests())
	}
	if m := g.do(t, post("/v1/chat/completions", chatRequest)); m.status() != 200 || bad.requests() != 20 {
		t.Errorf("with another candidate: %s, %d requests", m.Line, bad.requests())
	}
}

// Agents that leave do not open a breaker, and 429s do not either.
func TestBreakerCountsOnlyBrokenUpstreams(t *testing.T) {
	t.Parallel()
	limited, other := newFake(t, raw(failing("429 Slow", "Retry-After: 60"))), newFake(t, okAnswer)
	g := open(t, "upstreams: [{name: a, base_url: "+limited.url()+", credential: none}, {name: b, base_url: "+other.url()+", credential: none}]\nroutes: [{upstreams: [a, b]}]\n")
	for range 20 {
		g.do(t, post("/v1/chat/completions", chatRequest))
	}
	if limited.requests() != 20 {
		t.Errorf("%d of 20 asked first", limited.requests())
	}
}
