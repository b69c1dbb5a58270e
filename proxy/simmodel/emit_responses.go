package simmodel

import (
	"encoding/json"
	"time"
)

// responsesSink writes the events of the responses API.
type responsesSink struct {
	e       *eventWriter
	q       *request
	a       *answer
	created time.Time
	seq     int
	final   []byte // the response object of the terminal event
}

// ev starts an event; send closes it.
func (s *responsesSink) ev(typ string) []byte {
	b := append(append([]byte(`{"type":"`), typ...), `","sequence_number":`...)
	b = appendInt(b, s.seq)
	s.seq++
	return b
}

func (s *responsesSink) send(typ string, b []byte) { s.e.event(typ, append(b, '}')) }

func (s *responsesSink) at(typ string, i int, p *part) []byte {
	b := append(append(s.ev(typ), `,"item_id":"`...), p.id...)
	return appendInt(append(b, `","output_index":`...), i)
}

func (s *responsesSink) begin(usage) {
	s.e.head()
	for _, typ := range []string{"response.created", "response.in_progress"} {
		b := append(s.ev(typ), `,"response":`...)
		s.send(typ, append(b, s.q.responseObject(s.a, "in_progress", nil, s.created)...))
	}
}

func (s *responsesSink) item(typ string, i int, p *part, status string) {
	b := appendInt(append(s.ev(typ), `,"output_index":`...), i)
	s.send(typ, append(append(b, `,"item":`...), outputItem(p, status)...))
}

func (s *responsesSink) open(i int, p *part) {
	s.item("response.output_item.added", i, p, "in_progress")
	switch p.kind {
	case textPart:
		b := append(s.at("response.content_part.added", i, p), `,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}`...)
		s.send("response.content_part.added", b)
	case thinkPart:
		b := append(s.at("response.reasoning_summary_part.added", i, p), `,"summary_index":0,"part":{"type":"summary_text","text":""}`...)
		s.send("response.reasoning_summary_part.added", b)
	}
}

// deltaEvents are the events that carry a call's arguments; hosted shells have none.
var deltaEvents = map[string][2]string{
	"function": {"response.function_call_arguments", "arguments"},
	"custom":   {"response.custom_tool_call_input", "input"},
}

func (s *responsesSink) delta(i int, p *part, text string) {
	var typ, more string
	switch p.kind {
	case textPart:
		typ, more = "response.output_text.delta", `,"content_index":0`
	case thinkPart:
		typ, more = "response.reasoning_summary_text.delta", `,"summary_index":0`
	case callPart:
		ev, ok := deltaEvents[p.tool.kind]
		if !ok {
			return
		}
		typ = ev[0] + ".delta"
	}
	b := append(append(s.at(typ, i, p), more...), `,"delta":`...)
	b = appendQuoted(b, text)
	if p.kind == textPart {
		b = append(b, `,"logprobs":[]`...)
	}
	s.send(typ, b)
}

func (s *responsesSink) close(i int, p *part) {
	switch p.kind {
	case textPart:
		b := append(s.at("response.output_text.done", i, p), `,"content_index":0,"text":`...)
		s.send("response.output_text.done", append(appendQuoted(b, p.text), `,"logprobs":[]`...))
		b = append(s.at("response.content_part.done", i, p), `,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":`...)
		s.send("response.content_part.done", append(appendQuoted(b, p.text), '}'))
	case thinkPart:
		b := append(s.at("response.reasoning_summary_text.done", i, p), `,"summary_index":0,"text":`...)
		s.send("response.reasoning_summary_text.done", appendQuoted(b, p.text))
		b = append(s.at("response.reasoning_summary_part.done", i, p), `,"summary_index":0,"part":{"type":"summary_text","text":`...)
		s.send("response.reasoning_summary_part.done", append(appendQuoted(b, p.text), '}'))
	case callPart:
		if ev, ok := deltaEvents[p.tool.kind]; ok {
			typ := ev[0] + ".done"
			b := append(append(append(s.at(typ, i, p), `,"`...), ev[1]...), `":`...)
			b = appendQuoted(b, p.text)
			if p.tool.kind == "function" {
				b = appendQuoted(append(b, `,"name":`...), p.tool.name)
			}
			s.send(typ, b)
		}
	}
	s.item("response.output_item.done", i, p, "completed")
}

func (s *responsesSink) end(a *answer, u usage) {
	typ := "response.completed"
	if a.finish == "length" {
		typ = "response.incomplete"
	}
	s.final = s.q.responseObject(a, finalStatus(a), &u, s.created)
	if s.e.f.has("no_done") {
		return
	}
	s.send(typ, append(append(s.ev(typ), `,"response":`...), s.final...))
}

func finalStatus(a *answer) string {
	if a.finish == "length" {
		return "incomplete"
	}
	return "completed"
}

