//go:build e2e && unix

package clients

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/e2e/record"
)

var ranLine = regexp.MustCompile(`(?m)^trapgate: [1-9][0-9]* requests in `)

// TestRunCommand: "trapgate run -- COMMAND" points each client by itself. Nothing here names a base URL to the client.
func TestRunCommand(t *testing.T) {
	if directOnly() {
		t.Skip("SKIP: needs trapgate")
	}
	chosen, err := Select(os.Getenv("TRAPGATE_E2E_CLIENTS"))
	if err != nil {
		t.Fatal(err)
	}
	selected := map[string]bool{}
	for _, c := range chosen {
		selected[c.Name] = true
	}
	tests := []struct {
		client  string
		only    string // the one case to run
		command func(t *testing.T, s Setup, k Case) Command
		read    func([]byte) Report
	}{
		{"openai-python", "responses/stream", runPython, lastReport},
		{"codex", "responses/stream", runCodex, readCodex},
		{"opencode", "responses/stream", runOpencode, readOpencode},
		{"claude-code", "messages/stream", runClaude, readClaude},
	}
	for _, tt := range tests {
		t.Run(tt.client, func(t *testing.T) {
			if !selected[tt.client] {
				t.Skipf("SKIP: %s is not selected", tt.client)
			}
			list, err := Select(tt.client)
			if err != nil {
				t.Fatal(err)
			}
			c, dir := list[0], t.TempDir()
			s := Setup{Install: install(t, c), Drivers: drivers(t), Work: filepath.Join(dir, "work"), Home: filepath.Join(dir, "home")}
			for _, d := range []string{s.Work, filepath.Join(s.Home, "tmp")} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			k := c.prompt(tt.only)
			behind, err := record.Start(strings.TrimPrefix(startModel(t), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer behind.Close()
			cmd := tt.command(t, s, k)
			cmd.Args = append([]string{binary, "run", "--require", "--upstream", behind.URL(), "--data", filepath.Join(dir, "data"), "--"}, cmd.Args...)
			out, errs, err := cmd.Run(context.Background(), c.Limit)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.check(tt.read(out), s.Work); err != nil {
				t.Error(err)
			}
			if !ranLine.Match(errs) {
				t.Errorf("no summary on stderr: %s", tail(errs, 1000))
			}
			x, err := behind.Exchanges()
			if err != nil || len(x) < 3 {
				t.Errorf("%d exchanges upstream, %v", len(x), err)
			}
		})
	}
}

func lastReport(out []byte) Report {
	if r := readReports(out); len(r) > 0 {
		return r[len(r)-1]
	}
	return Report{}
}

func runPython(t *testing.T, s Setup, k Case) Command {
	spec, err := driverCases([]Case{k})
	if err != nil {
		t.Fatal(err)
	}
	argv, err := python("openai_sdk.py")(s)
	if err != nil {
		t.Fatal(err)
	}
	return Command{Args: argv, Dir: s.Work, Env: append(baseEnv(s.Home), "E2E_CASES="+spec, "E2E_MODEL=sim")}
}

func runCodex(t *testing.T, s Setup, k Case) Command {
	cmd, err := startCodex(func(Setup) string { return "" })(s, k)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{filepath.Join(s.Install, "node_modules", ".bin", "codex")}, cmd.Args[2:]...)
	return cmd
}

func runOpencode(t *testing.T, s Setup, k Case) Command {
	cmd, err := startOpencode(s, k)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(s.Home, ".config", "opencode", "opencode.json")
	if err := os.WriteFile(config, []byte(`{"autoupdate":false,"share":"disabled","permission":{"bash":"allow"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, a := range cmd.Args {
		if a == "-m" {
			cmd.Args[i+1] = "openai/gpt-5"
		}
	}
	return cmd
}

func runClaude(t *testing.T, s Setup, k Case) Command {
	cmd, err := startClaude(s, k)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, v := range cmd.Env {
		if !strings.HasPrefix(v, "ANTHROPIC_BASE_URL=") && !strings.HasPrefix(v, "CLAUDE_CODE_DISABLE") {
			env = append(env, v)
		}
	}
	cmd.Env = env
	return cmd
}
