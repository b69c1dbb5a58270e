package simmodel

import (
	"bytes"
	"encoding/json"
	"net/http"
)

type messagesBody struct {
	Model         string          `json:"model"`
	System        json.RawMessage `json:"system"`
	MaxTokens     *int            `json:"max_tokens"`
	Stream        bool            `json:"stream"`
	StopSequences []string        `json:"stop_sequences"`
	Tools         []toolDecl      `json:"tools"`
	ToolChoice    json.RawMessage `json:"tool_choice"`
	Messages      []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	OutputFormat *struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"output_format"`
	OutputConfig *struct {
		Format *struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

type messagesBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
}

func parseMessages(body []byte, h http.Header, strict, count bool) (*request, *apiError) {
	var c messagesBody
	if err := decodeBody(body, &c); err != nil {
		return nil, err
	}
	switch {
	case strict && h.Get("anthropic-version") == "":
		return nil, bad("", "anthropic-version: header is required")
	case c.Model == "":
		return nil, bad("", "model: Field required")
	case c.MaxTokens == nil && !count:
		return nil, bad("", "max_tokens: Field required")
	case c.MaxTokens != nil && *c.MaxTokens < 1:
		return nil, bad("", "max_tokens: Input should be greater than or equal to 1")
	case len(c.Messages) == 0:
		return nil, bad("", "messages: at least one message is required")
	}
	q := &request{dialect: messages, body: body, model: c.Model, stream: c.Stream, includeUsage: true, stop: c.StopSequences}
	if c.MaxTokens != nil {
		q.max = *c.MaxTokens
	}
	q.marked = bytes.Contains(body, []byte(`"cache_control"`))
	for i := range c.Tools {
		q.tools = c.Tools[i].collect("", q.tools)
	}
	q.parseChoice(c.ToolChoice)
	switch {
	case c.OutputFormat != nil:
		q.schema = c.OutputFormat.Schema
	case c.OutputConfig != nil && c.OutputConfig.Format != nil:
		q.schema = c.OutputConfig.Format.Schema
	}
	system, err := contentText(c.System)
	if err != nil {
		return nil, bad("", "system: %v", err)
	}
	if system != "" {
		q.turns = append(q.turns, turn{role: "system", text: system})
	}
	for i := range c.Messages {
		t, err := messagesTurn(i, c.Messages[i].Role, c.Messages[i].Content, strict)
		if err != nil {
			return nil, err
		}
		q.turns = append(q.turns, t)
	}
	return q, nil
}

func messagesTurn(i int, role string, content json.RawMessage, strict bool) (turn, *apiError) {
	t := turn{role: role}
	content = bytes.TrimSpace(content)
	if len(content) == 0 || content[0] != '[' {
		text, err := contentText(content)
		if err != nil {
			return t, bad("", "messages.%d.content: %v", i, err)
		}
		t.text = text
		return t, nil
	}
	var blocks []json.RawMessage
	if err := json.Unmarshal(content, &blocks); err != nil {
		return t, bad("", "messages.%d.content: %v", i, err)
	}
	sep := func() {
		if t.text != "" {
			t.text += "\n"
		}
	}
	for j, raw := range blocks {
		var b messagesBlock
		if err := json.Unmarshal(raw, &b); err != nil {
			return t, bad("", "messages.%d.content.%d: %v", i, j, err)
		}
		switch b.Type {
		case "text":
			if b.Text == "" && strict {
				return t, bad("", "messages: text content blocks must be non-empty")
			}
			sep()
			t.text += b.Text
		case "tool_use":
			t.calls = append(t.calls, callRef{b.ID, b.Name, string(b.Input), "function"})
		case "tool_result":
			text, err := contentText(b.Content)
			if err != nil {
				return t, bad("", "messages.%d.content.%d.tool_result.content: %v", i, j, err)
			}
			if t.text != "" && strict {
				return t, badHistory("", "messages.%d.content.%d: `tool_result` blocks must come before other content in a message", i, j)
			}
			t.results = append(t.results, resultRef{b.ToolUseID, text})
		default:
			text, err := partText(raw)
			if err != nil {
				return t, bad("", "messages.%d.content.%d: %v", i, j, err)
			}
			sep()
			t.text += text
		}
	}
	return t, nil
}
