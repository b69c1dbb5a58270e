package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/admin"
)

// rewritten starts Trapgate before one upstream with a context section and nothing else.
func rewritten(tb testing.TB, up *fake, section string, change ...func(*gatewayOptions)) *gateway {
	tb.Helper()
	return open(tb, "upstreams: [{name: u, base_url: "+up.url()+"/v1, credential: agent}]\ncontext: "+section+"\n", change...)
}

// small is a window that a session outgrows soon.
const (
	small       = `{windows: {"*": 3000}, reserve: 500}`
	smallWindow = 3000 - 500
)

// plainAnswer says nothing of usage, so nothing is learnt from it.
const plainAnswer = `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`

var saysPlainly = raw(sized("200 OK", "Content-Type: application/json\r\n", plainAnswer))

// A session is an agent's conversation, a tool call and its result longer with each turn.
type session struct {
	messages []string
	lines    []string // of each request's head
	model    string
}

// What must be there in every request, byte for byte.
const (
	systemRule = `You work on a parser. You must never delete the file keep-me.txt.`
	userRule   = `Mend the failing test. Always answer in French.`
)

func newSession(lines ...string) *session {
	return &session{model: "m", lines: append(lines, "Authorization: Bearer one"), messages: []string{
		`{"role":"system","content":"` + systemRule + `"}`,
		`{"role":"user","content":"` + userRule + `"}`,
	}}
}

func (c *session) turn() {
	n := len(c.messages)
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, `step %d of run %d read line %d of the file;\n`, i, n, n*37+i)
	}
	c.messages = append(c.messages,
		fmt.Sprintf(`{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"read","arguments":"{\"path\":\"/src/file%d.go\"}"}}]}`, n, n),
		fmt.Sprintf(`{"role":"tool","tool_call_id":"call_%d","content":"%s"}`, n, text.String()))
}

func (c *session) body() string {
	return `{"model":"` + c.model + `","messages":[` + strings.Join(c.messages, ",") + `]}`
}

func (c *session) ask(tb testing.TB, g *gateway, lines ...string) *message {
	tb.Helper()
	m := g.do(tb, post("/v1/chat/completions", c.body(), append(lines, c.lines...)...))
	if m.status() != 200 {
		tb.Fatalf("%s\n%s", m.Line, m.Body)
	}
	return m
}

// grow asks after each of so many turns and looks at what the upstream gets; it returns how many were rewritten.
func (c *session) grow(tb testing.TB, g *gateway, up *fake, turns int) (rewritten int) {
	tb.Helper()
	before := ""
	broken := 0
	for range turns {
		c.turn()
		m := c.ask(tb, g)
		sent := up.last().Body
		if sent != c.body() {
			rewritten++
			if !strings.HasPrefix(m.get("x-trapgate-context"), "epoch=") {
				tb.Errorf("a rewrite without a word: %s", m.Fields)
			}
		} else if m.has("x-trapgate-context") {
			tb.Errorf("%s, but nothing is changed", m.get("x-trapgate-context"))
		}
		c.check(tb, sent)
		if before != "" && !strings.HasPrefix(sent, strings.TrimSuffix(before, "]}")) {
			broken++
		}
		before = sent
	}
	if epochs := int(g.context.engine.Counts().Epochs); broken != epochs {
		tb.Errorf("%d requests did not continue the one before, with %d epochs", broken, epochs)
	}
	return rewritten
}

// check looks at one request as an upstream gets it: valid, inside the window, with its rules.
func (c *session) check(tb testing.TB, sent string) {
	tb.Helper()
	if !json.Valid([]byte(sent)) {
		tb.Fatalf("no JSON: %s", sent)
	}
	for _, want := range []string{systemRule, userRule, c.messages[len(c.messages)-1]} {
		if !strings.Contains(sent, want) {
			tb.Fatalf("not in the request: %s\n%s", want, sent)
		}
	}
	if n := tokens.Count(sent); n > smallWindow {
		tb.Fatalf("%d tokens where %d fit", n, smallWindow)
	}
	v, err := wire.Acquire(wire.Chat, []byte(sent), wire.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	defer v.Release()
	if faults := history.Check(v, history.OpenAI); len(faults) > 0 {
		tb.Fatalf("%v\n%s", faults, sent)
	}
}

// A conversation that outgrows its window goes on, keeps its rules and stays a prefix of its next request, with the scheduler and
// without.
func TestContextFits(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"alone": "", "with schedule": "schedule: {}\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, saysPlainly)
			g := open(t, "upstreams: [{name: u, base_url: "+up.url()+"/v1, credential: agent}]\ncontext: "+small+"\n"+more)
			c := newSession()
			const turns = 40
			n := c.grow(t, g, up, turns)
			counts := g.context.engine.Counts()
			if n == 0 || n == turns || int64(n) != counts.Rewritten || counts.Epochs < 2 || counts.Removed <= 0 || counts.TooLarge > 0 {
				t.Errorf("%d rewritten, %+v", n, counts)
			}
			if g.context.filter.Failures() > 0 {
				t.Error("failed inside")
			}
			if (g.schedule != nil) != (more != "") {
				t.Error("a piece that nobody asked for")
			}
		})
	}
}

