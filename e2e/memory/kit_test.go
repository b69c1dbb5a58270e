//go:build e2e && linux

package memory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/memory"
)

func TestMain(m *testing.M) {
	starter := goleak.IgnoreTopFunction("github.com/trapgate/trapgate/e2e/engine/rig.init.func1.1") // lives as long as the process
	goleak.VerifyTestMain(m, starter, goleak.Cleanup(func(code int) {
		rig.Report(os.Stderr)
		os.Exit(code)
	}))
}

const byHeader = "memory: {scope: {user: {header: x-user}}}\n"

// noteMark begins every note.
const noteMark = "[memory notes"

// A gate is a trapgate process over a data directory that outlives it.
type gate struct {
	*rig.Proc
	t      testing.TB
	url    string // with /v1
	data   string
	config string
	client *http.Client
}

// start starts one, and stops it at the end of the test unless it has ended by then. wrap is put before the command.
func start(t testing.TB, data, upstream, section string, wrap ...string) *gate {
	t.Helper()
	for {
		g, err := tryStart(t, data, upstream, section, wrap...)
		if err == nil {
			return g
		}
		if !strings.Contains(err.Error(), "address already in use") { // a port that was free a moment ago
			t.Fatal(err)
		}
	}
}

func tryStart(t testing.TB, data, upstream, section string, wrap ...string) (*gate, error) {
	t.Helper()
	bin, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, data: data, config: filepath.Join(t.TempDir(), "trapgate.yaml"), client: &http.Client{Transport: &http.Transport{}}}
	config := "upstreams: [{name: u, base_url: " + upstream + ", credential: none}]\ntelemetry: {log: {exchanges: false}}\n" + section
	if err := os.WriteFile(g.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(wrap, bin, "serve", "--config", g.config, "--listen", "127.0.0.1:0", "--admin", admin, "--data", data)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(data), "TMPDIR=" + os.TempDir()}
	g.Proc, g.url, err = rig.Start(cmd, 30*time.Second, func(line string) (string, bool) {
		return strings.CutPrefix(line, "trapgate: listening on ")
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		g.client.CloseIdleConnections()
		select {
		case <-g.Ended():
		default:
			g.stop()
		}
	})
	return g, nil
}

func (g *gate) stop() {
	g.t.Helper()
	if err := g.Stop(); err != nil {
		g.t.Errorf("%v\n%s", err, g.Log())
	}
}

// cli runs `trapgate memory ARGS` on the gate's data directory, whether the gate runs or not.
func (g *gate) cli(args ...string) (string, error) {
	bin, err := rig.Binary()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(bin, append([]string{"memory"}, append(args, "--config", g.config, "--data", g.data)...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(g.data), "TMPDIR=" + os.TempDir()}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("memory %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func (g *gate) must(args ...string) string {
	g.t.Helper()
	out, err := g.cli(args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// kept is all that is remembered, closed records too.
func (g *gate) kept(flags ...string) (all []memory.Entry) {
	g.t.Helper()
	for line := range strings.Lines(g.must(append([]string{"export"}, flags...)...)) {
		var e memory.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			g.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// quiet waits until nothing new is kept.
func (g *gate) quiet() {
	g.t.Helper()
	for before, now := "-", ""; before != now; time.Sleep(300 * time.Millisecond) {
		before, now = now, g.must("stats", "--json")
	}
}

// settle waits until what is kept holds a text, and reports whether it came to that.
func (g *gate) settle(text string, flags ...string) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if out, err := g.cli(append([]string{"export"}, flags...)...); err == nil && strings.Contains(out, text) {
			return true
		}
	}
	return false
}

// A msg is a message of chat completions.
type msg struct {
	Role    string `json:"role"`
	Content string `json:"content"`
	Name    string `json:"name,omitempty"`
	Calls   any    `json:"tool_calls,omitempty"`
	CallID  string `json:"tool_call_id,omitempty"`
}

func says(text string) msg { return msg{Role: "user", Content: text} }

// called are an assistant's call of a tool and its output.
func called(id, output string) []msg {
	return []msg{
		{Role: "assistant", Calls: []any{map[string]any{
			"id": id, "type": "function", "function": map[string]string{"name": "run", "arguments": "{}"},
		}}},
		{Role: "tool", CallID: id, Content: output},
	}
}

// A reply is what came of one request.
type reply struct {
	status int
	memory string // the response's x-trapgate-memory
	text   string // the answer's
	sent   string // the request's body as the model got it
}

// notes is the part of the request sent that the agent did not write; "" for none.
func (r *reply) notes() string {
	if i := strings.Index(r.sent, noteMark); i >= 0 {
		return r.sent[i:]
	}
	return ""
}

// ask sends a conversation. Header lines are "name: value".
func (g *gate) ask(u *upstream, conversation []msg, lines ...string) (*reply, error) {
	body, err := json.Marshal(map[string]any{"model": "m", "messages": conversation})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, g.url+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer one")
	id := u.next()
	req.Header.Set(idHeader, id)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
		if strings.EqualFold(name, "authorization") {
			req.Header.Set(name, value)
		}
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	r := &reply{status: resp.StatusCode, memory: resp.Header.Get("x-trapgate-memory"), sent: u.take(id)}
	var answer struct {
		Choices []struct{ Message msg }
	}
	if json.Unmarshal(raw, &answer) == nil && len(answer.Choices) > 0 {
		r.text = answer.Choices[0].Message.Content
	}
	return r, nil
}

// asks is ask that must succeed, and once more with a fresh conversation when a busy machine was too slow for the deadline of recall.
func (g *gate) asks(u *upstream, conversation []msg, lines ...string) *reply {
	g.t.Helper()
	r, err := g.ask(u, conversation, lines...)
	if err != nil || r.status != 200 {
		g.t.Fatalf("%v %+v\n%s", err, r, g.Log())
	}
	return r
}

const idHeader = "x-e2e-id"

// An upstream is a model that says what answer says, and keeps what it was sent.
type upstream struct {
	*httptest.Server
	answer func(body string) string // nil: "All right."

	mu   sync.Mutex
	sent map[string]string
	n    int
}

func model(t testing.TB, answer func(body string) string) *upstream {
	u := &upstream{answer: answer, sent: map[string]string{}}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) base() string { return u.URL + "/v1" }

func (u *upstream) next() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n++
	return fmt.Sprint(u.n)
}

func (u *upstream) take(id string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	sent := u.sent[id]
	delete(u.sent, id)
	return sent
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.sent[r.Header.Get(idHeader)] = string(body)
	u.mu.Unlock()
	text := "All right."
	if u.answer != nil {
		text = u.answer(string(body))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"id": "c", "object": "chat.completion", "model": "m",
		"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": msg{Role: "assistant", Content: text}}},
		"usage":   map[string]int{"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
	})
}

// times is how often something is done: in short, and with TRAPGATE_E2E_FULL=1.
func times(short, full int) int {
	if rig.Full() {
		return full
	}
	return short
}
