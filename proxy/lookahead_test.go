package main

import (
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A refuser is a talk with an agent's long conversation in it, and ways in which an upstream refuses that inside its stream.
type refuser struct {
	talk
	body     func(model string) string
	openings []string // what may stand before
	refusals []string // streams' ends
}

// tooLong says of the windows only what is needed.
const tooLong = `"message":"This model's maximum context length is 3000 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","code":"context_length_exceeded"`

// turned joins an opening and many turns, each made of its number and some text.
func turned(opening, turn, end string) string {
	var b strings.Builder
	b.WriteString(opening)
	for i := range 40 {
		fmt.Fprintf(&b, turn, i, strings.Repeat(fmt.Sprintf(`part %d says nothing;\n`, i), 15))
	}
	return b.String() + end
}

var refusers = []refuser{
	{
		talks[0], func(model string) string {
			return turned(`{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"Find it."}`,
				`,{"role":"assistant","content":null,"tool_calls":[{"id":"c%[1]d","type":"function","function":{"name":"read","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c%[1]d","content":"%[2]s"}`, `]}`)
		},
		[]string{"", ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\r\n\r\n", talks[0].events[0]},
		[]string{"data: {\"error\":{" + tooLong + "}}\n\n", "data: {\"error\":{" + tooLong + "}}\r\n\r\ndata: [DONE]\r\n\r\n"},
	},
	{
		talks[1], func(model string) string {
			return turned(`{"model":"`+model+`","stream":true,"input":[{"role":"user","content":"Find it."}`,
				`,{"type":"function_call","call_id":"c%[1]d","name":"read","arguments":"{}"},{"type":"function_call_output","call_id":"c%[1]d","output":"%[2]s"}`, `]}`)
		},
		[]string{
			"", talks[1].events[0] + "event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"response\":{\"id\":\"resp_1\",\"error\":null}}\n\n",
			": hi\n\nevent: response.queued\ndata: {\"type\":\"response.queued\"}\n\ndata: {\"type\":\"response.in_progress\"}\n\n",
		},
		[]string{
			"event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{" + tooLong + "}}}\n\n",
			"event: error\ndata: {\"type\":\"error\",\"sequence_number\":2," + strings.Replace(tooLong, `"type"`, `"param"`, 1) + "}\n\n",
		},
	},
	{
		talks[2], func(model string) string {
			return turned(`{"model":"`+model+`","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"Find it."}`,
				`,{"role":"assistant","content":[{"type":"tool_use","id":"c%[1]d","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c%[1]d","content":"%[2]s"}]}`, `]}`)
		},
		[]string{"", talks[2].events[0] + talks[2].events[1]},
		[]string{"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9000 tokens > 3000 maximum\"}}\n\n"},
	},
}

// says writes a stream in pieces.
func (c *upConn) says(pieces ...string) bool {
	return c.say(chunks("Content-Type: text/event-stream\r\n", pieces...))
}

// refusing is an upstream that refuses what is longer than its window in pieces of a stream, and else answers.
func (k *refuser) refusing(pieces func() []string) func(*upConn, *message) bool {
	return func(c *upConn, m *message) bool {
		if len(m.Body) > 9000 {
			return c.says(pieces()...)
		}
		return c.says(k.all())
	}
}

// A refusal inside a stream teaches the window, and the agent sees the answer to a shorter request and nothing else: whatever stands
// before it, and wherever the bytes are parted. The queue gets back what the refused one had reserved.
func TestRefusalInAStream(t *testing.T) {
	t.Parallel()
	for _, k := range refusers {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			var pieces []string
			up := newFake(t, k.refusing(func() []string { return pieces }))
			g := rewritten(t, up, "{reserve: 500}\nschedule: {pools: [{upstream: u, concurrency: 1}]}")
			asked := 0
			ask := func() {
				t.Helper()
				asked++
				before := up.requests()
				m := g.do(t, post(k.path, k.body(fmt.Sprint("m", asked))))
				if m.status() != 200 || m.Body != k.all() || m.Cut || !strings.HasPrefix(m.get("x-trapgate-context"), "epoch=1; ") {
					t.Fatalf("%q: %s\n%s\n%s", pieces, m.Line, m.Fields, m.Body)
				}
				if n := up.requests() - before; n != 2 {
					t.Fatalf("%q: %d requests", pieces, n)
				}
			}
			for _, opening := range k.openings {
				for _, refusal := range k.refusals {
					pieces = []string{opening + refusal}
					if opening != "" {
						ask()
						pieces = []string{opening, refusal}
					}
					ask()
				}
			}
			whole := k.openings[len(k.openings)-1] + k.refusals[0]
			for at := 1; at < len(whole); at += 1 + len(whole)/40 { // TestOpeningsPass has them all
				pieces = []string{whole[:at], whole[at:]}
				ask()
			}
			if o := g.outcomes(t, int64(asked)); o["ok"] != int64(asked) {
				t.Errorf("%d exchanges, outcomes %v", asked, o)
			}
			if n := g.context.engine.Counts(); n.Learnt != int64(asked) || n.Requests != int64(asked) {
				t.Errorf("%d exchanges, %+v", asked, n)
			}
			page := httptest.NewRecorder()
			g.telemetry.Metrics().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
			refused := regexp.MustCompile(`trapgate_upstream_errors_total\{[^}]*error_type="400"[^}]*\} (\d+)`).FindStringSubmatch(page.Body.String())
			if len(refused) != 2 || refused[1] != strconv.Itoa(asked) {
				t.Errorf("%d attempts were refused, counted are %q", asked, refused)
			}
			eventually(t, "an empty pool", func() bool { p := g.pool(t, "u"); return p.Inflight+p.Queued == 0 && p.Reserved == 0 })
		})
	}
}

