package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine"
)

// loopReserve is kept free of the window for the answer, of which there are 8 tokens, on both sides.
const loopReserve = 256

// An arm is one way through the loop.
type arm struct {
	calls, failed     int
	repeated          int // tries
	wall              time.Duration
	prompt, prefilled int
	largest           int
	waits             []float64 // to the first token, ms
}

func (a *arm) add(got *answer) {
	a.prompt, a.prefilled, a.largest = a.prompt+got.prompt, a.prefilled+got.prefilled(), max(a.largest, got.prompt)
	a.repeated, a.wall = a.repeated+got.repeated, a.wall+got.whole
	a.waits = append(a.waits, float64(got.first)/1e6)
}

// loop runs the same agent loop twice over an engine with a small window: direct, trimmed to the window on each call, and whole through
// the gate. Each arm has an engine that was started for it.
func loop(p *plan, r *report) error {
	s := newScript(p.loopTurns)
	direct, err := runArm(p, s, false)
	if err != nil {
		return fmt.Errorf("direct: %w", err)
	}
	through, err := runArm(p, s, true)
	if err != nil {
		return fmt.Errorf("through: %w", err)
	}
	r.section("Agent loop over a real engine", "llama.cpp, one slot of %d tokens (%d kept for the answer), %d calls, two a turn; the script's words in the history of both. Direct: "+
		"the newest messages that fit by the engine's own count, from a user's on. Through: the whole history each time.\n\n"+
		"| | calls | failed | repeated | wall | prompt tokens | prefilled | largest prompt | first token p50, ms |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n", p.loopWindow, loopReserve, len(s.points))
	for i, a := range []*arm{direct, through} {
		r.printf("| %s | %d | %d | %d | %v | %d | %d | %d | %.1f |\n", []string{"direct, trimmed", "**through trapgate**"}[i], a.calls, a.failed, a.repeated, a.wall.Round(time.Millisecond),
			a.prompt, a.prefilled, a.largest, benchkit.Percentile(a.waits, 0.5))
	}
	r.must("loop: failed calls through us", through.failed == 0, "0", "%d of %d", through.failed, through.calls)
	if direct.failed > 0 || through.failed > 0 {
		r.shown("loop: wall time, prefilled tokens against direct", "calls failed: nothing to compare")
		return nil
	}
	r.atMost("loop: wall time against direct", through.wall.Seconds()/direct.wall.Seconds(), 0.5, "")
	r.atMost("loop: prefilled tokens against direct", float64(through.prefilled)/float64(direct.prefilled), 0.2, "")
	return nil
}

func runArm(p *plan, s *script, gated bool) (*arm, error) {
	e, err := engine.Launch(engine.Options{Slots: 1, Context: p.loopWindow, Layers: engineLayers})
	if err != nil {
		return nil, err
	}
	defer e.Stop()
	client := newClient()
	base := e.URL + "/v1"
	if gated {
		set := setup{base: base, model: engine.Model, context: p.section(window(engine.Model, p.loopWindow), fmt.Sprintf("reserve: %d", loopReserve))}
		g, err := set.start()
		if err != nil {
			return nil, err
		}
		defer func() { _ = g.Close() }()
		base = g.URL
	} else if err := s.count(client, e.URL); err != nil {
		return nil, err
	}
	a := &arm{}
	for _, to := range s.points {
		from := 1
		if !gated {
			if from = s.trim(to, p.loopWindow-loopReserve); from == to {
				return nil, errors.New("context: trimming leaves nothing")
			}
		}
		body := s.body(from, to)
		got, err := ask(client, base, body)
		a.calls++
		if err != nil {
			if a.failed++; a.failed <= 3 {
				progress("call %d: %v", a.calls, err)
			}
			continue
		}
		a.add(got)
	}
	return a, nil
}

// count asks the engine how many tokens each message has. The system's is counted with the tools and all that stands in every prompt.
// A user's message stands last in every question, because what a model said last would be taken for something to continue.
func (s *script) count(client *http.Client, url string) error {
	const last = `,{"role":"user","content":"?"}]`
	size := func(from, to int) (int, error) {
		list := s.list(from, to)
		return tokensOf(client, url, append(list[:len(list)-1], last...), s.tools)
	}
	head, err := size(1, 1)
	if err != nil {
		return err
	}
	s.messages[0].tokens = head
	for i := 1; i < len(s.messages); i++ {
		with, err := size(i, i+1)
		if err != nil {
			return err
		}
		s.messages[i].tokens = with - head
	}
	return nil
}
