package rewrite

import (
	"context"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

var asked = summary.Prompt{System: "Write \"notes\".", User: "Of this:\n\\", MaxTokens: 800}

// The model's name is the one of the exchange unless another is configured, and a model that wants the limit by its other name
// gets it.
func TestSummaryCaller(t *testing.T) {
	v, err := wire.Acquire(wire.Chat, []byte(`{"model":"own","messages":[]}`), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	class := ""
	status, answer := 200, `{"choices":[{"message":{"content":"notes"}}]}`
	x := &filters.Exchange{View: v, Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}}
	if background(x, "") != nil {
		t.Error("a host that makes no background calls is asked for them")
	}
	x.Background = func(c string, f func(ctx context.Context, call filters.Caller)) error {
		class = c
		f(context.Background(), func(_ context.Context, d wire.Dialect, body []byte) (int, []byte, error) {
			bodies = append(bodies, string(body))
			if strings.Contains(string(body), `"model":"picky"`) && strings.Contains(string(body), `"max_tokens"`) {
				return 400, []byte(`{"error":{"message":"Use 'max_completion_tokens' instead."}}`), nil
			}
			return status, []byte(answer), nil
		})
		return nil
	}
	run := func(model string) (text string, err error) {
		bodies = nil
		if err := background(x, model)(func(ctx context.Context, ask summary.Ask) { text, err = ask(ctx, asked) }); err != nil {
			t.Fatal(err)
		}
		return text, err
	}
	if text, err := run(""); text != "notes" || err != nil || class != "background" || !strings.Contains(bodies[0], `"model":"own"`) {
		t.Errorf("%q, %v: %s", text, err, bodies)
	}
	if text, err := run("picky"); text != "notes" || err != nil || len(bodies) != 2 || !strings.Contains(bodies[1], `"max_completion_tokens":800`) {
		t.Errorf("%q, %v: %s", text, err, bodies)
	}
	status, answer = 404, `{"error":{"message":"a secret of the answer"}}`
	if text, err := run(""); text != "" || err == nil || strings.Contains(err.Error(), "secret") || len(bodies) != 1 {
		t.Errorf("%q, %v: %s", text, err, bodies)
	}
}
