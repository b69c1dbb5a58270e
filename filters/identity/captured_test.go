package identity

import "testing"

// What each captured request is known as. Sessions of agents without a header are found by their messages, and begin with s-.
func TestCapturedHeaders(t *testing.T) {
	const found = ""
	want := map[string]struct{ agent, session, program string }{
		"codex-0.169-responses-2":       {"codex", "01a202e3-48aa-74a3-953d-d590a3f56373", "01a202e3-48aa-74a3-953d-d590a3f56373"},
		"codex-0.169-code-2":            {"codex", "01a202f3-448c-76e3-9ed1-0db3f17fadfa", "01a202f3-448c-76e3-9ed1-0db3f17fadfa"},
		"opencode-1.18-chat-1":          {"opencode", "ses_dfd1c84bbffe6y68JjnmwZclrt", "ses_dfd1c84bbffe6y68JjnmwZclrt"},
		"opencode-1.18-chat-2":          {"opencode", "ses_dfd1c84bbffe6y68JjnmwZclrt", "ses_dfd1c84bbffe6y68JjnmwZclrt"},
		"opencode-1.18-title":           {"opencode", "ses_dfd1c84bbffe6y68JjnmwZclrt", "ses_dfd1c84bbffe6y68JjnmwZclrt"},
		"cline-3.0-chat-1":              {"ai-sdk", found, found},
		"gptme-0.35-chat":               {"openai-python", found, found},
		"aider-0.86-chat":               {"openai-python", found, found},
		"mini-swe-agent-2.4-chat-1":     {"openai-python", found, found},
		"mini-swe-agent-2.4-chat-2":     {"openai-python", found, found},
		"mini-swe-agent-2.4-chat-3":     {"openai-python", found, found},
		"smolagents-1.26-chat-2":        {"openai-python", found, found},
		"smolagents-1.26-code":          {"openai-python", found, found},
		"openai-agents-0.24-handoff-1":  {"openai-agents", found, found},
		"openai-agents-0.24-handoff-2":  {"openai-agents", found, found},
		"openai-agents-0.24-handoff-3":  {"openai-agents", found, found},
		"openai-agents-0.24-previous-2": {"openai-agents", found, found},
		"openai-agents-0.24-shell-2":    {"openai-agents", found, found},
		"openai-agents-0.24-shell-4":    {"openai-agents", found, found},
		"langgraph-1.2-chat-1":          {"openai-python", found, found},
		"langgraph-1.2-chat-2":          {"openai-python", found, found},
		"langgraph-1.2-parallel":        {"openai-python", found, found},
		"swarm-0.1-handoff-1":           {"openai-python", found, found},
		"swarm-0.1-handoff-2":           {"openai-python", found, found},
		"swarm-0.1-handoff-3":           {"openai-python", found, found},
		"autogen-0.7-swarm":             {"openai-python", found, found},
		"pydantic-ai-2.68-chat-2":       {"pydantic-ai", found, found},
		"pydantic-ai-2.68-responses-2":  {"pydantic-ai", found, found},
		"vercel-ai-6.0-responses-2":     {"ai-sdk", found, found},
		"vercel-ai-6.0-chat-4":          {"ai-sdk", found, found},
		"llama-index-0.14-handoff":      {"openai-python", found, found},
		"dspy-3.4-react":                {"dspy", found, found},
		"agno-3.1-chat-2":               {"openai-python", found, found},
		"openai-python-3.54-stream-2":   {"openai-python", found, found},
		"openai-go-3.96-chat-2":         {"openai-go", found, found},
	}
	all := captures(t)
	if len(all) != len(want) {
		t.Errorf("%d captured requests, %d expected", len(all), len(want))
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			if !ok {
				t.Fatal("no expectation")
			}
			id := c.agent(t, New(Options{})).one(c.body)
			same(t, "tenant", id.Tenant, Anonymous)
			same(t, "agent", id.Agent, w.agent)
			if w.session == found {
				if id.Session[:2] != "s-" || id.Program != "p-"+id.Session[2:] {
					t.Errorf("session %q, program %q, want made ones", id.Session, id.Program)
				}
			} else {
				same(t, "session", id.Session, w.session)
				same(t, "program", id.Program, w.program)
			}
			if id.Side != (name == "opencode-1.18-title") || id.Retry || id.Twin || id.Parent != "" {
				t.Errorf("identity %+v", id)
			}
			if len(id.Chains) == 0 || id.Chain != id.Chains[len(id.Chains)-1] {
				t.Errorf("chain %x of %x", id.Chain, id.Chains)
			}
		})
	}
}

// Requests of one run belong together as the run did.
func TestCapturedRuns(t *testing.T) {
	type step struct {
		file    string
		session int // equal numbers are equal sessions
		program int
		side    bool
	}
	runs := map[string][]step{
		"mini-swe-agent": {
			{"mini-swe-agent-2.4-chat-1", 1, 1, false},
			{"mini-swe-agent-2.4-chat-2", 1, 1, false},
			{"mini-swe-agent-2.4-chat-3", 1, 1, false},
		},
		"langgraph": {
			{"langgraph-1.2-chat-1", 1, 1, false},
			{"langgraph-1.2-chat-2", 1, 1, false},
			{"langgraph-1.2-parallel", 2, 2, false},
		},
		"opencode": {
			{"opencode-1.18-title", 1, 1, true},
			{"opencode-1.18-chat-1", 1, 1, false},
			{"opencode-1.18-chat-2", 1, 1, false},
		},
		"opencode, title between": {
			{"opencode-1.18-chat-1", 1, 1, false},
			{"opencode-1.18-title", 1, 1, true},
			{"opencode-1.18-chat-2", 1, 1, false},
		},
		"swarm": {
			{"swarm-0.1-handoff-1", 1, 1, false},
			{"swarm-0.1-handoff-2", 2, 1, false},
			{"swarm-0.1-handoff-3", 2, 1, false},
		},
		"openai-agents": {
			{"openai-agents-0.24-handoff-1", 1, 1, false},
			{"openai-agents-0.24-handoff-2", 2, 1, false},
			{"openai-agents-0.24-handoff-3", 2, 1, false},
		},
		"strangers": {
			{"codex-0.169-responses-2", 1, 1, false},
			{"openai-agents-0.24-handoff-1", 2, 2, false},
			{"swarm-0.1-handoff-1", 3, 3, false},
			{"langgraph-1.2-chat-1", 4, 4, false},
			{"pydantic-ai-2.68-chat-2", 5, 5, false},
		},
	}
	all := captures(t)
	for name, steps := range runs {
		t.Run(name, func(t *testing.T) {
			f := New(Options{})
			sessions, programs := map[int]string{}, map[int]string{}
			for _, s := range steps {
				c := all[s.file]
				id := c.agent(t, f).one(c.body)
				if id.Side != s.side {
					t.Errorf("%s: side is %v", s.file, id.Side)
				}
				remember(t, s.file+": session", sessions, s.session, id.Session)
				remember(t, s.file+": program", programs, s.program, id.Program)
			}
		})
	}
}

// remember checks that equal numbers stand for equal names and others for others.
func remember(t *testing.T, what string, seen map[int]string, n int, name string) {
	t.Helper()
	for m, old := range seen {
		if (m == n) != (old == name) {
			t.Errorf("%s: %q for number %d, but %q for %d", what, name, n, old, m)
		}
	}
	seen[n] = name
}
