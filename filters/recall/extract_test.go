package recall

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/extract"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A backer gives exchanges a host that makes background calls, and answers them.
type backer struct {
	answer func(d wire.Dialect) (status int, text string)

	mu      sync.Mutex
	classes []string
	bodies  []string
	jobs    sync.WaitGroup
}

func (*backer) Name() string { return "backer" }

func (b *backer) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	x.Background = func(class string, f func(ctx context.Context, call filters.Caller)) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.classes = append(b.classes, class)
		b.jobs.Go(func() { f(context.Background(), b.call) })
		return nil
	}
	return nil, nil
}

func (b *backer) call(_ context.Context, d wire.Dialect, body []byte) (int, []byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, string(body))
	status, text := b.answer(d)
	return status, []byte(text), nil
}

const extracted = `[{"op":"ADD","fact":{"subject":"user","predicate":"plays","object":"theremin"},"quote":"the theremin every evening"}]`

// What a user said is read by the model of the conversation, and told in another one.
func TestExtraction(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			e, _ := newEngine(t)
			e.Configure(memory.Config{Extract: memory.Extract{MaxTokens: 700, Every: 1}})
			b := &backer{answer: func(d wire.Dialect) (int, string) { return 200, unary(d, extracted) }}
			r := newUserRig(t, e, d).with("x-user", "ada")
			r.between = []filters.Filter{b}
			r.with("x-trapgate-session", "one").send(request(d, false, user(quote("The neighbours suffer since I handle the theremin every evening."))))
			b.jobs.Wait()
			if len(b.bodies) != 1 || b.classes[0] != "background" {
				t.Fatal(b.classes, b.bodies)
			}
			if body := b.bodies[0]; gjson.Get(body, "model").Str != "m" || !strings.Contains(body, ":700") || !strings.Contains(body, "The neighbours suffer") {
				t.Error(body)
			}
			facts, err := e.List(t.Context(), store.Filter{Origin: record.Extracted}, record.ID{}, 9)
			if err != nil || len(facts) != 1 || facts[0].Object != "theremin" {
				t.Fatal(facts, err)
			}
			out := r.with("x-trapgate-session", "two").send(request(d, false, user(quote("Which instrument am I known for with the neighbours?"))))
			if !strings.Contains(out.sent, "plays theremin") {
				t.Errorf("not told:\n%s", out.sent)
			}
			b.jobs.Wait()
		})
	}
}

// Nobody is asked when the agent wants no memory, the exchange failed, or nobody said so.
func TestNoExtraction(t *testing.T) {
	t.Parallel()
	body := request(wire.Chat, false, user(quote("The neighbours suffer since I handle the theremin every evening.")))
	for name, c := range map[string]struct {
		header string
		status int
		mode   memory.Mode
		host   bool
		want   int
	}{
		"asked":     {"", 200, memory.On, true, 1},
		"observed":  {"", 200, memory.Observe, true, 1},
		"off":       {"off", 200, memory.On, true, 0},
		"mode off":  {"", 200, memory.Off, true, 0},
		"failed":    {"", 500, memory.On, true, 0},
		"no caller": {"", 200, memory.On, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			e := &scripted{reads: func(memory.Start) { n++ }}
			r := newRig(t, e, wire.Chat)
			r.filter.Configure(Settings{Mode: c.mode})
			if c.host {
				r.between = []filters.Filter{&backer{}}
			}
			if c.header != "" {
				r = r.with(header, c.header)
			}
			a := answer(wire.Chat, false, "Well.")
			a.Status = c.status
			r.send(body, a)
			if n != c.want {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// What goes wrong harms nobody but the extraction.
func TestReader(t *testing.T) {
	t.Parallel()
	var status int
	var text string
	b := &backer{answer: func(wire.Dialect) (int, string) { return status, text }}
	for _, c := range []struct {
		status int
		text   string
		want   string
		err    error // nil: another one, or none
	}{
		{200, unary(wire.Chat, "[]"), "[]", nil},
		{200, strings.Replace(unary(wire.Chat, "[{"), `"stop"`, `"length"`, 1), "", extract.ErrCut},
		{503, `{"error":"busy"}`, "", nil},
	} {
		status, text = c.status, c.text
		var got string
		var err error
		e := &scripted{reads: func(start memory.Start) {
			if refused := start("writer", func(ctx context.Context, ask extract.Ask) {
				got, err = ask(ctx, extract.Prompt{System: "s", User: "u", MaxTokens: 300})
			}); refused != nil {
				t.Error(refused)
			}
		}}
		r := newRig(t, e, wire.Chat)
		r.between = []filters.Filter{b}
		r.send(request(wire.Chat, false, user(`"hello"`)))
		b.jobs.Wait()
		if got != c.want || c.err != nil && !errors.Is(err, c.err) || (err != nil) != (c.want == "") {
			t.Errorf("%d: %q %v", c.status, got, err)
		}
		if last := b.bodies[len(b.bodies)-1]; gjson.Get(last, "model").Str != "writer" || gjson.Get(last, "max_tokens").Int() != 300 {
			t.Error(last)
		}
	}
	r := newRig(t, &scripted{panics: "extract"}, wire.Chat)
	r.between = []filters.Filter{b}
	if out := r.send(request(wire.Chat, false, user(`"hello"`))); out.Status != 200 || r.filter.Failures() != 1 {
		t.Errorf("%d, %d failures", out.Status, r.filter.Failures())
	}
}
