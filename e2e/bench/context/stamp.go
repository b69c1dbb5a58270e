package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine"
)

const (
	stampTokens = 6000 // of the system prompt, by the engine's count
	stampWindow = 16384
	stampWarmup = 3 // calls of each side that are not counted: the first fills the cache, the next two show what is volatile
)

// A stamper is one side: an agent whose conversation grows, and the engine behind it.
type stamper struct {
	name, base string
	stamped    bool
	said       []string
	waits      []float64 // to the first token, ms
	prefilled  []float64
}

// stamp measures an agent that writes the time into its system prompt on each call: direct and through the gate, and direct without
// the time, which is the least there can be. Each side has its own engine; they are asked in turn.
func stamp(p *plan, r *report) error {
	client := newClient()
	sides := []*stamper{{name: "direct", stamped: true}, {name: "**through trapgate**", stamped: true}, {name: "direct, no time in it"}}
	var system string
	for i, s := range sides {
		e, err := engine.Launch(engine.Options{Slots: 1, Context: stampWindow, Layers: engineLayers})
		if err != nil {
			return err
		}
		defer e.Stop()
		s.base = e.URL + "/v1"
		if i == 0 {
			if system, err = longSystem(client, e.URL); err != nil {
				return err
			}
		}
		if i == 1 {
			set := setup{base: s.base, model: engine.Model, context: p.section(window(engine.Model, stampWindow), "reserve: 256", "hygiene: {volatile: move}")}
			g, err := set.start()
			if err != nil {
				return err
			}
			defer func() { _ = g.Close() }()
			s.base = g.URL
		}
	}
	clock := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for i := range p.stamps + stampWarmup {
		clock = clock.Add(7 * time.Second)
		for turn := range sides {
			s := sides[(i+turn)%len(sides)]
			if err := s.call(client, system, clock, i); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	r.section("A stamped system prompt", "llama.cpp, a conversation of %d calls that grows by a question and an answer; the system prompt has %d tokens, and the time in its second line. The first %d calls of each "+
		"side are not counted.\n\n| | first token p50, ms | p90 | prefilled tokens p50 |\n| --- | --- | --- | --- |\n", p.stamps+stampWarmup, stampTokens, stampWarmup)
	for _, s := range sides {
		r.printf("| %s | %.1f | %.1f | %.0f |\n", s.name, s.median(), benchkit.Percentile(s.waits, 0.9), benchkit.Median(s.prefilled))
	}
	r.atMost("stamped system prompt: time to first token against direct", sides[1].median()/sides[0].median(), 0.1, "")
	r.shown("the same without the time in it", "%s", benchkit.Number(sides[2].median()/sides[0].median()))
	return nil
}

func (s *stamper) median() float64 { return benchkit.Median(s.waits) }

// longSystem writes a system prompt of about stampTokens, with a place for the time.
func longSystem(client *http.Client, url string) (string, error) {
	var b strings.Builder
	b.WriteString("You keep the gate.\nCurrent time: TIME\n")
	for i := 1; ; i++ {
		fmt.Fprintf(&b, "%d. Whoever comes from village %d is asked for name, load and road, and both are written down.\n", i, i*37%1000)
		if i%10 > 0 {
			continue
		}
		n, err := tokensOf(client, url, fmt.Appendf(nil, `[{"role":"system","content":%q}]`, b.String()), []byte("[]"))
		if err != nil || n >= stampTokens {
			return b.String(), err
		}
	}
}

// call asks the next question.
func (s *stamper) call(client *http.Client, system string, clock time.Time, nth int) error {
	at := "when the sun is up"
	if s.stamped {
		at = clock.Format(time.RFC3339)
	}
	messages := append([]string{fmt.Sprintf(`{"role":"system","content":%q}`, strings.Replace(system, "TIME", at, 1))}, s.said...)
	question := fmt.Sprintf(`{"role":"user","content":"Number %d?"}`, nth)
	messages = append(messages, question)
	got, err := ask(client, s.base, fmt.Appendf(nil, `{"model":%q,"messages":[%s],"max_tokens":4,"stream":true,"stream_options":{"include_usage":true}}`, engine.Model, strings.Join(messages, ",")))
	if err != nil {
		return err
	}
	s.said = append(s.said, question, `{"role":"assistant","content":"A miller."}`)
	if nth >= stampWarmup {
		s.waits = append(s.waits, float64(got.first)/1e6)
		s.prefilled = append(s.prefilled, float64(got.prefilled()))
	}
	return nil
}
