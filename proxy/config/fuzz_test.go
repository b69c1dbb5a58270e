package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// FuzzParse: no input panics; a problem has a place; what Parse accepts Resolve accepts too, or says why; and a snapshot answers.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		"&a [*a]", "a: &a {<<: *a}", "<<: [[[{}]]]", "? - : x", "- - - - - -", strings.Repeat("[", 100), strings.Repeat("{a: ", 100), "upstreams: &x [*x]",
		"!!binary x", "%YAML 1.2\n---\na: b", "a: |\n  b\n c", "{a: b", "\"\\", "\x00", "\xff", "key: - x", "upstreams: [{<<: {name: a}}]", "? a\n: b", "*a: b", "&a a: *a",
	} {
		f.Add([]byte(s))
	}
	env := fakeEnv(home, map[string]string{"/run/key": "k", "/run/redis": "redis://:k@h"})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Parse("t.yaml", data, env)
		for _, p := range problems {
			if p.File == "t.yaml" && (p.Line < 1 || p.Col < 1) || p.Msg == "" || p.File == "" && !strings.HasPrefix(p.Key, "$") {
				t.Fatalf("problem without a place: %+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		s, err := Resolve(c, env, Overrides{})
		if err != nil {
			return
		}
		for _, d := range []wire.Dialect{wire.Chat, wire.Messages, wire.Other} {
			for _, g := range s.Candidates(d, "m") {
				for _, u := range g {
					if u.Address == "" || u.Name == "" {
						t.Fatalf("half an upstream: %+v", u)
					}
					_ = u.Target("/v1/chat/completions")
				}
			}
			_ = s.Pass(d, "/v1/files")
		}
		if s.Schedule != nil {
			checkSchedule(t, s)
		}
		if s.Context != nil {
			checkContext(t, s.Context)
		}
		if s.Memory != nil {
			checkMemory(t, s.Memory)
		}
	})
}

// checkContext: the engine takes what it is given, and its marks are in order.
func checkContext(t *testing.T, c *Context) {
	t.Helper()
	e, err := ctxrewrite.New(c.Engine, ctxrewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	if x := &c.Engine; !(0 < x.Low && x.Low < x.High && x.High <= 0.92) || x.Reserve < 1 || !(x.Pins.Budget > 0) || !(x.Pins.Recent > 0) {
		t.Fatalf("%+v", x)
	}
	for i := range c.Rules {
		if c.Rules[i].Text == "" {
			t.Fatal("an empty rule")
		}
		_ = c.Rules[i].Match("agent", "model", "/v1/messages")
	}
}

// checkMemory: bounds are there, nobody is two users, and who makes vectors can be called.
func checkMemory(t *testing.T, m *Memory) {
	t.Helper()
	e := &m.Engine
	if e.Inject.Tokens < 1 || e.Inject.SessionTokens < 1 || e.Caps.Space < 1 || e.Caps.Tenant < 1 || e.Caps.Bytes < 1 || e.TTL.Episode < -1 {
		t.Fatalf("%+v", e)
	}
	if u := m.Users; u.Header != "" && (u.Field || u.Name != "") || u.Field && u.Name != "" || m.OSUser {
		t.Fatalf("%+v", u)
	}
	if m.Qdrant != nil && (m.Qdrant.Address == "" || m.Qdrant.Collection == "" || m.Qdrant.Timeout <= 0) || m.Embed != nil && m.Embed.Upstream == "" {
		t.Fatalf("%+v, %+v", m.Qdrant, m.Embed)
	}
}

// checkSchedule: the engines take what they are given.
func checkSchedule(t *testing.T, s *Snapshot) {
	t.Helper()
	e := &s.Schedule.Engine
	if err := s.Schedule.Budgets.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(e.Tenants) != len(s.Schedule.Budgets.Tenants) || len(e.Pools) > len(s.Upstreams) {
		t.Fatalf("%+v", e)
	}
	for _, c := range e.Classes {
		if c.Name == "" || !(c.Weight > 0) && c.Name != ratelimit.Background {
			t.Fatalf("%+v", c)
		}
	}
	for _, r := range s.Schedule.Classes {
		if r.Class == "" || r.Agent == "" && r.Model == "" {
			t.Fatalf("%+v", r)
		}
	}
	for _, x := range e.Tenants {
		if !(x.Weight > 0) || x.Name == "" {
			t.Fatalf("%+v", x)
		}
	}
	if err := budget.Check(&s.Schedule.Budgets, []string{"*"}); err != nil {
		// Some model has no price: then the money budgets meet only models of the upstreams that list theirs.
		var unpriced *budget.UnpricedError
		for _, u := range s.Upstreams {
			if u.models == nil && len(u.renames) == 0 && len(s.routing.routes) == 0 && errors.As(err, &unpriced) {
				t.Fatalf("%v, and %s serves any", err, u.Name)
			}
		}
	}
	if q := s.Schedule.Queue; q.StreamWait <= 0 || q.KeepAliveAfter < 0 || e.Queue.Calls < 1 || e.Queue.Bytes < 1 {
		t.Fatalf("%+v %+v", q, e.Queue)
	}
	ratelimit.New(*e, ratelimit.Options{}).Close()
	if x := s.Schedule.Shared; x != nil && (x.Redis.Reveal() == "" || x.Prefix == "" || x.Sidecars < 1 || x.Renew <= 0) {
		t.Fatalf("%+v", x)
	}
}
