//go:build e2e && unix

package context

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/clients"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

const frameworkWindow = 8000

var frameworkRules = []rule{
	{"operator", `You must always answer in the clerk's own units — "crates", never kilograms.`},
	{"user, at the start", "You must never order anything from supplier Ørsted & Sons, not even on sale."},
	{"user, later on", "Never tell a customer the code of a bin."},
	{"user, a fact", "REF-77310-QK"},
}

// refusal is what the agent prints when it dies: the provider's words.
var refusal = regexp.MustCompile(`Error code: 400 - .*(maximum context length|context window)`)

// TestFramework: an agent of LangGraph reads 96 pages in four legs, six windows together.
func TestFramework(t *testing.T) {
	_, setup := client(t, "langgraph")
	for _, c := range []struct {
		name, way, gate string
		refused         int64
		full            bool // LangChain itself needs 40 s of processor time for 87 requests of responses
	}{
		{"direct", "chat/unary", "", 0, false},
		{"direct, responses", "responses/stream", "", 0, true},
		{"through", "chat/unary", fmt.Sprintf(`{windows: {"*": %d}, reserve: 512}`, frameworkWindow), 0, false},
		{"through, responses", "responses/stream", fmt.Sprintf(`{windows: {"*": %d}, reserve: 512}`, frameworkWindow), 0, true},
		{"through, window unknown", "chat/stream", `{reserve: 512}`, 1, false},
		{"through, window unknown, responses", "responses/unary", `{reserve: 512}`, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.full && !rig.Full() {
				rig.Skip(t, "the same over responses; TRAPGATE_E2E_FULL=1 runs it")
			}
			r := &run{window: frameworkWindow, gate: c.gate, book: frameworkBook()}
			r.do(t, func(work, home, origin string) error {
				return langgraph(t.Context(), setup, r.book, c.way, work, home, origin)
			})
			if c.gate != "" {
				r.completed(t, c.refused)
				r.keeps(t, frameworkRules...)
				return
			}
			r.died(t)
			if r.agentErr == nil || !refusal.MatchString(r.agentErr.Error()) {
				t.Errorf("the agent does not die of its context: %v", r.agentErr)
			}
		})
	}
}

func frameworkBook() book {
	return book{
		pages: 96, leg: 24, lines: 16, tool: "read_page", final: "All pages are read and every order is noted.",
		call: func(n int) simmodel.Call {
			return simmodel.Call{Tool: "read_page", Args: fmt.Appendf(nil, `{"number": %d}`, n)}
		},
	}
}

func langgraph(ctx context.Context, s clients.Setup, b book, way, work, home, origin string) error {
	script, err := filepath.Abs("agent.py")
	if err != nil {
		return err
	}
	turns, err := json.Marshal([]string{
		"Read the book and note its orders. " + frameworkRules[1].text + " Start with the first quarter.",
		"Good; the reference of this job is " + frameworkRules[3].text + ". Read the second quarter.", "Before you read the third quarter: " + frameworkRules[2].text, "Now the last quarter.",
	})
	if err != nil {
		return err
	}
	cmd := clients.Command{
		Args: []string{filepath.Join(s.Install, "bin", "python"), "-B", script}, Dir: work,
		Env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "NO_PROXY=127.0.0.1", "LANGSMITH_TRACING=false",
			"OPENAI_API_KEY=sk-e2e-key", "OPENAI_BASE_URL=" + origin + "/v1", "E2E_WAY=" + way, "E2E_TURNS=" + string(turns),
			"E2E_SYSTEM=You are a careful clerk. " + frameworkRules[0].text + " Use the tool to read.",
		},
	}
	out, _, err := cmd.Run(ctx, 3*time.Minute)
	if err != nil {
		return err
	}
	var got struct {
		Final string
		Pages int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if got.Final != b.final || got.Pages != b.pages {
		return fmt.Errorf("%d pages read, final text %q", got.Pages, got.Final)
	}
	return nil
}
