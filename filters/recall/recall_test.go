package recall

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// What is sent is a prefix of what is sent next, over 50 turns, however agents write: every note stands where it stood, with the same
// bytes. System text that changes does not move them.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, how := range forms {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%s/stream=%t", d, how, stream), func(t *testing.T) {
					t.Parallel()
					e := &scripted{}
					e.tell = func(q *memory.Question) (memory.Recollection, error) {
						r := memory.Recollection{Note: store.Note{Text: fmt.Sprintf("[note %d]", len(e.asked))}}
						if len(e.asked)%3 == 0 {
							r.Note.Text, r.Abstained = "", true
						}
						return r, nil
					}
					r := newRig(t, e, d)
					r.stream = stream
					var history []string
					before := ""
					for turn := range 50 {
						if turn > 0 {
							history = append(history, model(d, "Very well."))
						}
						history = append(history, user(content(d, how, fmt.Sprintf("Question %d?", turn))))
						out := r.send(request(d, stream, history...))
						sent := strings.TrimSuffix(out.sent, "]}")
						if !strings.HasPrefix(sent, before) {
							t.Fatalf("turn %d does not begin as the one before:\n%s\n%s", turn, before, sent)
						}
						if got, want := strings.Count(sent, "[note "), turn+1-(turn+1)/3; got != want {
							t.Fatalf("turn %d: %d notes, want %d", turn, got, want)
						}
						before = sent
						if again := r.send(request(d, stream, history...)); again.sent != out.sent {
							t.Fatalf("turn %d, made anew:\n%s\n%s", turn, out.sent, again.sent)
						}
					}
					if len(e.asked) != 50 {
						t.Errorf("asked %d times in 50 turns", len(e.asked))
					}
				})
			}
		}
	}
}

// A conversation's notes outlive a change of its system text.
func TestReplayUnderOtherInstructions(t *testing.T) {
	t.Parallel()
	r := newRig(t, says("NOTE"), wire.Chat)
	system := func(s string) string { return `{"role":"system","content":` + quote(s) + `}` }
	one := r.send(request(wire.Chat, false, system("It is noon."), user(`"hi"`)))
	two := r.send(request(wire.Chat, false, system("It is one."), user(`"hi"`), model(wire.Chat, "yes"), user(`"and now?"`)))
	if strings.Count(one.sent, "NOTE") != 1 || strings.Count(two.sent, "NOTE") != 2 || two.note != "hits=2; tokens=7; replayed=1" {
		t.Errorf("%q\n%s\n%s", two.note, one.sent, two.sent)
	}
}

// In a tool loop nothing is asked, and what stands stands.
func TestToolLoop(t *testing.T) {
	t.Parallel()
	loops := map[wire.Dialect][2]string{
		wire.Chat: {
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c%d","type":"function","function":{"name":"f","arguments":"{}"}}]}`,
			`{"role":"tool","tool_call_id":"c%d","content":"out"}`,
		},
		wire.Messages: {
			`{"role":"assistant","content":[{"type":"tool_use","id":"c%d","name":"f","input":{}}]}`,
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c%d","content":"out"}]}`,
		},
		wire.Responses: {
			`{"type":"function_call","call_id":"c%d","name":"f","arguments":"{}"}`,
			`{"type":"function_call_output","call_id":"c%d","output":"out"}`,
		},
	}
	for d, loop := range loops {
		e := says("NOTE")
		r := newRig(t, e, d)
		history := []string{user(`"Find it."`)}
		first := r.send(request(d, false, history...))
		before := strings.TrimSuffix(first.sent, "]}")
		for i := range 5 {
			history = append(history, fmt.Sprintf(loop[0], i), fmt.Sprintf(loop[1], i))
			out := r.send(request(d, false, history...))
			if !strings.HasPrefix(out.sent, before) || strings.Count(out.sent, "NOTE") != 1 || out.note != "replayed=1" {
				t.Errorf("%v, step %d: %q\n%s", d, i, out.note, out.sent)
			}
			before = strings.TrimSuffix(out.sent, "]}")
		}
		if len(e.asked) != 1 {
			t.Errorf("%v: asked %d times", d, len(e.asked))
		}
	}
}

