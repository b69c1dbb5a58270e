package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/ratelimit"
)

// scheduled starts Trapgate before one upstream with a schedule section.
func scheduled(tb testing.TB, up *fake, section string, change ...func(*gatewayOptions)) *gateway {
	tb.Helper()
	return open(tb, "upstreams: [{name: u, base_url: "+up.url()+"/v1, credential: agent}]\nschedule: "+section+"\n", change...)
}

func (g *gateway) pool(tb testing.TB, name string) ratelimit.PoolState {
	for _, p := range g.schedule.engine.State().Pools {
		if p.Name == name {
			return p
		}
	}
	tb.Fatalf("no pool %s", name)
	return ratelimit.PoolState{}
}

// Work waits for its turn instead of being refused, and whoever leaves the queue leaves no trace in it.
func TestWaitsForASlot(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	up := newFake(t, func(c *upConn, _ *message) bool {
		<-release
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	g := scheduled(t, up, "{pools: [{upstream: u, concurrency: 1}]}")
	first, second, third := g.dial(t), g.dial(t), g.dial(t)
	first.send(post("/v1/chat/completions", chatRequest))
	eventually(t, "a first call", func() bool { return up.requests() == 1 })
	second.send(post("/v1/chat/completions", chatRequest))
	eventually(t, "a second call in the queue", func() bool { return g.pool(t, "u").Queued == 1 })
	third.send(post("/v1/chat/completions", chatRequest))
	eventually(t, "a third call in the queue", func() bool { return g.pool(t, "u").Queued == 2 })
	second.Close()
	eventually(t, "the second one's place free", func() bool { return g.pool(t, "u").Queued == 1 })
	close(release)
	for _, a := range []*agentSide{first, third} {
		m := a.read()
		if m.status() != 200 || m.Body != okJSON || !strings.HasPrefix(m.get("x-trapgate-queue"), "u;wait=") {
			t.Errorf("%s\n%s\n%s", m.Line, m.Fields, m.Body)
		}
	}
	if up.requests() != 2 {
		t.Errorf("the upstream got %d requests, want 2", up.requests())
	}
	eventually(t, "an empty pool", func() bool { p := g.pool(t, "u"); return p.Inflight+p.Queued == 0 && p.Reserved == 0 })
}

// Usage is asked for when the agent did not ask, and the agent sees what it would have seen without.
func TestUsageIsKeptFromTheAgent(t *testing.T) {
	t.Parallel()
	delta := "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]%s}\n\n"
	plain := fmt.Sprintf(delta, "") + "data: [DONE]\n\n"
	asked := fmt.Sprintf(delta, `,"usage":null`) + "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\ndata: [DONE]\n\n"
	for name, refuses := range map[string]bool{"answers": false, "refuses": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, func(c *upConn, m *message) bool {
				switch {
				case !strings.Contains(m.Body, "include_usage"):
					return c.say(chunks("Content-Type: text/event-stream\r\n", plain))
				case refuses:
					return c.say(sized("400 Bad Request", "", `{"error":{"message":"unknown field stream_options"}}`))
				}
				return c.say(chunks("Content-Type: text/event-stream\r\n", asked))
			})
			g := scheduled(t, up, "{}")
			for range 3 {
				m := g.do(t, post("/v1/chat/completions", `{"model":"m","stream":true,"messages":[]}`))
				if m.status() != 200 || m.Body != plain {
					t.Errorf("%s\n%s", m.Line, m.Body)
				}
			}
			want := 3
			if refuses {
				want = 4 // it is remembered
			}
			if up.requests() != want {
				t.Errorf("%d requests, want %d", up.requests(), want)
			}
			if !refuses {
				eventually(t, "all usage in the ledger", func() bool { return g.telemetry.Ledger().Totals().Tokens.Output == 21 })
			}
		})
	}
}

