package identity

import (
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
)

func printable(s string) bool {
	return len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("thread-id: T\r\nsession-id: S\r\nAuthorization: Bearer k\r\n"))
	f.Add([]byte("X-Claude-Code-Session-Id: C\r\nx-claude-code-agent-id: \xff\x80\r\nx-trapgate-class: B A\r\n"))
	f.Add([]byte("x-parent-session-id: x\r\nx-session-id: x\r\nuser-agent: codex\r\n"))
	filter := New(Options{})
	f.Fuzz(func(t *testing.T, block []byte) {
		parsed, err := head.Parse(nil, block)
		if err != nil {
			return
		}
		x := &filters.Exchange{Fields: parsed, Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}}
		s, err := filter.Open(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		s.Close(nil)
		id := x.Identity
		for _, v := range []string{id.Tenant, id.User, id.Agent, id.Session, id.Program, id.Class, id.Parent} {
			if !printable(v) {
				t.Errorf("%q", v)
			}
		}
		if id.Tenant == "" || id.Session != "" && id.Program == "" || id.Parent != "" && id.Parent == id.Session {
			t.Errorf("%+v", id)
		}
	})
}

func FuzzUserField(f *testing.F) {
	f.Add(`{"device_id":"d","account_uuid":"","session_id":"s"}`)
	f.Add(`user_ab_account__session_s`)
	f.Add(`{"session_id":{"a":[]}}`)
	f.Add("{\"user_id\":\"\\ud800\"}")
	f.Fuzz(func(t *testing.T, field string) {
		body := wire.Quote([]byte(`{"metadata":{"user_id":`), field)
		v, err := wire.Acquire(wire.Messages, append(body, `},"messages":[]}`...), wire.Limits{})
		if err != nil {
			return // no request: nothing that has a user
		}
		user, root := bodyUser(v)
		if !printable(user) || !printable(root) {
			t.Errorf("%q, %q", user, root)
		}
		v.Release()
	})
}

// Nothing that an upstream sends makes the watch stumble or keep more than it may.
func FuzzWatch(f *testing.F) {
	for _, way := range delegations() {
		k := newAgent(f, New(Options{}), way.dialect).ask(dialectBody(way.dialect, "u"))
		way.answer(k)
		for _, line := range strings.Split(k.sent.String(), "\n\n") {
			f.Add([]byte(strings.TrimPrefix(line, "data: ")), uint8(way.dialect), "", false)
		}
		f.Add([]byte(k.sent.String()), uint8(way.dialect), "", true)
	}
	f.Add([]byte(`{"choices":[{"index":-1,"delta":{"tool_calls":[{"index":1e99}]}}]}`), uint8(1), "", false)
	f.Fuzz(func(t *testing.T, data []byte, dialect uint8, name string, body bool) {
		if len(data) == 0 {
			return
		}
		w := watch{dialect: wire.Dialect(dialect % 6), calls: true}
		for range 3 {
			w.see(&filters.Event{Name: []byte(name), Data: data, Body: body})
		}
		w.finish()
		for _, c := range w.done {
			size := 0
			for _, a := range c.args {
				size += len(a)
			}
			if size > maxCallBytes || len(c.args) > maxTexts {
				t.Errorf("%d bytes in %d texts kept of one call", size, len(c.args))
			}
		}
	})
}
