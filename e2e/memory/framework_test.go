//go:build e2e && linux

package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/clients"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// A framework is a real agent library, and how it says who its user is.
type framework struct {
	name, client, section string
	ways, full            []string
	start                 func(s clients.Setup, home string) ([]string, error)
}

var frameworks = []framework{
	{
		"OpenAI Agents SDK, user in a header", "openai-agents", byHeader,
		[]string{"chat/stream", "responses/unary"},
		[]string{"chat/unary", "responses/stream"},
		func(s clients.Setup, _ string) ([]string, error) {
			script, err := filepath.Abs("agent.py")
			return []string{filepath.Join(s.Install, "bin", "python"), "-B", script}, err
		},
	},
	{
		"Vercel AI SDK, user in the body", "vercel-ai", "memory: {scope: {user: {field: user}}}\n",
		[]string{"chat/unary", "responses/stream"},
		[]string{"chat/stream", "responses/unary"},
		func(s clients.Setup, home string) ([]string, error) { // imports are resolved from where the file stands
			b, err := os.ReadFile("agent.mjs")
			if err != nil {
				return nil, err
			}
			script := filepath.Join(home, "agent.mjs")
			if err := os.WriteFile(script, b, 0o600); err != nil {
				return nil, err
			}
			link := filepath.Join(home, "node_modules")
			if _, err := os.Lstat(link); err != nil {
				if err := os.Symlink(filepath.Join(s.Install, "node_modules"), link); err != nil {
					return nil, err
				}
			}
			return []string{"node", script}, nil
		},
	},
}

const (
	toldText = "Please remember that my cat is called Ottokar and that I moved to Lisbon. Then look around in the kitchen."
	asksText = "What is my cat called, and where do I live?"
)

// TestFrameworks: what an agent was told in one run it knows in the next, in another process, through nothing but its base URL.
func TestFrameworks(t *testing.T) {
	for _, f := range frameworks {
		t.Run(f.name, func(t *testing.T) {
			setup := installed(t, f.client)
			ways := f.ways
			if rig.Full() {
				ways = append(ways, f.full...)
			}
			for _, way := range ways {
				t.Run(strings.ReplaceAll(way, "/", " "), func(t *testing.T) { f.runs(t, setup, way) })
			}
		})
	}
}

func installed(t *testing.T, name string) clients.Setup {
	t.Helper()
	list, err := clients.Select(name)
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := filepath.Abs(filepath.Join("..", "clients", "drivers"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir, err := list[0].Install(ctx, drivers)
	if err != nil {
		rig.Skip(t, fmt.Sprintf("%s cannot be installed here: %v", name, err))
	}
	return clients.Setup{Install: dir, Drivers: drivers}
}

// seen are the requests that reached the model; a model that is told of the cat says so.
type seen struct {
	mu     sync.Mutex
	bodies []string
}

func (s *seen) decide(turn simmodel.Turn) *simmodel.Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := string(turn.Body)
	s.bodies = append(s.bodies, body)
	if at := strings.Index(body, noteMark); at >= 0 && strings.Contains(body[at:], "Ottokar") {
		return &simmodel.Step{Say: "Your cat is Ottokar."}
	}
	return nil
}

func (s *seen) take() (bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bodies, s.bodies = s.bodies, nil
	return bodies
}

func (f *framework) runs(t *testing.T, setup clients.Setup, way string) {
	var s seen
	sim, err := simmodel.New(simmodel.Options{Decide: s.decide})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	server, err := sim.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	g := start(t, filepath.Join(t.TempDir(), "data"), server.URL+"/v1", f.section)
	say := func(user, text string) (final string, notes int) {
		t.Helper()
		final, err := f.agent(t, setup, g.url, way, user, text)
		if err != nil {
			t.Fatalf("%v\n%s", err, g.Log())
		}
		for _, body := range s.take() {
			if strings.Contains(body, noteMark) {
				notes++
			}
		}
		return final, notes
	}
	if _, notes := say("ann", toldText); notes > 0 {
		t.Error("told of what was said in this very run")
	}
	if _, notes := say("", strings.ReplaceAll(toldText, "Ottokar", "Nobody")); notes > 0 {
		t.Error("nobody is told something")
	}
	if !g.settle("Ottokar") || !g.settle("Nobody") {
		t.Fatalf("not kept: %s", g.must("export"))
	}
	if final, notes := say("ann", asksText); notes == 0 || !strings.Contains(final, "Ottokar") {
		t.Errorf("run two: %d requests with notes, the answer is %q", notes, final)
	}
	for _, other := range []string{"bob", ""} {
		if final, notes := say(other, asksText); notes > 0 || strings.Contains(final, "Ottokar") {
			t.Errorf("user %q: %d requests with notes, the answer is %q", other, notes, final)
		}
	}
}

func (f *framework) agent(t *testing.T, setup clients.Setup, url, way, user, text string) (string, error) {
	home := t.TempDir()
	args, err := f.start(setup, home)
	if err != nil {
		return "", err
	}
	cmd := clients.Command{Args: args, Dir: home, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "NO_PROXY=127.0.0.1", "OPENAI_AGENTS_DISABLE_TRACING=1",
		"OPENAI_API_KEY=sk-e2e-key", "OPENAI_BASE_URL=" + url, "E2E_WAY=" + way, "E2E_USER=" + user, "E2E_TEXT=" + text,
	}}
	out, _, err := cmd.Run(t.Context(), 3*time.Minute)
	if err != nil {
		return "", err
	}
	var answer struct{ Final string }
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "{") {
			err = json.Unmarshal([]byte(line), &answer)
		}
	}
	if answer.Final == "" {
		return "", fmt.Errorf("no answer: %w: %s", err, out)
	}
	return answer.Final, nil
}
