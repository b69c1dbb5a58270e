//go:build e2e

package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// both asks the engine once to fill its cache, then direct and through the gate.
func both(t *testing.T, path, body string) (direct, gated answer) {
	t.Helper()
	post(t, shared.URL+path, body)
	return post(t, shared.URL+path, body), post(t, through+path, body)
}

// The words of an answer and every event of a stream are the engine's own, in all three dialects.
func TestAnswers(t *testing.T) {
	need(t)
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", d.name, stream), func(t *testing.T) {
				direct, gated := both(t, d.path, d.body(stream, "What is written down at the gate?"))
				same(t, direct, gated)
				if want := "remembers nobody"; !stream && !bytes.Contains(gated.body, []byte(want)) {
					t.Errorf("no %q in %.500s", want, gated.body)
				}
				if n := bytes.Count(gated.body, []byte("data: ")); stream && n < 30 {
					t.Errorf("%d events: %.500s", n, gated.body)
				}
			})
		}
	}
}

// Events leave when they come: the first words are there long before the last.
func TestStreamFlows(t *testing.T) {
	need(t)
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			body := endless(d, true, 600)
			resp, err := client.Do(request(t, through+d.path, body))
			if err == nil && resp.Header.Get("x-trapgate-error") == "upstream_closed" {
				// The engine closed a kept connection after it had taken the request: that is the agent's to repeat, as SDKs do.
				t.Log("asked again after a 502 upstream_closed")
				resp.Body.Close()
				resp, err = client.Do(request(t, through+d.path, body))
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var at []time.Time
			if err := events(resp.Body, func([]byte) bool { at = append(at, time.Now()); return true }); err != nil {
				t.Fatal(err)
			}
			if len(at) < 300 {
				t.Fatalf("%d events, %s, %v", len(at), resp.Status, resp.Header)
			}
			whole := at[len(at)-1].Sub(at[0])
			if half := at[len(at)/2].Sub(at[0]); half < whole/10 || half > whole*9/10 {
				t.Errorf("half of %d events came within %v of %v: they are held back", len(at), half, whole)
			}
		})
	}
}