// With the header nothing is recalled or learned, then or later, and the notes that stand still do.
func TestOff(t *testing.T) {
	t.Parallel()
	e := says("NOTE")
	r := newRig(t, e, wire.Chat)
	r.send(request(wire.Chat, false, user(`"one"`)))
	e.learned()
	off := r.with(header, "OFF").send(request(wire.Chat, false, user(`"one"`), model(wire.Chat, "Very well."), user(`"a secret"`)))
	if strings.Count(off.sent, "NOTE") != 1 || off.note != "off; replayed=1" || len(e.asked) != 1 {
		t.Errorf("%q, asked %d times\n%s", off.note, len(e.asked), off.sent)
	}
	r.send(request(wire.Chat, false, user(`"one"`), model(wire.Chat, "Very well."), user(`"a secret"`), model(wire.Chat, "I know it."), user(`"two"`)))
	want := "not user@2: a secret, not assistant@3: Very well., user@4: two, assistant@5: Very well."
	if got := strings.Join(e.learned(), ", "); got != want {
		t.Errorf("learned %s", got)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	body := request(wire.Chat, false, user(`"hi"`))
	e := says("NOTE")
	r := newRig(t, e, wire.Chat)
	r.send(body)
	e.learned()
	longer := request(wire.Chat, false, user(`"hi"`), model(wire.Chat, "Very well."), user(`"more"`))
	r.filter.Configure(Settings{Mode: memory.Off})
	if out := r.send(longer); strings.Count(out.sent, "NOTE") != 1 || len(e.asked) != 1 || len(e.learned()) > 0 || out.note != "replayed=1" {
		t.Errorf("off: %q\n%s", out.note, out.sent)
	}
	r.filter.Configure(Settings{Mode: memory.Observe})
	e.tell = func(*memory.Question) (memory.Recollection, error) {
		return memory.Recollection{Note: store.Note{Text: "NOTE"}, Observed: true, Tokens: 7}, nil
	}
	if out := r.send(longer); strings.Count(out.sent, "NOTE") != 1 || len(e.learned()) != 2 || out.note != "hits=0; tokens=7; observed; replayed=1" {
		t.Errorf("observe: %q\n%s", out.note, out.sent)
	}
	never := newRig(t, e, wire.Chat)
	never.filter = New(e, Options{})
	if out := never.send(body); out.sent != body || out.note != "" {
		t.Errorf("before Configure: %q", out.note)
	}
}

// Whatever fails inside, the request goes out, and the header says so.
func TestFailsOpen(t *testing.T) {
	t.Parallel()
	body := request(wire.Chat, true, user(`"hi"`))
	for name, c := range map[string]struct {
		engine   *scripted
		note     string
		failures int64
	}{
		"error":           {&scripted{tell: func(*memory.Question) (memory.Recollection, error) { return memory.Recollection{}, errors.New("no") }}, "failed", 1},
		"error of notes":  {&scripted{failNotes: errors.New("no")}, "failed", 1},
		"late with notes": {&scripted{failNotes: context.DeadlineExceeded}, "hits=0; tokens=0; late", 0},
		"panic":           {&scripted{panics: "recall"}, "failed", 1},
		"panic of notes":  {&scripted{panics: "notes"}, "failed", 1},
		"panic of learn":  {&scripted{panics: "learn"}, "hits=0; tokens=0", 1},
		"late": {&scripted{tell: func(*memory.Question) (memory.Recollection, error) {
			return memory.Recollection{Late: true, Dense: memory.DenseLate}, nil
		}}, "hits=0; tokens=0; late; dense=late", 0},
		"abstained": {&scripted{tell: func(*memory.Question) (memory.Recollection, error) {
			return memory.Recollection{Abstained: true, Found: 3, Dense: memory.DenseOff}, nil
		}}, "hits=0; tokens=0; abstained", 0},
		"busy": {&scripted{busy: true}, "hits=0; tokens=0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.engine, wire.Chat)
			r.stream = true
			want := answer(wire.Chat, true, "a", "b")
			out := r.send(body, want)
			if out.sent != body || out.Status != 200 || string(out.Body) != string(want.Body) || out.Cut {
				t.Errorf("status %d, sent\n%s", out.Status, out.sent)
			}
			if out.note != c.note || r.filter.Failures() != c.failures {
				t.Errorf("header %q, want %q; %d failures", out.note, c.note, r.filter.Failures())
			}
		})
	}
}

