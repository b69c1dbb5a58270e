package identity

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// open fills an identity from headers alone.
func open(t testing.TB, f *Filter, auth string, headers ...string) filters.Identity {
	t.Helper()
	x := &filters.Exchange{Fields: fields(headers...), AuthName: auth, Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}}
	s, err := f.Open(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	s.Close(nil)
	return x.Identity
}

func TestHeaders(t *testing.T) {
	type id = filters.Identity
	tests := []struct {
		name    string
		headers []string
		want    id
	}{
		{"nothing", nil, id{}},
		{
			"codex",
			[]string{"thread-id", "T", "session-id", "S", "User-Agent", "codex_exec/0.169.0 (x)", "x-client-request-id", "T"},
			id{Session: "T", Program: "S", Agent: "codex"},
		},
		{
			"codex child",
			[]string{"session-id", "S", "thread-id", "C", "x-codex-parent-thread-id", "T", "x-openai-subagent", "collab_spawn"},
			id{Session: "C", Program: "S", Parent: "T"},
		},
		{"codex, older", []string{"conversation_id", "T", "session_id", "T"}, id{Session: "T", Program: "T"}},
		{"session-id alone", []string{"session-id", "S"}, id{Session: "S", Program: "S"}},
		{
			"opencode",
			[]string{"x-session-affinity", "A", "x-session-id", "A", "User-Agent", "opencode/1.18.33 ai-sdk/x"},
			id{Session: "A", Program: "A", Agent: "opencode"},
		},
		{
			"opencode child of a stranger",
			[]string{"x-session-id", "B", "x-parent-session-id", "A"},
			id{Session: "B", Program: "A", Parent: "A"},
		},
		{"affinity alone", []string{"x-session-affinity", "A"}, id{Session: "A", Program: "A"}},
		{
			"claude code",
			[]string{"X-Claude-Code-Session-Id", "C", "user-agent", "claude-cli/2.1.197 (external, cli)"},
			id{Session: "C", Program: "C", Agent: "claude-code"},
		},
		{
			"claude code child",
			[]string{"X-Claude-Code-Session-Id", "C", "x-claude-code-agent-id", "a1"},
			id{Session: "C/a1", Program: "C", Parent: "C"},
		},
		{
			"claude code grandchild",
			[]string{"X-Claude-Code-Session-Id", "C", "x-claude-code-agent-id", "a2", "x-claude-code-parent-agent-id", "a1"},
			id{Session: "C/a2", Program: "C", Parent: "C/a1"},
		},
		{
			"own",
			[]string{"x-trapgate-user", "u", "X-Trapgate-Agent", "a", "x-trapgate-session", "s", "x-trapgate-program", "p", "x-trapgate-class", "Batch"},
			id{User: "u", Agent: "a", Session: "s", Program: "p", Class: "batch"},
		},
		{"own before others", []string{"x-trapgate-session", "s", "thread-id", "T", "session-id", "S"}, id{Session: "s", Program: "S"}},
		{"own session alone", []string{"x-trapgate-session", "s"}, id{Session: "s", Program: "s"}},
		{"own program alone", []string{"x-trapgate-program", "p"}, id{Program: "p"}},
		{"own agent before the library", []string{"user-agent", "OpenAI/JS 6.49.0", "x-trapgate-agent", "planner"}, id{Agent: "planner"}},
		{"first of two", []string{"x-session-id", "A", "x-session-id", "B"}, id{Session: "A", Program: "A"}},
		{"empty", []string{"x-session-id", "", "x-trapgate-user", ""}, id{}},
		{"retry", []string{"X-Stainless-Retry-Count", "2"}, id{Retry: true}},
		{"unknown library", []string{"User-Agent", "Mine/1.0"}, id{Agent: "other"}},
		{"prompt cache key is none", []string{"prompt_cache_key", "K"}, id{}},
	}
	f := New(Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Tenant = Anonymous
			if d := cmp.Diff(tt.want, open(t, f, "", tt.headers...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAgents(t *testing.T) {
	for ua, want := range map[string]string{
		"codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)": "codex",
		"codex_cli_rs/0.40.0": "codex", "claude-cli/2.1.197 (external, cli)": "claude-code",
		"opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14": "opencode",
		"QwenCode/0.15.10 (linux; x64)":                                    "qwen-code", "Agents/Python 0.24.0": "openai-agents",
		"pydantic-ai/2.68.0": "pydantic-ai", "DSPy/3.4.1": "dspy",
		"ai/6.0.326 ai-sdk/provider-utils/4.0.66 runtime/node.js/v20.20.2":                "ai-sdk",
		"ai-sdk/openai-compatible/3.0.37 ai-sdk/provider-utils/5.0.30 runtime/bun/1.3.13": "ai-sdk",
		"OpenAI/Python 3.54.0": "openai-python", "AsyncOpenAI/Python 3.54.0": "openai-python", "OpenAI/JS 6.49.0": "openai-node",
		"OpenAI/Go 3.96.0": "openai-go", "Anthropic/Python 1.0": "anthropic-python", "Mozilla/5.0": "other", "": "",
	} {
		same(t, ua, open(t, New(Options{}), "", "User-Agent", ua).Agent, want)
	}
}

func TestTenant(t *testing.T) {
	secret := Options{Secret: []byte("secret")}
	f := New(secret)
	cases := map[string][]string{
		"bearer":     {"Authorization", "Bearer key-1"},
		"bearer 2":   {"authorization", "bearer key-2"},
		"basic":      {"Authorization", "Basic key-1"},
		"api key":    {"api-key", "key-3"},
		"x-api-key":  {"X-Api-Key", "key-4"},
		"two of one": {"Authorization", "Bearer key-1", "x-api-key", "key-4"},
	}
	seen := map[string]string{}
	for name, headers := range cases {
		got := open(t, f, "", headers...).Tenant
		if len(got) != len("cred-01234567") || !strings.HasPrefix(got, "cred-") || strings.Trim(got[5:], "0123456789abcdef") != "" {
			t.Errorf("%s: tenant %q", name, got)
		}
		if old := seen[got]; old != "" {
			t.Errorf("%s and %s are both %s", name, old, got)
		}
		seen[got] = name
		same(t, name+", same secret", open(t, New(secret), "", headers...).Tenant, got)
		differ(t, name+", other secret", open(t, New(Options{}), "", headers...).Tenant, got)
		same(t, name+", admitted", open(t, f, "team", headers...).Tenant, "team")
	}
	same(t, "one credential in two places", open(t, f, "", "api-key", "key-1").Tenant, open(t, f, "", cases["bearer"]...).Tenant)
	for _, none := range []string{"", "Bearer", "Bearer ", "bearer   "} {
		same(t, "credential "+none, open(t, f, "", "Authorization", none).Tenant, Anonymous)
	}
}

// A child's program is that of its parent, however deep.
func TestOpencodeFamily(t *testing.T) {
	f := New(Options{})
	ask := func(headers ...string) filters.Identity {
		return newAgent(t, f, wire.Chat, headers...).one(chat(msg("user", "same words")))
	}
	root := ask("x-session-id", "root", "x-trapgate-program", "job")
	same(t, "root", root.Program, "job")
	same(t, "child", ask("x-session-id", "child", "x-parent-session-id", "root").Program, "job")
	same(t, "grandchild", ask("x-session-id", "grandchild", "x-parent-session-id", "child").Program, "job")
	same(t, "at once", open(t, f, "", "x-session-id", "other", "x-parent-session-id", "grandchild").Program, "job")
	same(t, "another tenant", open(t, f, "", "Authorization", "Bearer k", "x-session-id", "child", "x-parent-session-id", "root").Program, "root")
}

func TestClean(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for in, plain := range map[string]bool{
		"ses_A-1.b:/@+=|#": true, "a b": false, "a~b": false, "ü": false, "\x00\x1b[31m": false, long: false, long + "y": false,
	} {
		got := clean([]byte(in))
		if (got == in) != plain || len(got) > maxName || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("clean(%q) = %q", in, got)
		}
	}
	differ(t, "long names", clean([]byte(long)), clean([]byte(long+"y")))
	differ(t, "changed names", clean([]byte("a b")), clean([]byte("a\tb")))
	differ(t, "a forged one", clean([]byte("a b")), clean([]byte(clean([]byte("a b")))))
}

func TestBodyUser(t *testing.T) {
	session := "0a1b2c3d-0000-4000-8000-000000000001"
	tests := map[string]struct {
		dialect    wire.Dialect
		body       string
		user, root string
	}{
		"chat":        {wire.Chat, `{"user":"bob","messages":[]}`, "bob", ""},
		"responses":   {wire.Responses, `{"user":"b\u00f6b","input":"x"}`, clean([]byte("böb")), ""},
		"plain":       {wire.Messages, `{"metadata":{"user_id":"bob"},"messages":[]}`, "bob", ""},
		"json":        {wire.Messages, `{"metadata":{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"` + session + `\"}"},"messages":[]}`, "d", session},
		"older":       {wire.Messages, `{"metadata":{"user_id":"user_ab_account__session_` + session + `"},"messages":[]}`, "user_ab_account_", session},
		"broken json": {wire.Messages, `{"metadata":{"user_id":"{\"session_id\":"},"messages":[]}`, clean([]byte(`{"session_id":`)), ""},
		"not a text":  {wire.Messages, `{"metadata":{"user_id":7},"messages":[]}`, "", ""},
		"none":        {wire.Chat, `{"messages":[]}`, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := wire.Acquire(tt.dialect, []byte(tt.body), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			user, root := bodyUser(v)
			same(t, "user", user, tt.user)
			same(t, "root", root, tt.root)
		})
	}
}

// Without its headers Claude Code still says which session it is; conversations beside the first get names of their own.
func TestClaudeCodeBody(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Messages, "user-agent", "claude-cli/2.1.197 (external, cli)")
	body := func(tools bool, messages ...any) string {
		b := obj{"model": "m", "messages": messages, "metadata": obj{"user_id": `{"device_id":"d","session_id":"S"}`}}
		if tools {
			b["tools"] = arr{obj{"name": "Bash", "input_schema": obj{}}}
		}
		return js(b)
	}
	title := a.one(body(false, msg("user", "title?")))
	main := a.one(body(true, msg("user", "do it")))
	sub := a.one(body(true, msg("user", "do a part of it")))
	goes := a.one(body(true, msg("user", "do it"), msg("assistant", "yes"), msg("user", "and?")))
	for what, id := range map[string]filters.Identity{"title": title, "main": main, "sub": sub, "goes on": goes} {
		same(t, what+": program", id.Program, "S")
		same(t, what+": user", id.User, "d")
	}
	same(t, "main", main.Session, "S")
	same(t, "goes on", goes.Session, "S")
	same(t, "title", title.Session, "S")
	differ(t, "sub", sub.Session, "S")
	if !title.Side || main.Side || sub.Side || goes.Side {
		t.Error("only the title is a side call")
	}
}

// A side call does not become what the conversation goes on from.
func TestSideCall(t *testing.T) {
	for _, first := range []bool{true, false} {
		a := newAgent(t, New(Options{}), wire.Chat, "x-session-id", "A")
		if !first {
			a = a.with("user-agent", "opencode/1.18.33 ai-sdk/provider-utils")
		}
		side := js(obj{"model": "m", "messages": arr{msg("user", "title?")}})
		if first { // an agent we do not know: its tools must have been seen
			if id := a.one(chat(msg("user", "u"))); id.Side {
				t.Error("the task is no side call")
			}
		}
		if id := a.one(side); !id.Side || id.Session != "A" {
			t.Errorf("%+v", id)
		}
		if id := a.one(chat(msg("user", "u"))); id.Side {
			t.Error("the task is no side call")
		}
		// Its last words, without tools, belong to the conversation.
		if id := a.one(js(obj{"model": "m", "messages": arr{msg("user", "u"), msg("assistant", "a"), msg("user", "sum up")}})); id.Side {
			t.Error("what goes on from the conversation is no side call")
		}
	}
}

func TestEdges(t *testing.T) {
	f := New(Options{})
	t.Run("nobody reads the body", func(t *testing.T) {
		x := &filters.Exchange{Fields: fields("x-session-id", "A"), Route: wire.Route{Dialect: wire.Chat, Op: wire.Get}}
		s, err := f.Open(context.Background(), x)
		if s != nil || err != nil || x.Identity.Session != "A" {
			t.Error(s, err, x.Identity)
		}
	})
	t.Run("closed before it was resolved", func(t *testing.T) {
		x := &filters.Exchange{Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}}
		flow, err := filters.NewChain(f).Open(context.Background(), x)
		if err != nil || flow.Close(filters.ErrAgentGone) != nil || x.RunLater() != nil {
			t.Error(err)
		}
	})
	t.Run("no view", func(t *testing.T) {
		x := &filters.Exchange{Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}}
		flow, _ := filters.NewChain(f).Open(context.Background(), x)
		flow.SetSink(sink{})
		if err := x.RunLater(); err != nil {
			t.Error(err)
		}
		if err := flow.Emit(filters.Event{Data: []byte(chatCall("c", "{}")), Body: true}); err != nil {
			t.Error(err)
		}
		if _, err := flow.End(); err != nil {
			t.Error(err)
		}
		if err := flow.Close(nil); err != nil {
			t.Error(err)
		}
	})
	t.Run("no messages", func(t *testing.T) {
		a := newAgent(t, f, wire.Chat)
		one, two := a.one(`{"messages":[]}`), a.one(`{"model":"m"}`)
		differ(t, "session", one.Session, two.Session)
		if one.Session == "" {
			t.Error("no session")
		}
	})
	t.Run("no tools, no events", func(t *testing.T) {
		k := newAgent(t, f, wire.Chat).ask(`{"messages":[{"role":"user","content":"u"}]}`)
		if k.flow.Wants() {
			t.Error("events of an answer without tools are of no interest")
		}
	})
}
