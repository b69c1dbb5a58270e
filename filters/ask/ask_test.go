package ask

import (
	"errors"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/wire"
)

var asked = Prompt{System: "Write \"notes\".", User: "Of this:\n\\", MaxTokens: 800}

func TestRequest(t *testing.T) {
	for d, want := range map[wire.Dialect]string{
		wire.Chat:      `{"model":"m","max_tokens":800,"messages":[{"role":"system","content":"Write \"notes\"."},{"role":"user","content":"Of this:\n\\"}]}`,
		wire.Responses: `{"model":"m","store":false,"instructions":"Write \"notes\".","max_output_tokens":800,"input":[{"role":"user","content":"Of this:\n\\"}]}`,
		wire.Messages:  `{"model":"m","system":"Write \"notes\".","max_tokens":800,"messages":[{"role":"user","content":"Of this:\n\\"}]}`,
	} {
		w := Model{d, "m"}
		got := w.request(&asked, "max_tokens")
		if string(got) != want {
			t.Errorf("%s: %s", d, got)
		}
		v, err := wire.Acquire(d, got, wire.Limits{})
		if err != nil || v.MaxTokensValue() != 800 || v.ModelName() != "m" || v.Stream {
			t.Errorf("%s: %v", d, err)
		}
	}
	if got := (Model{Dialect: wire.Chat}).request(&asked, "max_tokens"); !strings.HasPrefix(string(got), `{"max_tokens":800,`) {
		t.Errorf("without a model: %s", got)
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		d            wire.Dialect
		answer, want string
		err          error
	}{
		{wire.Chat, `{"choices":[{"message":{"content":"no\ntes"},"finish_reason":"stop"}]}`, "no\ntes", nil},
		{wire.Chat, `{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"x"},{"type":"text","text":"b"}]}}]}`, "ab", nil},
		{wire.Chat, `{"choices":[{"message":{"content":"half"},"finish_reason":"length"}]}`, "", ErrLength},
		{wire.Chat, `{"choices":[{"message":{"content":null}}]}`, "", errNoText},
		{wire.Chat, `{"choices":[{`, "", errNoText},
		{wire.Responses, `{"status":"completed","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"notes"}]}]}`, "notes", nil},
		{wire.Responses, `{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`, "", ErrLength},
		{wire.Messages, `{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"notes"}],"stop_reason":"end_turn"}`, "notes", nil},
		{wire.Messages, `{"content":[{"type":"text","text":"no"}],"stop_reason":"max_tokens"}`, "", ErrLength},
		{wire.Messages, `{"type":"error"}`, "", errNoText},
	} {
		w := Model{Dialect: tt.d}
		if got, err := w.text([]byte(tt.answer)); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", tt.answer, got, err)
		}
	}
}
