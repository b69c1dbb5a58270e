package rewrite

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

var asked = summary.Prompt{System: "Write \"notes\".", User: "Of this:\n\\", MaxTokens: 800}

func TestSummaryRequest(t *testing.T) {
	for d, want := range map[wire.Dialect]string{
		wire.Chat:      `{"model":"m","max_tokens":800,"messages":[{"role":"system","content":"Write \"notes\"."},{"role":"user","content":"Of this:\n\\"}]}`,
		wire.Responses: `{"model":"m","store":false,"instructions":"Write \"notes\".","max_output_tokens":800,"input":[{"role":"user","content":"Of this:\n\\"}]}`,
		wire.Messages:  `{"model":"m","system":"Write \"notes\".","max_tokens":800,"messages":[{"role":"user","content":"Of this:\n\\"}]}`,
	} {
		w := writer{d, "m"}
		got := w.request(&asked, "max_tokens")
		if string(got) != want {
			t.Errorf("%s: %s", d, got)
		}
		v, err := wire.Acquire(d, got, wire.Limits{})
		if err != nil || v.MaxTokensValue() != 800 || v.ModelName() != "m" || v.Stream {
			t.Errorf("%s: %v", d, err)
		}
	}
	if got := (&writer{dialect: wire.Chat}).request(&asked, "max_tokens"); !strings.HasPrefix(string(got), `{"max_tokens":800,`) {
		t.Errorf("without a model: %s", got)
	}
}

func TestSummaryText(t *testing.T) {
	for _, tt := range []struct {
		d            wire.Dialect
		answer, want string
		err          error
	}{
		{wire.Chat, `{"choices":[{"message":{"content":"no\ntes"},"finish_reason":"stop"}]}`, "no\ntes", nil},
		{wire.Chat, `{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"x"},{"type":"text","text":"b"}]}}]}`, "ab", nil},
		{wire.Chat, `{"choices":[{"message":{"content":"half"},"finish_reason":"length"}]}`, "", summary.ErrLength},
		{wire.Chat, `{"choices":[{"message":{"content":null}}]}`, "", errNoText},
		{wire.Chat, `{"choices":[{`, "", errNoText},
		{wire.Responses, `{"status":"completed","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"notes"}]}]}`, "notes", nil},
		{wire.Responses, `{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`, "", summary.ErrLength},
		{wire.Messages, `{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"notes"}],"stop_reason":"end_turn"}`, "notes", nil},
		{wire.Messages, `{"content":[{"type":"text","text":"no"}],"stop_reason":"max_tokens"}`, "", summary.ErrLength},
		{wire.Messages, `{"type":"error"}`, "", errNoText},
	} {
		w := writer{dialect: tt.d}
		if got, err := w.text([]byte(tt.answer)); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", tt.answer, got, err)
		}
	}
}

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