// A tool call, unary and streamed, and the turn after it.
func TestTools(t *testing.T) {
	need(t)
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", d.name, stream), func(t *testing.T) {
				direct, gated := both(t, d.path, d.withTool(d.body(stream, "How is the weather?")))
				same(t, direct, gated)
				for _, want := range []string{"weather", "Lisbon"} {
					if !bytes.Contains(gated.body, []byte(want)) {
						t.Errorf("no %q in %.800s", want, gated.body)
					}
				}
			})
		}
	}
	t.Run("result", func(t *testing.T) {
		d := dialects[0]
		body := d.withTool(`{"model":"` + Model + `","messages":[{"role":"user","content":"How is the weather?"},` +
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Lisbon\"}"}}]},` +
			`{"role":"tool","tool_call_id":"c1","content":"sunny"}]}`)
		direct, gated := both(t, d.path, body)
		same(t, direct, gated)
		if !bytes.Contains(gated.body, []byte("That is what the tool said")) {
			t.Errorf("%s", gated.body)
		}
	})
}

// A prompt that is too long is refused by the engine, and its refusal reaches the agent byte for byte.
func TestOverflow(t *testing.T) {
	need(t)
	long := strings.Repeat("more and more ", 1000)
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", d.name, stream), func(t *testing.T) {
				body := d.body(stream, long)
				direct, gated := post(t, shared.URL+d.path, body), post(t, through+d.path, body)
				if gated.status != http.StatusBadRequest || direct.status != gated.status {
					t.Errorf("status %d direct, %d through", direct.status, gated.status)
				}
				if !bytes.Equal(direct.body, gated.body) || !bytes.Contains(gated.body, []byte("exceed_context_size_error")) {
					t.Errorf("direct:  %s\nthrough: %s", direct.body, gated.body)
				}
			})
		}
	}
}

// A conversation that grows turn by turn finds as much of itself in the engine's cache as it does without us.
func TestPrefixCache(t *testing.T) {
	need(t)
	e := Start(t, Options{Slots: 1})
	g, err := startGate(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			talk(t, d, e.URL, "Zoe") // what all share
			// Names of one length make conversations of one shape that share nothing.
			direct := talk(t, d, e.URL, "Ada")
			gated := talk(t, d, g.Base(), "Bob")
			if fmt.Sprint(direct) != fmt.Sprint(gated) {
				t.Errorf("cached tokens turn by turn: %v direct, %v through", direct, gated)
			}
			if last := gated[len(gated)-1]; last < 300 {
				t.Errorf("only %d tokens were cached in the last turn: %v", last, gated)
			}
			t.Logf("cached tokens turn by turn: %v", gated)
		})
	}
}

// Without a host cache a conversation that lost its slot is computed again; one that kept it is not.
func TestNoHostCache(t *testing.T) {
	need(t)
	long := strings.Repeat("It goes on and on. ", 100)
	for name, c := range map[string]struct {
		o    Options
		kept bool // though another conversation has used the slot
	}{
		"host cache":    {Options{Slots: 1}, true},
		"no host cache": {Options{Slots: 1, NoHostCache: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := Start(t, c.o)
			cached := func(who string) int {
				a := post(t, e.URL+dialects[0].path, dialects[0].body(false, who+" is here. "+long))
				found := dialects[0].cached.FindSubmatch(a.body)
				if found == nil {
					t.Fatalf("no cached tokens in %s", a.body)
				}
				n, _ := strconv.Atoi(string(found[1]))
				return n
			}
			first, again := cached("Ada"), cached("Ada")
			if first > 100 || again < 300 {
				t.Errorf("%d tokens cached at first, %d when asked again", first, again)
			}
			cached("Bob")
			if back := cached("Ada"); c.kept != (back > 300) {
				t.Errorf("%d tokens cached after another had the slot", back)
			}
		})
	}
}

// talk has a conversation of six turns and returns the cached tokens of each.
func talk(t *testing.T, d dialect, base, name string) (cached []int) {
	t.Helper()
	turns := []string{name + " asks what is new. " + strings.Repeat(name+" has time. ", 10)}
	for i := range 6 {
		a := post(t, base+d.path, d.body(false, turns...))
		if a.status != http.StatusOK {
			t.Fatalf("%d: %s", a.status, a.body)
		}
		found := d.cached.FindSubmatch(a.body)
		if found == nil {
			t.Fatalf("no cached tokens in %s", a.body)
		}
		n, _ := strconv.Atoi(string(found[1]))
		cached = append(cached, n)
		turns = append(turns, "It is quiet.", fmt.Sprintf("And after %d hours?", i+1))
	}
	return cached
}

// An agent that leaves frees its slot: while tokens come, and while it waits behind another.
func TestLeave(t *testing.T) {
	need(t)
	e := Start(t, Options{Slots: 1, Layers: 12})
	g, err := startGate(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	for _, d := range dialects {
		t.Run(d.name+"/mid-stream", func(t *testing.T) {
			leave := startStream(t, g.Base(), d)
			left := time.Now()
			leave()
			waitFor(t, 2*time.Second, "the slot is still busy", func() bool { return !busy(t, e) })
			t.Logf("slot free after %v", time.Since(left).Round(time.Millisecond))
		})
	}
	t.Run("waiting", func(t *testing.T) {
		d := dialects[0]
		leave := startStream(t, e.URL, d) // direct: it keeps the only slot
		defer leave()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			// Unary, so that the engine learns of the leaving from the closed connection alone: it looks once a second,
			// and only while it sends nothing to anyone and nobody asks for its slots.
			body := endless(d, false, 3900)
			if resp, err := client.Do(request(t, g.URL+"/chat/completions", body).WithContext(ctx)); err == nil {
				_ = resp.Body.Close()
			}
		}()
		waitFor(t, 5*time.Second, "the second request does not wait", func() bool { return deferred(t, e) == 1 })
		cancel()
		<-done
		leave()
		for range 2 {
			time.Sleep(2500 * time.Millisecond)
			if !busy(t, e) {
				return
			}
		}
		t.Error("the engine still works for an agent that left before the headers")
	})
}

// startStream starts a stream that would go on for long, waits for its first words, and returns what makes the agent leave.
func startStream(t *testing.T, base string, d dialect) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	body := endless(d, true, 3900)
	resp, err := client.Do(request(t, base+d.path, body).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := events(resp.Body, func([]byte) bool { n++; return n < 8 }); err != nil || n < 8 {
		t.Fatalf("%d events: %v", n, err)
	}
	return func() {
		cancel()
		_ = resp.Body.Close()
	}
}

// endless makes a body whose answer goes on for n tokens: the model begins anew when it is asked to.
func endless(d dialect, stream bool, n int) string {
	body := strings.Replace(d.body(stream, "Tell it endlessly."), `"max_tokens":200,`, "", 1)
	limit := "max_tokens"
	if d.name == "responses" {
		limit = "max_output_tokens"
	}
	return strings.Replace(body, "{", fmt.Sprintf(`{"%s":%d,`, limit, n), 1)
}

func busy(t *testing.T, e *Engine) bool {
	return strings.Contains(get(t, e.URL+"/slots"), `"is_processing":true`)
}

func deferred(t *testing.T, e *Engine) int {
	for line := range strings.Lines(get(t, e.URL+"/metrics")) {
		if rest, ok := strings.CutPrefix(line, "llamacpp:requests_deferred "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(rest))
			return n
		}
	}
	t.Fatal("no llamacpp:requests_deferred in /metrics")
	return 0
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func waitFor(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s after %v\n%s", what, limit, gateLog())
		}
	}
}

// The engine closes a connection after 100 answers, after 5 s of silence and after a refusal. An agent never hears of it.
func TestKeepAlive(t *testing.T) {
	need(t)
	d := dialects[0]
	body := strings.Replace(d.body(false, "Go on."), "{", `{"max_tokens":2,`, 1)
	ask := func(t *testing.T) {
		t.Helper()
		if a := post(t, through+d.path, body); a.status != http.StatusOK {
			t.Fatalf("%d: %s", a.status, a.body)
		}
	}
	t.Run("250 requests", func(t *testing.T) {
		for range 250 {
			ask(t)
		}
	})
	t.Run("after refusals", func(t *testing.T) {
		long := d.body(false, strings.Repeat("more and more ", 1000))
		for range 10 {
			if a := post(t, through+d.path, long); a.status != http.StatusBadRequest {
				t.Fatalf("%d: %s", a.status, a.body)
			}
			ask(t)
		}
	})
	t.Run("after silences", func(t *testing.T) {
		for _, wait := range []time.Duration{3990, 4990, 5010} {
			time.Sleep(wait * time.Millisecond)
			ask(t)
		}
	})
}

// What the engine offers beside the three dialects goes through too.
func TestOtherPaths(t *testing.T) {
	need(t)
	t.Run("models", func(t *testing.T) {
		if text := get(t, through+"/v1/models"); !strings.Contains(text, Model) {
			t.Errorf("%s", text)
		}
	})
	t.Run("count_tokens", func(t *testing.T) {
		path := "/v1/messages/count_tokens"
		body := dialects[2].body(false, "How long is this?")
		direct, gated := post(t, shared.URL+path, body), post(t, through+path, body)
		same(t, direct, gated)
		if !bytes.Contains(gated.body, []byte(`"input_tokens"`)) {
			t.Errorf("%s", gated.body)
		}
	})
	t.Run("completions", func(t *testing.T) {
		direct, gated := both(t, "/v1/completions", `{"model":"`+Model+`","prompt":"A gate","max_tokens":5}`)
		same(t, direct, gated)
	})
}
