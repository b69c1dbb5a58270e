package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/proxy/admin"
)

// nobody is an address at which nothing listens.
func nobody(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// mute is an address that takes connections and never answers.
func mute(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tb.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

// Without its Redis a gateway starts all the same, rewrites, and keeps to the same bytes while it lives.
func TestSharedContextWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]string{"dead": nobody(t), "mute": mute(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, saysPlainly)
			data := t.TempDir()
			section := fmt.Sprintf(`{windows: {"*": 3000}, reserve: 500, shared: {redis: {url: "redis://%s"}}}`, addr)
			g := rewritten(t, up, section, func(o *gatewayOptions) { o.flags.Data = data })
			if _, redis := g.context.store.Store.(*store.Redis); !redis {
				t.Fatalf("the store is a %T", g.context.store.Store)
			}
			c := grown("x-trapgate-session: s")
			began := time.Now()
			c.ask(t, g)
			if took := time.Since(began); took > redisTimeout {
				t.Errorf("a request waited %v for the Redis", took)
			}
			first := up.last().Body
			c.check(t, first)
			if first == c.body() {
				t.Error("not rewritten")
			}
			if c.ask(t, g); up.last().Body != first {
				t.Error("the epoch is lost")
			}
			if g.context.filter.Failures() > 0 {
				t.Error("failed inside")
			}
			var lines strings.Builder
			code := execute(context.Background(), []string{"context", "ls", "--data", data}, &streams{out: &lines, err: &lines})
			if code == 0 || !strings.Contains(lines.String(), "context: redis: ") {
				t.Errorf("ls: exit code %d\n%s", code, lines.String())
			}
		})
	}
}

// Tenants without a key have the same names at all gateways that share rewrites, and other names elsewhere.
func TestSharedContextNamesTenants(t *testing.T) {
	t.Parallel()
	addr := nobody(t)
	tenant := func(shared string) (name string) {
		t.Helper()
		var g *gateway
		up := newFake(t, func(c *upConn, m *message) bool {
			name = g.state().(admin.State).InFlight[0].Tenant
			return saysPlainly(c, m)
		})
		g = rewritten(t, up, "{"+shared+"}")
		newSession().ask(t, g)
		return name
	}
	one := fmt.Sprintf(`shared: {redis: {url: "redis://%s"}}`, addr)
	other := fmt.Sprintf(`shared: {redis: {url: "redis://%s"}, prefix: "other:"}`, addr)
	if a, b := tenant(one), tenant(one); a != b || a == "" {
		t.Error("two that share name a tenant differently")
	}
	if a, b := tenant(one), tenant(other); a == b {
		t.Error("two that do not share name a tenant alike")
	}
	if a, b := tenant(""), tenant(""); a == b {
		t.Error("two directories name a tenant alike")
	}
}

// What cache hygiene finds and does is counted where metrics are read.
func TestContextCountsHygiene(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := rewritten(t, up, `{windows: {"*": 100000}, hygiene: {breakpoints: true, volatile: move}}`)
	const request = `{"model":"m","max_tokens":9,"system":"Work on a parser.\nIt is 12:%02d.\nBe brief.","messages":[{"role":"user","content":"%s"}]}`
	for minute := range 4 {
		body := fmt.Sprintf(request, minute, strings.Repeat("Mend the failing test. ", 1000))
		m := g.do(t, post("/v1/messages", body, "x-trapgate-session: s", "x-api-key: one"))
		if m.status() != 200 {
			t.Fatal(m.Line)
		}
	}
	n := g.context.counts()
	if n.Volatile < 2 || n.VolatileCost < 100 || n.Moved < 2 || n.Moved > 4 || n.Breakpoints < 4 || n.CacheKeys != 0 {
		t.Errorf("%+v", n)
	}
	h := g.context.filter.Hygiene()
	if n.Volatile != h.Volatile || n.VolatileCost != h.Cost || n.Moved != h.Moved || n.Breakpoints != h.Marks || n.CacheKeys != h.Keys {
		t.Errorf("%+v, but the filter says %+v", n, h)
	}
}
