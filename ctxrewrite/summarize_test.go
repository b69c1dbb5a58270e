package ctxrewrite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// A teller is a conversation that grows, with a model beside it that writes summaries.
type teller struct {
	t        *testing.T
	e        *Engine
	messages []string
	write    summary.Ask

	mu      sync.Mutex
	prompts []summary.Prompt
	refuse  error // of Background
	started int
}

const askedRule = "You must never delete keep-me.txt."

func newTeller(t *testing.T, s Summary, write summary.Ask) *teller {
	e, err := New(Config{Windows: []tokens.Rule{{Model: "m", Tokens: 6000}}, Reserve: 500, Summary: s}, Options{Count: roughly})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &teller{t: t, e: e, write: write, messages: []string{`{"role":"system","content":"Work."}`, `{"role":"user","content":"Mend it. ` + askedRule + `"}`}}
}

func (c *teller) start(job func(context.Context, summary.Ask)) error {
	if c.refuse != nil {
		return c.refuse
	}
	c.mu.Lock()
	c.started++
	c.mu.Unlock()
	go job(context.Background(), func(ctx context.Context, p summary.Prompt) (string, error) {
		c.mu.Lock()
		c.prompts = append(c.prompts, p)
		c.mu.Unlock()
		return c.write(ctx, p)
	})
	return nil
}

func (c *teller) turn() {
	n := len(c.messages)
	c.messages = append(c.messages,
		fmt.Sprintf(`{"role":"assistant","content":"Now part %d.","tool_calls":[{"id":"c%d","type":"function","function":{"name":"read","arguments":"{\"path\":\"/src/part%d.go\"}"}}]}`, n, n, n),
		fmt.Sprintf(`{"role":"tool","tool_call_id":"c%d","content":"%s"}`, n, strings.Repeat("a line of the file. ", 40)))
}

// ask fits the request of now and returns what goes out.
func (c *teller) ask() (string, Plan) {
	c.t.Helper()
	body := []byte(`{"model":"m","messages":[` + strings.Join(c.messages, ",") + `]}`)
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer v.Release()
	var call wire.Edits
	plan := c.e.Fit(&Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Strict, Background: c.start})
	out, err := wire.Apply(nil, body, nil, &call)
	if err != nil {
		c.t.Fatal(err)
	}
	if !strings.Contains(string(out), askedRule) {
		c.t.Fatalf("the rule is lost:\n%s", out)
	}
	return string(out), plan
}

// until grows the conversation, and lets builds end before each request, until an epoch of that number is in use.
func (c *teller) until(epoch int) (string, Plan) {
	c.t.Helper()
	for range 200 {
		c.turn()
		out, p := c.ask()
		c.e.running.Wait()
		if p.Epoch >= epoch {
			return out, p
		}
	}
	c.t.Fatalf("no epoch %d", epoch)
	return "", Plan{}
}

func says(text string) summary.Ask {
	return func(context.Context, summary.Prompt) (string, error) { return text, nil }
}

func TestSummary(t *testing.T) {
	short := Summary{MaxTokens: 200}
	const notes = `Goal: "mend" it.`
	for name, tt := range map[string]struct {
		s      Summary
		write  summary.Ask
		refuse error
		want   bool
		asked  int
	}{
		"written":     {short, says(notes), nil, true, 1},
		"off":         {Summary{}, says(notes), nil, false, 0},
		"false claim": {short, says("I called drop_it(1)."), nil, false, 2},
		"empty":       {short, says(""), nil, false, 2},
		"broken":      {short, func(context.Context, summary.Prompt) (string, error) { return "", errors.New("no") }, nil, false, 1},
		"no place":    {short, says(notes), errors.New("too much"), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTeller(t, tt.s, tt.write)
			c.refuse = tt.refuse
			out, p := c.until(1)
			if got := strings.Contains(out, `in a model's words:\nGoal: \"mend\" it.`); got != tt.want || len(c.prompts) != tt.asked {
				t.Errorf("%v after %d prompts:\n%s", got, len(c.prompts), out)
			}
			if c.e.Counts().InPath != 0 || p.Action != Rewrite {
				t.Errorf("%+v, %+v", p, c.e.Counts())
			}
		})
	}
}

// The second summary is written of the first and of what was evicted since; stored epochs keep theirs.
func TestSummaryIsIncremental(t *testing.T) {
	n := 0
	c := newTeller(t, Summary{MaxTokens: 200}, nil)
	c.write = func(context.Context, summary.Prompt) (string, error) {
		n++
		return fmt.Sprintf("Goal: mend it, notes %d.", n), nil
	}
	c.until(1)
	out, _ := c.until(2)
	if !strings.Contains(out, "notes 2.") || strings.Contains(out, "notes 1.") || len(c.prompts) != 2 {
		t.Fatalf("%d prompts\n%s", len(c.prompts), out)
	}
	first, second := c.prompts[0].User, c.prompts[1].User
	if !strings.Contains(first, "ASSISTANT: Now part 2.") || strings.Contains(second, "ASSISTANT: Now part 2.") || !strings.Contains(second, "notes 1.") {
		t.Errorf("what was asked:\n%s\n%s", first, second)
	}
	infos, err := c.e.Epochs(context.Background(), "t", "s")
	if err != nil || len(infos) != 2 {
		t.Fatal(err, infos)
	}
	for i, x := range infos {
		found := ""
		for _, s := range x.Sections {
			if s.Name == "summary" {
				found = s.Text
			}
		}
		if !strings.HasSuffix(found, fmt.Sprintf("notes %d.", i+1)) {
			t.Errorf("epoch %d: %q", i+1, found)
		}
	}
}