// What is no refusal that anybody knows a way out of passes as it came, byte for byte.
func TestOpeningsPass(t *testing.T) {
	t.Parallel()
	for _, k := range refusers {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, nil)
			g := rewritten(t, up, "{reserve: 500}")
			asked := 0
			request := func() string { return k.body(fmt.Sprint("m", asked)) } // one that might be made shorter
			pass := func(name, want, answer string, ends bool) {
				t.Helper()
				asked++
				up.answer(func(c *upConn, _ *message) bool { return c.say(answer) && ends })
				before := up.requests()
				m := g.do(t, post(k.path, request()))
				if m.status() != 200 || m.Body != want || m.Cut == ends || up.requests() != before+1 {
					t.Fatalf("%s: %d requests, cut %v, %s\n%s\n%q\nwant\n%q", name, up.requests()-before, m.Cut, m.Line, m.Fields, m.Body, want)
				}
			}
			const stream = "Content-Type: text/event-stream\r\n"
			open, refusal := k.openings[1], k.refusals[0]
			for name, body := range map[string]string{
				"an answer":                       k.all(),
				"a refusal for something else":    open + strings.NewReplacer("context_length_exceeded", "other", "context length", "patience", "prompt is too long", "no").Replace(refusal),
				"a refusal behind the first word": k.open() + refusal,
				"an opening and nothing more":     open,
				"nothing":                         "",
				"no events":                       "data: {\"a\"",
				"a line that does not end":        ": " + strings.Repeat("x", maxHeld+1<<16),
			} {
				pass(name, body, chunks(stream, body), true)
				pass(name+", sized", body, sized("200 OK", stream, body), true)
			}
			pass("nothing", "", chunks(stream), true)
			pass("cut at once", "", streamHead, false)
			zipped := "Content-Encoding: gzip\r\n" + stream
			pass("compressed, as it says", open+refusal, chunks(zipped, open+refusal), true)
			whole := open + refusal
			request = func() string { return k.request }
			for at := 1; at < len(whole); at++ {
				body := whole[:at]
				pass(fmt.Sprint("cut behind byte ", at), body, strings.TrimSuffix(chunks(stream, body), "0\r\n\r\n"), false)
			}
			for at := 1; at < len(k.all()); at++ {
				pass(fmt.Sprint("parted behind byte ", at), k.all(), chunks(stream, k.all()[:at], k.all()[at:]), true)
			}
		})
	}
}

