package recall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // defects are planned here
	wire.Strict = true                             // edits that overlap are a defect
	goleak.VerifyTestMain(m)
}

// A scripted engine tells what a test wants told, keeps notes as the real one does, and writes down what it is given.
type scripted struct {
	mu    sync.Mutex
	tell  func(q *memory.Question) (memory.Recollection, error) // Note.Text is enough
	notes map[record.Scope][]store.Note
	turns []memory.Turn
	reads func(start memory.Start) // what Extract does; nil: nothing
	asked []memory.Question

	failNotes error
	panics    string // the method that does
	busy      bool
}

func (e *scripted) Learn(t memory.Turn) bool {
	if e.panics == "learn" {
		panic("planned")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy {
		return false
	}
	e.turns = append(e.turns, t)
	return true
}

func (e *scripted) Extract(_ record.Scope, start memory.Start) {
	if e.panics == "extract" {
		panic("planned")
	}
	if e.reads != nil {
		e.reads(start)
	}
}

func (e *scripted) Notes(ctx context.Context, s record.Scope) ([]store.Note, error) {
	switch {
	case e.panics == "notes":
		panic("planned")
	case errors.Is(e.failNotes, context.DeadlineExceeded):
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.notes[s], e.failNotes
}

func (e *scripted) Recall(_ context.Context, q *memory.Question) (r memory.Recollection, err error) {
	if e.panics == "recall" {
		panic("planned")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, *q)
	if e.tell != nil {
		r, err = e.tell(q)
	}
	if err != nil || r.Observed || r.Late {
		return r, err
	}
	r.Note.Chain = q.Chain
	if e.notes == nil {
		e.notes = map[record.Scope][]store.Note{}
	}
	e.notes[q.Scope] = append(e.notes[q.Scope], r.Note)
	return r, nil
}

// says makes an engine that tells one text, with something in it that has to be escaped.
func says(text string) *scripted {
	return &scripted{tell: func(*memory.Question) (memory.Recollection, error) {
		return memory.Recollection{Note: store.Note{Text: text}, Hits: make([]store.Hit, 2), Found: 5, Tokens: 7}, nil
	}}
}

// learned lists what the engine was given, "role@seq: text" each, behind "not" what it is not to learn.
func (e *scripted) learned() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.turns {
		for _, m := range t.Messages {
			role := m.Role.String()
			if m.Document {
				role = "doc"
			}
			if t.Unlearned {
				role = "not " + role
			}
			all = append(all, fmt.Sprintf("%s@%d: %s", role, m.Seq, m.Text))
		}
	}
	e.turns = nil
	return all
}

// testDeadline is long: no test here is one of speed, and machines are busy.
const testDeadline = time.Second

// A rig is an agent's way through identity and recall to an upstream that answers.
type rig struct {
	testing.TB
	dialect  wire.Dialect
	stream   bool
	identity *identity.Filter
	filter   *Filter
	fields   [][2]string
	between  []filters.Filter // behind identity
	inner    []filters.Filter
}

func newRig(tb testing.TB, e Engine, d wire.Dialect) *rig {
	f := New(e, Options{Replay: testDeadline})
	f.Configure(Settings{})
	return &rig{TB: tb, dialect: d, identity: identity.New(identity.Options{}), filter: f, fields: [][2]string{{"x-trapgate-session", "s"}}}
}

// with is the same rig with one more header line.
func (r *rig) with(name, value string) *rig {
	c := *r
	c.fields = append(c.fields[:len(c.fields):len(c.fields)], [2]string{name, value})
	return &c
}

// A result is what came of one exchange.
type result struct {
	filtertest.Outcome
	sent  string
	note  string // the response header
	trail []filters.Entry
}

func (r *rig) send(body string, answers ...filtertest.Answer) (out result) {
	r.Helper()
	if answers == nil {
		answers = []filtertest.Answer{answer(r.dialect, r.stream, "Very", " well", ".")}
	}
	h := filtertest.Memory{Trail: &out.trail, Head: func(h *filters.ResponseHead) {
		for _, f := range h.Added {
			if string(f.Name) == header {
				out.note = string(f.Value)
			}
		}
	}}
	out.Outcome = h.Run(r.TB, filtertest.Case{
		Dialect: r.dialect, Stream: r.stream, Path: paths[r.dialect], Request: []byte(body), Fields: r.fields, Answers: answers,
		Outer: slices.Concat([]filters.Filter{r.identity}, r.between, []filters.Filter{r.filter}), Inner: r.inner,
	})
	if len(out.Sent) > 0 {
		out.sent = string(out.Sent[len(out.Sent)-1])
		if !json.Valid(out.Sent[len(out.Sent)-1]) {
			r.Fatalf("what was sent is no JSON:\n%s", out.sent)
		}
	}
	return out
}

var paths = map[wire.Dialect]string{
	wire.Chat: "/v1/chat/completions", wire.Responses: "/v1/responses", wire.Messages: "/v1/messages",
}

var dialects = []wire.Dialect{wire.Chat, wire.Responses, wire.Messages}

func quote(s string) string { return string(wire.Quote(nil, s)) }

// A form is how an agent writes a user's text.
type form string

const (
	plain  form = "string"
	block  form = "one block"
	blocks form = "two blocks"
)

var forms = []form{plain, block, blocks}

// content writes a text in a form.
func content(d wire.Dialect, f form, text string) string {
	kind := "text"
	if d == wire.Responses {
		kind = "input_text"
	}
	one := func(text string) string { return fmt.Sprintf(`{"type":%q,"text":%s}`, kind, quote(text)) }
	switch f {
	case block:
		return "[" + one(text) + "]"
	case blocks:
		return "[" + one("Look at this.") + ", " + one(text) + " ]"
	}
	return quote(text)
}

func user(content string) string { return `{"role":"user","content":` + content + `}` }

// model is the model's message as agents send it back.
func model(d wire.Dialect, text string) string {
	if d == wire.Responses {
		return `{"type":"message","role":"assistant","content":[{"type":"output_text","text":` + quote(text) + `}]}`
	}
	return `{"role":"assistant","content":` + quote(text) + `}`
}

// request writes a body whose history stands at its end.
func request(d wire.Dialect, stream bool, messages ...string) string {
	key := "messages"
	if d == wire.Responses {
		key = "input"
	}
	return fmt.Sprintf(`{"model":"m","max_tokens":9,"stream":%t,"%s":[%s]}`, stream, key, strings.Join(messages, ","))
}

// answer is an answer of an upstream in which the model says the words.
func answer(d wire.Dialect, stream bool, words ...string) filtertest.Answer {
	if !stream {
		return filtertest.Answer{Body: []byte(unary(d, strings.Join(words, "")))}
	}
	return filtertest.Answer{Stream: true, Chunk: 700, Body: []byte(strings.Join(frames(d, words...), ""))}
}

// unary is a whole answer.
func unary(d wire.Dialect, text string) string {
	q := quote(text)
	switch d {
	case wire.Responses:
		return `{"id":"r","status":"completed","output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},` +
			`{"type":"message","role":"assistant","content":[{"type":"output_text","text":` + q + `}]}]}`
	case wire.Messages:
		return `{"id":"m","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":` + q + `}],"stop_reason":"end_turn"}`
	}
	return `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":` + q + `,"reasoning_content":"hm"},"finish_reason":"stop"}]}`
}

// frames are the events of a streamed answer, with reasoning before the words.
func frames(d wire.Dialect, words ...string) (f []string) {
	event := func(kind, rest string) {
		f = append(f, "event: "+kind+"\ndata: {\"type\":\""+kind+"\""+rest+"}\n\n")
	}
	switch d {
	case wire.Responses:
		event("response.created", `,"response":{"id":"r","status":"in_progress"}`)
		event("response.output_item.added", `,"output_index":0,"item":{"type":"reasoning"}`)
		event("response.reasoning_summary_text.delta", `,"delta":"hm"`)
		event("response.output_item.added", `,"output_index":1,"item":{"type":"message","role":"assistant","content":[]}`)
		event("response.content_part.added", `,"output_index":1,"content_index":0,"part":{"type":"output_text","text":""}`)
		for i, w := range words {
			event("response.output_text.delta", fmt.Sprintf(`,"sequence_number":%d,"output_index":1,"delta":%s,"logprobs":[]`, i, quote(w)))
		}
		event("response.output_text.done", `,"text":`+quote(strings.Join(words, "")))
		event("response.completed", `,"response":`+unary(d, strings.Join(words, "")))
	case wire.Messages:
		event("message_start", `,"message":{"id":"m","role":"assistant","content":[]}`)
		event("content_block_start", `,"index":0,"content_block":{"type":"thinking","thinking":""}`)
		event("content_block_delta", `,"index":0,"delta":{"type":"thinking_delta","thinking":"hm"}`)
		event("content_block_stop", `,"index":0`)
		event("content_block_start", `,"index":1,"content_block":{"type":"text","text":""}`)
		for _, w := range words {
			event("content_block_delta", `,"index":1,"delta":{"type":"text_delta","text":`+quote(w)+`}`)
		}
		event("content_block_stop", `,"index":1`)
		event("message_delta", `,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}`)
		event("message_stop", ``)
	default:
		chunk := func(delta, reason string) {
			f = append(f, `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":`+delta+`,"finish_reason":`+reason+"}]}\n\n")
		}
		chunk(`{"role":"assistant","content":"","reasoning_content":"hm"}`, "null")
		for _, w := range words {
			chunk(`{"content":`+quote(w)+`}`, "null")
		}
		chunk(`{}`, `"stop"`)
		f = append(f, "data: [DONE]\n\n")
	}
	return f
}

func outer(r *rig) []filters.Filter { return []filters.Filter{r.identity, r.filter} }

// waitFor waits until something is so, for five seconds at most.
func waitFor(tb testing.TB, ok func() bool) {
	tb.Helper()
	for range 5000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	tb.Fatal("it did not become so within five seconds")
}
