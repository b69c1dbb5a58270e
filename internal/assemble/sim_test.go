package assemble_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// ask sends a body to a model that is new, so that its prefix cache is empty. An answer depends on seed and request alone.
func ask(t *testing.T, seed uint64, path, body, fault string) *httptest.ResponseRecorder {
	t.Helper()
	m, err := simmodel.New(simmodel.Options{Seed: seed, OutputTokens: 20, TokensPerDelta: int(seed%3) + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	if strings.HasSuffix(path, "/messages") {
		r.Header.Set("Anthropic-Version", "2023-06-01")
	}
	r.Header.Set("Content-Type", "application/json")
	if fault != "" {
		r.Header.Set("x-sim-fault", fault)
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w
}

// streamed is the body as Stream has it sent.
func streamed(t testing.TB, d wire.Dialect, body string) string {
	t.Helper()
	v := view(t, d, body)
	defer v.Release()
	if why := assemble.Why(v); why != "" {
		t.Fatalf("not eligible: %s", why)
	}
	var e wire.Edits
	assemble.Stream(v, &e)
	out, err := wire.Apply(nil, v.Body, nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func view(t testing.TB, d wire.Dialect, body string) *wire.View {
	t.Helper()
	v, err := wire.Acquire(d, []byte(body), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const (
	bash     = `{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}`
	chatBash = `"tools":[{"type":"function","function":{"name":"bash","parameters":` + bash + `}},{"type":"custom","custom":{"name":"patch"}}],`
	respBash = `"tools":[{"type":"function","name":"bash","parameters":` + bash + `},{"type":"custom","name":"patch"},{"type":"shell"}],`
	msgBash  = `"tools":[{"name":"bash","input_schema":` + bash + `}],`
)

// sims are requests whose answers have all that the simulated model can say.
var sims = []struct {
	name, say, tools string
	more             string
}{
	{name: "filler", say: "hello"},
	{name: "text", say: `[[sim: say Grüße, \"you\" 🙂 & say tab\\tend]]`},
	{name: "length", say: "hello", more: "length"},
	{name: "thinking", say: "[[sim: think hm, well & say I know.]]"},
	{name: "call", say: `[[sim: call bash {\"command\": \"ls -l \\\"x\\\"\", \"n\": 1.50e2}]]`, tools: "yes"},
	{name: "text and calls", say: `[[sim: say I look. & call bash {\"command\":\"a\"} & call bash {\"command\":\"b\"} & call bash {}]]`, tools: "yes"},
	{name: "thinking and calls", say: `[[sim: think hm & call bash {\"command\":\"a\"} & call bash {\"command\":\"b\"}]]`, tools: "yes"},
	{name: "call cut", say: `[[sim: call bash {\"command\": \"a very long command that does not fit into what may be said\"}]]`, tools: "yes", more: "length"},
	{name: "custom", say: `[[sim: call patch \"*** begin\" & call bash {\"command\":\"a\"}]]`, tools: "custom"},
	{name: "hosted shell", say: `[[sim: call shell \"pwd\"]]`, tools: "shell"},
}

// The assembled body is the unary answer, for many seeds, in three dialects.
func TestSimulatedModel(t *testing.T) {
	for _, c := range sims {
		t.Run(c.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 9; seed++ {
				for _, r := range requests(c.say, c.tools, c.more == "length") {
					t.Run(fmt.Sprintf("%s/%d", r.d, seed), func(t *testing.T) {
						unary := ask(t, seed, r.path, r.body, "")
						stream := ask(t, seed, r.path, streamed(t, r.d, r.body), "")
						if unary.Code != 200 || stream.Code != 200 {
							t.Fatalf("%d %s\n%d %s", unary.Code, unary.Body, stream.Code, stream.Body)
						}
						body, err := run(r.d, stream.Body.Bytes(), int(seed)*7)
						if err != nil {
							t.Fatalf("%v\n%s", err, stream.Body)
						}
						equal(t, unary.Body.Bytes(), body)
					})
				}
			}
		})
	}
}

type simRequest struct {
	d          wire.Dialect
	path, body string
}

func requests(say, tools string, length bool) (list []simRequest) {
	pick := func(s string) string {
		if tools == "" {
			return ""
		}
		return s
	}
	limit, limit2 := "", ""
	if length {
		limit, limit2 = `"max_tokens":6,`, `"max_output_tokens":6,`
	} else {
		limit = `"max_tokens":500,`
	}
	if tools != "shell" {
		list = append(list, simRequest{
			wire.Chat, "/v1/chat/completions",
			`{"model":"m",` + limit + pick(chatBash) + `"messages":[{"role":"user","content":"` + say + `"}]}`,
		})
	}
	list = append(list, simRequest{
		wire.Responses, "/v1/responses", `{"model":"m",` + limit2 + pick(respBash) + `"input":"` + say + `"}`,
	})
	if tools == "" || tools == "yes" {
		list = append(list, simRequest{
			wire.Messages, "/v1/messages",
			`{"model":"m",` + limit + pick(msgBash) + `"messages":[{"role":"user","content":"` + say + `"}]}`,
		})
	}
	return list
}

// What engines do otherwise: the answer stays the same.
func TestBentStreams(t *testing.T) {
	const say = `[[sim: think hm & say I look. & call bash {\"command\":\"a\"} & call bash {\"command\":\"b\"}]]`
	for _, fault := range []string{
		"no_finish_key", "whole_calls", "usage_on_last", "finish_twice", "usage_unasked", "empty_first", "no_index", "new_ids",
		"unknown_event", "comments", "crlf", "cr", "nospace", "multi_data", "pieces=3", "one_write", "huge_comment=5000", "bom",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, r := range requests(say, "yes", false) {
				unary := ask(t, 4, r.path, r.body, "")
				stream := ask(t, 4, r.path, streamed(t, r.d, r.body), fault)
				body, err := run(r.d, stream.Body.Bytes(), 11)
				if err != nil {
					t.Fatalf("%s: %v\n%s", r.d, err, stream.Body)
				}
				equal(t, unary.Body.Bytes(), body)
			}
		})
	}
}

// A stream that ends too early, in whatever way, is not made into an answer.
func TestCutStreams(t *testing.T) {
	for _, r := range requests("[[sim: say one two three four five six seven]]", "", false) {
		whole := ask(t, 2, r.path, streamed(t, r.d, r.body), "").Body.Bytes()
		if _, err := run(r.d, whole, 0); err != nil {
			t.Fatal(err)
		}
		// Behind the terminal event's data its blank line is missing when anything is.
		for cut := range len(whole) - 1 {
			body, err := run(r.d, whole[:cut], 0)
			if err == nil || body != nil {
				t.Fatalf("%s: cut at %d of %d: %s", r.d, cut, len(whole), body)
			}
			if !errors.Is(err, assemble.ErrIncomplete) {
				t.Fatalf("%s: cut at %d: %v", r.d, cut, err)
			}
		}
		for _, fault := range []string{"no_done", "end=3"} {
			if body, err := run(r.d, ask(t, 2, r.path, streamed(t, r.d, r.body), fault).Body.Bytes(), 0); !errors.Is(err, assemble.ErrIncomplete) {
				t.Errorf("%s: %s: %v, %s", r.d, fault, err, body)
			}
		}
		var form *assemble.FormError
		if _, err := run(r.d, ask(t, 2, r.path, streamed(t, r.d, r.body), "malformed=3").Body.Bytes(), 0); r.d == wire.Responses {
			if err != nil { // only its last event is read
				t.Error(err)
			}
		} else if !errors.As(err, &form) || form.Event != 3 {
			t.Errorf("%s: malformed: %v", r.d, err)
		}
		var up *assemble.UpstreamError
		if _, err := run(r.d, ask(t, 2, r.path, streamed(t, r.d, r.body), "error_event=3").Body.Bytes(), 0); !errors.As(err, &up) || up.Status < 400 {
			t.Errorf("%s: error event: %v", r.d, err)
		} else {
			shape(t, r.d, up.Body)
		}
	}
}

// shape fails unless a body is an error in the dialect's shape, as the house's own reader sees it.
func shape(t *testing.T, d wire.Dialect, body []byte) {
	t.Helper()
	var m wire.Meter
	m.Reset(d)
	m.Body(body)
	if a := m.Answer(); !a.Failed() || !a.Terminal || !strings.Contains(string(body), `"error":`) {
		t.Errorf("%s: no error: %s", d, body)
	}
}
