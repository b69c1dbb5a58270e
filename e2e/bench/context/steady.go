package main

import (
	"errors"
	"fmt"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

const (
	steadyBytes = 400_000 // the first of a conversation's requests; they are 435 KB on average
	steadyTurns = 100     // requests of one conversation, each with a turn more than the one before
	steadyBlock = 25      // requests that go one way before the next has its turn

	wideWindow  = 4_000_000 // nothing is ever rewritten
	tightWindow = 98_304    // the first request is cut, and 100 turns later it is not yet time for the next epoch
)

var errNotRewritten = errors.New("context: the gate did not rewrite what it had to")

// steady measures a conversation of 435 KB that grows turn by turn: whole exchanges, one at a time, with the section and without, in
// turn. The first request of each conversation is not counted.
func steady(p *plan, r *report) error {
	s, err := p.openSession()
	if err != nil {
		return err
	}
	t := newTalk(s)
	first := t.from(steadyBytes)
	if first+steadyTurns >= len(t.points) {
		return fmt.Errorf("context: the session is too short for %d turns after %d bytes", steadyTurns, steadyBytes)
	}
	sides, stop, err := openSides([]string{"off", "off again", "below the mark", "an epoch in place"},
		[][]string{nil, nil, p.section(window(modelName, wideWindow)), p.section(window(modelName, tightWindow))})
	if err != nil {
		return err
	}
	defer stop()
	all := make([]costs, len(sides))
	number := 0
	for round := range p.rounds + 1 {
		for _, s := range sides {
			s.took, s.inside = s.took[:0], s.inside[:0]
		}
		for len(sides[0].took) < p.each {
			number++
			if err := converse(sides, t, number, first, round); err != nil {
				return err
			}
		}
		if round == 0 {
			continue // warms up
		}
		for i, s := range sides {
			all[i].add(s, sides[0])
		}
	}
	if !p.without && (sides[2].rewritten > 0 || sides[3].rewritten == 0) {
		return fmt.Errorf("%w: %d answers below the mark say that they were rewritten, %d of those above", errNotRewritten, sides[2].rewritten, sides[3].rewritten)
	}
	r.section("Steady state", "%d rounds of %d requests of 400 to 475 KB on each side, in blocks of %d in turn; %s", p.rounds, p.each, steadyBlock, costHead)
	for i, s := range sides {
		r.costs(s.name, &all[i])
		if i > 1 {
			r.atMost("steady, 435 KB, "+s.name+": added p50", benchkit.Median(all[i].added50), 20, " µs")
			r.atMost("steady, 435 KB, "+s.name+": added p99", benchkit.Median(all[i].added99), 200, " µs")
		}
	}
	return nil
}

// converse has one conversation on all sides.
func converse(sides []*side, t *talk, number, first, round int) error {
	t.begin(number)
	for _, s := range sides {
		if _, err := s.ask(t.body(first), closing); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for from := first + 1; from <= first+steadyTurns; from += steadyBlock {
		for turn := range sides {
			s := sides[(turn+round+number)%len(sides)]
			for i := range steadyBlock {
				if err := s.measure(t.body(from + i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
