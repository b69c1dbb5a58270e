package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A talk is a dialect with a stream of it.
type talk struct {
	name, path, request string
	events              []string // the last one is the dialect's terminal event
}

var talks = []talk{
	{"chat", "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`, []string{
		"data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
		": a comment\n\n",
		"data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\r\n\r\n",
		"data:{\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
		"data: [DONE]\n\n",
	}},
	{"responses", "/v1/responses", `{"model":"m","stream":true,"input":"hi"}`, []string{
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\n",
		": ping\n\n",
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n",
		"id: 7\nretry: 10\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
	}},
	{"messages", "/v1/messages", `{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, []string{
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
		"event: ping\ndata: {\"type\": \"ping\"}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n",
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	}},
}

func (k talk) all() string  { return strings.Join(k.events, "") }
func (k talk) open() string { return strings.Join(k.events[:len(k.events)-1], "") }

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"

// An event reaches the agent before the next one has been made, alone and with its own bytes.
func TestEventsArriveWhenTheyAreMade(t *testing.T) {
	t.Parallel()
	for _, k := range talks {
		t.Run(k.name, func(t *testing.T) {
			next := make(chan struct{})
			up := newFake(t, func(c *upConn, m *message) bool {
				c.say(streamHead)
				for _, ev := range k.events {
					<-next
					c.say(chunk(ev))
				}
				<-next
				return c.say("0\r\n\r\n")
			})
			g := through(t, up, "")
			a := g.dial(t)
			a.send(post(k.path, k.request))
			if m := a.head(); m.get("cache-control") != "no-cache" || !m.Chunked {
				t.Fatalf("%q", m.Fields) // the head does not wait for the first event
			}
			for _, ev := range k.events {
				next <- struct{}{}
				got := make([]byte, len(chunk(ev)))
				if _, err := io.ReadFull(a.r, got); err != nil || string(got) != chunk(ev) {
					t.Fatalf("got %q, %v, want one chunk of %q", got, err, ev)
				}
			}
			next <- struct{}{}
			end := make([]byte, 5)
			if _, err := io.ReadFull(a.r, end); err != nil || string(end) != "0\r\n\r\n" {
				t.Errorf("the end is %q, %v", end, err)
			}
			if o := g.outcomes(t, 1); o["ok"] != 1 {
				t.Errorf("outcomes %v", o)
			}
		})
	}
}

// Half an event in hand is passed on: an agent may show it.
func TestPiecesOfEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	for _, k := range talks {
		next := make(chan struct{})
		up := newFake(t, func(c *upConn, m *message) bool {
			c.say(streamHead)
			for _, b := range []string{"data: {\"a\"", ":1}", "\n", "\n"} {
				c.say(chunk(b))
				<-next
			}
			return c.say("0\r\n\r\n")
		})
		g := through(t, up, "")
		a := g.dial(t)
		a.send(post(k.path, k.request))
		a.head()
		for _, b := range []string{"data: {\"a\"", ":1}", "\n", "\n"} {
			got := make([]byte, len(chunk(b)))
			if _, err := io.ReadFull(a.r, got); err != nil || string(got) != chunk(b) {
				t.Errorf("%s: got %q, %v, want %q", k.name, got, err, b)
			}
			next <- struct{}{}
		}
	}
}

// How a stream ends is the upstream's doing, and the record says which it was. No terminal event is ever added.
func TestEndsOfStreams(t *testing.T) {
	t.Parallel()
	type end struct {
		name, tail string
		whole      bool // the terminal event is in it
		reset      bool
		cut        bool
		outcome    string
	}
	ends := []end{
		{"whole", "0\r\n\r\n", true, false, false, "ok"},
		{"clean without its terminal event", "0\r\n\r\n", false, false, false, "truncated"},
		{"cut between events", "", false, false, true, "truncated"},
		{"reset", "", false, true, true, "truncated"},
		{"cut inside an event", "7\r\ndata: {\r\n", false, false, true, "truncated"},
		{"cut inside a chunk", "ff\r\ndata: {", false, false, true, "truncated"},
		{"malformed chunk", "xyz\r\n", false, false, true, "truncated"},
	}
	for _, k := range talks {
		for _, tt := range ends {
			t.Run(k.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				events := k.open()
				if tt.whole {
					events = k.all()
				}
				up := newFake(t, func(c *upConn, m *message) bool {
					c.say(streamHead + chunk(events) + tt.tail)
					if tt.reset {
						time.Sleep(20 * time.Millisecond) // a reset overtakes bytes that have not been read
						c.Conn.(*net.TCPConn).SetLinger(0)
					}
					return tt.tail == "0\r\n\r\n"
				})
				g := through(t, up, "")
				m := g.do(t, post(k.path, k.request))
				want := events
				if strings.HasPrefix(tt.tail, "7") || strings.HasPrefix(tt.tail, "ff") {
					want += "data: {"
				}
				if m.Body != want || m.Cut != tt.cut {
					t.Errorf("cut %v, the agent got\n%q, want\n%q", m.Cut, m.Body, want)
				}
				if o := g.outcomes(t, 1); o[tt.outcome] != 1 {
					t.Errorf("recorded as %v, want %s", o, tt.outcome)
				}
			})
		}
	}
}

// Streams with a length, and ones that last until the connection closes, keep to the same rules.
func TestStreamsInOtherFramings(t *testing.T) {
	t.Parallel()
	for _, k := range talks {
		for _, tt := range []struct {
			name    string
			answer  string
			field   string
			cut     bool
			outcome string
		}{
			{"sized", sized("200 OK", "Content-Type: text/event-stream\r\n", k.all()), "Content-Length", false, "ok"},
			{"sized, no terminal event", sized("200 OK", "Content-Type: text/event-stream\r\n", k.open()), "Content-Length", false, "truncated"},
			{"sized, cut", strings.TrimSuffix(sized("200 OK", "Content-Type: text/event-stream\r\n", k.all()), k.events[len(k.events)-1]), "Content-Length", true, "truncated"},
			{"until close", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + k.all(), "Transfer-Encoding", false, "ok"},
			{"until close, no terminal event", "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + k.open(), "Transfer-Encoding", false, "truncated"},
		} {
			t.Run(k.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				up := newFake(t, func(c *upConn, m *message) bool { c.say(tt.answer); return false })
				g := through(t, up, "")
				m := g.do(t, post(k.path, k.request))
				_, want, _ := strings.Cut(tt.answer, "\r\n\r\n")
				if m.Body != want || m.Cut != tt.cut || !m.has(strings.ToLower(tt.field)) {
					t.Errorf("cut %v, %q, got %q, want %q", m.Cut, m.Fields, m.Body, want)
				}
				if o := g.outcomes(t, 1); o[tt.outcome] != 1 {
					t.Errorf("recorded as %v, want %s", o, tt.outcome)
				}
			})
		}
	}
}

// Agents hang up when they see the terminal event. That is a clean end, and the upstream's connection is kept, even when the
// upstream takes its time to end the body.
func TestHangingUpAfterTheTerminalEvent(t *testing.T) {
	t.Parallel()
	for _, k := range talks {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, func(c *upConn, m *message) bool {
				c.say(streamHead + chunk(k.all()))
				if c.number%3 > 0 {
					time.Sleep(time.Duration(c.number%3) * 3 * time.Millisecond)
				}
				return c.say("0\r\n\r\n")
			})
			g := through(t, up, "")
			const n = 60
			for range n {
				a := g.dial(t)
				a.send(post(k.path, k.request))
				a.head()
				if _, err := io.ReadFull(a.r, make([]byte, len(chunk(k.all())))); err != nil {
					t.Fatal(err)
				}
				if a.r.Buffered() == 0 { // has not ended yet
					a.Conn.(*net.TCPConn).SetLinger(0)
				}
				a.Close()
				eventually(t, "it has ended", func() bool { return g.telemetry.InFlight().Len() == 0 })
			}
			if o := g.outcomes(t, n); o["ok"] != n {
				t.Errorf("outcomes %v", o)
			}
			if d := up.connections(); d != 1 {
				t.Errorf("%d connections to the upstream, want 1", d)
			}
		})
	}
}

// An upstream that lingers after its terminal event does not hold an agent's leaving for long, nor is it a cancellation.
func TestUpstreamLingersAfterTheTerminalEvent(t *testing.T) {
	t.Parallel()
	k := talks[0]
	up := newFake(t, func(c *upConn, m *message) bool { c.say(streamHead + chunk(k.all())); c.untilClosed(); return false })
	g := through(t, up, "")
	a := g.dial(t)
	a.send(post(k.path, k.request))
	a.head()
	io.ReadFull(a.r, make([]byte, len(chunk(k.all()))))
	start := time.Now()
	a.Close()
	<-up.gone
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("closed after %v", d)
	}
	if o := g.outcomes(t, 1); o["ok"] != 1 {
		t.Errorf("outcomes %v", o)
	}
}

// A stream that falls silent is cut after its idle limit.
func TestSilentStreamIsCut(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say(streamHead + chunk(talks[0].events[0]))
		c.untilClosed()
		return false
	})
	g := through(t, up, "limits: {stream_idle: 200ms}\n")
	start := time.Now()
	m := g.do(t, post(talks[0].path, talks[0].request))
	if d := time.Since(start); !m.Cut || m.Body != talks[0].events[0] || d > 3*time.Second {
		t.Errorf("cut %v, %q after %v", m.Cut, m.Body, d)
	}
}

// An error status with an event-stream body, and a stream nobody asked for, pass as they are.
func TestStreamsNobodyExpects(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, k := range talks {
		up.answer(raw("HTTP/1.1 400 Bad\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("event: error\ndata: {}\n\n") + "0\r\n\r\n"))
		if m := g.do(t, post(k.path, k.request)); m.status() != 400 || m.Body != "event: error\ndata: {}\n\n" {
			t.Errorf("%s: %s %q", k.name, m.Line, m.Body)
		}
		up.answer(raw(chunks("Content-Type: text/event-stream\r\n", k.events...)))
		if m := g.do(t, post(k.path, strings.Replace(k.request, `"stream":true`, `"stream":false`, 1))); m.Body != k.all() {
			t.Errorf("%s: %q", k.name, m.Body)
		}
		up.answer(raw(sized("200 OK", "Content-Type: application/json\r\n", okJSON)))
		if m := g.do(t, post(k.path, k.request)); m.Body != okJSON {
			t.Errorf("%s: %q", k.name, m.Body)
		}
	}
}
