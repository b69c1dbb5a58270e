package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestLineGolden(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, flush := NewLogger(&out, format, slog.LevelInfo)
		tel := newTest(t, Options{Log: log})
		run(tel, nil)
		ex := tel.Begin(ExchangeStart{Start: ms(0), ID: "req-2", Method: "POST", Target: "/v1/messages?api_key=hidden", Route: chatRoute})
		ex.Identify("anonymous", "an \"odd\" agent/1.0", "", "")
		ex.Model("m\u00e9dium")
		ex.End(ExchangeEnd{
			At: ms(60001), Status: 502, Outcome: OutcomeFailed, Attempts: 3, Retries: 2, Code: "upstream_unreachable",
			Err: "dial https://user:pass@up.test/v1?key=abcdef: connection refused, Authorization: Bearer sk-abcdefghijklmnop",
		})
		if err := flush(); err != nil {
			t.Fatal(err)
		}
		golden(t, "line."+format, out.String())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
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

// The fast encoder and slog's own handlers say the same (up to 1,000 seconds, from where slog writes 1e+06).
func TestLineEqualsSlog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9_.:/-]{0,20}`), rapid.SampledFrom([]string{"", "a=b", "x y", "\x00", "\u2028", "<&>", "\xff"}))
		ex := &Exchange{method: "POST", target: "/" + word.Draw(t, "target")}
		ex.id, ex.tenant, ex.agent, ex.session = word.Draw(t, "id"), word.Draw(t, "tenant"), word.Draw(t, "agent"), word.Draw(t, "session")
		ex.model, ex.start = word.Draw(t, "model"), epoch
		ex.first = epoch.Add(time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "ttft")))
		e := &ExchangeEnd{
			At: epoch.Add(time.Duration(rapid.Int64Range(0, 9e11).Draw(t, "total"))), Status: rapid.IntRange(0, 599).Draw(t, "status"),
			Outcome: Outcome(rapid.IntRange(0, int(numOutcomes)-1).Draw(t, "outcome")), Estimated: rapid.Bool().Draw(t, "estimated"),
			Answer: answer(), Added: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "added")), Err: word.Draw(t, "err"),
		}
		for _, format := range []string{"json", "text"} {
			fast := lineEncoder{json: format == "json"}
			fast.open(&lineHandler{}, e.At, e.level())
			ex.fields(&fast, e)
			fast.close()
			slow := lineEncoder{slow: true}
			ex.fields(&slow, e)
			var out bytes.Buffer
			var h slog.Handler = slog.NewTextHandler(&out, nil)
			if format == "json" {
				h = slog.NewJSONHandler(&out, nil)
			}
			r := slog.NewRecord(e.At, e.level(), lineMessage, 0)
			r.AddAttrs(slow.attrs...)
			if err := h.Handle(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if got, want := string(fast.b), out.String(); got != want && (format == "text" || !sameJSON(got, want)) {
				t.Fatalf("%s\nfast %q\nslog %q", format, got, want)
			}
		}
	})
}

// sameJSON compares what two lines mean: encoders spell control characters in more than one way.
func sameJSON(a, b string) bool {
	var x, y map[string]any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && cmp.Equal(x, y)
}

func TestStrangersLogger(t *testing.T) {
	var out bytes.Buffer
	tel := newTest(t, Options{Log: slog.New(slog.NewTextHandler(&out, nil)).With("service", "x")})
	run(tel, nil)
	if s := out.String(); !strings.Contains(s, "service=x id=req-1 tenant=team-a") || strings.Contains(s, "sk-very") {
		t.Errorf("%q", s)
	}
	out.Reset()
	log, flush := NewLogger(&out, "text", slog.LevelWarn)
	tel = newTest(t, Options{Log: log.With("service", "y")})
	run(tel, nil)
	_ = flush()
	if out.Len() != 0 {
		t.Errorf("a line below the level: %q", out.String())
	}
}

// slow is a reader that takes its time.
type slow struct {
	mu   sync.Mutex
	free chan struct{}
	n    int
	got  bytes.Buffer
}

func (s *slow) Write(p []byte) (int, error) {
	if s.free != nil {
		<-s.free
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.got.Write(p)
}

func (s *slow) writes() (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.got.String()
}

func TestLinesAreCollected(t *testing.T) {
	w := &slow{}
	log, flush := NewLogger(w, "text", slog.LevelInfo)
	for i := range 1000 {
		log.Info("line", "n", i)
	}
	if err := flush(); err != nil {
		t.Fatal(err)
	}
	n, got := w.writes()
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if n > 100 || len(lines) != 1000 || !strings.HasSuffix(lines[0], "n=0") || !strings.HasSuffix(lines[999], "n=999") {
		t.Errorf("%d writes, %d lines", n, len(lines))
	}
	log.Info("after the end")
	if _, got := w.writes(); !strings.HasSuffix(got, "msg=\"after the end\"\n") {
		t.Error("a line after the end is lost")
	}
}

func TestALoneLineDoesNotWait(t *testing.T) {
	for _, c := range []struct {
		level slog.Level
		least time.Duration
	}{{slog.LevelInfo, logDelay / 2}, {slog.LevelError, 0}} {
		w := &slow{}
		log, flush := NewLogger(w, "text", slog.LevelInfo)
		start := time.Now()
		log.Log(context.Background(), c.level, "hello")
		for time.Since(start) < 5*time.Second {
			if n, _ := w.writes(); n > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if n, _ := w.writes(); n != 1 || time.Since(start) < c.least {
			t.Errorf("%v: %d writes after %v", c.level, n, time.Since(start))
		}
		if err := flush(); err != nil {
			t.Error(err)
		}
	}
}

func TestNobodyReads(t *testing.T) {
	w := &slow{free: make(chan struct{})}
	log, flush := NewLogger(w, "json", slog.LevelInfo)
	tel, err := New(context.Background(), Options{Log: log, Getenv: noEnv})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for range 5000 {
		run(tel, nil)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("exchanges waited for the reader of the log: %v", d)
	}
	if tel.logDropped() == 0 || !strings.Contains(exposition(t, tel), "trapgate_log_dropped_total") {
		t.Error("no line was dropped")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := tel.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	close(w.free)
	if err := flush(); err != nil {
		t.Error(err)
	}
	_, got := w.writes()
	if lines := strings.Count(got, "\n"); lines+int(tel.logDropped()) != 5000 {
		t.Errorf("%d lines, %v dropped", lines, tel.logDropped())
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"connection refused": "connection refused",
		"dial tcp 127.0.0.1:80: connect: connection refused": "dial tcp 127.0.0.1:80: connect: connection refused",
		"Authorization: Bearer abcdef123456 x":               "Authorization: *** x",
		"x-api-key=abcdef123456":                             "x-api-key=***",
		`{"api_key":"abcdef123456"}`:                         `{"api_key":"***"}`,
		"key sk-ant-api03-abcdefghijk rest":                  "key sk*** rest",
		"https://u:p@host/v1?key=1: eof":                     "https://***@host/v1?*** eof",
		"max_tokens 4096 too large":                          "max_tokens 4096 too large",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := Redact(strings.Repeat("\u00e9", 1000)); len(got) > maxMessage+3 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestPath(t *testing.T) {
	for in, want := range map[string]string{
		"/v1/x?key=1":                 "/v1/x",
		"http://u:p@host/v1/x?key=1":  "/v1/x",
		"http://host":                 "/",
		"/v1/x#y":                     "/v1/x",
		"*":                           "*",
		"/v1/redirect?u=http://a.b/c": "/v1/redirect",
	} {
		if got := path(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// No secret that a request may hold reaches a span, a line, a label or the list of what is in flight.
func TestNoSecretLeaks(t *testing.T) {
	const secret = "sk-proj-SECRETSECRETSECRET"
	var out bytes.Buffer
	log, flush := NewLogger(&out, "json", slog.LevelDebug)
	tel, exp := traced(t, Options{Log: log})
	ex := tel.Begin(ExchangeStart{
		Start: ms(0), ID: "r", Method: "POST", Target: "/v1/chat/completions?api-key=" + secret, Route: chatRoute,
		Fields: fields(t, "Authorization: Bearer "+secret+"\r\nx-api-key: "+secret+"\r\ntraceparent: "+agentHeader+"\r\n"),
	})
	Trail(ex, ms(1), "host", "call", []Attr{{"url", "https://up/v1?key=" + secret}, {"note", "Bearer " + secret}})
	a := ex.Attempt(AttemptStart{Upstream: "u", Model: "m", Start: ms(0)})
	a.End(AttemptEnd{At: ms(1), Status: 401, Answer: &Answer{ErrorMessage: "Incorrect API key provided: " + secret}})
	snapshot, _ := json.Marshal(tel.InFlight().Snapshot())
	ex.End(ExchangeEnd{At: ms(2), Status: 401, Outcome: OutcomeError, Err: "Incorrect API key provided: " + secret})
	_ = flush()
	spans, _ := json.Marshal(exp.GetSpans())
	for where, text := range map[string]string{"log": out.String(), "spans": string(spans), "metrics": exposition(t, tel), "state": string(snapshot)} {
		if strings.Contains(text, "SECRETSECRET") {
			t.Errorf("the secret is in the %s:\n%s", where, text)
		}
		if text == "" {
			t.Errorf("no %s", where)
		}
	}
}
