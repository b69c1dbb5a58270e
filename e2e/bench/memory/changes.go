package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/trapgate/trapgate/e2e/memory/history"
	"github.com/trapgate/trapgate/e2e/memory/judge"
	"github.com/trapgate/trapgate/memory"
)

// mind opens an engine in a folder of its own; done closes it and removes the folder.
func mind(ctx context.Context, change func(*memory.Options)) (m *judge.Mind, dir string, done func() error, err error) {
	if dir, err = os.MkdirTemp("", "trapgate-memory-"); err != nil {
		return nil, "", nil, err
	}
	if m, err = judge.Open(ctx, dir, change); err != nil {
		return nil, "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, dir, func() error { return errors.Join(m.Close(), os.RemoveAll(dir)) }, nil
}

// changes judges generated histories.
func changes(ctx context.Context, p *plan, r *report) (err error) {
	m, _, done, err := mind(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	s := judge.NewScore()
	for seed := range uint64(p.histories) {
		h := history.Make(seed, history.Default)
		if err := m.Play(ctx, h); err != nil {
			return err
		}
		if err := s.Judge(ctx, m, h); err != nil {
			return err
		}
	}
	plain := s.Styles[history.Plain]
	r.atLeast("current value above the old, usual words", percent(plain.Above, plain.Changes), 99, " %")
	r.atMost("notes that tell a closed value, usual words", float64(plain.Injected), 0, "")
	r.printf("\n## Changes\n\n%d histories. Usual words: moved to, no longer, actually, now. Free: as people happen to say it. "+
		"Kept: nothing changes, but others' values, suppositions and tools speak of it.\n\n"+
		"| words | changes | above | neither told nor found | told | a closed value told |\n| --- | --- | --- | --- | --- | --- |\n", p.histories)
	for _, style := range []history.Style{history.Plain, history.Free, history.Kept} {
		c := s.Styles[style]
		r.printf("| %s | %d | %.1f %% | %.1f %% | %.1f %% | %.1f %% |\n", style, c.Changes, percent(c.Above, c.Changes),
			percent(c.Lost, c.Changes), percent(c.Told, c.Changes), percent(c.Injected, c.Changes))
	}
	r.shown("evidence of generated dialogues: any@5 / any@10 / MRR", "%.1f / %.1f / %.1f %% of %d questions", percent(s.Any5, s.Questions),
		percent(s.Any10, s.Questions), 100*s.Reciprocal/float64(max(s.Questions, 1)), s.Questions)
	return nil
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

// notes has conversations with users who are known well, and counts the tokens of notes in the requests sent.
func notes(ctx context.Context, p *plan, r *report) (err error) {
	m, _, done, err := mind(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	sum, requests, most := 0, 0, 0
	for seed := range uint64(max(p.histories/10, 5)) {
		h := history.Make(seed, history.Default)
		if err := m.Play(ctx, h); err != nil {
			return err
		}
		scope := judge.Scope(h, "talk")
		var questions []string
		for i := range h.Changes {
			questions = append(questions, h.Changes[i].Ask)
		}
		for i := range h.Questions {
			questions = append(questions, h.Questions[i].Text)
		}
		var chains []uint64
		stands := 0
		for i, text := range questions {
			chain := seed<<20 + uint64(i) + 1
			chains = append(chains, chain)
			told, err := m.Recall(ctx, &memory.Question{Scope: scope, Text: text, Chain: chain, First: i == 0, Chains: chains})
			if err != nil {
				return fmt.Errorf("%s: %w", h.User, err)
			}
			stands += told.Tokens
			sum += stands
			requests++
		}
		most = max(most, stands)
	}
	mean := float64(sum) / float64(max(requests, 1))
	r.atMost(fmt.Sprintf("tokens of notes in the request sent, mean of %d requests", requests), mean, 800, "")
	r.shown("the same, the last request of the conversation with the most", "%d", most)
	return nil
}