// An opening waits for what follows it for a moment at most, and nothing waits that says something.
func TestOpeningsAreNotHeldForLong(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for i, k := range refusers {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			next := make(chan string)
			respond := func(c *upConn, _ *message) bool {
				c.say(streamHead)
				for ev := range next {
					c.say(chunk(ev))
				}
				return c.say("0\r\n\r\n")
			}
			var g *gateway
			if i == 0 { // one of them over TLS, where a wait that was given up must break nothing either
				g = open(t, "upstreams: [{name: u, base_url: \"https://localhost:"+portOf(ca.upstream(t, respond))+"/v1\", credential: agent, ca: "+ca.certFile+"}]\ncontext: {reserve: 500}\n")
			} else {
				g = rewritten(t, newFake(t, respond), "{reserve: 500}")
			}
			a := g.dial(t)
			expect := func(want string, atLeast, atMost time.Duration) {
				t.Helper()
				began := time.Now()
				got := make([]byte, len(want))
				_, err := io.ReadFull(a.r, got)
				if d := time.Since(began); err != nil || string(got) != want || d < atLeast || d > atMost {
					t.Fatalf("got %q, %v, after %v, want %q after %v to %v", got, err, d, want, atLeast, atMost)
				}
			}
			opening := k.openings[1]
			a.send(post(k.path, k.body("slow")))
			next <- opening
			began := time.Now()
			if m := a.head(); m.status() != 200 || time.Since(began) > lookTime+time.Second || time.Since(began) < lookTime/2 {
				t.Fatalf("%s after %v", m.Line, time.Since(began))
			}
			expect(chunk(opening), 0, time.Second/2)
			for _, ev := range k.events {
				next <- ev
				expect(chunk(ev), 0, time.Second/2)
			}
			close(next)
			expect("0\r\n\r\n", 0, time.Second/2)

			next = make(chan string)
			a.send(post(k.path, k.body("quick")))
			next <- opening
			next <- k.events[len(k.events)-2] // says something
			began = time.Now()
			a.head()
			if d := time.Since(began); d > lookTime/2 {
				t.Errorf("the first word waited %v", d)
			}
			expect(chunk(opening+k.events[len(k.events)-2]), 0, time.Second/2)
			close(next)
			expect("0\r\n\r\n", 0, time.Second/2)
		})
	}
}

// An agent that leaves while an opening is looked at takes the upstream's connection with it at once.
func TestLeavesWhileLooking(t *testing.T) {
	t.Parallel()
	closed := make(chan time.Time, 1)
	up := newFake(t, func(c *upConn, _ *message) bool {
		c.say(streamHead + chunk(talks[0].events[0]))
		c.untilClosed()
		closed <- time.Now()
		return false
	})
	g := rewritten(t, up, "{reserve: 500}")
	a := g.dial(t)
	a.send(post(talks[0].path, talks[0].request))
	eventually(t, "a request", func() bool { return up.requests() == 1 })
	time.Sleep(50 * time.Millisecond)
	left := time.Now()
	a.Close()
	if d := (<-closed).Sub(left); d > lookTime/2 {
		t.Errorf("the upstream's connection was closed after %v", d)
	}
	if o := g.outcomes(t, 1); o["agent_gone"] != 1 {
		t.Errorf("outcomes %v", o)
	}
}

// A refusal that comes too late is the agent's, and its next request fits.
func TestLateRefusalTeaches(t *testing.T) {
	t.Parallel()
	for _, k := range refusers {
		word := k.events[len(k.events)-2]
		up := newFake(t, k.refusing(func() []string { return []string{k.openings[1] + word + k.refusals[0]} }))
		g := rewritten(t, up, "{reserve: 500}")
		if m := g.do(t, post(k.path, k.body("m"))); m.Body != k.openings[1]+word+k.refusals[0] || up.requests() != 1 {
			t.Errorf("%s: %d requests\n%s", k.name, up.requests(), m.Body)
		}
		eventually(t, "the window learnt", func() bool { return g.context.engine.Counts().Learnt == 1 })
		if m := g.do(t, post(k.path, k.body("m"))); m.Body != k.all() || up.requests() != 2 {
			t.Errorf("%s: %d requests\n%s", k.name, up.requests(), m.Body)
		}
	}
}
