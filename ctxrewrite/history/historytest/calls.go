package historytest

import (
	"encoding/json"
	"fmt"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

var toolNames = []string{"read_file", "run_command", "search", "get_order"}

// A call is one call of a turn, and its result.
type call struct {
	id, name, args string
	kind           string // responses: the type of the item without _call
	out            text
	fail, open     bool // the result is an error; it has not come
}

// calls writes a turn with calls and their results; in flight, some results are missing.
func (g *generator) calls(inFlight bool) {
	g.turns++
	n := pick(g, 1, 1, 1, 2, 3, 6)
	if g.d == wire.Chat && g.oldCalls() {
		g.oldCall(inFlight)
		g.spoke(caller)
		return
	}
	all := make([]call, n)
	for k := range all {
		args, _ := json.Marshal(map[string]string{"path": "/srv/" + g.number(), "note": phrases[g.r.IntN(len(phrases))]})
		all[k] = call{
			id: g.ids(g.turns, k), name: pick(g, toolNames...), args: string(args), out: g.output(), fail: g.one(8),
			open: inFlight && (k == n-1 || g.one(2)), kind: pick(g, "function", "function", "function", "custom_tool", "local_shell", "shell"),
		}
	}
	switch g.d {
	case wire.Chat:
		g.chatCalls(all)
	case wire.Responses:
		g.itemCalls(all)
	case wire.Messages:
		g.blockCalls(all)
	}
	g.spoke(caller)
}

func (g *generator) chatCalls(all []call) {
	m := object{{"role", "assistant"}}
	switch g.r.IntN(4) {
	case 0:
		m = m.with("content", nil)
	case 1:
		m = m.with("content", "")
	case 2:
		m = m.with("content", g.content(assistant, g.speak(1)))
	}
	if g.thinks && (g.p.ReasoningContent || !g.p.Closed) {
		m = m.with("reasoning_content", "Let me think about it.")
	}
	var calls []any
	for k, c := range all {
		o := object{{"id", c.id}, {"type", "function"}, {"function", object{{"name", c.name}, {"arguments", c.args}}}}
		if k == 0 && g.thinks && g.p.ThoughtSignature {
			o = o.with("extra_content", object{{"google", object{{"thought_signature", "CiQB" + g.number()}}}})
		}
		calls = append(calls, o)
	}
	g.add(m.with("tool_calls", calls))
	g.r.Shuffle(len(all), func(i, j int) {
		if g.one(2) {
			all[i], all[j] = all[j], all[i]
		}
	})
	for _, c := range all {
		if !c.open {
			m := object{{"role", "tool"}, {"tool_call_id", c.id}, {"content", g.content(caller, c.out)}}
			if g.extras {
				m = m.with("tool_name", c.name).with("name", c.name)
			}
			g.add(m)
		}
	}
}

// oldCalls reports whether this turn uses chat's function_call, which has no ids.
func (g *generator) oldCalls() bool {
	return !g.p.CallAfterUser && !g.p.NonEmpty && !g.p.Alternate && g.one(25)
}

func (g *generator) oldCall(inFlight bool) {
	g.add(object{
		{"role", "assistant"}, {"content", nil}, {"function_call", object{{"name", "search"}, {"arguments", "{}"}}},
	})
	if !inFlight {
		g.add(object{{"role", "function"}, {"name", "search"}, {"content", g.use(len(g.messages), caller, g.output())}})
	}
}

// itemCalls writes the items of a responses turn: outputs behind all calls, or each behind its own.
func (g *generator) itemCalls(all []call) {
	g.reasoning()
	if g.one(4) && !(g.p.Alternate && g.talk == assistant) {
		g.message(g.speak(1))
	}
	each := g.one(4)
	for _, c := range all {
		g.add(g.callItem(c))
		if each && !c.open {
			g.add(g.outputItem(c))
		}
	}
	if each {
		return
	}
	for _, c := range all {
		if !c.open {
			g.add(g.outputItem(c))
		}
	}
}

func (g *generator) callItem(c call) object {
	o := object{{"type", c.kind + "_call"}, {"call_id", c.id}}
	switch c.kind {
	case "custom_tool":
		o = o.with("name", "exec").with("input", "tools.exec_command({cmd: \"ls\"})")
	case "local_shell":
		o = o.with("action", object{{"type", "exec"}, {"command", []any{"bash", "-lc", "ls"}}}).with("status", "completed")
	case "shell":
		o = o.with("action", object{{"commands", []any{"ls -l"}}, {"timeout_ms", 1000}})
	default:
		o = o.with("name", c.name).with("arguments", c.args)
	}
	if g.one(2) {
		o = o.with("id", "fc_"+g.number())
	}
	return o
}

func (g *generator) outputItem(c call) object {
	key := "call_id"
	if c.kind == "local_shell" {
		key = "id" // as openai-agents sends it
	}
	s := g.use(len(g.messages), caller, c.out)
	var out any = s
	switch {
	case c.kind == "shell":
		out = []any{object{{"stdout", s}, {"stderr", ""}, {"outcome", object{{"type", "exit"}, {"exit_code", 0}}}}}
	case g.parts:
		out = []any{object{{"type", "input_text"}, {"text", s}}}
	}
	return object{{"type", c.kind + "_call_output"}, {key, c.id}, {"output", out}}
}

// blockCalls writes the two messages of a turn of the messages dialect.
func (g *generator) blockCalls(all []call) {
	var said []any
	if g.thinks {
		said = g.thought()
	}
	if g.one(2) {
		said = append(said, object{{"type", "text"}, {"text", g.use(len(g.messages), assistant, g.speak(1))}})
	}
	for _, c := range all {
		var input any = object{{"path", "/srv/" + g.number()}}
		said = append(said, object{{"type", "tool_use"}, {"id", c.id}, {"name", c.name}, {"input", input}})
	}
	g.add(object{{"role", "assistant"}, {"content", said}})
	var got []any
	for _, c := range all {
		if !c.open {
			got = append(got, g.resultBlock(c))
		}
	}
	if len(got) == 0 {
		return
	}
	if g.one(5) { // what the user typed meanwhile, or a reminder
		got = append(got, object{{"type", "text"}, {"text", g.use(len(g.messages), user, g.speak(1))}})
	}
	g.add(object{{"role", "user"}, {"content", got}})
}

func (g *generator) resultBlock(c call) object {
	o := object{{"type", "tool_result"}, {"tool_use_id", c.id}}
	if c.out.s != "" || g.one(2) {
		s := g.use(len(g.messages), caller, c.out)
		if g.parts && s != "" {
			o = o.with("content", []any{object{{"type", "text"}, {"text", s}}, g.image()})
		} else {
			o = o.with("content", s)
		}
	}
	if c.fail {
		o = o.with("is_error", true)
	}
	if g.one(6) {
		o = o.with("cache_control", object{{"type", "ephemeral"}})
	}
	return o
}

// idStyle is how this agent, or the provider, names calls.
func (g *generator) idStyle() func(turn, k int) string {
	styles := []func(turn, k int) string{
		func(turn, k int) string { return fmt.Sprintf("call_%08x%04d%02d", g.r.Uint32(), turn, k) },
		func(turn, k int) string { return fmt.Sprintf("toolu_%04dé/%02d", turn, k) },
	}
	switch {
	case g.p == history.Mistral: // nine letters or digits
		styles = []func(turn, k int) string{func(turn, k int) string { return fmt.Sprintf("c%06d%02d", turn, k) }}
	case !g.p.UniqueIDs && (g.d != wire.Responses || !g.p.Closed):
		styles = append(styles, func(_, k int) string { return fmt.Sprintf("call_%d", k) })
	}
	return pick(g, styles...)
}
