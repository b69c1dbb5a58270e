package config

import (
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite"
)

func TestContextSummarySection(t *testing.T) {
	for text, want := range map[string]ctxrewrite.Summary{
		"context: {}":            {},
		"context: {summary: {}}": {MaxTokens: ctxrewrite.DefaultSummary},
		"context: {summary: {model: writer, max_tokens: 1_200}}": {Model: "writer", MaxTokens: 1200},
	} {
		if got := good(t, text).Context.Engine.Summary; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
	for _, text := range []string{"context: {summary: {max_tokens: 99}}", "context: {summary: {max_tokens: 16385}}", "context: {summary: {tokens: 800}}"} {
		if _, problems := resolve(t, text, Overrides{}); len(problems) != 1 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
