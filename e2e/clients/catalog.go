//go:build unix

package clients

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

const sdkLimit = 3 * time.Minute

var bothWays = []string{"chat/unary", "chat/stream", "responses/unary", "responses/stream"}

var (
	chatPath      = "/chat/completions"
	responsesPath = "/responses"
	messagesPath  = "/messages"
)

// All returns every client that is tested, in the order of the table.
func All() []*Client {
	return append([]*Client{
		{
			Name: "openai-python", Version: "3.54.0", Quick: true, Cases: bothWays, Paths: []string{chatPath, responsesPath},
			Limit: sdkLimit, group: pythonAgents, prompt: toolPrompt("run_shell"), run: runDriver(python("openai_sdk.py")),
		},
		{
			Name: "openai-node", Version: "6.49.0", Cases: bothWays, Paths: []string{chatPath, responsesPath},
			Limit: sdkLimit, group: nodeSDKs, prompt: toolPrompt("run_shell"), run: runDriver(node("openai_sdk.mjs")),
		},
		{
			Name: "openai-go", Version: "3.96.0", Cases: bothWays, Paths: []string{chatPath, responsesPath},
			Limit: sdkLimit, group: goSDK, prompt: toolPrompt("run_shell"),
			run: runDriver(func(s Setup) ([]string, error) { return []string{filepath.Join(s.Install, "driver")}, nil }),
		},
		{
			Name: "openai-agents", Version: "0.24.0", Quick: true, Cases: bothWays, Paths: []string{chatPath, responsesPath},
			Limit: sdkLimit, group: pythonAgents, prompt: handoffPrompt,
			run: runDriver(python("agents_sdk.py"), "OPENAI_AGENTS_DISABLE_TRACING=1"),
		},
		{
			Name: "langgraph", Version: "1.2.22", Cases: bothWays, Paths: []string{chatPath, responsesPath},
			Limit: sdkLimit, group: pythonAgents, prompt: toolPrompt("run_shell"),
			run: runDriver(python("langgraph_agent.py"), "LANGSMITH_TRACING=false"),
		},
		{
			Name: "autogen", Version: "0.7.5", Cases: bothWays[:2], Paths: []string{chatPath},
			Limit: sdkLimit, group: pythonAgents, prompt: toolPrompt("run_shell"), run: runDriver(python("autogen_agent.py")),
		},
		{
			Name: "smolagents", Version: "1.26.0", Cases: bothWays[:2], Paths: []string{chatPath},
			Limit: sdkLimit, group: pythonAgents, prompt: toolPrompt("run_shell"),
			run: runDriver(python("smolagents_agent.py"), "HF_HUB_OFFLINE=1"),
		},
		{
			Name: "pydantic-ai", Version: "2.68.0", Cases: bothWays, Paths: []string{chatPath, responsesPath},
			Limit: sdkLimit, group: pythonAgents, prompt: toolPrompt("run_shell"), run: runDriver(python("pydantic_agent.py")),
		},
		{
			Name: "vercel-ai", Version: "6.0.326", Cases: append(bothWays[:4:4], "compatible/stream"),
			Paths: []string{chatPath, responsesPath}, Limit: sdkLimit, group: nodeSDKs, prompt: toolPrompt("run_shell"),
			run: runDriver(node("vercel_ai.mjs")),
		},
	}, commandLines()...)
}

// Select returns the clients that a value of TRAPGATE_E2E_CLIENTS names.
func Select(value string) ([]*Client, error) {
	var out []*Client
	switch value {
	case "all":
		return All(), nil
	case "", "quick":
		for _, c := range All() {
			if c.Quick {
				out = append(out, c)
			}
		}
		return out, nil
	}
	byName := map[string]*Client{}
	for _, c := range All() {
		byName[c.Name] = c
	}
	for _, name := range strings.Split(value, ",") {
		c := byName[strings.TrimSpace(name)]
		if c == nil {
			return nil, fmt.Errorf("clients: no client %q", name)
		}
		out = append(out, c)
	}
	return out, nil
}

func python(file string) func(Setup) ([]string, error) {
	return func(s Setup) ([]string, error) {
		return []string{filepath.Join(s.Install, "bin", "python"), "-B", filepath.Join(s.Drivers, "python", file)}, nil
	}
}

// node copies the driver beside the installed modules' link, because imports are resolved from where the file stands.
func node(file string) func(Setup) ([]string, error) {
	return func(s Setup) ([]string, error) {
		for _, f := range []string{"common.mjs", file} {
			if err := copyFile(filepath.Join(s.Home, f), filepath.Join(s.Drivers, "node", f)); err != nil {
				return nil, fmt.Errorf("clients: %w", err)
			}
		}
		if err := symlink(filepath.Join(s.Install, "node_modules"), filepath.Join(s.Home, "node_modules")); err != nil {
			return nil, err
		}
		return []string{"node", filepath.Join(s.Home, file)}, nil
	}
}
