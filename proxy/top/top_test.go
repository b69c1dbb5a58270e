package top

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/admin"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) {
	// A tick that bubbletea has begun ends with its time.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("charm.land/bubbletea/v2.Tick.func1"))
}

func state() admin.State {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return admin.State{
		Version: "v0.1.0", PID: 42, Started: now.Add(-3723 * time.Second), Now: now, Listen: "http://127.0.0.1:4000/v1", Generation: 3, Ready: true,
		Reasons: []string{"trapgate.yaml:14:7: upstreams[0].base_url: must be an absolute URL"},
		InFlight: []telemetry.InFlightInfo{
			{
				ID: "0192f3a4", AgeMS: 64321, SinceMS: 12000, Dialect: "chat", Tenant: "team-a", Agent: "codex", Session: "s-1",
				Program: "p-1", Model: "gpt-test", Upstream: "openai", Attempt: 2, State: "streaming", Tokens: 12345,
			},
			{
				ID: "0192f3a5", AgeMS: 800, SinceMS: 790, Dialect: "messages", Tenant: "anonymous", Agent: "evil\x1b[2J\nagent with a name that has no end",
				Session: "s-2", Program: "p-1", Model: "\u6a21\u578b", State: "open",
			},
		},
		Upstreams: []admin.Upstream{
			{Name: "openai", Breaker: "closed", Busy: 1, Idle: 4, Dials: 9, Redials: 1},
			{Name: "local", Breaker: "open"},
		},
		Context: &admin.Context{Sessions: 7, Counts: telemetry.ContextCounts{
			Requests: 1200, Rewritten: 345, Removed: 12_345_678, Epochs: 9, InPath: 2, Cuts: 1, Learnt: 2, Failures: 3,
		}},
		Memory: &admin.Memory{Mode: "on", Store: "/var/lib/trapgate\x1b[2J", Counts: telemetry.MemoryCounts{
			Recalls: 812, Hits: 641, Notes: 402, Tokens: 87_654, Learned: map[string]int64{"episode": 2200, "fact": 310}, Abstained: 5, Late: 1,
		}},
		Totals: telemetry.LedgerTotals{
			Exchanges: 1234, Retries: 3, Fallbacks: 1, Errors: 2, UpstreamErrors: 6, Cancelled: 4, Truncated: 1,
			Tokens:    telemetry.Tokens{Input: 12_300_000, Output: 45_678, Cached: 10_000_000},
			Estimated: telemetry.Tokens{Output: 120}, AddedP50: 38 * time.Microsecond, AddedP99: 1250 * time.Microsecond,
		},
	}
}

// serve answers as the admin port does.
func serve(t *testing.T, s func() any) (addr, token string) {
	t.Helper()
	dir := t.TempDir()
	token, err := admin.Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := admin.Start(l, admin.Options{Token: token, State: s})
	t.Cleanup(srv.Close)
	return l.Addr().String(), token
}

