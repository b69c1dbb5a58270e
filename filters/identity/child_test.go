package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/wire"
)

const task = "Find out why the \"build\" fails,\nand say so in one line. Ünïcode \\ too."

// parts cuts s into pieces of n characters, as the deltas of a stream do.
func parts(s string, n int) (out []string) {
	r := []rune(s)
	for len(r) > n {
		out, r = append(out, string(r[:n])), r[n:]
	}
	return append(out, string(r))
}

// delegations are ways in which a model calls a tool with a task, by dialect. Each passes the answer of an open exchange.
func delegations() map[string]struct {
	dialect wire.Dialect
	answer  func(k *talk)
} {
	args := js(obj{"description": "build", "nested": obj{"list": arr{"x", obj{"prompt": task}}}})
	chunk := func(delta obj, finish any) string {
		return js(obj{"id": "c", "choices": arr{obj{"index": 0, "delta": delta, "finish_reason": finish}}})
	}
	type way = struct {
		dialect wire.Dialect
		answer  func(k *talk)
	}
	return map[string]way{
		"chat body": {wire.Chat, func(k *talk) { k.body(chatCall("call_p", args)) }},
		"chat stream": {wire.Chat, func(k *talk) {
			events := []string{chunk(obj{"role": "assistant", "content": nil}, nil)}
			events = append(events, chunk(obj{"tool_calls": arr{obj{"index": 0, "id": "call_p", "function": obj{"name": "task", "arguments": ""}}}}, nil))
			for _, p := range parts(args, 7) {
				events = append(events, chunk(obj{"tool_calls": arr{obj{"index": 0, "function": obj{"arguments": p}}}}, nil))
			}
			k.data(append(events, chunk(obj{}, "tool_calls"))...)
		}},
		"chat stream, two calls, no index": {wire.Chat, func(k *talk) {
			k.data(
				chunk(obj{"tool_calls": arr{obj{"id": "call_o", "function": obj{"name": "ls", "arguments": `{"path":"/"}`}}}}, nil),
				chunk(obj{"tool_calls": arr{obj{"id": "call_p", "function": obj{"name": "task", "arguments": args}}}}, nil),
				"[DONE]")
		}},
		"chat, old functions": {wire.Chat, func(k *talk) {
			k.data(chunk(obj{"function_call": obj{"name": "task", "arguments": args}}, nil), chunk(obj{}, "function_call"))
		}},
		"responses body": {wire.Responses, func(k *talk) {
			k.body(js(obj{"id": "resp_1", "output": arr{obj{"type": "function_call", "call_id": "call_p", "name": "task", "arguments": args}}}))
		}},
		"responses stream": {wire.Responses, func(k *talk) {
			k.data(`{"type":"response.created","response":{"id":"resp_1"}}`,
				js(obj{"type": "response.function_call_arguments.delta", "delta": args}),
				`{"type":"response.output_item.done","item":`+js(obj{"type": "function_call", "call_id": "call_p", "arguments": args})+`}`)
		}},
		"responses, custom tool with text": {wire.Responses, func(k *talk) {
			k.data(`{"type":"response.output_item.done","item":` +
				js(obj{"type": "custom_tool_call", "call_id": "call_p", "input": "spawn(" + task + ")"}) + `}`)
		}},
		"messages body": {wire.Messages, func(k *talk) {
			k.body(js(obj{"id": "msg_1", "content": arr{obj{"type": "text", "text": "so"}, obj{"type": "tool_use", "id": "call_p", "name": "Agent", "input": obj{"prompt": task}}}}))
		}},
		"messages stream": {wire.Messages, func(k *talk) {
			events := []string{
				`{"type":"message_start","message":{"id":"msg_1"}}`,
				`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
				`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"input_json_delta"}}`,
				`{"type":"content_block_stop","index":0}`,
				`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_p","name":"Agent","input":{}}}`,
			}
			for _, r := range parts(args, 20) {
				events = append(events, `{"type":"content_block_delta","index":1,"delta":`+js(obj{"type": "input_json_delta", "partial_json": r})+`}`)
			}
			k.data(append(events, `{"type":"content_block_stop","index":1}`)...)
		}},
	}
}

func dialectBody(d wire.Dialect, text string, more ...any) string {
	tools := arr{bash}
	if d != wire.Chat {
		tools = arr{obj{"type": "function", "name": "bash"}}
	}
	if d == wire.Responses {
		return js(obj{"model": "m", "input": append(arr{msg("user", text)}, more...), "tools": tools})
	}
	return js(obj{"model": "m", "messages": append(arr{msg("user", text)}, more...), "tools": tools})
}

