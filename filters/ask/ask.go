// Package ask is how filters put a question of their own to a model, in its dialect, through filters.Exchange.Background.
package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// Class is the class in which models are asked.
const Class = "background"

// A Prompt is what a model is asked.
type Prompt struct {
	System, User string
	MaxTokens    int // of the answer
}

// A Model is who is asked, and in which words.
type Model struct {
	Dialect wire.Dialect
	Name    string // "": the request's path says
}

// Of is the model of an exchange, or, unless the name is "", another one in its dialect.
func Of(x *filters.Exchange, name string) Model {
	if name == "" {
		name = x.View.ModelName()
	}
	return Model{x.Route.Dialect, strings.Clone(name)}
}

// What an answer may lack.
var (
	ErrLength = errors.New("the model had more to write than it was allowed to")
	errNoText = errors.New("the model's answer holds no text")
)

// newLimit is chat's other name of max_tokens, which OpenAI's reasoning models demand and others do not know.
const newLimit = "max_completion_tokens"

// Ask makes the call, and once more when the model wants the other name of the limit, and returns the text of the answer. An answer
// that was cut off at MaxTokens is ErrLength. No error holds words of an answer.
func (m Model) Ask(ctx context.Context, call filters.Caller, p *Prompt) (string, error) {
	status, answer, err := call(ctx, m.Dialect, m.request(p, "max_tokens"))
	if err == nil && status == 400 && m.Dialect == wire.Chat && bytes.Contains(answer, []byte(newLimit)) {
		status, answer, err = call(ctx, m.Dialect, m.request(p, newLimit))
	}
	if err != nil {
		return "", err
	}
	if status != 200 {
		return "", fmt.Errorf("the model's answer has status %d", status)
	}
	return m.text(answer)
}

// request is the body in the dialect.
func (m Model) request(p *Prompt, limit string) []byte {
	b := []byte{'{'}
	member := func(name string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
	}
	text := func(name, value string) {
		member(name)
		b = wire.Quote(b, value)
	}
	if m.Name != "" {
		text("model", m.Name)
	}
	messages, system := "messages", ""
	switch m.Dialect {
	case wire.Responses:
		limit, messages = "max_output_tokens", "input"
		member("store")
		b = append(b, "false"...)
		text("instructions", p.System)
	case wire.Messages:
		limit = "max_tokens"
		text("system", p.System)
	default:
		system = `{"role":"system","content":` + string(wire.Quote(nil, p.System)) + `},`
	}
	member(limit)
	b = strconv.AppendInt(b, int64(p.MaxTokens), 10)
	member(messages)
	b = append(append(append(b, '['), system...), `{"role":"user","content":`...)
	return append(wire.Quote(b, p.User), `}]}`...)
}

// text is what the model wrote.
func (m Model) text(answer []byte) (string, error) {
	if !gjson.ValidBytes(answer) {
		return "", errNoText
	}
	root := gjson.ParseBytes(answer)
	var content, why gjson.Result
	switch m.Dialect {
	case wire.Responses:
		why = root.Get("incomplete_details.reason")
		content = root.Get(`output.#(type=="message").content`)
	case wire.Messages:
		why, content = root.Get("stop_reason"), root.Get("content")
	default:
		why, content = root.Get("choices.0.finish_reason"), root.Get("choices.0.message.content")
	}
	switch why.String() {
	case "length", "max_tokens", "max_output_tokens":
		return "", ErrLength
	}
	if content.Type == gjson.String {
		return content.String(), nil
	}
	var b strings.Builder
	for _, part := range content.Array() {
		if kind := part.Get("type").String(); kind == "text" || kind == "output_text" {
			b.WriteString(part.Get("text").String())
		}
	}
	if b.Len() == 0 {
		return "", errNoText
	}
	return b.String(), nil
}