// outputItem is one item of the output; in progress it is still empty.
func outputItem(p *part, status string) []byte {
	b := append(append([]byte(`{"id":"`), p.id...), `","type":"`...)
	done := status != "in_progress"
	text := p.text
	if !done {
		text = ""
	}
	switch {
	case p.kind == textPart:
		b = append(append(append(b, `message","status":"`...), status...), `","content":[`...)
		if done {
			b = append(appendQuoted(append(b, `{"type":"output_text","annotations":[],"logprobs":[],"text":`...), text), '}')
		}
		return append(b, `],"role":"assistant"}`...)
	case p.kind == thinkPart:
		b = append(b, `reasoning","summary":[`...)
		if done {
			b = append(appendQuoted(append(b, `{"type":"summary_text","text":`...), text), '}')
		}
		b = append(b, `],"encrypted_content":`...)
		return append(appendQuoted(b, signature(p)), '}')
	case p.tool.kind == "custom":
		b = append(append(append(b, `custom_tool_call","status":"`...), status...), `","input":`...)
		b = appendQuoted(b, text)
	case p.tool.kind == "function":
		b = append(append(append(b, `function_call","status":"`...), status...), `","arguments":`...)
		b = appendQuoted(b, text)
	default:
		b = append(append(append(b, p.tool.kind...), `_call","status":"`...), status...)
		b = append(append(b, `","action":`...), objectOf(p.text)...)
		return append(append(append(b, `,"call_id":"`...), p.callID...), `"}`...)
	}
	b = append(append(append(b, `,"call_id":"`...), p.callID...), `","name":`...)
	b = appendQuoted(b, p.tool.name)
	if p.tool.namespace != "" {
		b = appendQuoted(append(b, `,"namespace":`...), p.tool.namespace)
	}
	return append(b, '}')
}

// responseFields are the members of a response object that echo the request, with their defaults.
var responseFields = []struct{ name, def string }{
	{"instructions", "null"},
	{"max_output_tokens", "null"},
	{"max_tool_calls", "null"},
	{"metadata", "{}"},
	{"parallel_tool_calls", "true"},
	{"previous_response_id", "null"},
	{"prompt_cache_key", "null"},
	{"safety_identifier", "null"},
	{"store", "true"},
	{"temperature", "1.0"},
	{"text", `{"format":{"type":"text"},"verbosity":"medium"}`},
	{"tool_choice", `"auto"`},
	{"tools", "[]"},
	{"top_logprobs", "0"},
	{"top_p", "1.0"},
	{"truncation", `"disabled"`},
	{"user", "null"},
}

// responseObject is the response as events and GET show it. u is nil until it is complete.
func (q *request) responseObject(a *answer, status string, u *usage, created time.Time) []byte {
	b := append([]byte(`{"id":"resp_`), a.id...)
	b = appendInt(append(b, `","object":"response","created_at":`...), int(created.Unix()))
	b = append(append(append(b, `,"status":"`...), status...), `","background":`...)
	if q.resp.background {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	b = append(b, `,"error":null,"incomplete_details":`...)
	if status == "incomplete" {
		b = append(b, `{"reason":"max_output_tokens"}`...)
	} else {
		b = append(b, "null"...)
	}
	b = append(appendQuoted(append(b, `,"model":`...), q.model), `,"output":[`...)
	if u != nil {
		for i := range a.parts {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, outputItem(&a.parts[i], "completed")...)
		}
	}
	b = append(append(b, `],"reasoning":`...), q.reasoning()...)
	b = append(b, `,"service_tier":"default"`...)
	for _, f := range responseFields {
		b = append(append(append(b, `,"`...), f.name...), `":`...)
		if v, ok := q.resp.echo[f.name]; ok && string(v) != "null" {
			b = append(b, compact(v)...)
		} else {
			b = append(b, f.def...)
		}
	}
	b = append(b, `,"usage":`...)
	if u == nil {
		return append(b, `null}`...)
	}
	b = appendInt(append(b, `{"input_tokens":`...), u.prompt)
	b = appendInt(append(b, `,"input_tokens_details":{"cached_tokens":`...), u.cached)
	b = appendInt(append(b, `},"output_tokens":`...), u.output)
	b = appendInt(append(b, `,"output_tokens_details":{"reasoning_tokens":`...), u.reasoning)
	b = appendInt(append(b, `},"total_tokens":`...), u.prompt+u.output)
	return append(b, `}}`...)
}

func (q *request) reasoning() []byte {
	var r struct {
		Effort  json.RawMessage `json:"effort"`
		Summary json.RawMessage `json:"summary"`
	}
	json.Unmarshal(q.resp.echo["reasoning"], &r)
	null := json.RawMessage("null")
	if r.Effort == nil {
		r.Effort = null
	}
	if r.Summary == nil {
		r.Summary = null
	}
	return append(append(append(append([]byte(`{"effort":`), r.Effort...), `,"summary":`...), r.Summary...), '}')
}
