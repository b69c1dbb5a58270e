package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/proxy/simmodel"
)

const streamedUpstream = "upstreams: [{name: streamed, base_url: %s, credential: agent, unary: stream}]\n"

// A unary call that goes upstream as a stream brings the body that the upstream answers unary.
func TestUnaryAsStream(t *testing.T) {
	t.Parallel()
	tools := `,"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}]`
	for _, tt := range []struct{ name, path, body, header string }{
		{"chat", "/v1/chat/completions", `{"model":"sim","messages":[{"role":"user","content":"say something"}]}`, "X: 1"},
		{"chat tools", "/v1/chat/completions", `{"model":"sim","messages":[{"role":"user","content":"[[sim: tool look]]"}]` + tools + `}`, "X: 1"},
		{"responses", "/v1/responses", `{"model":"sim","input":"say something"}`, "X: 1"},
		{"messages", "/v1/messages", `{"model":"sim","max_tokens":50,"messages":[{"role":"user","content":"say something"}]}`, "anthropic-version: 2023-06-01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var answers []map[string]any
			for _, unary := range []string{"forward", "stream"} {
				model, err := simmodel.New(simmodel.Options{Seed: 7, OutputTokens: 25})
				if err != nil {
					t.Fatal(err)
				}
				defer model.Close()
				sim := httptest.NewServer(model)
				defer sim.Close()
				g := open(t, strings.Replace(fmt.Sprintf(streamedUpstream, sim.URL+"/v1"), "unary: stream", "unary: "+unary, 1))
				m := g.do(t, post(tt.path, tt.body, tt.header))
				if m.status() != 200 || m.get("content-type") != "application/json" || !m.Sized {
					t.Fatalf("%s: %s\n%s\n%s", unary, m.Line, m.Fields, m.Body)
				}
				var v map[string]any
				if err := json.Unmarshal([]byte(m.Body), &v); err != nil {
					t.Fatalf("%s: %v: %s", unary, err, m.Body)
				}
				answers = append(answers, v)
			}
			times := cmp.FilterPath(func(p cmp.Path) bool {
				return regexp.MustCompile(`(created|created_at|completed_at|id)"\]$`).MatchString(p.GoString())
			}, cmp.Ignore())
			if d := cmp.Diff(answers[0], answers[1], times); d != "" {
				t.Errorf("forward - stream +:\n%s", d)
			}
		})
	}
}

const deltas = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"}}]}\n\n" +
	"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

// What goes wrong in such a stream is tried again as long as anything is, since nothing of it has reached the agent.
func TestUnaryAsStreamFails(t *testing.T) {
	t.Parallel()
	sse := "Content-Type: text/event-stream\r\n"
	whole := chunks(sse, deltas)
	cut := whole[:len(whole)-40]
	for name, tt := range map[string]struct {
		answers []string // the last one repeats
		status  int
		says    string
		asked   int
		streams string // which requests asked for a stream
	}{
		"whole":                {[]string{whole}, 200, `"content":"hi"`, 1, "s"},
		"cut, then whole":      {[]string{cut, whole}, 200, `"content":"hi"`, 2, "ss"},
		"always cut":           {[]string{cut}, 502, "upstream_closed", 3, "sss"},
		"no terminal event":    {[]string{chunks(sse, deltas[:80]), sized("200 OK", "Content-Type: application/json\r\n", okJSON)}, 200, okJSON, 2, "ss"},
		"never ends":           {[]string{chunks(sse, deltas[:80])}, 200, "data: ", 4, "sss-"},
		"error, then whole":    {[]string{chunks(sse, "data: {\"error\":{\"message\":\"slow\",\"code\":429,\"type\":\"rate_limit_error\"}}\n\n"), whole}, 200, `"content":"hi"`, 2, "ss"},
		"error of the agent's": {[]string{chunks(sse, "data: {\"error\":{\"message\":\"too long\",\"code\":400,\"type\":\"exceed_context_size_error\"}}\n\n")}, 400, "too long", 1, "s"},
		"streams are refused":  {[]string{sized("400 Bad Request", "", `{"error":{"message":"no streams"}}`), sized("200 OK", "Content-Type: application/json\r\n", okJSON)}, 200, okJSON, 2, "s-"},
		"everything is":        {[]string{sized("400 Bad Request", "", `{"error":{"message":"no"}}`)}, 400, "no", 2, "s-"},
		"nonsense":             {[]string{chunks(sse, "data: {\"choices\":[}\n\ndata: [DONE]\n\n"), sized("200 OK", "Content-Type: application/json\r\n", okJSON)}, 200, okJSON, 2, "s-"},
		"an error as it is":    {[]string{sized("404 Not Found", "X-Own: 1\r\n", `{"error":{"message":"no such model"}}`)}, 404, "no such model", 1, "s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newFake(t, func(c *upConn, _ *message) bool {
				return c.say(tt.answers[min(c.number, len(tt.answers)-1)]) && c.number < len(tt.answers)-1 && tt.answers[c.number] != cut
			})
			g := open(t, fmt.Sprintf(streamedUpstream, up.url()+"/v1"))
			m := g.do(t, post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
			streams := ""
			up.mu.Lock()
			for _, r := range up.got {
				if strings.Contains(r.Body, `"stream":true`) || strings.Contains(r.Body, `"stream": true`) {
					streams += "s"
				} else {
					streams += "-"
				}
			}
			up.mu.Unlock()
			if m.status() != tt.status || !strings.Contains(m.Body, tt.says) || up.requests() != tt.asked || streams != tt.streams {
				t.Errorf("%s after %d requests (%s): %s", m.Line, up.requests(), streams, m.Body)
			}
		})
	}
}

// An upstream that refuses streams and answers without is not asked for one again.
func TestStreamsAreNotAskedForTwice(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		if strings.Contains(m.Body, `"stream"`) {
			return c.say(sized("422 Unprocessable Entity", "", `{"error":{"message":"no streams"}}`))
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	g := open(t, fmt.Sprintf(streamedUpstream, up.url()+"/v1"))
	for range 3 {
		if m := g.do(t, post("/v1/chat/completions", `{"model":"m","messages":[]}`)); m.Body != okJSON {
			t.Errorf("%s %s", m.Line, m.Body)
		}
	}
	if up.requests() != 4 {
		t.Errorf("%d requests, want 4", up.requests())
	}
}

// The upstream's connection ends with the agent's, while the stream is being put together.
func TestLeavingAnAssembly(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, _ *message) bool {
		c.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(deltas[:100]))
		c.untilClosed()
		return false
	})
	g := open(t, fmt.Sprintf(streamedUpstream, up.url()+"/v1"))
	a := g.dial(t)
	a.send(post("/v1/chat/completions", `{"model":"m","messages":[]}`))
	eventually(t, "a request", func() bool { return up.requests() == 1 })
	a.Close()
	<-up.gone
	if got := g.outcomes(t, 1); got["agent_gone"] != 1 {
		t.Errorf("outcomes %v", got)
	}
}
