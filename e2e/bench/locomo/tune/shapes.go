package main

import (
	"fmt"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
	"github.com/trapgate/trapgate/memory/index"
)

// tryShapes changes one parameter of a leg's shape at a time.
func tryShapes(sets []set.Conversation, w index.Weights, vectors map[string][]float32) {
	s := &w.Shape
	for name, p := range map[string]*float32{
		"TurnK": &s.TurnK, "TurnB": &s.TurnB, "NearK": &s.NearK, "NearB": &s.NearB, "WideK": &s.WideK, "WideB": &s.WideB,
		"SessionK": &s.SessionK, "SessionB": &s.SessionB, "Power": &s.Power, "Alike": &s.Alike,
		"NearSide": &s.NearSide, "WideSide": &s.WideSide, "WideEdge": &s.WideEdge,
	} {
		was := *p
		for _, by := range [...]float32{.7, 1.4} {
			*p = was * by
			problems := extract(sets, &w, vectors)
			per := leaveOneOut(problems, len(sets), w.Legs[:], 0)
			report(fmt.Sprintf("%s %.3g", name, *p), problems, func(c int) []float32 { return per[c] })
		}
		*p = was
	}
}