// What fits is not touched, whatever the conversation does.
func TestContextBelowTheMark(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := rewritten(t, up, `{windows: {"*": 200_000}}`)
	c := newSession()
	for range 20 {
		c.turn()
		if m := c.ask(t, g); up.last().Body != c.body() || m.has("x-trapgate-context") {
			t.Fatalf("changed:\n%s\n%s", up.last().Body, m.Fields)
		}
	}
}

// grown is a conversation that is over its window.
func grown(lines ...string) *session {
	c := newSession(lines...)
	for range 40 {
		c.turn()
	}
	return c
}

func TestContextBypass(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := rewritten(t, up, small)
	c := grown()
	if m := c.ask(t, g, "x-trapgate-context: off"); up.last().Body != c.body() || m.has("x-trapgate-context") || up.last().has("x-trapgate-context") {
		t.Errorf("changed, or told on:\n%s\n%s", m.Fields, up.last().Fields)
	}
	if c.ask(t, g); up.last().Body == c.body() {
		t.Error("not rewritten without the header")
	}
	c.check(t, up.last().Body)
}

// Rules of the configuration and of the header stand in a rewrite, the former for those whom they are for.
func TestContextPins(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := rewritten(t, up, `{windows: {"*": 3000}, reserve: 500, pins: {rules: [{text: Keep the "old" API., model: "m*"}, {text: Not for this one., model: other}, {text: For this path., path: [/team/*, /v1/chat/*]}, {text: Not for this path., path: /team/*}]}}`)
	c := grown("x-trapgate-pin: Speak of nobody.")
	if m := c.ask(t, g); !strings.Contains(m.get("server-timing"), "rewrite;") {
		t.Errorf("its time is not told: %s", m.Fields)
	}
	sent := up.last().Body
	if !strings.Contains(sent, `Keep the \"old\" API.`) || !strings.Contains(sent, "Speak of nobody.") || strings.Contains(sent, "Not for this") || !strings.Contains(sent, "For this path.") {
		t.Errorf("rules: %s", sent)
	}
	c.check(t, sent)
}

// Observing changes no byte and says what it would do.
func TestContextObserves(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := rewritten(t, up, `{mode: observe, windows: {"*": 3000}, reserve: 500}`)
	c := grown()
	m := c.ask(t, g)
	if note := m.get("x-trapgate-context"); up.last().Body != c.body() || !strings.Contains(note, "; to=") || !strings.Contains(note, "; observed") {
		t.Errorf("%s\n%s", m.Fields, up.last().Body)
	}
	if n := g.context.counts(); n.Rewritten != 0 || n.Observed != 1 || n.Saving <= 0 {
		t.Errorf("%+v", n)
	}
}

