package identity

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// agent sends requests through a chain that holds nothing but the filter.
type agent struct {
	t       testing.TB
	f       *Filter
	fields  filters.Fields
	dialect wire.Dialect
	auth    string
}

func newAgent(t testing.TB, f *Filter, d wire.Dialect, headers ...string) *agent {
	return &agent{t: t, f: f, dialect: d, fields: fields(headers...)}
}

func fields(headers ...string) (fs filters.Fields) {
	for i := 0; i+1 < len(headers); i += 2 {
		fs = append(fs, filters.Field{Name: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	return fs
}

// with is the same agent with more headers.
func (a *agent) with(headers ...string) *agent {
	b := *a
	b.fields = append(append(filters.Fields{}, a.fields...), fields(headers...)...)
	return &b
}

// an exchange under way
type talk struct {
	filters.Identity
	id   string
	x    *filters.Exchange
	flow *filters.Flow
	t    testing.TB
	sent strings.Builder // all that went in
}

var lastID atomic.Int64

var targets = map[wire.Dialect]string{
	wire.Chat: "/v1/chat/completions", wire.Responses: "/v1/responses", wire.Messages: "/v1/messages?beta=true",
}

// ask sends a request and leaves it open.
func (a *agent) ask(body string) *talk {
	a.t.Helper()
	v, err := wire.Acquire(a.dialect, []byte(body), wire.Limits{})
	if err != nil {
		a.t.Fatalf("the body is refused: %v\n%.300s", err, body)
	}
	x := &filters.Exchange{
		ID: fmt.Sprintf("x%d", lastID.Add(1)), Method: "POST", Target: targets[a.dialect], Fields: a.fields, View: v,
		Route: wire.Route{Dialect: a.dialect, Op: wire.Generate}, AuthName: a.auth,
	}
	flow, err := filters.NewChain(a.f).Open(context.Background(), x)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := x.RunLater(); err != nil {
		a.t.Fatal(err)
	}
	flow.SetSink(sink{})
	return &talk{Identity: x.Identity, id: x.ID, x: x, flow: flow, t: a.t}
}

type sink struct{}

func (sink) Emit(filters.Event) error { return nil }

// data passes SSE events.
func (k *talk) data(events ...string) *talk {
	k.t.Helper()
	k.must(k.flow.Head(&filters.ResponseHead{Status: 200, Stream: true}))
	if k.flow.Wants() {
		for _, d := range events {
			k.sent.WriteString("data: " + d + "\n\n")
			k.must(k.flow.Emit(filters.Event{Raw: []byte("data: " + d + "\n\n"), Data: []byte(d)}))
		}
	}
	return k
}

// body passes a whole JSON answer.
func (k *talk) body(b string) *talk {
	k.t.Helper()
	k.must(k.flow.Head(&filters.ResponseHead{Status: 200}))
	if k.flow.Wants() {
		k.sent.WriteString(b)
		k.must(k.flow.Emit(filters.Event{Raw: []byte(b), Data: []byte(b), Body: true}))
	}
	return k
}

func (k *talk) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// ok ends the exchange well.
func (k *talk) ok() filters.Identity {
	k.t.Helper()
	if _, err := k.flow.End(); err != nil {
		k.t.Fatal(err)
	}
	k.close(nil)
	return k.Identity
}

// fail ends the exchange as if the upstream had answered with an error.
func (k *talk) fail() filters.Identity {
	k.t.Helper()
	k.must(k.flow.Head(&filters.ResponseHead{Status: 500}))
	k.close(nil)
	return k.Identity
}

func (k *talk) close(cause error) {
	k.t.Helper()
	k.must(k.flow.Close(cause))
	k.x.View.Release()
}

// one sends a request and ends it well.
func (a *agent) one(body string) filters.Identity {
	a.t.Helper()
	return a.ask(body).body(`{}`).ok()
}

// obj and arr write JSON for bodies.
type (
	obj = map[string]any
	arr = []any
)

func js(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func msg(role, content string) obj { return obj{"role": role, "content": content} }

var bash = obj{"type": "function", "function": obj{"name": "bash", "parameters": obj{"type": "object"}}}

// chat is a chat body with a tool.
func chat(messages ...any) string {
	return js(obj{"model": "m", "messages": messages, "tools": arr{bash}})
}

func calls(id, args string) obj {
	return obj{"role": "assistant", "content": nil, "tool_calls": arr{
		obj{"id": id, "type": "function", "function": obj{"name": "bash", "arguments": args}},
	}}
}

func result(id, text string) obj {
	return obj{"role": "tool", "tool_call_id": id, "content": text}
}

// chatCall is a chat answer that makes a call, in one body.
func chatCall(id, args string) string {
	return js(obj{"choices": arr{obj{"index": 0, "message": calls(id, args), "finish_reason": "tool_calls"}}})
}

func differ(t testing.TB, what, a, b string) {
	t.Helper()
	if a == b {
		t.Errorf("%s: both are %q, want two", what, a)
	}
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// dataDir finds the data that lies beside the repository.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	data := filepath.Join(dir, "..", "shared", "data")
	if _, err := os.Stat(data); err != nil {
		t.Skip("SKIP: ../shared/data is absent: ", err)
	}
	return data
}

// a capture is a request as a real agent sent it.
type capture struct {
	file    string
	body    string
	dialect wire.Dialect
	fields  filters.Fields
}

func captures(t testing.TB) map[string]capture {
	t.Helper()
	dir := filepath.Join(dataDir(t), "captured")
	f, err := os.Open(filepath.Join(dir, "headers.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]capture{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct {
			File, Path string
			Headers    [][2]string
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(filepath.Join(dir, l.File))
		if err != nil {
			t.Fatal(err)
		}
		c := capture{file: l.File, body: string(body), dialect: wire.Chat}
		if l.Path == "/v1/responses" {
			c.dialect = wire.Responses
		}
		for _, h := range l.Headers {
			c.fields = append(c.fields, fields(h[0], h[1])...)
		}
		all[l.File[:len(l.File)-len(".json")]] = c
	}
	return all
}

func (c capture) agent(t testing.TB, f *Filter) *agent {
	return &agent{t: t, f: f, dialect: c.dialect, fields: c.fields}
}

// clock is a clock that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }
