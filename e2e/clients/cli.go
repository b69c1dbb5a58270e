//go:build unix

package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const cliLimit = 4 * time.Minute

// commandLines are the clients that are programs of their own.
func commandLines() []*Client {
	return []*Client{
		{
			Name: "mini-swe-agent", Version: "2.4.6", Cases: []string{"chat/unary"}, Paths: []string{chatPath}, Limit: cliLimit,
			group: pythonMini, prompt: miniPrompt, run: runEach(startMini, readMini),
		},
		{
			Name: "codex", Version: "0.169.0", Cases: []string{"responses/stream"}, Paths: []string{responsesPath}, Limit: cliLimit,
			group: codexCLI, prompt: codexPrompt, run: runEach(startCodex(codexProvider), readCodex),
		},
		{
			Name: "codex-builtin", Version: "0.169.0", Cases: []string{"responses/stream"}, Paths: []string{responsesPath}, Limit: cliLimit,
			group: codexCLI, prompt: codexPrompt, run: runEach(startCodex(codexBuiltIn), readCodex),
		},
		{
			Name: "opencode", Version: "1.18.33", Cases: []string{"chat/stream", "responses/stream"},
			Paths: []string{chatPath, responsesPath}, Limit: cliLimit,
			group: opencodeCLI, prompt: toolPrompt("bash"), run: runEach(startOpencode, readOpencode),
		},
		{
			Name: "claude-code", Version: "2.1.197", Quick: true, Cases: []string{"messages/stream"}, Paths: []string{messagesPath},
			Limit: cliLimit, group: claudeCLI, prompt: toolPrompt("Bash"), run: runEach(startClaude, readClaude),
		},
		{
			Name: "claude-code-agents", Version: "2.1.197", Cases: []string{"messages/stream"}, Paths: []string{messagesPath},
			Limit: cliLimit, group: claudeCLI, prompt: claudeAgentPrompt, run: runEach(startClaude, readClaude),
		},
		{
			Name: "opencode-agents", Version: "1.18.33", Cases: []string{"chat/stream"}, Paths: []string{chatPath}, Limit: cliLimit,
			group: opencodeCLI, prompt: opencodeAgentPrompt, run: runEach(startOpencode, readOpencode),
		},
	}
}

// miniPrompt ends with the command by which mini-swe-agent knows the end; what that prints after it is the final text.
func miniPrompt(name string) Case {
	c := newCase(name)
	steps := append(markerSteps("bash", "command", c.Marker),
		call("bash", "command", "printf 'COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\\n"+finalText+"\\n'"))
	c.Prompt = "Please write the marker. " + directive(steps...)
	return c
}

func startMini(s Setup, k Case) (Command, error) {
	return Command{
		Args: []string{
			filepath.Join(s.Install, "bin", "mini"), "-m", "openai/sim", "-y", "--exit-immediately",
			"-o", filepath.Join(s.Home, "run.json"), "-t", k.Prompt,
		},
		Dir: s.Work,
		Env: append(baseEnv(s.Home), "OPENAI_BASE_URL="+s.BaseURL(), "MSWEA_CONFIGURED=true", "MSWEA_COST_TRACKING=ignore_errors",
			"MSWEA_GLOBAL_CONFIG_DIR="+filepath.Join(s.Home, "mini"), "MSWEA_SILENT_STARTUP=1", "LITELLM_LOCAL_MODEL_COST_MAP=True",
			"COLUMNS=400", "PYTHONDONTWRITEBYTECODE=1"),
	}, nil
}

// readMini takes the printed session as the final text: it shows the prompt too, so the last part of it is meant.
func readMini(out []byte) Report {
	s := string(out)
	if i := strings.LastIndex(s, "Exit"); i > 0 {
		s = s[max(0, i-500):]
	}
	return Report{Final: strings.Join(strings.Fields(s), " ")}
}

// codexPrompt calls the tool by the name and argument that Codex declares.
func codexPrompt(name string) Case {
	c := newCase(name)
	c.Prompt = "Please write the marker. " + directive(append(markerSteps("exec_command", "cmd", c.Marker), "say "+finalText)...)
	return c
}

func codexProvider(s Setup) string {
	return fmt.Sprintf("model_provider = \"local\"\n[model_providers.local]\nname = \"local\"\nbase_url = %q\n"+
		"wire_api = \"responses\"\nenv_key = \"OPENAI_API_KEY\"\n", s.BaseURL())
}

// codexBuiltIn uses the provider that Codex brings: it tries a WebSocket before it posts.
func codexBuiltIn(s Setup) string { return fmt.Sprintf("openai_base_url = %q\n", s.BaseURL()) }

func startCodex(provider func(Setup) string) func(Setup, Case) (Command, error) {
	return func(s Setup, k Case) (Command, error) {
		config := "model = \"sim\"\ncheck_for_update_on_startup = false\n" + provider(s) + "\n[analytics]\nenabled = false\n"
		home := filepath.Join(s.Home, ".codex")
		if err := writeFile(filepath.Join(home, "config.toml"), config); err != nil {
			return Command{}, err
		}
		auth := `{"auth_mode":"apikey","OPENAI_API_KEY":"sk-e2e-key"}`
		if err := writeFile(filepath.Join(home, "auth.json"), auth); err != nil {
			return Command{}, err
		}
		return Command{
			Args: []string{
				"node", filepath.Join(s.Install, "node_modules", "@openai", "codex", "bin", "codex.js"), "exec",
				"--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", k.Prompt,
			},
			Dir: s.Work,
			Env: append(baseEnv(s.Home), "CODEX_HOME="+home, "RUST_LOG=error"),
		}, nil
	}
}

func readCodex(out []byte) Report {
	r := Report{Chunks: -1}
	eachLine(out, func(m map[string]any) {
		item, _ := m["item"].(map[string]any)
		if item["type"] == "agent_message" {
			r.Final, _ = item["text"].(string)
		}
	})
	return r
}

func startOpencode(s Setup, k Case) (Command, error) {
	provider := func(npm string) map[string]any {
		return map[string]any{
			"npm": npm, "name": "local",
			"options": map[string]any{"baseURL": s.BaseURL(), "apiKey": "sk-e2e-key"},
			"models":  map[string]any{"sim": map[string]any{"name": "sim", "tool_call": true}},
		}
	}
	b, err := json.Marshal(map[string]any{
		"autoupdate": false, "share": "disabled", "lsp": false, "formatter": false,
		"permission": map[string]any{"bash": "allow", "task": "allow"},
		"provider": map[string]any{
			"chat": provider("@ai-sdk/openai-compatible"), "responses": provider("@ai-sdk/openai"),
		},
	})
	if err != nil {
		return Command{}, fmt.Errorf("clients: %w", err)
	}
	if err := writeFile(filepath.Join(s.Home, ".config", "opencode", "opencode.json"), string(b)); err != nil {
		return Command{}, err
	}
	bin, err := native(s.Install, "opencode-*/bin/opencode")
	if err != nil {
		return Command{}, err
	}
	dialect, _, _ := strings.Cut(k.Name, "/")
	return Command{
		Args: []string{bin, "run", "-m", dialect + "/sim", "--format", "json", k.Prompt},
		Dir:  s.Work,
		Env: append(baseEnv(s.Home), "OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1",
			"OPENCODE_DISABLE_LSP_DOWNLOAD=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1"),
	}, nil
}

func readOpencode(out []byte) Report {
	r := Report{Chunks: -1}
	eachLine(out, func(m map[string]any) {
		part, _ := m["part"].(map[string]any)
		if m["type"] == "text" {
			r.Final, _ = part["text"].(string)
		}
	})
	return r
}

func startClaude(s Setup, k Case) (Command, error) {
	bin, err := native(s.Install, "@anthropic-ai/claude-code-*/claude")
	if err != nil {
		return Command{}, err
	}
	return Command{
		Args: []string{
			bin, "-p", k.Prompt, "--output-format", "stream-json", "--include-partial-messages", "--verbose",
			"--allowedTools", "Bash,Agent,Task", "--model", "claude-sonnet-4-5",
		},
		Dir: s.Work,
		Env: append(baseEnv(s.Home), "ANTHROPIC_BASE_URL="+s.Origin, "CLAUDE_CONFIG_DIR="+filepath.Join(s.Home, ".claude"),
			"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_TELEMETRY=1", "DISABLE_ERROR_REPORTING=1",
			"DISABLE_AUTOUPDATER=1"),
	}, nil
}

func readClaude(out []byte) Report {
	var r Report
	eachLine(out, func(m map[string]any) {
		switch m["type"] {
		case "result":
			r.Final, _ = m["result"].(string)
		case "stream_event":
			r.Chunks++
		}
	})
	return r
}

// claudeAgentPrompt has two sub-agents started at once with one prompt; each writes a line.
func claudeAgentPrompt(name string) Case {
	return subAgentPrompt(name, "Agent", "Bash", "general-purpose")
}

func opencodeAgentPrompt(name string) Case { return subAgentPrompt(name, "task", "bash", "general") }

// subAgentPrompt gives two sub-agents one task each, in one turn.
func subAgentPrompt(name, tool, shell, kind string) Case {
	c := newCase(name)
	child := func(line string) string {
		inner := directive(call(shell, "command", "echo "+line+" >> "+c.Marker), "say the line is written")
		b, err := json.Marshal(map[string]any{"description": "write a line", "prompt": inner, "subagent_type": kind})
		if err != nil {
			panic(err) // strings always marshal
		}
		return "call " + tool + " " + string(b)
	}
	c.Prompt = "Please have the marker written. " + directive(child("one")+" & "+child("two"), "say "+finalText)
	return c
}

func eachLine(out []byte, f func(map[string]any)) {
	for _, line := range strings.Split(string(out), "\n") {
		var m map[string]any
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &m) == nil {
			f(m)
		}
	}
}

// native finds the program for this platform: npm installs only the packages that fit it.
func native(install, pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(install, "node_modules", pattern))
	if err != nil {
		return "", fmt.Errorf("clients: %w", err)
	}
	for _, f := range found {
		if !strings.Contains(f, "-baseline") && !strings.Contains(f, "-musl") {
			return f, nil
		}
	}
	return "", fmt.Errorf("clients: no %s for this platform in %s", pattern, install)
}

func symlink(target, link string) error {
	if err := os.Symlink(target, link); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("clients: %w", err)
	}
	return nil
}

func writeFile(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	return nil
}
