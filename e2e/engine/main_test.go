//go:build e2e

package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

var (
	shared  *Engine // 2 slots of 4,096 tokens
	through string  // base URL of a gate before it, without /v1
	gateLog = func() string { return "" }
	missing string // what keeps the engine from running here
)

// need skips a test where there is no engine.
func need(t *testing.T) {
	t.Helper()
	if missing != "" {
		rig.Skip(t, missing)
	}
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer rig.Report(os.Stderr)
	if _, err := exec.LookPath("python3"); err != nil {
		missing = "python3 is not there"
		return m.Run()
	}
	began := time.Now()
	var err error
	if shared, err = Launch(Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop()
	g, err := startGate(shared)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = g.Close() }()
	through, gateLog = g.Base(), g.Log
	fmt.Fprintf(os.Stderr, "engine and gate are up after %v\n", time.Since(began).Round(time.Millisecond))
	return m.Run()
}

// startGate starts Trapgate before an engine.
func startGate(e *Engine) (*rig.Gate, error) {
	return rig.StartGate("upstreams:\n  - {name: engine, base_url: "+e.URL+"/v1}\n", "")
}

// A dialect is one of the three request forms, as far as these tests need it.
type dialect struct {
	name, path string
	body       func(stream bool, turns ...string) string // user and assistant in turn, from the user
	tool       string                                    // a field that offers one tool
	cached     *regexp.Regexp                            // the number of cached tokens in an answer
}

var dialects = []dialect{
	{
		name: "chat", path: "/v1/chat/completions",
		body: func(stream bool, turns ...string) string {
			usage := ""
			if stream {
				usage = `"stream_options":{"include_usage":true},`
			}
			return fmt.Sprintf(`{"model":"%s","stream":%t,%s"messages":[%s]}`, Model, stream, usage, roles(turns))
		},
		tool: `"tools":[{"type":"function","function":{"name":"weather","description":"of a city","parameters":` +
			`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}],`,
		cached: regexp.MustCompile(`"cached_tokens":(\d+)`),
	},
	{
		name: "responses", path: "/v1/responses",
		body: func(stream bool, turns ...string) string {
			return fmt.Sprintf(`{"model":"%s","stream":%t,"store":false,"input":[%s]}`, Model, stream, items(turns))
		},
		tool: `"tools":[{"type":"function","name":"weather","description":"of a city","parameters":` +
			`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}],`,
		cached: regexp.MustCompile(`"cached_tokens":(\d+)`),
	},
	{
		name: "messages", path: "/v1/messages",
		body: func(stream bool, turns ...string) string {
			return fmt.Sprintf(`{"model":"%s","stream":%t,"max_tokens":200,"messages":[%s]}`, Model, stream, roles(turns))
		},
		tool: `"tools":[{"name":"weather","description":"of a city","input_schema":` +
			`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}],`,
		cached: regexp.MustCompile(`"cache_read_input_tokens":(\d+)`),
	},
}

func roles(turns []string) string {
	var list []string
	for i, text := range turns {
		role := "user"
		if i%2 == 1 {
			role = "assistant"
		}
		list = append(list, fmt.Sprintf(`{"role":"%s","content":%q}`, role, text))
	}
	return strings.Join(list, ",")
}

// items is roles in the form of the responses dialect, where what the model said is an output item.
func items(turns []string) string {
	var list []string
	for i, text := range turns {
		if i%2 == 1 {
			list = append(list, fmt.Sprintf(`{"type":"message","role":"assistant","content":[{"type":"output_text","text":%q}]}`, text))
			continue
		}
		list = append(list, fmt.Sprintf(`{"role":"user","content":%q}`, text))
	}
	return strings.Join(list, ",")
}

// withTool adds the dialect's tool to a body.
func (d dialect) withTool(body string) string { return "{" + d.tool + body[1:] }

var client = &http.Client{Timeout: time.Minute}

// An answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func post(t *testing.T, url, body string) answer {
	t.Helper()
	resp, err := client.Do(request(t, url, body))
	if err != nil {
		t.Fatalf("%v\n%s", err, gateLog())
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v after %q\n%s", err, raw, gateLog())
	}
	return answer{resp.StatusCode, resp.Header, raw}
}

func request(t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	// The engine closes connections without a word; through the gate that is the gate's affair, and part of the test.
	req.Close = !strings.HasPrefix(url, through)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-engine-test")
	if strings.HasSuffix(url, "/messages") {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	return req
}

// masks cover what an engine makes anew for each answer.
var masks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`"(created|created_at|completed_at)":\d+`), `"$1":0`},
	{regexp.MustCompile(`"timings":\{[^}]*\}`), `"timings":{}`},
	{regexp.MustCompile(`(chatcmpl-|resp_|msg_|fc_|call_|toolu_)[A-Za-z0-9]{20,}`), `$1`},
	{regexp.MustCompile(`"(id|call_id|item_id)":"[A-Za-z0-9]{32}"`), `"$1":""`},
}

func masked(b []byte) string {
	for _, m := range masks {
		b = m.find.ReplaceAll(b, []byte(m.put))
	}
	return string(b)
}

// same fails unless two answers are equal but for what the engine makes anew.
func same(t *testing.T, direct, gated answer) {
	t.Helper()
	if direct.status != gated.status {
		t.Errorf("status %d direct, %d through", direct.status, gated.status)
	}
	if d, g := direct.header.Get("Content-Type"), gated.header.Get("Content-Type"); d != g {
		t.Errorf("content type %q direct, %q through", d, g)
	}
	d, g := masked(direct.body), masked(gated.body)
	if d == g {
		return
	}
	dl, gl := strings.Split(d, "\n"), strings.Split(g, "\n")
	for i := range min(len(dl), len(gl)) {
		if dl[i] != gl[i] {
			t.Fatalf("line %d differs\ndirect:  %s\nthrough: %s", i+1, dl[i], gl[i])
		}
	}
	t.Fatalf("%d lines direct, %d through", len(dl), len(gl))
}

// events reads SSE data lines until the stream ends or f returns false.
func events(r io.Reader, f func(data []byte) bool) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && !f(data) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
