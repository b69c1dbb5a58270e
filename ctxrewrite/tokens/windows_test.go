package tokens

import (
	"fmt"
	"sync"
	"testing"
)

func TestWindowsOfKnownModels(t *testing.T) {
	w, err := NewWindows(nil)
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]int{
		"gpt-3.5-turbo": 16_385, "gpt-3.5-turbo-0125": 16_385, "gpt-3.5-turbo-0613": 4_096, "gpt-35-turbo": 16_385, "gpt-35-turbo-16k": 16_385,
		"gpt-4": 8_192, "gpt-4-0613": 8_192, "gpt-4-32k-0613": 32_768, "gpt-4-turbo-2024-04-09": 128_000, "gpt-4-1106-preview": 128_000,
		"gpt-4o": 128_000, "gpt-4o-mini-2024-07-18": 128_000, "openai/gpt-4o": 128_000, "my-gpt-4o-prod": 128_000, "gpt4o": 128_000, "chatgpt-4o-latest": 128_000,
		"ft:gpt-4o-mini-2024-07-18:acme::abc": 128_000, "gpt-4.1": 1_047_576, "gpt-4.1-mini-2025-04-14": 1_047_576, "azure/gpt-4.1-nano": 1_047_576,
		"gpt-5": 272_000, "gpt-5-mini-2025-08-07": 272_000, "gpt-5-codex": 272_000, "gpt-5-chat-latest": 128_000, "gpt-5.1-codex-max": 272_000, "gpt-5.2-pro": 272_000,
		"gpt-5.3-codex": 272_000, "gpt-5.4": 922_000, "gpt-5.4-mini": 272_000, "gpt-5.5": 922_000, "gpt-5.6-terra": 922_000, "openai/gpt-oss-120b": 131_072,
		"o1": 200_000, "o1-2024-12-17": 200_000, "o1-mini": 128_000, "o1-preview-2024-09-12": 128_000, "o1-pro": 200_000, "o3": 200_000, "o3-mini": 200_000, "o4-mini": 200_000,
		"claude-3-opus-20240229": 200_000, "claude-3-5-sonnet-20241022": 200_000, "anthropic/claude-3.5-sonnet": 200_000, "claude-3-7-sonnet-latest": 200_000,
		"claude-sonnet-4-20250514": 200_000, "claude-sonnet-4@20250514": 200_000, "claude-sonnet-4-5-20250929": 200_000, "claude-sonnet-4-6": 1_000_000,
		"anthropic/claude-opus-4.5": 200_000, "claude-opus-4-1-20250805": 200_000, "claude-opus-4-6": 1_000_000, "claude-haiku-4-5": 200_000, "claude-haiku-5-5": 1_000_000,
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0": 200_000, "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-6-v1:0": 1_000_000,
		"claude-opus-5-5": 1_000_000, "claude-sonnet-5": 1_000_000, "claude-fable-5-1": 1_000_000, "claude-sonnet-4-5[1m]": 1_000_000,
		"gemini-1.5-pro-002": 2_097_152, "gemini-2.5-pro": 1_048_576, "models/gemini-2.0-flash": 1_048_576, "google/gemini-3-pro-preview": 1_048_576, "gemma-3-27b-it": 131_072,
		"deepseek-chat": 128_000, "deepseek-ai/DeepSeek-V3.1": 128_000, "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": 128_000, "deepseek/deepseek-v4-flash": 1_000_000,
		"mistral-large-2411": 128_000, "mistral-small-latest": 128_000, "mistralai/Mistral-7B-Instruct-v0.3": 32_768, "open-mixtral-8x22b": 65_536, "codestral-latest": 256_000,
		"qwen-max": 32_768, "qwen/qwen-2.5-72b-instruct": 131_072, "Qwen/Qwen2.5-Coder-32B-Instruct": 131_072, "Qwen/Qwen3-32B": 131_072, "qwen3-coder-480b-a35b-instruct": 262_144, "qwen3-235b-a22b-instruct-2507": 262_144,
		"meta-llama/Meta-Llama-3-70B-Instruct": 8_192, "llama3:8b": 8_192, "meta-llama/Llama-3.1-8B-Instruct": 131_072, "llama3.1:70b": 131_072, "llama-3.3-70b-versatile": 131_072,
		"@cf/meta/llama-3.2-3b-instruct": 131_072, "accounts/fireworks/models/llama-v3p1-8b-instruct": 0, "meta-llama/llama-4-scout": 1_048_576, "llama2:13b": 4_096,
		"x-ai/grok-4": 256_000, "grok-4-fast-reasoning": 2_000_000, "moonshotai/kimi-k2-0905": 262_144, "kimi-k2-0711-preview": 131_072, "z-ai/glm-4.6": 200_000, "minimax/minimax-m2.1": 196_608,
		"amazon.nova-pro-v1:0": 300_000, "command-r-plus-08-2024": 128_000, "phi-4": 16_384,
		// what nobody said
		"": 0, "default": 0, "gpt": 0, "gpt-9": 0, "gpt-4.9": 0, "gpt-5.9-mini": 0, "claude-opus-4-9": 0, "foo1": 0, "proto3x": 0, "my-model": 0, "llama-5": 0, "gpt-40": 0,
	} {
		if got, known := w.Of("any", model); got != want || known != (want > 0) {
			t.Errorf("%q: %d %v, want %d", model, got, known, want)
		}
	}
}