func TestOnceGolden(t *testing.T) {
	addr, token := serve(t, func() any { return state() })
	for _, a := range []string{addr, "http://" + addr + "/"} {
		var out strings.Builder
		// No terminal behind these: the look is plain even when nobody asked for it.
		if err := Run(context.Background(), Options{Admin: a, Token: token, In: strings.NewReader(""), Out: &out}); err != nil {
			t.Fatal(err)
		}
		golden(t, "once.golden", out.String())
		for _, r := range out.String() {
			if r < ' ' && r != '\n' || r == 0x7f {
				t.Fatalf("control character %q", r)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func TestOnceErrors(t *testing.T) {
	addr, token := serve(t, func() any { return state() })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := free.Addr().String()
	free.Close()
	redirect := httptest.NewServer(http.RedirectHandler("http://"+addr+"/debug/state", http.StatusFound))
	defer redirect.Close()
	for _, c := range []struct{ admin, token, want string }{
		{"", token, "hint: --admin"},
		{"nonsense", token, "admin address"},
		{dead, token, "hint: is Trapgate running"},
		{addr, "wrong", "401"},
		{redirect.URL, token, "302"},
	} {
		err := Run(context.Background(), Options{Admin: c.admin, Token: c.token, Once: true, Out: io.Discard})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v, want %q", c.admin, err, c.want)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	dir := t.TempDir()
	token, err := admin.Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := admin.Start(l, admin.Options{Token: token, State: func() any { return state() }})
	defer srv.Close()
	var out strings.Builder
	if err := Run(context.Background(), Options{Admin: "unix:" + path, Token: token, Once: true, Out: &out}); err != nil || !strings.Contains(out.String(), "in flight: 2") {
		t.Errorf("%v %q", err, out.String())
	}
}

func TestRates(t *testing.T) {
	a, b := state(), state()
	b.Now = a.Now.Add(2 * time.Second)
	b.Totals.Exchanges += 10
	b.Totals.Tokens.Output += 300
	if r := between(&a, &b); !r.known || r.exchanges != 5 || r.out != 150 {
		t.Errorf("%+v", r)
	}
	b.PID++
	if r := between(&a, &b); r.known {
		t.Error("rates across a restart")
	}
	if between(nil, &a).known || between(&a, &a).known {
		t.Error("rates of one look")
	}
}

func TestView(t *testing.T) {
	addr, token := serve(t, func() any { return state() })
	c, err := newClient(addr, token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	m := &model{ctx: context.Background(), client: c}
	if got := m.draw(); !strings.Contains(got, "q quits") {
		t.Errorf("before the first look: %q", got)
	}
	m.Update(tea.WindowSizeMsg{Width: 60, Height: 13})
	_, next := m.Update(m.Init()())
	if next == nil || m.state == nil || m.err != nil {
		t.Fatalf("after a look: %v", m.err)
	}
	if _, next = m.Update(tick{}); next == nil {
		t.Error("no further look")
	}
	rows := strings.Split(m.draw(), "\n")
	for _, row := range rows {
		if w := ansi.StringWidth(row); w > 60 {
			t.Errorf("%d columns: %q", w, row)
		}
	}
	if len(rows) > 13 || !strings.Contains(m.draw(), "0192f3a4") || strings.Contains(m.draw(), "\x1b[2J") {
		t.Errorf("%d rows:\n%s", len(rows), m.draw())
	}
	for range 50 {
		m.Update(tea.KeyPressMsg{Code: tea.KeyDown})
	}
	if got := m.draw(); strings.Contains(got, "0192f3a4") || !strings.Contains(got, "0192f3a5") || !strings.Contains(got, "STATE") {
		t.Errorf("scrolled:\n%s", got)
	}
	m.Update(look{err: context.DeadlineExceeded})
	if got := m.draw(); !strings.Contains(got, "deadline exceeded") || !strings.Contains(got, "0192f3a5") {
		t.Errorf("after a failed look:\n%s", got)
	}
	if _, cmd := m.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not quit")
	}
	if v := m.View(); !v.AltScreen {
		t.Error("not on the alternate screen")
	}
}

// The whole program, without a terminal of its own.
func TestProgram(t *testing.T) {
	looks := make(chan struct{}, 100)
	addr, token := serve(t, func() any { looks <- struct{}{}; return state() })
	c, err := newClient(addr, token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	in, keys := io.Pipe()
	p := tea.NewProgram(&model{ctx: context.Background(), client: c}, tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithWindowSize(80, 24), tea.WithoutSignalHandler())
	done := make(chan error, 1)
	go func() { _, err := p.Run(); done <- err }()
	for range 2 {
		select {
		case <-looks:
		case <-time.After(10 * time.Second):
			t.Fatal("no look")
		}
	}
	_, _ = keys.Write([]byte("q"))
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("q does not quit")
	}
	keys.Close()
	in.Close()
}

func TestFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0.0s", 900 * time.Millisecond: "0.9s", 75 * time.Second: "1m15s", 3723 * time.Second: "1h2m"} {
		if got := age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 9999: "9999", 12345: "12.3k", 12_300_000: "12.3M"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := plain("a\x1b[31m\x00\u202eb\xff"); strings.ContainsAny(got, "\x1b\x00\u202e") || !strings.HasPrefix(got, "a?[31m?") {
		t.Errorf("%q", got)
	}
	if _, err := json.Marshal(state()); err != nil {
		t.Error(err)
	}
}
