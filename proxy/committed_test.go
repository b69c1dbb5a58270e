package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters"
)

// A patient filter sends comments before it lets an attempt go, and refuses what it is told to.
type patient struct {
	filters.Stream
	comments int
	refuse   *filters.Reply
	plain    func(status int) bool // what it had added may be why
	plains   []bool
	edits    bool // it may change what passes
}

func (*patient) Name() string { return "patient" }

func (f *patient) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	f.plains = append(f.plains, x.Attempt.Plain)
	for range f.comments {
		if x.KeepAlive == nil {
			break
		}
		if err := x.KeepAlive(); err != nil {
			return nil, err
		}
	}
	if f.refuse != nil {
		return nil, f.refuse
	}
	return &patientStream{f, x}, nil
}

type patientStream struct {
	f *patient
	x *filters.Exchange
}

func (s *patientStream) Observes() bool { return !s.f.edits }

func (s *patientStream) Head(h *filters.ResponseHead) error {
	if s.f.plain != nil && !s.x.Attempt.Plain && s.f.plain(h.Status) {
		return filters.ErrPlain
	}
	return nil
}
func (s *patientStream) Event(e filters.Event, out *filters.Emitter) error { return out.Emit(e) }
func (s *patientStream) End(*filters.Emitter) error                        { return nil }
func (s *patientStream) Close(error)                                       {}

// waitsIn puts a filter into the inner ring of a running gateway.
func waitsIn(g *gateway, f filters.Filter) {
	old := g.pipeline.current.Load()
	g.pipeline.current.Store(&runtime{config: old.config, upstreams: old.upstreams, outer: old.outer, inner: filters.NewInnerChain(f), bind: old.bind})
}

const comment = ": waiting for a place\n\n"

// dialects are the paths, bodies of a streaming request, and streams of all three.
var dialects = []struct{ name, path, body, stream, failure string }{
	{
		"chat", "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n",
		"data: {\"error\":{",
	},
	{
		"responses", "/v1/responses", `{"model":"m","stream":true,"input":"hi"}`,
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\"}}\n\n",
		"event: error\ndata: {\"type\":\"error\",",
	},
	{
		"messages", "/v1/messages", `{"model":"m","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`,
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		"event: error\ndata: {\"type\":\"error\",\"error\":{",
	},
}

// Behind a comment an answer comes as ever, whatever attempts it took.
func TestAnswerBehindComments(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, func(c *upConn, _ *message) bool {
				if c.number == 0 {
					return c.say(sized("503 Busy", "Retry-After-Ms: 1\r\n", `{"error":{"message":"busy"}}`))
				}
				return c.say(chunks("Content-Type: text/event-stream\r\n", d.stream))
			})
			g := through(t, up, "")
			waitsIn(g, &patient{comments: 1})
			m := g.do(t, post(d.path, d.body))
			if m.status() != 200 || !strings.HasPrefix(m.Body, comment) || strings.ReplaceAll(m.Body, comment, "") != d.stream || m.get("content-type") != "text/event-stream" {
				t.Errorf("%s\n%s", m.Line, m.Body)
			}
		})
	}
}

// A failure behind a comment is the dialect's error event, never a silent end.
func TestFailureBehindComments(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for name, tt := range map[string]struct {
			respond func(*upConn, *message) bool
			refuse  *filters.Reply
			says    string
		}{
			"upstream's error":    {raw(sized("400 Bad", "Content-Type: application/json\r\n", `{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}`)), nil, "too long"},
			"last of its answers": {raw(sized("503 Busy", "Retry-After-Ms: 1\r\n", `{"error":{"message":"still busy"}}`)), nil, "still busy"},
			"closed":              {func(*upConn, *message) bool { return false }, nil, "upstream_closed"},
			"refused by us":       {okAnswer, &filters.Reply{Status: 429, Code: "queue_full", Message: "the queue is full"}, "queue_full"},
			"no stream":           {okAnswer, nil, "did not stream"},
		} {
			for _, edits := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/edits=%t", d.name, name, edits), func(t *testing.T) {
					t.Parallel()
					g := through(t, newFake(t, tt.respond), "")
					waitsIn(g, &patient{comments: 2, refuse: tt.refuse, edits: edits})
					a := g.dial(t)
					a.send(post(d.path, d.body))
					m := a.read()
					behind := strings.ReplaceAll(m.Body, comment, "")
					ok := behind != m.Body
					if m.status() != 200 || !ok || !strings.HasPrefix(behind, d.failure) || !strings.Contains(behind, tt.says) || strings.Contains(behind, "[DONE]") {
						t.Errorf("%s\n%s", m.Line, m.Body)
					}
					a.send(post(d.path, d.body)) // the connection goes on with a whole answer and nothing before it
					if m := a.read(); m.status() != 200 || strings.ReplaceAll(m.Body, comment, "") != behind {
						t.Errorf("the next answer: %s\n%s", m.Line, m.Body)
					}
				})
			}
		}
	}
}

// A unary request has nothing that a comment could be sent in.
func TestNoCommentsForUnary(t *testing.T) {
	t.Parallel()
	g := through(t, newFake(t, okAnswer), "")
	waitsIn(g, &patient{comments: 3})
	if m := g.do(t, post("/v1/chat/completions", `{"model":"m","messages":[]}`)); m.status() != 200 || m.Body != okJSON {
		t.Errorf("%s %s", m.Line, m.Body)
	}
}

// An attempt that was refused for what a filter had added is made once more without it.
func TestPlainAttempt(t *testing.T) {
	t.Parallel()
	for _, second := range []string{"200 OK", "400 Bad Request"} {
		t.Run(second, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, func(c *upConn, _ *message) bool {
				status := "400 Bad Request"
				if c.number > 0 {
					status = second
				}
				return c.say(sized(status, "Content-Type: application/json\r\n", fmt.Sprintf(`{"n":%d}`, c.number)))
			})
			g := through(t, up, "")
			f := &patient{plain: func(status int) bool { return status == http.StatusBadRequest }}
			waitsIn(g, f)
			m := g.do(t, post("/v1/chat/completions", `{"model":"m","messages":[]}`))
			if !strings.Contains(m.Line, second) || m.Body != `{"n":1}` || up.requests() != 2 || fmt.Sprint(f.plains) != "[false true]" || up.connections() != 1 {
				t.Errorf("%s %s, %d requests on %d connections, plain %v", m.Line, m.Body, up.requests(), up.connections(), f.plains)
			}
		})
	}
}
