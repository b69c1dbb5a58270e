package main

import (
	"fmt"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

const (
	coldBytes = 435_000
	cutTokens = 128_000
	cutWindow = 131_072 // less than cutTokens and the reserve: nothing is ready, and it has to be cut in the path
	coldBlock = 5
)

// branch measures requests of conversations that nobody has seen: one that is only followed, and one that must be cut at once.
func branch(p *plan, r *report) error {
	s, err := p.openSession()
	if err != nil {
		return err
	}
	l, err := newLibrary(s)
	if err != nil {
		return err
	}
	t := newTalk(s)
	r.section("New branches", "%d rounds of %d requests on each side, one at a time, each of a conversation that was not seen before, in blocks of %d in turn; %s",
		p.coldRounds, p.coldEach, coldBlock, costHead)
	point := t.from(coldBytes)
	if err := r.cold(p, t, point, wideWindow, fmt.Sprintf("new branch, %d KB", len(t.body(point))/1000), 2000); err != nil {
		return err
	}
	point = largest(l, cutTokens)
	tokens := l.own(s.Points[point]).size()
	if tokens+reserve <= cutWindow {
		return fmt.Errorf("context: the session's requests up to %d tokens need no cut", cutTokens)
	}
	return r.cold(p, t, point, cutWindow, fmt.Sprintf("deterministic cut, %d tokens", tokens), 3000)
}

// largest is the last point whose request has at most this many tokens.
func largest(l *library, tokens int) (point int) {
	for i, n := range l.s.Points {
		if l.own(n).size() <= tokens {
			point = i
		}
	}
	return point
}

// cold measures one kind of request and adds its rows and figure; limit is in microseconds.
func (r *report) cold(p *plan, t *talk, point, tokens int, name string, limit float64) error {
	sides, stop, err := openSides([]string{"off", "off again", "on"}, [][]string{nil, nil, p.section(window(modelName, tokens))})
	if err != nil {
		return err
	}
	defer stop()
	all := make([]costs, len(sides))
	number := 0
	for round := range p.coldRounds + 1 {
		for _, s := range sides {
			s.took, s.inside = s.took[:0], s.inside[:0]
		}
		for ; len(sides[0].took) < p.coldEach; number += coldBlock {
			for turn := range sides {
				s := sides[(turn+number/coldBlock)%len(sides)]
				for i := range coldBlock {
					t.begin(number + i)
					if err := s.measure(t.body(point)); err != nil {
						return err
					}
				}
			}
		}
		if round == 0 {
			continue // warms up
		}
		for i, s := range sides {
			all[i].add(s, sides[0])
		}
	}
	if want := number * count(tokens < wideWindow); !p.without && sides[2].rewritten != want {
		return fmt.Errorf("%w: %d of %d answers say that they were rewritten, want %d", errNotRewritten, sides[2].rewritten, number, want)
	}
	for i, s := range sides {
		r.costs(name+": "+s.name, &all[i])
	}
	r.atMost(name+": added p99", benchkit.Median(all[2].added99), limit, " µs")
	return nil
}