// A hard budget holds, over restarts too.
func TestHardBudget(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer) // 4 tokens an answer
	data := t.TempDir()
	here := func(o *gatewayOptions) { o.flags.Data = data }
	section := "{tenants: [{name: \"*\", budgets: [{per: tenant, unit: requests, limit: 3, window: month, mode: hard}]}]}"
	g := scheduled(t, up, section, here)
	ask := func() *message {
		return g.do(t, post("/v1/chat/completions", chatRequest, "Authorization: Bearer one"))
	}
	for range 2 {
		if m := ask(); m.status() != 200 {
			t.Fatalf("%s %s", m.Line, m.Body)
		}
	}
	if err := g.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	g = scheduled(t, up, section, here)
	if m := ask(); m.status() != 200 {
		t.Fatalf("%s %s", m.Line, m.Body)
	}
	m := ask()
	if m.status() != 429 || m.get("x-trapgate-error") != "budget_exceeded" || m.get("x-should-retry") != "false" || m.get("retry-after") == "" {
		t.Errorf("%s\n%s\n%s", m.Line, m.Fields, m.Body)
	}
	if m := g.do(t, post("/v1/chat/completions", chatRequest, "Authorization: Bearer two")); m.status() != 200 {
		t.Errorf("another tenant: %s %s", m.Line, m.Body)
	}
	if up.requests() != 4 {
		t.Errorf("the upstream got %d requests, want 4", up.requests())
	}
}

// A reload keeps what waits, and its new limits count at once.
func TestReloadKeepsTheQueue(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		time.Sleep(300 * time.Millisecond)
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	yaml := "upstreams: [{name: u, base_url: " + up.url() + "/v1, credential: agent}]\nschedule: {pools: [{upstream: u, concurrency: %d}]}\n"
	var file string
	g := open(t, fmt.Sprintf(yaml, 1), func(o *gatewayOptions) { file = o.file })
	var agents []*agentSide
	for range 4 {
		a := g.dial(t)
		a.send(post("/v1/chat/completions", chatRequest))
		agents = append(agents, a)
	}
	eventually(t, "a queue", func() bool { return g.pool(t, "u").Queued == 3 })
	writeFile(t, file, fmt.Sprintf(yaml, 4))
	eventually(t, "all under way", func() bool { return up.requests() == 4 })
	for _, a := range agents {
		if m := a.read(); m.status() != 200 {
			t.Errorf("%s %s", m.Line, m.Body)
		}
	}
}

// Two servers cannot hold one data directory; without a piece that keeps state nothing is held.
func TestOneHolder(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	data := t.TempDir()
	scheduled(t, up, "{}", func(o *gatewayOptions) { o.flags.Data = data })
	_, err := newGateway(context.Background(), gatewayOptions{
		file: writeFile(t, t.TempDir()+"/second.yaml", "upstreams: [{name: u, base_url: "+up.url()+", credential: agent}]\nschedule: {}\n"), quiet: true, log: &lockedBuffer{},
		env: config.Env{Lookup: func(string) (string, bool) { return "", false }, ReadFile: os.ReadFile}, flags: config.Overrides{Listen: "127.0.0.1:0", Admin: "off", Data: data},
	})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second holder: %v", err)
	}
	open(t, "upstreams: [{name: u, base_url: "+up.url()+", credential: agent}]\n", func(o *gatewayOptions) { o.flags.Data = data })
}

// Who still waits when the drain limit comes near is told to come back.
func TestShutdownAnswersTheQueue(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	up := newFake(t, func(c *upConn, _ *message) bool {
		<-release
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+"/v1, credential: agent}]\nlimits: {drain: 2s}\nschedule: {pools: [{upstream: u, concurrency: 1}]}\n")
	first, second := g.dial(t), g.dial(t)
	first.send(post("/v1/chat/completions", chatRequest))
	eventually(t, "a first call", func() bool { return up.requests() == 1 })
	second.send(post("/v1/chat/completions", chatRequest))
	eventually(t, "a second call in the queue", func() bool { return g.pool(t, "u").Queued == 1 })
	done := make(chan error, 1)
	go func() { done <- g.Shutdown(context.Background()) }()
	if m := second.read(); m.status() != 503 || m.get("x-trapgate-error") != "shutting_down" || m.get("retry-after") == "" {
		t.Errorf("%s\n%s\n%s", m.Line, m.Fields, m.Body)
	}
	close(release)
	if m := first.read(); m.status() != 200 {
		t.Errorf("%s %s", m.Line, m.Body)
	}
	<-done
}
