package simmodel

import (
	"bytes"
	"encoding/json"
	"strings"
)

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
		Custom struct {
			Name  string `json:"name"`
			Input string `json:"input"`
		} `json:"custom"`
	} `json:"tool_calls"`
}

type toolDecl struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Parameters  json.RawMessage `json:"parameters"`
	InputSchema json.RawMessage `json:"input_schema"`
	Function    *toolDecl       `json:"function"`
	Custom      *toolDecl       `json:"custom"`
	Tools       []toolDecl      `json:"tools"`
}

// collect appends the tools of a declaration, also those inside a namespace.
func (t *toolDecl) collect(namespace string, out []tool) []tool {
	switch {
	case t.Type == "namespace":
		for i := range t.Tools {
			out = t.Tools[i].collect(t.Name, out)
		}
		return out
	case t.Function != nil:
		return append(out, tool{name: t.Function.Name, namespace: namespace, kind: "function", schema: t.Function.Parameters})
	case t.Custom != nil:
		return append(out, tool{name: t.Custom.Name, namespace: namespace, kind: "custom"})
	}
	schema := t.Parameters
	if len(t.InputSchema) > 0 {
		schema = t.InputSchema
	}
	kind := t.Type
	if kind == "" || kind == "custom" && len(t.InputSchema) > 0 {
		kind = "function" // messages: a tool with a schema of its own
	}
	name := t.Name
	if name == "" {
		name = kind
	}
	return append(out, tool{name: name, namespace: namespace, kind: kind, schema: schema})
}

type chatBody struct {
	Model         string          `json:"model"`
	Messages      []chatMessage   `json:"messages"`
	Prompt        json.RawMessage `json:"prompt"`
	Stream        bool            `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	N                   *int            `json:"n"`
	Stop                json.RawMessage `json:"stop"`
	Tools               []toolDecl      `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      *struct {
		Type       string `json:"type"`
		JSONSchema *struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

func decodeBody(body []byte, v any) *apiError {
	if err := json.Unmarshal(body, v); err != nil {
		if te, ok := err.(*json.UnmarshalTypeError); ok {
			return bad(te.Field, "Invalid type for '%s': got %s.", te.Field, te.Value)
		}
		return bad("", "We could not parse the JSON body of your request: %v", err)
	}
	return nil
}

func parseChat(body []byte, d dialect) (*request, *apiError) {
	var c chatBody
	if err := decodeBody(body, &c); err != nil {
		return nil, err
	}
	if c.Model == "" {
		return nil, bad("model", "you must provide a model parameter")
	}
	if c.N != nil && *c.N != 1 {
		return nil, bad("n", "This simulated model gives one choice only (n=%d).", *c.N)
	}
	q := &request{dialect: d, body: body, model: c.Model, stream: c.Stream}
	q.includeUsage = c.StreamOptions != nil && c.StreamOptions.IncludeUsage
	if c.StreamOptions != nil && !c.Stream {
		return nil, bad("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	for _, p := range []*int{c.MaxTokens, c.MaxCompletionTokens} {
		if p != nil {
			if *p < 1 {
				return nil, bad("max_tokens", "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got %d instead.", *p)
			}
			q.max = *p
		}
	}
	q.stop = parseStop(c.Stop)
	q.noParallel = c.ParallelToolCalls != nil && !*c.ParallelToolCalls
	for i := range c.Tools {
		q.tools = c.Tools[i].collect("", q.tools)
	}
	q.parseChoice(c.ToolChoice)
	if f := c.ResponseFormat; f != nil {
		switch {
		case f.JSONSchema != nil:
			q.schema = f.JSONSchema.Schema
		case f.Type == "json_object":
			q.schema = json.RawMessage(`{"type":"object"}`)
		}
	}
	if d == completions {
		text, err := contentText(c.Prompt)
		if ids := []int(nil); err != nil && json.Unmarshal(c.Prompt, &ids) == nil {
			text, err = string(c.Prompt), nil
		}
		if err != nil {
			return nil, bad("prompt", "Invalid type for 'prompt'.")
		}
		q.turns = []turn{{role: "user", text: text}}
		return q, nil
	}
	return q, q.chatTurns(c.Messages)
}

func (q *request) chatTurns(msgs []chatMessage) *apiError {
	for i := range msgs {
		m := &msgs[i]
		text, err := contentText(m.Content)
		if err != nil {
			return bad("messages", "Invalid value for 'messages[%d].content': %v", i, err)
		}
		t := turn{role: m.Role, text: text}
		for _, c := range m.ToolCalls {
			if c.Type == "custom" {
				t.calls = append(t.calls, callRef{c.ID, c.Custom.Name, c.Custom.Input, "custom"})
			} else {
				t.calls = append(t.calls, callRef{c.ID, c.Function.Name, c.Function.Arguments, "function"})
			}
		}
		if m.Role == "tool" {
			t.results = []resultRef{{m.ToolCallID, text}}
			t.text = ""
		}
		q.turns = append(q.turns, t)
	}
	return nil
}

func parseStop(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	json.Unmarshal(raw, &many)
	return many
}

// parseChoice reads tool_choice in all its spellings.
func (q *request) parseChoice(raw json.RawMessage) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return
	}
	if raw[0] == '"' {
		q.choice = strings.Trim(string(raw), `"`)
		return
	}
	var c struct {
		Type     string `json:"type"`
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
		DisableParallel bool `json:"disable_parallel_tool_use"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	q.noParallel = q.noParallel || c.DisableParallel
	switch c.Type {
	case "auto", "none":
		q.choice = c.Type
	case "any":
		q.choice = "required"
	case "function", "tool", "custom":
		q.choice, q.choiceName = "required", c.Name+c.Function.Name
	}
}
