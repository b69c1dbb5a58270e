package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ourURL = "http://127.0.0.1:4567/v1"

func TestCommandName(t *testing.T) {
	for _, c := range []struct{ command, want string }{
		{"codex", "codex"},
		{"/usr/local/bin/codex exec", "codex"},
		{"python -m aider --yes", "aider"},
		{"python3.12 -m aider", "aider"},
		{"python agent.py", "python"},
		{"python -m", "python"},
		{"npx @openai/codex exec", "codex"},
		{"npx -y @openai/codex@0.169.0", "codex"},
		{"npx @anthropic-ai/claude-code -p hi", "claude"},
		{"bunx opencode@latest run", "opencode"},
		{"uvx aider", "aider"},
		{"npx", "npx"},
		{"npx --yes", "npx"},
	} {
		if got := commandName(strings.Fields(c.command)); got != c.want {
			t.Errorf("%s is %q, want %q", c.command, got, c.want)
		}
	}
}

// TestPointArguments: only Codex gets arguments, before its own, and the command given is not written to.
func TestPointArguments(t *testing.T) {
	for _, c := range []struct {
		name, command string
		env           []string
		want          []string
	}{
		{"an agent of one's own", "python agent.py -c x", nil, []string{"python", "agent.py", "-c", "x"}},
		{"aider", "aider --yes", nil, []string{"aider", "--yes"}},
		{"codex, with a login", "codex exec hi", nil, []string{"codex", "-c", `openai_base_url="` + ourURL + `"`, "exec", "hi"}},
		{"codex, with a key", "codex exec hi", []string{"OPENAI_API_KEY=sk-x"}, []string{
			"codex", "-c", `model_provider="trapgate"`, "-c", `model_providers.trapgate.name="Trapgate"`,
			"-c", `model_providers.trapgate.base_url="` + ourURL + `"`, "-c", `model_providers.trapgate.env_key="OPENAI_API_KEY"`,
			"-c", `model_providers.trapgate.wire_api="responses"`, "exec", "hi",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			command := strings.Fields(c.command)
			args, _ := point(command, c.env, ourURL, false)
			if diff := cmp.Diff(c.want, args); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if strings.Join(command, " ") != c.command {
				t.Errorf("the given command is now %q", command)
			}
		})
	}
}

func TestPointEnvironment(t *testing.T) {
	everywhere := []string{"OPENAI_BASE_URL=" + ourURL, "OPENAI_API_BASE=" + ourURL, "ANTHROPIC_BASE_URL=http://127.0.0.1:4567"}
	for _, c := range []struct {
		name, command string
		env           []string
		ownKeys       bool
		want, without []string
	}{
		{"nothing set", "python a.py", nil, false, everywhere, []string{"NO_PROXY", "no_proxy", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENCODE_", "CLAUDE_"}},
		{"other URLs are replaced", "python a.py", []string{"OPENAI_BASE_URL=http://x", "ANTHROPIC_BASE_URL=http://y"}, false, everywhere, []string{"OPENAI_BASE_URL=http://x", "ANTHROPIC_BASE_URL=http://y"}},
		{"own keys", "python a.py", []string{"OPENAI_API_KEY=sk-x"}, true, []string{"OPENAI_API_KEY=sk-x", "ANTHROPIC_API_KEY=trapgate"}, nil},
		{"a proxy", "python a.py", []string{"https_proxy=http://p"}, false, []string{"NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost"}, nil},
		{"a proxy, and exceptions", "a", []string{"HTTP_PROXY=http://p", "NO_PROXY=corp"}, false, []string{"NO_PROXY=corp,127.0.0.1,localhost"}, nil},
		{"a proxy, and ours excepted", "a", []string{"ALL_PROXY=http://p", "NO_PROXY=127.0.0.1,corp"}, false, []string{"NO_PROXY=127.0.0.1,corp"}, nil},
		{"claude", "claude -p", nil, false, append([]string{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"}, everywhere...), nil},
		{"claude, decided by the user", "claude", []string{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=0"}, false, []string{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=0"}, nil},
		{"qwen", "qwen", nil, false, everywhere, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, env := point(strings.Fields(c.command), c.env, ourURL, c.ownKeys)
			got := "\n" + strings.Join(env, "\n") + "\n"
			for _, w := range c.want {
				if strings.Count(got, "\n"+w+"\n") != 1 {
					t.Errorf("not once %s in%s", w, got)
				}
			}
			for _, w := range c.without {
				if strings.Contains(got, "\n"+w) {
					t.Errorf("%s is in%s", w, got)
				}
			}
		})
	}
}

// TestOpencodeConfig: what the user has in that variable stays, whatever it is.
func TestOpencodeConfig(t *testing.T) {
	const pointed = `{"options":{"baseURL":"` + ourURL + `"}}`
	for _, c := range []struct{ name, current, want string }{
		{"nothing", "", `{"provider":{"openai":` + pointed + `,"anthropic":` + pointed + `}}`},
		{"not JSON", "{", `{"provider":{"openai":` + pointed + `,"anthropic":` + pointed + `}}`},
		{
			"settings and providers", `{"theme":"dark","provider":{"mine":{"npm":"x","options":{"baseURL":"http://y","apiKey":"k"}},"bare":{"name":"n"}}}`,
			`{"theme":"dark","provider":{"openai":` + pointed + `,"anthropic":` + pointed + `,"mine":{"npm":"x","options":{"baseURL":"` + ourURL + `","apiKey":"k"}},"bare":{"name":"n"}}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want, got any
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(opencodeConfig(c.current, ourURL)), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestHowToPoint: whoever made no call is told something that can be done.
func TestHowToPoint(t *testing.T) {
	for command, want := range map[string]string{"cline": "cline auth", "/opt/letta": "--base-url", "opencode": "baseURL", "python": "$OPENAI_BASE_URL"} {
		if got := howToPoint(command); !strings.Contains(got, want) {
			t.Errorf("%s: %q does not say %q", command, got, want)
		}
	}
}