// A request whose first user message stands in a call that has no result yet is the child of whoever got that call.
func TestChild(t *testing.T) {
	for name, way := range delegations() {
		t.Run(name, func(t *testing.T) {
			f := New(Options{})
			a := newAgent(t, f, way.dialect)
			parent := a.ask(dialectBody(way.dialect, "a big job"))
			way.answer(parent)
			// The agent may act before the stream has ended.
			child := a.one(dialectBody(way.dialect, task))
			same(t, "parent", child.Parent, parent.Session)
			same(t, "program", child.Program, parent.Program)
			differ(t, "session", child.Session, parent.Session)
			parent.ok()

			other := newAgent(t, f, way.dialect, "api-key", "k").one(dialectBody(way.dialect, task))
			same(t, "parent of another user", a.with("x-trapgate-user", "eve").one(dialectBody(way.dialect, task)).Parent, "")
			differ(t, "program of another tenant", other.Program, parent.Program)
			same(t, "parent of another tenant", other.Parent, "")
			same(t, "no child", a.one(dialectBody(way.dialect, "something else")).Parent, "")
			grandchild := a.ask(dialectBody(way.dialect, task))
			same(t, "parent of the second", grandchild.Parent, parent.Session)
			differ(t, "session of the second", grandchild.Session, child.Session)
		})
	}
}

// Once the parent has gone on, its calls are no longer open; nor are they when its answer failed, or after a while.
func TestChildOfClosedCall(t *testing.T) {
	args := js(obj{"prompt": task})
	first := msg("user", "a big job")
	ends := map[string]func(a *agent, c *clock, k *talk){
		"result sent": func(a *agent, _ *clock, k *talk) {
			k.body(chatCall("call_p", args)).ok()
			a.one(chat(first, calls("call_p", args), result("call_p", "it was the linker")))
		},
		"answer cut": func(_ *agent, _ *clock, k *talk) {
			k.body(chatCall("call_p", args)).close(errCut)
		},
		"long ago": func(_ *agent, c *clock, k *talk) {
			k.body(chatCall("call_p", args)).ok()
			c.now = c.now.Add(2 * time.Hour)
		},
		"too long": func(_ *agent, _ *clock, k *talk) {
			k.body(chatCall("call_p", js(obj{"prompt": task, "more": strings.Repeat("x", maxCallBytes)}))).ok()
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c := &clock{now: time.Unix(1e9, 0)}
			a := newAgent(t, New(Options{Now: c.Now}), wire.Chat)
			k := a.ask(chat(first))
			end(a, c, k)
			id := a.one(chat(msg("user", task)))
			same(t, "parent", id.Parent, "")
			differ(t, "program", id.Program, k.Program)
		})
	}
}

// A call that stands without a result in a history is open too.
func TestChildOfHistory(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	m := arr{msg("user", "a big job"), calls("call_p", js(obj{"prompt": task})), calls("call_q", "{}"), result("call_q", "x")}
	parent := a.one(chat(m...))
	child := a.one(chat(msg("user", task)))
	same(t, "parent", child.Parent, parent.Session)
	same(t, "program", child.Program, parent.Program)
}

// Two children with one task: equal bodies, one parent.
func TestTwinChildren(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	args := js(obj{"prompt": task})
	parent := a.ask(chat(msg("user", "a big job"))).body(chatCall("call_p", args)).ok()
	one, two := a.ask(chat(msg("user", task))), a.ask(chat(msg("user", task)))
	for _, k := range []*talk{one, two} {
		same(t, "program", k.Program, parent.Program)
		same(t, "parent", k.Parent, parent.Session)
	}
	differ(t, "session", one.Session, two.Session)
}

// Short texts stand in arguments by chance.
func TestStands(t *testing.T) {
	for _, c := range []struct {
		text, arg string
		want      bool
	}{
		{"ls", "ls", false},
		{"list", "list", true},
		{"list", "list the files", false},
		{"list the files", "please list the files now", true},
		{"list the files", "please list the file", false},
		{"", "", false},
	} {
		if got := stands([]byte(c.text), []byte(c.arg)); got != c.want {
			t.Errorf("stands(%q, %q) = %v", c.text, c.arg, got)
		}
	}
}

// What agents send is passed on as it is, whatever is in it.
func TestEventsPassUnchanged(t *testing.T) {
	for name, way := range delegations() {
		t.Run(name, func(t *testing.T) {
			k := newAgent(t, New(Options{}), way.dialect).ask(dialectBody(way.dialect, "go"))
			var got strings.Builder
			k.flow.SetSink(tape{&got})
			way.answer(k)
			k.data("", "[DONE", "[", "{", `{"error"`, `{"type":`, `{"type":"`, "\x00\xff", `{"choices":[{"delta":{"tool_calls":[null,1,{}]}}]}`)
			k.ok()
			same(t, "bytes", got.String(), k.sent.String())
			if got.Len() == 0 {
				t.Error("nothing came out")
			}
		})
	}
}