// The first refusal for length teaches the window of a model that nobody knows, and the agent never sees it.
func TestContextLearnsTheWindow(t *testing.T) {
	t.Parallel()
	const window = 3500
	up := newFake(t, func(c *upConn, m *message) bool {
		if n := tokens.Count(m.Body); n > window {
			return c.say(sized("400 Bad Request", "Content-Type: application/json\r\n", fmt.Sprintf(
				`{"error":{"message":"This model's maximum context length is %d tokens. However, your messages resulted in %d tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, window, n)))
		}
		return saysPlainly(c, m)
	})
	g := rewritten(t, up, "{reserve: 500}")
	c := grown()
	m := c.ask(t, g) // 200
	if up.requests() != 2 || !strings.HasPrefix(m.get("x-trapgate-context"), "epoch=1; ") {
		t.Errorf("%d requests\n%s", up.requests(), m.Fields)
	}
	c.turn()
	if c.ask(t, g); up.requests() != 3 || g.context.engine.Counts().Learnt != 1 {
		t.Errorf("%d requests: the window is not remembered", up.requests())
	}
}

// A reload keeps epochs, and changes what they are made by; with the section gone requests go out as they come.
func TestContextReload(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	var file string
	yaml := "upstreams: [{name: u, base_url: " + up.url() + "/v1, credential: agent}]\n"
	g := open(t, yaml+"context: "+small+"\n", func(o *gatewayOptions) { file = o.file })
	reload := func(more string) {
		t.Helper()
		was := g.pipeline.current.Load()
		writeFile(t, file, yaml+more)
		eventually(t, "the new configuration in force", func() bool { return g.pipeline.current.Load() != was })
	}
	c := grown()
	c.ask(t, g)
	first := up.last().Body
	reload("context: {windows: {\"*\": 3000}, reserve: 500, pins: {tools: [other]}}\n")
	if c.ask(t, g); up.last().Body != first {
		t.Error("the epoch is lost")
	}
	reload("")
	if m := c.ask(t, g); up.last().Body != c.body() || m.has("x-trapgate-context") {
		t.Error("rewritten without the section")
	}
	reload("context: {mode: off}\n")
	if c.ask(t, g); up.last().Body != c.body() {
		t.Error("rewritten while off")
	}
	reload("schedule: {}\ncontext: " + small + "\n")
	if c.ask(t, g); up.last().Body != first {
		t.Error("the epoch is lost while the section was gone")
	}
}

// A restart goes on with the same bytes.
func TestContextSurvivesARestart(t *testing.T) {
	t.Parallel()
	const uncounted = `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`
	up := newFake(t, raw(sized("200 OK", "Content-Type: application/json\r\n", uncounted))) // what usage teaches is not kept
	data := t.TempDir()
	here := func(o *gatewayOptions) { o.flags.Data = data }
	c := newSession("X-Session-Id: kept")
	g := rewritten(t, up, small, here)
	c.grow(t, g, up, 20) // few enough that no breaker has stopped epochs, which a restart forgets
	for range 3 {        // an epoch may be under way, which the next request swaps in
		g.context.engine.Close()
		c.ask(t, g)
	}
	epochs, last := g.context.engine.Counts().Epochs, up.last().Body
	if epochs < 2 {
		t.Fatal("too little to remember")
	}
	if err := g.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	g = rewritten(t, up, small, here)
	m := c.ask(t, g) // once more
	if up.last().Body != last {
		t.Errorf("after %d epochs the request is not what it was before the restart: %s", epochs, m.get("x-trapgate-context"))
	}
	c.turn()
	c.ask(t, g)
	c.check(t, up.last().Body)
}

// A guest of a data directory rewrites too, and forgets with its end.
func TestContextOfAGuest(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	data := t.TempDir()
	rewritten(t, up, small, func(o *gatewayOptions) { o.flags.Data = data })
	g := rewritten(t, up, small, func(o *gatewayOptions) { o.flags.Data, o.guest = data, true })
	if g.sharing.DB() != nil {
		t.Fatal("no guest")
	}
	c := newSession()
	if c.grow(t, g, up, 30) == 0 {
		t.Error("not rewritten")
	}
}

// What is kept can be looked at, by who has the token only.
func TestContextIsShown(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	data := t.TempDir()
	g := rewritten(t, up, small, func(o *gatewayOptions) { o.flags.Data = data })
	c := newSession()
	c.turn()
	c.messages = append(c.messages, `{"role":"user","content":"From now on you must only touch parser.go."}`)
	for range 40 {
		c.turn()
	}
	c.ask(t, g)
	var lines strings.Builder
	run := func(args ...string) string {
		t.Helper()
		lines.Reset()
		s := &streams{out: &lines, err: &lines}
		if code := execute(context.Background(), append([]string{"context"}, append(args, "--data", data)...), s); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, lines.String())
		}
		return lines.String()
	}
	var name string
	eventually(t, "the epoch in the store", func() bool {
		rows := strings.Split(run("ls"), "\n")
		if len(rows) > 1 && rows[1] != "" {
			name = strings.Fields(rows[1])[0]
		}
		return name != ""
	})
	if out := run("show", name); !strings.Contains(out, "== rules (") || !strings.Contains(out, "must only touch parser.go") {
		t.Errorf("show: %s", out)
	}
	out := run("diff", name)
	if !strings.Contains(out, "epoch 1, after the task") || !strings.Contains(out, "- messages 2 to ") {
		t.Errorf("diff: %s", out)
	}
	_, handle, ok := strings.Cut(out, "kept as ")
	handle, _, _ = strings.Cut(handle, "\n")
	if !ok || !strings.Contains(run("show", handle), "/src/file2.go") {
		t.Errorf("handle %s: %s", handle, lines.String())
	}
	st, ok := g.state().(admin.State)
	if !ok || st.Context == nil || st.Context.Sessions != 1 || st.Context.Counts.Rewritten != 1 {
		t.Errorf("/debug/state: %+v", st.Context)
	}
	if code := execute(context.Background(), []string{"context", "show", "nobody", "--data", data}, &streams{out: &lines, err: &lines}); code == 0 {
		t.Error("a session that nobody has is shown")
	}
	if err := os.Remove(data + "/" + admin.TokenFile); err != nil {
		t.Fatal(err)
	}
	if code := execute(context.Background(), []string{"context", "ls", "--data", data}, &streams{out: &lines, err: &lines}); code == 0 {
		t.Error("shown without the token")
	}
}
