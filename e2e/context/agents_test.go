//go:build e2e && unix

package context

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/trapgate/trapgate/e2e/clients"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

const agentWindow = 32_768

var agentRules = []rule{
	{"user", "You must never delete a page of the book, not even an empty one."},
	{"AGENTS.md", "Never push to the branch called release."},
}

// TestAgents: the command lines read 200 pages by their own shell tools, some six windows together.
func TestAgents(t *testing.T) {
	if !rig.Full() {
		rig.Skip(t, "long runs of Codex and opencode; TRAPGATE_E2E_FULL=1 runs them")
	}
	for _, c := range []struct{ client, way, tool string }{
		{"codex", "responses/stream", "exec_command"},
		{"opencode", "chat/stream", "bash"},
		{"opencode", "responses/stream", "bash"},
	} {
		t.Run(c.client+" "+c.way, func(t *testing.T) {
			agent, setup := client(t, c.client)
			task := clients.Case{
				Name: c.way, Marker: "marker.txt", Final: "The whole book is read",
				Prompt: "Please read all pages of the book in this folder, in order. " + agentRules[0].text,
			}
			r := &run{window: agentWindow, book: agentBook(c.tool, task)}
			start := func(work, home, origin string) error {
				if err := project(work); err != nil {
					return err
				}
				s := setup
				s.Work, s.Home, s.Origin = work, home, origin
				return agent.Run(t.Context(), s, []clients.Case{task})
			}
			r.gate = fmt.Sprintf(`{windows: {"*": %d}}`, agentWindow)
			r.do(t, start)
			r.completed(t, 0)
			r.keeps(t, agentRules...)
		})
	}
}

// project writes what agents read of a project: rules, and for opencode that its models may answer with 4,096 tokens (it asks
// for 32,000 else) and have a window that it never reaches, so that it does not compact by itself.
func project(dir string) error {
	limit := map[string]any{"models": map[string]any{"sim": map[string]any{"limit": map[string]int{"context": 1_000_000, "output": 4096}}}}
	config, err := json.Marshal(map[string]any{"provider": map[string]any{"chat": limit, "responses": limit}})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "opencode.json"), config, 0o644),
		os.WriteFile(filepath.Join(dir, "AGENTS.md"), []byte("# Rules\n\n"+agentRules[1].text+"\n"), 0o644))
}

// agentBook is read by shell commands; the first and the last one leave the marks that package clients looks for.
func agentBook(tool string, task clients.Case) book {
	b := book{pages: 200, leg: 200, lines: 24, tool: tool, final: task.Final + ", and nothing is left to do"}
	b.call = func(n int) simmodel.Call {
		command := fmt.Sprintf("cat page-%03d.txt", n)
		switch n {
		case 1:
			command += " && echo one >> " + task.Marker
		case b.pages:
			command += " && echo two >> " + task.Marker
		}
		args, err := json.Marshal(command)
		if err != nil {
			panic(err) // a string always marshals
		}
		return simmodel.Call{Tool: "shell", Args: args}
	}
	return b
}
