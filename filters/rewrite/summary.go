package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// backgroundClass is the class in which summaries are asked for.
const backgroundClass = "background"

// background is how the engine may ask a model for x, in its dialect: the one of that name, "" for its own; nil when it may not.
func background(x *filters.Exchange, model string) ctxrewrite.Background {
	if x.Background == nil {
		return nil
	}
	return func(job func(ctx context.Context, ask summary.Ask)) error {
		w := writer{dialect: x.Route.Dialect, model: model}
		if w.model == "" {
			w.model = x.View.ModelName()
		}
		return x.Background(backgroundClass, func(ctx context.Context, call filters.Caller) {
			job(ctx, func(ctx context.Context, p summary.Prompt) (string, error) { return w.ask(ctx, call, &p) })
		})
	}
}

// A writer is a model that writes.
type writer struct {
	dialect wire.Dialect
	model   string // "": the request's path says
}

// newLimit is chat's other name of max_tokens, which OpenAI's reasoning models demand and others do not know.
const newLimit = "max_completion_tokens"

// ask makes the call, and once more when the model wants the other name of the limit.
func (w *writer) ask(ctx context.Context, call filters.Caller, p *summary.Prompt) (string, error) {
	status, answer, err := call(ctx, w.dialect, w.request(p, "max_tokens"))
	if err == nil && status == 400 && w.dialect == wire.Chat && bytes.Contains(answer, []byte(newLimit)) {
		status, answer, err = call(ctx, w.dialect, w.request(p, newLimit))
	}
	if err != nil {
		return "", err
	}
	if status != 200 {
		return "", fmt.Errorf("the model's answer has status %d", status)
	}
	return w.text(answer)
}

// request is the body in the dialect.
func (w *writer) request(p *summary.Prompt, limit string) []byte {
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
	if w.model != "" {
		text("model", w.model)
	}
	messages, system := "messages", ""
	switch w.dialect {
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

var errNoText = errors.New("the model's answer holds no text")

// text is what the model wrote.
func (w *writer) text(answer []byte) (string, error) {
	if !gjson.ValidBytes(answer) {
		return "", errNoText
	}
	root := gjson.ParseBytes(answer)
	var content, why gjson.Result
	switch w.dialect {
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
		return "", summary.ErrLength
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