// The engine is asked for the scope of the exchange and no other; a user is nobody but whom the operator's source names.
func TestScope(t *testing.T) {
	t.Parallel()
	byHeader := identity.UserSource{Header: "X-Forwarded-User"}
	anonymous := identity.Anonymous
	alone, ada := record.Scope{Tenant: anonymous, Session: "s"}, record.Scope{Tenant: anonymous, User: "ada", Session: "s"}
	asserted := record.Scope{Tenant: anonymous, Session: "eve s"}
	own, inBody := [2]string{"x-trapgate-user", "eve"}, `"user":"eve",`
	type lines = [][2]string
	for _, c := range []struct {
		name   string
		users  identity.UserSource
		fields lines
		body   string // members of the body
		want   record.Scope
	}{
		{"nobody said", identity.UserSource{}, lines{own}, "", asserted},
		{"nobody said, in the body", identity.UserSource{}, nil, inBody, asserted},
		{"header", byHeader, lines{{"x-forwarded-user", "ada"}, own}, inBody, ada},
		{"header absent", byHeader, lines{own}, inBody, alone},
		{"header empty", byHeader, lines{{"x-forwarded-user", ""}}, "", alone},
		{"header twice", byHeader, lines{{"x-forwarded-user", "ada"}, {"X-Forwarded-User", "eve"}}, "", alone},
		{"header twice, the same", byHeader, lines{{"x-forwarded-user", "ada"}, {"X-Forwarded-User", "ada"}}, "", ada},
		{"field", identity.UserSource{Field: true}, lines{own}, `"user":"ada",`, ada},
		{"field absent", identity.UserSource{Field: true}, lines{own}, "", alone},
		{"name", identity.UserSource{Name: "ada"}, lines{own}, inBody, ada},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := says("NOTE")
			r := newRig(t, e, wire.Chat)
			r.identity.SetUsers(c.users)
			r.filter.Configure(Settings{Users: c.users})
			for _, f := range c.fields {
				r = r.with(f[0], f[1])
			}
			r.send(`{` + c.body + request(wire.Chat, false, user(`"hi"`))[1:])
			if len(e.asked) != 1 || e.asked[0].Scope != c.want || len(e.turns) != 1 || e.turns[0].Scope != c.want {
				t.Errorf("asked %+v\nlearned %+v\nwant %+v", e.asked, e.turns, c.want)
			}
		})
	}
}

// Notes of one user's session are not another's, under the same name of a session.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	for _, users := range []identity.UserSource{{}, {Header: "x-trapgate-user"}} {
		e := says("NOTE")
		r := newRig(t, e, wire.Chat)
		r.identity.SetUsers(users)
		r.filter.Configure(Settings{Users: users})
		r.with("x-trapgate-user", "ada").send(request(wire.Chat, false, user(`"hi"`)))
		e.tell = nil
		body := request(wire.Chat, false, user(`"hi"`), model(wire.Chat, "yes"), user(`"more"`))
		for _, other := range []string{"eve", "ad", "ada\u00a0", ""} {
			if out := r.with("x-trapgate-user", other).send(body); out.sent != body {
				t.Errorf("%+v: %q sees\n%s", users, other, out.sent)
			}
		}
		if out := r.with("x-trapgate-user", "ada").with("authorization", "Bearer other").send(body); out.sent != body {
			t.Errorf("another tenant sees\n%s", out.sent)
		}
		if out := r.with("x-trapgate-user", "ada").send(body); !strings.Contains(out.sent, "NOTE") {
			t.Error("the user does not see it")
		}
	}
}

// Side calls and twins have no memory, and leave none.
func TestNotTheConversation(t *testing.T) {
	t.Parallel()
	e := says("NOTE")
	r := newRig(t, e, wire.Chat)
	tools := `{"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],`
	r.send(tools + request(wire.Chat, false, user(`"hi"`))[1:])
	e.learned()
	title := request(wire.Chat, false, user(`"Write a title for: hi"`))
	if out := r.send(title); out.sent != title || len(e.asked) != 1 || len(e.learned()) > 0 || out.note != "" {
		t.Errorf("a side call: %q\n%s", out.note, out.sent)
	}
	e = says("NOTE")
	r = newRig(t, e, wire.Chat)
	r.fields = nil
	body := request(wire.Chat, false, user(`"hi"`))
	stop := make(chan struct{})
	silent := make(chan filtertest.Outcome)
	go func() {
		silent <- filtertest.Memory{}.Run(t, filtertest.Case{
			Dialect: wire.Chat, Path: paths[wire.Chat], Request: []byte(body), Outer: outer(r), Leave: filtertest.Leave{On: stop},
			Answers: []filtertest.Answer{{How: filtertest.Silent}},
		})
	}()
	waitFor(t, func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.asked) == 1 })
	if out := r.send(body); out.sent != body || len(e.asked) != 1 || len(e.learned()) > 0 {
		t.Errorf("a twin: %q\n%s", out.note, out.sent)
	}
	close(stop)
	<-silent
}
