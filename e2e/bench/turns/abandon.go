package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine"
)

// A desertion is one unary call whose agent leaves while another agent's stream goes on in the engine's other slot.
type desertion struct {
	state   string // of the call when its agent leaves: decode or prefill
	through bool
	free    []float64 // seconds from the agent's leaving until the slot began with the next call
	batch   float64   // how long a batch of prefill takes
}

const (
	desertPrefill = 12_000 // tokens of the prompt whose agent leaves while it is read
	desertTokens  = 4000   // of the other agent's stream
	batchTokens   = 2048   // of the engine's n_batch
)

// abandon measures when the slot of a call that nobody waits for is free.
func abandon(p *plan, r *report) error {
	e, err := startEngine(engine.Options{Slots: 2, Context: 32_768, Layers: p.abandonLayers})
	if err != nil {
		return err
	}
	defer e.stop()
	s := setup{upstreams: []upstream{{name: "engine", base: e.url + "/v1", pool: "concurrency: 2", more: "    unary: stream\n"}}}
	g, err := s.start()
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	batch, err := batchTime(e)
	if err != nil {
		return err
	}
	progress("the engine reads a batch of %d tokens in %.2f s", batchTokens, batch)
	var rows []desertion
	for _, state := range []string{"decode", "prefill"} {
		for _, through := range []bool{true, false} {
			d := desertion{state: state, through: through, batch: batch}
			times, base := p.deserts, g.URL
			if !through {
				times, base = p.desertsAlone, e.url+"/v1"
			}
			for i := range times {
				free, err := desert(e, base, state, i)
				if err != nil {
					return fmt.Errorf("abandoned in %s, through %t: %w", state, through, err)
				}
				d.free = append(d.free, free)
			}
			progress("abandoned in %s, through %t: free after %.3f s (worst %.3f)", state, through, benchkit.Median(d.free), benchkit.Percentile(d.free, 1))
			rows = append(rows, d)
		}
	}
	r.abandon(rows)
	return nil
}

// batchTime is how long the engine reads one batch while nothing else runs: the second of three, so that overheads are not in it.
func batchTime(e *realEngine) (float64, error) {
	var took [2]float64
	for i, n := range []int{batchTokens, 3 * batchTokens} {
		a := agent{Base: e.url + "/v1", Model: engine.Model, Key: "sk-x"}
		began := time.Now()
		if _, err := ask(context.Background(), newClient(1), request{&a, []message{{"user", letters(uint64(700+i), n)}}, 1}, &answer{}); err != nil {
			return 0, err
		}
		took[i] = time.Since(began).Seconds()
	}
	return (took[1] - took[0]) / 2, nil
}

// desert lets one agent leave. The slot's freedom is seen by a call that waits in the engine for it: asking the engine for its
// slots would keep it from noticing that somebody has left.
func desert(e *realEngine, base, state string, nth int) (float64, error) {
	if err := e.idle(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	own := math.Inf(1) // what the probe itself takes at least, without any waiting
	for range 3 {
		took, err := e.probe(ctx)
		if err != nil {
			return 0, err
		}
		own = min(own, took)
	}
	other := agent{Base: e.url + "/v1", Model: engine.Model, Key: "sk-other", Stream: true}
	go func() {
		_, _ = ask(ctx, newClient(1), request{&other, []message{{"user", endless}}, desertTokens}, &answer{})
	}()
	if err := e.until(1, 0); err != nil {
		return 0, err
	}
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	gone := make(chan error, 1)
	go func() { gone <- deserted(leaving, base, state, nth) }()
	if err := e.until(2, 0); err != nil {
		return 0, err
	}
	first := make(chan error, 1)
	var at time.Time
	go func() {
		_, err := e.probe(ctx)
		at = time.Now()
		first <- err
	}()
	if err := e.until(2, 1); err != nil {
		return 0, err
	}
	time.Sleep(150 * time.Millisecond)
	left := time.Now()
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		return 0, fmt.Errorf("turns: the call ended before its agent left: %w", err)
	}
	if err := <-first; err != nil {
		return 0, err
	}
	return max(0, at.Sub(left).Seconds()-own), nil
}

// deserted is the unary call whose agent leaves: by itself it would go on for much longer than the other's stream.
func deserted(ctx context.Context, base, state string, nth int) error {
	a := agent{Base: base, Model: engine.Model, Key: "sk-leaver"}
	text := endless
	if state == "prefill" {
		text = letters(uint64(800+nth), desertPrefill)
	}
	_, err := ask(ctx, newClient(1), request{&a, []message{{"user", text}}, 2 * desertTokens}, &answer{})
	return err
}

// probe asks for one token and returns when its head has come: the engine sends it with the first token.
func (e *realEngine) probe(ctx context.Context) (float64, error) {
	began := time.Now()
	a := agent{Model: engine.Model, Stream: true}
	body := string(request{&a, []message{{"user", "Go on."}}, 1}.body())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	return took, resp.Body.Close()
}

// until waits until so many slots work and so many calls wait in the engine.
func (e *realEngine) until(busy, deferred int) error {
	for range 500 {
		b, err := e.busy()
		if err != nil {
			return err
		}
		d, err := e.metric("requests_deferred")
		if err != nil {
			return err
		}
		if b >= busy && int(d) >= deferred {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("turns: no %d busy slots and %d waiting calls within 5 s", busy, deferred)
}
