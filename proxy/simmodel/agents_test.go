package simmodel

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Agents hold a growing conversation, and what they measured is what the model counted.
func TestRunAgents(t *testing.T) {
	m := newModel(t, Options{Slots: 2, PrefillRate: 200_000, DecodeRate: 2000})
	url := serve(t, m)
	var mu sync.Mutex
	kinds := map[string]int{}
	r := RunAgents(context.Background(), AgentsOptions{
		BaseURL: url + "/v1", Agents: 4, Turns: 3, SystemTokens: 500, TaskTokens: 200, ResultTokens: 100, OutputTokens: 10,
		ToolTime: 5 * time.Millisecond, OnEvent: func(e AgentEvent) { mu.Lock(); kinds[e.Kind]++; mu.Unlock() },
	})
	s, st := r.Summary(), m.Stats()
	if s.Failed != 0 || s.Calls != 16 || s.Retries != 0 {
		t.Fatalf("%+v %v", s, r.Runs[0].Err)
	}
	if int64(s.In) != st.PromptTokens || int64(s.Cached) != st.CachedTokens || int64(s.Out) != st.OutputTokens {
		t.Errorf("agents %+v, model %+v", s, st)
	}
	if s.CachedShare < 0.5 {
		t.Errorf("cached share %.2f of growing conversations", s.CachedShare)
	}
	if kinds["call"] != 16 || kinds["first"] != 16 || kinds["tool"] != 12 || kinds["done"] != 4 {
		t.Error(kinds)
	}
	if s.Wall < s.MeanWall || s.FirstTokenP50 <= 0 || st.MaxQueued == 0 {
		t.Errorf("%+v %+v", s, st)
	}
}

// The retry policy of the usual SDKs: two retries, Retry-After obeyed, then the run is dead.
func TestAgentsRetry(t *testing.T) {
	cases := []struct {
		name            string
		fault           string
		failed, retries int
		least           time.Duration
	}{
		{"recovers", "status=503x2", 0, 2, time.Second},
		{"gives up", "status=503", 1, 2, time.Second},
		{"400 is final", "status=400", 1, 0, 0},
		{"refused for ever", "429=0", 1, 2, 0},
		{"waits as told", "429=1", 1, 2, 2 * time.Second},
		{"torn stream", "cut=2", 1, 0, 0},
		{"clean end without [DONE]", "end=2", 1, 0, 0},
		{"connection closed", "drop=x1", 0, 1, 300 * time.Millisecond},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newModel(t, Options{Faults: []FaultRule{{Fault: c.fault}}})
			start := time.Now()
			s := RunAgents(context.Background(), AgentsOptions{BaseURL: serve(t, m) + "/v1"}).Summary()
			if s.Failed != c.failed || s.Retries != c.retries || time.Since(start) < c.least {
				t.Errorf("%+v in %v", s, time.Since(start))
			}
		})
	}
}

func TestAgentsStopWithTheContext(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hang.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	r := RunAgents(ctx, AgentsOptions{BaseURL: hang.URL, Agents: 3, Stagger: 20 * time.Millisecond})
	for i := range r.Runs {
		if r.Runs[i].Err == nil {
			t.Error("agent", i, "has no error")
		}
	}
}

// An agent with texts of its own says those, and one that trims keeps its instructions, its newest messages and valid pairs.
func TestAgentsTrim(t *testing.T) {
	const trim, calls = 900, 12
	var mu sync.Mutex
	var bodies []string
	m := newModel(t, Options{Decide: func(q Turn) *Step {
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(q.Body))
		if len(bodies) > calls {
			return &Step{Say: "done"}
		}
		return &Step{Calls: []Call{{Tool: "work", Args: []byte(`{"step":1}`)}}}
	}})
	o := AgentsOptions{
		BaseURL: serve(t, m) + "/v1", Turns: calls, Trim: trim, SystemTokens: 100,
		Task:   func(int) string { return "Mend the parser." },
		Result: func(_, turn int) string { return fmt.Sprintf("result %d of it ", turn) + strings.Repeat("word ", 200) },
		User:   func(_, turn int) string { return map[int]string{4: "And be kind."}[turn] },
	}
	if s := RunAgents(context.Background(), o).Summary(); s.Failed != 0 || s.Calls != calls+1 {
		t.Fatalf("%+v, %v", s, m.Stats().Rejected)
	}
	has := func(i int, text string) bool { return strings.Contains(bodies[i], text) }
	last := len(bodies) - 1
	for i, b := range bodies {
		if len(b) > 4*trim || !has(i, "careful worker") || i > 0 && !has(i, fmt.Sprintf("result %d of", i-1)) || has(i, "[[sim:") {
			t.Errorf("request %d: %s", i, b)
		}
	}
	if !has(1, "Mend the parser.") || has(4, "And be kind.") || !has(5, "And be kind.") || has(last, "Mend the parser.") || has(last, "And be kind.") || has(last, "result 1 of") {
		t.Errorf("the last of %d: %s", len(bodies), bodies[last])
	}
	o.Trim = 10 // less than what cannot be left out
	if s := RunAgents(context.Background(), o).Summary(); s.Failed != 0 || len(bodies[len(bodies)-1]) < 4*o.Trim {
		t.Errorf("%+v", s)
	}
}
