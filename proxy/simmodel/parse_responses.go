package simmodel

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A respRequest keeps what the responses dialect echoes and stores.
type respRequest struct {
	store      bool
	background bool
	previous   string
	echo       map[string]json.RawMessage // top-level fields as sent
	items      []json.RawMessage          // input of this request alone
	history    []json.RawMessage          // with what came before it
}

type respItem struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Namespace string          `json:"namespace"`
	Arguments string          `json:"arguments"`
	Input     json.RawMessage `json:"input"`
	Action    json.RawMessage `json:"action"`
	Output    json.RawMessage `json:"output"`
	Summary   json.RawMessage `json:"summary"`
	Tools     []toolDecl      `json:"tools"`
}

func parseResponses(body []byte, past *respStore) (*request, *apiError) {
	var echo map[string]json.RawMessage
	if err := decodeBody(body, &echo); err != nil {
		return nil, err
	}
	var c struct {
		Model             string          `json:"model"`
		Input             json.RawMessage `json:"input"`
		Instructions      json.RawMessage `json:"instructions"`
		Stream            bool            `json:"stream"`
		Store             *bool           `json:"store"`
		Background        bool            `json:"background"`
		Previous          string          `json:"previous_response_id"`
		MaxOutputTokens   *int            `json:"max_output_tokens"`
		Tools             []toolDecl      `json:"tools"`
		ToolChoice        json.RawMessage `json:"tool_choice"`
		ParallelToolCalls *bool           `json:"parallel_tool_calls"`
		Text              *struct {
			Format *struct {
				Type   string          `json:"type"`
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"text"`
	}
	if err := decodeBody(body, &c); err != nil {
		return nil, err
	}
	if c.Model == "" {
		return nil, bad("model", "Missing required parameter: 'model'.")
	}
	q := &request{dialect: responses, body: body, model: c.Model, stream: c.Stream, includeUsage: true}
	q.resp = &respRequest{store: c.Store == nil || *c.Store, background: c.Background, previous: c.Previous, echo: echo}
	if c.MaxOutputTokens != nil {
		if q.max = *c.MaxOutputTokens; q.max < 1 {
			return nil, bad("max_output_tokens", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 1, but got %d instead.", q.max)
		}
	}
	q.noParallel = c.ParallelToolCalls != nil && !*c.ParallelToolCalls
	for i := range c.Tools {
		q.tools = c.Tools[i].collect("", q.tools)
	}
	q.parseChoice(c.ToolChoice)
	if c.Text != nil && c.Text.Format != nil {
		switch c.Text.Format.Type {
		case "json_schema":
			q.schema = c.Text.Format.Schema
		case "json_object":
			q.schema = json.RawMessage(`{"type":"object"}`)
		}
	}
	if text, err := contentText(c.Instructions); err != nil {
		return nil, bad("instructions", "Invalid 'instructions': %v", err)
	} else if text != "" {
		q.turns = append(q.turns, turn{role: "system", text: text})
	}
	if err := q.resp.readInput(c.Input, past); err != nil {
		return nil, err
	}
	return q, q.respTurns()
}

func (r *respRequest) readInput(input json.RawMessage, past *respStore) *apiError {
	input = bytes.TrimSpace(input)
	switch {
	case len(input) == 0 && r.previous == "":
		return bad("input", "Missing required parameter: 'input'.")
	case len(input) == 0:
	case input[0] == '"':
		item := append([]byte(`{"type":"message","role":"user","content":[{"type":"input_text","text":`), input...)
		r.items = []json.RawMessage{append(item, `}]}`...)}
	default:
		if err := json.Unmarshal(input, &r.items); err != nil {
			return bad("input", "Invalid type for 'input': expected a string or an array.")
		}
	}
	if r.previous != "" {
		before, ok := past.history(r.previous)
		if !ok {
			e := bad("previous_response_id", "Previous response with id '%s' not found.", r.previous)
			e.code = "previous_response_not_found"
			return e
		}
		r.history = append(r.history, before...)
	}
	for _, raw := range r.items {
		item, err := past.referred(raw)
		if err != nil {
			return err
		}
		r.history = append(r.history, item)
	}
	return nil
}

// respTurns folds items into turns: a run of the model's own items is one assistant turn, a run of outputs one tool turn.
func (q *request) respTurns() *apiError {
	for i, raw := range q.resp.history {
		var it respItem
		if err := json.Unmarshal(raw, &it); err != nil {
			return bad("input", "Invalid value for 'input[%d]': %v", i, err)
		}
		if err := q.addItem(i, &it); err != nil {
			return err
		}
	}
	return nil
}

func (q *request) addItem(i int, it *respItem) *apiError {
	switch {
	case it.Type == "additional_tools":
		for j := range it.Tools {
			q.tools = it.Tools[j].collect("", q.tools)
		}
	case it.Type == "" || it.Type == "message":
		text, err := contentText(it.Content)
		if err != nil {
			return bad("input", "Invalid value for 'input[%d].content': %v", i, err)
		}
		if it.Role == "assistant" {
			t := q.side("assistant")
			if t.text != "" {
				t.text += "\n"
			}
			t.text += text
			return nil
		}
		q.turns = append(q.turns, turn{role: it.Role, text: text})
	case strings.HasSuffix(it.Type, "_call_output"):
		text, err := contentText(it.Output)
		if err != nil {
			text = string(it.Output)
		}
		id := it.CallID
		if id == "" {
			id = it.ID
		}
		t := q.side("tool")
		t.results = append(t.results, resultRef{id, text})
	case strings.HasSuffix(it.Type, "_call"):
		c := callRef{id: it.CallID, name: it.Name, args: it.Arguments, kind: strings.TrimSuffix(it.Type, "_call")}
		switch it.Type {
		case "custom_tool_call":
			c.args, _ = contentText(it.Input)
			c.kind = "custom"
		case "local_shell_call", "shell_call":
			c.name, c.args = c.kind, string(it.Action)
		case "function_call":
		default:
			c.kind = "hosted" // web_search_call and friends are not answered by the agent
		}
		if c.id == "" {
			c.id = it.ID
		}
		t := q.side("assistant")
		t.calls = append(t.calls, c)
	case it.Type == "reasoning":
		q.side("assistant") // opens or goes on with the model's turn; reasoning text is not rendered again
	}
	return nil
}

// side returns the last turn when it is of that role, else a new one.
func (q *request) side(role string) *turn {
	if n := len(q.turns); n == 0 || q.turns[n-1].role != role {
		q.turns = append(q.turns, turn{role: role})
	}
	return &q.turns[len(q.turns)-1]
}
