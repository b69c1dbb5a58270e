package history_test

import (
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

func TestProfileOf(t *testing.T) {
	for _, c := range []struct {
		url, model string
		d          wire.Dialect
		want       string
	}{
		{"https://api.openai.com/v1", "gpt-5.6", wire.Responses, "openai"},
		{"https://chatgpt.com/backend-api/codex", "gpt-5.6-codex", wire.Responses, "openai"},
		{"https://API.OPENAI.COM:443/v1", "my-claude-finetune", wire.Chat, "openai"},
		{"https://evil-openai.com/v1", "gpt-5.6", wire.Chat, "strict"},
		{"https://res.openai.azure.com/openai/v1", "gpt-5.6", wire.Chat, "azure"},
		{"https://res.services.ai.azure.com/openai/v1", "Mistral-Large", wire.Chat, "azure+mistral"},
		{"https://api.anthropic.com", "claude-opus-4-8", wire.Messages, "anthropic"},
		{"https://generativelanguage.googleapis.com/v1beta/openai", "gemini-3-pro", wire.Chat, "gemini"},
		{"https://europe-west1-aiplatform.googleapis.com/v1", "claude-opus-4-8", wire.Messages, "gemini+anthropic"},
		{"https://api.deepseek.com", "deepseek-chat", wire.Chat, "deepseek"},
		{"https://api.deepseek.com/anthropic", "deepseek-chat", wire.Messages, "deepseek+anthropic"},
		{"https://api.mistral.ai/v1", "codestral-latest", wire.Chat, "mistral"},
		{"https://openrouter.ai/api/v1", "anthropic/claude-opus-4.8", wire.Chat, "strict+anthropic"},
		{"http://127.0.0.1:8080", "qwen3", wire.Chat, "strict"},
		{"http://127.0.0.1:8080", "qwen3", wire.Responses, "strict+openai"},
		{"http://127.0.0.1:8080", "deepseek-r1", wire.Messages, "strict+deepseek+anthropic"},
		{"http+unix://%2Frun%2Fengine.sock/v1", "", wire.Chat, "strict"},
		{"", "", wire.Chat, "strict"},
	} {
		if p := history.ProfileOf(c.url, c.model, c.d); p.Name != c.want {
			t.Errorf("%s %s: %s, want %s", c.url, c.model, p.Name, c.want)
		}
	}
}

// A joined profile demands what either does, and leaves both as they are.
func TestJoinedProfile(t *testing.T) {
	strict := *history.Strict
	p := history.ProfileOf("http://127.0.0.1", "deepseek-v4", wire.Chat)
	if !p.ReasoningContent || !p.OneSystem || p.Signed || history.Strict.ReasoningContent || *history.Strict != strict {
		t.Errorf("%+v", p)
	}
}