func TestWindowsPrecedence(t *testing.T) {
	w, err := NewWindows([]Rule{{"local/*", 16_000}, {"GPT-4O*", 60_000}, {"gpt-*", 50_000}, {"*-tiny", 2_000}, {"a*b*c", 3_000}})
	if err != nil {
		t.Fatal(err)
	}
	of := func(upstream, model string, want int) {
		t.Helper()
		if got, known := w.Of(upstream, model); got != want || known != (want > 0) {
			t.Errorf("%s at %s: %d %v, want %d", model, upstream, got, known, want)
		}
	}
	of("u", "gpt-4o-mini", 60_000) // the first rule that matches, before the table
	of("u", "gpt-5", 50_000)
	of("u", "local/dir/llama", 16_000)
	of("u", "very-tiny", 2_000)
	of("u", "aXbYc", 3_000)
	of("u", "aXcYb", 0)
	of("u", "other", 0)
	w.Learn("u", "other", 8_192)
	of("u", "other", 8_192)
	of("elsewhere", "other", 0) // one upstream's word is not another's
	w.Learn("u", "claude-3-haiku", 9_000)
	of("u", "claude-3-haiku", 9_000) // before the table, smaller
	w.Learn("u", "claude-3-haiku", 400_000)
	of("u", "claude-3-haiku", 400_000) // and larger; the last word counts
	w.Learn("u", "gpt-4o", 30_000)
	of("u", "gpt-4o", 30_000) // a rule cannot make an upstream take more
	w.Learn("u", "gpt-4o", 128_000)
	of("u", "gpt-4o", 60_000) // but keeps requests below what it takes
	w.Learn("u", "gpt-4o", 0)
	w.Learn("u", "gpt-4o", -5)
	w.Learn("u", "gpt-4o", 1e9)
	of("u", "gpt-4o", 60_000)
}

func TestWindowsInherit(t *testing.T) {
	old, _ := NewWindows([]Rule{{"other", 5_000}})
	next, _ := NewWindows(nil)
	next.Inherit(old) // nothing yet
	old.Learn("u", "other", 4_000)
	next.Inherit(old)
	if got, _ := next.Of("u", "other"); got != 4_000 {
		t.Errorf("%d, want 4000", got)
	}
	if _, known := next.Of("v", "other"); known {
		t.Error("a rule was taken over")
	}
}

func TestWindowsRefusesRules(t *testing.T) {
	for _, r := range []Rule{{"", 5}, {"a", 0}, {"a", -1}, {"a", 1e9}} {
		if w, err := NewWindows([]Rule{{"fine", 5}, r}); err == nil || w != nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

func TestRecentForgetsTheLeastUsed(t *testing.T) {
	w, _ := NewWindows(nil)
	w.Learn("u", "kept", 1_000)
	for i := range 10 * recentEntries {
		w.Learn("u", fmt.Sprint("m", i), 5_000+i)
		if got, _ := w.Of("u", "kept"); got != 1_000 {
			t.Fatalf("forgotten after %d others though it was asked for all the time", i)
		}
	}
	if n := len(w.learnt.all()); n != recentEntries {
		t.Fatalf("%d windows are kept, want %d", n, recentEntries)
	}
	if n := len(w.known.all()); n > recentEntries {
		t.Fatalf("%d names are kept, want %d at most", n, recentEntries)
	}
	if _, known := w.Of("u", "m0"); known {
		t.Error("the first of many is still there")
	}
}

func TestWindowsAtOnce(t *testing.T) {
	w, _ := NewWindows([]Rule{{"r*", 7_000}})
	var c Calibration
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2_000 {
				model := fmt.Sprint("r", (i*g)%600)
				w.Learn("u", model, 1_000+i)
				if got, known := w.Of("u", model); !known || got > 7_000 {
					t.Errorf("%s: %d %v", model, got, known)
					return
				}
				c.Used("u", model, 1_000, 1_200)
				c.Exact("u", model, 1_000, 1_100)
				if f := c.Factor("u", model); f < 0.9 || f > 1.2001 {
					t.Errorf("%s: factor %v", model, f)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.ratios.all()); n > recentEntries {
		t.Fatalf("%d ratios are kept", n)
	}
}

func BenchmarkWindowsOf(b *testing.B) {
	w, _ := NewWindows([]Rule{{"local/*", 16_000}})
	w.Learn("u", "gpt-4o", 100_000)
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := w.Of("u", "gpt-4o"); n != 100_000 {
			b.Fatal(n)
		}
	}
}
