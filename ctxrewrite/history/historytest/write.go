package historytest

import "github.com/trapgate/trapgate/internal/wire"

// say writes a message without calls.
func (g *generator) say(who speaker) {
	t := g.speak(1 + g.r.IntN(4))
	if !g.p.NonEmpty && who != system && g.one(12) {
		t = text{}
	}
	g.write(who, t)
}

// write appends a message with this text.
func (g *generator) write(who speaker, t text) {
	defer g.spoke(who)
	role := map[speaker]string{system: pick(g, "system", "developer"), user: "user", assistant: "assistant"}[who]
	if g.d == wire.Messages && who == system {
		role = "system"
	}
	if who == assistant {
		g.answer(t)
		return
	}
	m := object{{"role", role}, {"content", g.content(who, t)}}
	if g.d == wire.Responses && g.one(2) {
		m = append(object{{"type", "message"}}, m...)
	}
	g.add(m)
}

// answer appends what the model says without calls.
func (g *generator) answer(t text) {
	switch g.d {
	case wire.Chat:
		m := object{{"role", "assistant"}, {"content", g.content(assistant, t)}}
		if g.one(5) {
			m = m.with("refusal", nil).with("annotations", []any{}).with("audio", nil).with("function_call", nil)
		}
		g.add(m)
	case wire.Messages:
		content := g.content(assistant, t)
		if blocks, ok := content.([]any); ok && g.thinks {
			content = append(g.thought(), blocks...)
		} else if g.thinks {
			content = append(g.thought(), object{{"type", "text"}, {"text", content}})
		}
		g.add(object{{"role", "assistant"}, {"content", content}})
	case wire.Responses:
		g.reasoning()
		if g.one(6) {
			g.add(object{{"type", "web_search_call"}, {"id", "ws_" + g.number()}, {"status", "completed"}})
		}
		g.message(t)
	}
}

// message appends a responses message of the assistant.
func (g *generator) message(t text) {
	g.add(object{
		{"type", "message"},
		{"role", "assistant"},
		{"id", "msg_" + g.number()},
		{"status", "completed"},
		{"content", []any{object{
			{"type", "output_text"}, {"text", g.use(len(g.messages), assistant, t)}, {"annotations", []any{}},
		}}},
	})
}

// content is a text in one of the forms of the dialect: a string, or parts, with an image perhaps.
func (g *generator) content(who speaker, t text) any {
	s := g.use(len(g.messages), who, t)
	if !g.parts || g.one(3) {
		return s
	}
	typ := "text"
	if g.d == wire.Responses {
		typ = "input_text"
	}
	part := object{{"type", typ}, {"text", s}}
	if g.d != wire.Responses && g.one(4) {
		part = part.with("cache_control", object{{"type", "ephemeral"}})
	}
	all := []any{part}
	if g.one(3) {
		all = append(all, object{{"type", typ}, {"text", g.use(len(g.messages), who, g.speak(1))}})
	}
	if who == user && g.one(4) {
		all = append(all, g.image())
	}
	return all
}

func (g *generator) image() object {
	const data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
	switch g.d {
	case wire.Responses:
		return object{{"type", "input_image"}, {"image_url", "data:image/png;base64," + data}}
	case wire.Messages:
		return object{{"type", "image"}, {"source", object{{"type", "base64"}, {"media_type", "image/png"}, {"data", data}}}}
	}
	return object{{"type", "image_url"}, {"image_url", object{{"url", "data:image/png;base64," + data}}}}
}

// thought is the thinking that a turn of the messages dialect begins with.
func (g *generator) thought() []any {
	if g.one(6) {
		return []any{object{{"type", "redacted_thinking"}, {"data", "EmwK" + g.number()}}}
	}
	return []any{object{
		{"type", "thinking"}, {"thinking", "I must never say this aloud."}, {"signature", "ErUB" + g.number()},
	}}
}

// reasoning appends the reasoning item that leads to what follows.
func (g *generator) reasoning() {
	if !g.thinks {
		return
	}
	g.add(object{
		{"type", "reasoning"}, {"id", "rs_" + g.number()}, {"summary", []any{}}, {"encrypted_content", "gAAAA" + g.number()},
	})
}

// add appends a whole message.
func (g *generator) add(m object) {
	if g.extras && g.one(2) {
		m = m.with("x_meta", object{{"sender", "agent-7"}, {"at", 1700000000 + g.r.IntN(1000)}, {"none", nil}})
	}
	if g.how == wild {
		g.r.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
	}
	g.messages = append(g.messages, m)
}

// body is the whole request.
func (g *generator) body() object {
	b := object{{"model", "model-1"}, {"stream", g.one(2)}}
	switch g.d {
	case wire.Responses:
		b = b.with("input", g.messages).with("store", false).with("tools", g.tools())
		for _, t := range g.system {
			b = b.with("instructions", g.use(-1, system, t))
		}
	case wire.Messages:
		b = b.with("messages", g.messages).with("max_tokens", 4096).with("system", g.systemMember()).with("tools", g.tools())
		if g.thinks {
			b = b.with("thinking", object{{"type", "enabled"}, {"budget_tokens", 2048}})
		}
	default:
		b = b.with("messages", g.messages).with("tools", g.tools()).with("tool_choice", nil)
	}
	g.r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

// systemMember is the member `system` of the messages dialect.
func (g *generator) systemMember() any {
	if len(g.system) == 1 && g.one(2) {
		return g.use(-1, system, g.system[0])
	}
	var blocks []any
	for _, t := range g.system {
		blocks = append(blocks, object{
			{"type", "text"}, {"text", g.use(-1, system, t)}, {"cache_control", object{{"type", "ephemeral"}}},
		})
	}
	return blocks
}

// tools declares what is called.
func (g *generator) tools() []any {
	schema := object{{"type", "object"}, {"properties", object{{"path", object{{"type", "string"}}}}}}
	var all []any
	for _, name := range toolNames {
		switch g.d {
		case wire.Responses:
			all = append(all, object{{"type", "function"}, {"name", name}, {"parameters", schema}})
		case wire.Messages:
			all = append(all, object{{"name", name}, {"input_schema", schema}})
		default:
			all = append(all, object{{"type", "function"}, {"function", object{{"name", name}, {"parameters", schema}}}})
		}
	}
	return all
}