// A model that takes its time holds nobody: the conversation goes on as it is to 92 %, and is cut without it there; builds of
// others have their places; what it says in the end is for whom it was asked.
func TestSlowSummary(t *testing.T) {
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	c := newTeller(t, Summary{MaxTokens: 200}, func(context.Context, summary.Prompt) (string, error) {
		<-release
		return "Goal: late.", nil
	})
	plan, out := Plan{}, ""
	for plan.Epoch == 0 {
		c.turn()
		if out, plan = c.ask(); plan.From > 3*5500 {
			t.Fatal("no epoch")
		}
	}
	if share := float64(plan.From) / 5500; share < cutMark || c.started != 1 || c.e.Counts().InPath != 1 || strings.Contains(out, "late") {
		t.Errorf("at %v of the window, %d jobs: %+v\n%s", share, c.started, c.e.Counts(), out)
	}
	select {
	case c.e.builds <- struct{}{}:
		<-c.e.builds
	case <-time.After(time.Second):
		t.Error("it keeps a place among the builds")
	}
	free()
	c.e.running.Wait()
	again, p := c.ask()
	if again != out || p.Epoch != plan.Epoch {
		t.Errorf("the epoch in use has changed:\n%s\n%s", out, again)
	}
	if out, _ := c.until(2); !strings.Contains(out, "Goal: late.") {
		t.Errorf("no summary in the next epoch:\n%s", out)
	}
}

// Nobody is asked while nothing is rewritten.
func TestObserveAsksNobody(t *testing.T) {
	c := newTeller(t, Summary{MaxTokens: 200}, says("Goal."))
	cfg := c.e.config.Load().Config
	cfg.Mode = Observe
	if err := c.e.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	if out, p := c.until(1); !p.Observed || strings.Contains(out, "Context notes") || c.started != 0 {
		t.Errorf("%+v, %d jobs", p, c.started)
	}
}

// The recorded session with a model that does as it is told: with a summary in every epoch, nothing is over the window, invalid or
// lost either.
func TestReplayWithSummaries(t *testing.T) {
	r := recorded(t)
	const window = 32768
	e, err := New(Config{Windows: []tokens.Rule{{Model: "*", Tokens: window}}, Summary: Summary{MaxTokens: DefaultSummary}}, Options{Count: roughly})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	asked, longest := 0, 0
	write := func(_ context.Context, p summary.Prompt) (string, error) {
		asked++
		longest = max(longest, tokens.Count(p.User))
		_, values, _ := strings.Cut(p.User, "exactly as written here:\n")
		values, _, _ = strings.Cut(values, "\n\n")
		return fmt.Sprintf("Goal: serve the caller, notes %d.\nDone: seen %s.\nOpen: \"the rest\".", asked, strings.ReplaceAll(values, "\n", ", ")), nil
	}
	last := Plan{}
	for n, point := range r.Points {
		if n%3 != 0 && n != len(r.Points)-1 { // enough to come by all epochs
			continue
		}
		body := r.body(point)
		v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var call wire.Edits
		last = e.Fit(&Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.OpenAI, Background: func(job func(context.Context, summary.Ask)) error {
			go job(context.Background(), write)
			return nil
		}})
		out, err := wire.Apply(nil, body, nil, &call)
		v.Release()
		if err != nil {
			t.Fatal(err)
		}
		e.running.Wait()
		if last.Epoch > 0 && !strings.Contains(string(out), "Goal: serve the caller, notes ") && e.Counts().InPath == 0 {
			t.Fatalf("before message %d: no summary in epoch %d", point, last.Epoch)
		}
		if v, err = wire.Acquire(wire.Chat, out, wire.Limits{}); err != nil {
			t.Fatal(err)
		}
		if f := history.Check(v, history.OpenAI); len(f) > 0 {
			t.Fatalf("before message %d: %v", point, f)
		}
		v.Release()
		if last.Made {
			if n := tokens.Count(string(out)); n+4096 > window {
				t.Fatalf("before message %d: %d tokens", point, n)
			}
		}
		for _, p := range r.Pins {
			if p.Message < point && !strings.Contains(string(out), p.Text) {
				t.Fatalf("before message %d: the rule %q of message %d is lost", point, p.Text, p.Message)
			}
		}
	}
	if last.Epoch < 5 || asked < last.Epoch || longest > window {
		t.Errorf("%d epochs, %d prompts, the longest of %d tokens", last.Epoch, asked, longest)
	}
	t.Logf("%d epochs (%d in the path), %d prompts, the longest of %d tokens", last.Epoch, e.Counts().InPath, asked, longest)
}
