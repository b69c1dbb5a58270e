package main

import (
	"fmt"
	"testing"
	"time"
)

// A candidate whose pool is paused, or full, is passed over for one that is free; a single one is waited for.
func TestFallbackPastAPool(t *testing.T) {
	t.Parallel()
	refused := sized("429 Too Many Requests", "Retry-After: 2\r\n", `{"error":{"message":"slow down"}}`)
	first := newFake(t, func(c *upConn, _ *message) bool {
		if c.number == 0 {
			return c.say(refused)
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	second := newFake(t, okAnswer)
	g := open(t, fmt.Sprintf("upstreams:\n- {name: a, base_url: %s, credential: none}\n- {name: b, base_url: %s, credential: none}\nroutes: [{upstreams: [a, b]}]\nschedule: {pools: [{upstream: a}, {upstream: b}]}\n", first.url(), second.url()))
	begun := time.Now()
	for range 3 {
		if m := g.do(t, post("/v1/chat/completions", chatRequest)); m.status() != 200 {
			t.Errorf("%s %s", m.Line, m.Body)
		}
	}
	if first.requests() != 1 || second.requests() != 3 || time.Since(begun) > time.Second {
		t.Errorf("%d requests to the paused one, %d to the other, in %v", first.requests(), second.requests(), time.Since(begun))
	}
}

// Without another candidate a refused call goes back to the queue until its time has come.
func TestRefusalIsHeld(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, _ *message) bool {
		if c.number == 0 {
			return c.say(sized("429 Too Many Requests", "Retry-After: 1\r\n", `{"error":{"message":"slow down"}}`))
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	g := scheduled(t, up, "{pools: [{upstream: u}]}")
	begun := time.Now()
	m := g.do(t, post("/v1/chat/completions", chatRequest))
	if took := time.Since(begun); m.status() != 200 || took < 900*time.Millisecond || took > 4*time.Second {
		t.Errorf("%s after %v", m.Line, took)
	}
}

// An account without money is told so at once, with the upstream's own words.
func TestNoMoney(t *testing.T) {
	t.Parallel()
	body := `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`
	up := newFake(t, raw(sized("429 Too Many Requests", "Content-Type: application/json\r\n", body)))
	g := scheduled(t, up, "{}")
	if m := g.do(t, post("/v1/chat/completions", chatRequest)); m.status() != 429 || m.Body != body || up.requests() != 1 {
		t.Errorf("%s after %d requests: %s", m.Line, up.requests(), m.Body)
	}
}

// Replicas are chosen by what waits for them too: the calls of one session, which all prefer the same replica, leave it when its
// queue makes it 1.5 times as busy as the other.
func TestQueuesCountAsBusy(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := func(c *upConn, _ *message) bool {
		<-release
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	}
	a, b := newFake(t, slow), newFake(t, slow)
	g := open(t, fmt.Sprintf("upstreams:\n- {name: a, base_url: %s, credential: none}\n- {name: b, base_url: %s, credential: none}\nroutes: [{upstreams: [[a, b]]}]\nschedule: {pools: [{upstream: a, concurrency: 1}, {upstream: b, concurrency: 1}]}\n", a.url(), b.url()))
	var agents []*agentSide
	for i := range 8 {
		c := g.dial(t)
		c.send(post("/v1/chat/completions", chatRequest, "x-trapgate-session: one"))
		agents = append(agents, c)
		eventually(t, "the call is counted", func() bool {
			busy := int64(0)
			for _, u := range g.pipeline.current.Load().upstreams.All() {
				busy += u.State().Busy
			}
			return busy == int64(i+1)
		})
	}
	if a, b := g.pool(t, "a").Queued, g.pool(t, "b").Queued; max(a, b) > 4 {
		t.Errorf("%d and %d wait for the replicas: more than 1.5 to 1", a, b)
	}
	close(release)
	for _, c := range agents {
		if m := c.read(); m.status() != 200 {
			t.Errorf("%s %s", m.Line, m.Body)
		}
	}
}
