package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However bytes are cut on their way, in both directions, they are the same bytes.
func TestChunkingsNeverChangeBytes(t *testing.T) {
	t.Parallel()
	type plan struct {
		answer string
		cuts   []int
	}
	plans := make(chan plan, 1)
	up := newFake(t, func(c *upConn, m *message) bool {
		p := <-plans
		rest := p.answer
		for _, n := range p.cuts {
			n = min(n, len(rest))
			c.say(rest[:n])
			if rest = rest[n:]; n%3 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		return c.say(rest)
	})
	g := through(t, up, "")
	a := g.dial(t)
	rapid.Check(t, func(rt *rapid.T) {
		a.SetDeadline(time.Now().Add(longest))
		k := rapid.SampledFrom(talks).Draw(rt, "dialect")
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 20_000)), 1, 12)
		text := strings.Repeat(rapid.StringMatching(`[ -~é€😀]{0,30}`).Draw(rt, "text"), rapid.IntRange(1, 300).Draw(rt, "times"))
		body := strings.Replace(k.request, `"hi"`, fmt.Sprintf("%q", strings.Map(func(r rune) rune {
			if r == '"' || r == '\\' {
				return '\''
			}
			return r
		}, text)), 1)
		stream := strings.Join(k.events[:len(k.events)-1], "") + "data: {\"x\":\"" + strings.Repeat("y", rapid.IntRange(0, 40_000).Draw(rt, "long")) + "\"}\n\n" + k.events[len(k.events)-1]
		var answer strings.Builder
		if rapid.Bool().Draw(rt, "sized") {
			answer.WriteString(sized("200 OK", "Content-Type: text/event-stream\r\n", stream))
		} else {
			answer.WriteString(streamHead)
			for rest := stream; rest != ""; {
				n := min(len(rest), sizes.Draw(rt, "chunk")[0])
				answer.WriteString(chunk(rest[:n]))
				rest = rest[n:]
			}
			answer.WriteString("0\r\n\r\n")
		}
		plans <- plan{answer.String(), sizes.Draw(rt, "answer cuts")}
		request := post(k.path, body)
		if rapid.Bool().Draw(rt, "chunked request") {
			n := min(len(body), sizes.Draw(rt, "request chunk")[0])
			request = "POST " + k.path + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(body[:n]) + chunk(body[n:]+" ") + "0\r\n\r\n"
			body += " "
		}
		for _, n := range sizes.Draw(rt, "request cuts") {
			n = min(n, len(request))
			a.send(request[:n])
			request = request[n:]
		}
		a.send(request)
		m := a.read()
		if m.status() != 200 || m.Body != stream || m.Cut {
			rt.Fatalf("%s, cut %v: %d bytes of %d", m.Line, m.Cut, len(m.Body), len(stream))
		}
		if got := up.last(); got.Body != body {
			rt.Fatalf("the upstream got %d bytes of %d", len(got.Body), len(body))
		}
	})
}

// An upstream that closes idle connections at random moments costs no request.
func TestUpstreamThatClosesIdleConnections(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	up := newFake(t, func(c *upConn, m *message) bool {
		ran.Add(1)
		c.say(sized("200 OK", "", okJSON))
		switch rand.IntN(6) {
		case 0:
			return false
		case 1: // an idle limit: who takes a request in and then closes without a word is another matter
			c.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(2000)) * time.Microsecond))
			_, err := c.r.Peek(1)
			c.SetReadDeadline(time.Time{})
			return err == nil
		}
		return true
	})
	g := through(t, up, "limits: {retry: {attempts: 0}}\n")
	const agents, each = 8, 250
	var failed atomic.Int64
	var wg sync.WaitGroup
	for range agents {
		a := g.dial(t)
		a.SetDeadline(time.Now().Add(30 * time.Second))
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				a.send(post("/v1/chat/completions", bodyOf(100+i%9000)))
				if m, err := readHead(a.r); err != nil || m.status() != 200 || m.readBody(a.r, false) != nil {
					failed.Add(1)
					return
				}
				if i%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		}()
	}
	wg.Wait()
	if failed.Load() > 0 || ran.Load() != agents*each {
		t.Errorf("%d agents failed; %d requests were run, want %d", failed.Load(), ran.Load(), agents*each)
	}
}

// Idle upstream connections are closed before the upstream would.
func TestIdleUpstreamConnectionsExpire(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+", credential: agent, timeouts: {idle: 150ms}}]\n")
	a := g.dial(t)
	for range 3 {
		a.send(post("/v1/chat/completions", chatRequest))
		a.read()
	}
	if up.connections() != 1 {
		t.Errorf("%d connections", up.connections())
	}
	select {
	case <-up.gone:
	case <-time.After(2 * time.Second):
		t.Error("the idle connection stays")
	}
	a.send(post("/v1/chat/completions", chatRequest))
	if m := a.read(); m.status() != 200 || up.connections() != 2 {
		t.Errorf("%s, %d connections", m.Line, up.connections())
	}
}

// Many agents at once, every kind of request, nobody gets another's bytes.
func TestConcurrentExchangesDoNotMix(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		tag := m.get("x-tag")
		if !strings.Contains(m.Body, tag) {
			return c.say(sized("599 Mixed", "", "request mixed"))
		}
		if strings.Contains(m.Body, `"stream":true`) {
			return c.say(chunks("X-Tag: "+tag+"\r\nContent-Type: text/event-stream\r\n", "data: {\"t\":\""+tag+"\"}\n\n", strings.Repeat("data: "+tag+"\n\n", 50), "data: [DONE]\n\n"))
		}
		return c.say(sized("200 OK", "X-Tag: "+tag+"\r\n", strings.Repeat(tag, 2000)))
	})
	g := through(t, up, "")
	var wg sync.WaitGroup
	for i := range 16 {
		a := g.dial(t)
		a.SetDeadline(time.Now().Add(30 * time.Second))
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 40 {
				tag := fmt.Sprintf("tag-%d-%d-", i, j)
				a.send(post("/v1/chat/completions", fmt.Sprintf(`{"model":"m","stream":%v,"messages":[{"role":"user","content":"%s"}]}`, j%2 == 0, strings.Repeat(tag, 1+j*20)), "X-Tag: "+tag))
				m, err := readHead(a.r)
				if err == nil {
					err = m.readBody(a.r, false)
				}
				want := strings.Repeat(tag, 2000)
				if j%2 == 0 {
					want = "data: {\"t\":\"" + tag + "\"}\n\n" + strings.Repeat("data: "+tag+"\n\n", 50) + "data: [DONE]\n\n"
				}
				if err != nil || m.get("x-tag") != tag || m.Body != want {
					t.Errorf("%s: %v %s %q", tag, err, m.Line, m.get("x-tag"))
					return
				}
			}
		}()
	}
	wg.Wait()
}
