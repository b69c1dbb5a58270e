package tokens

import (
	"math"
	"slices"
	"unicode/utf8"
)

// row is a document as the fit sees it: how often each pair stands in it, and its exact count.
type row struct {
	pairs     map[int]float64
	exact     float64
	fixed     float64 // what is not fitted here: runes beyond ASCII, marks that o200k never joins
	estimated int     // with the weights as they are
	weight    float64
	kind      int
	odd       bool
}

func rowOf(text string) row {
	r := row{pairs: map[int]float64{}, exact: float64(Count(text)), estimated: Estimate([]byte(text))}
	last := byte('"')
	var beyond uint64
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] >= utf8.RuneSelf:
			beyond, i = runes([]byte(text), i-1, i-1, beyond)
		case apart(last, text[i]):
			beyond += uint64(byteWeights[uint16(text[i])<<8|uint16(last)])
		default:
			r.pairs[int(classOf[last])<<classBits|int(classOf[text[i]])]++
		}
		last = text[i]
	}
	r.fixed = float64(beyond) / tableUnit
	return r
}

// rowsOf counts every step-th document of each kind: counting exactly takes most of the time.
func rowsOf(kinds []kind, step int) (rows []row) {
	for i, k := range kinds {
		docs := k.docs
		if len(docs) > 5*kindPieces { // of many short messages, every few
			docs = slices.DeleteFunc(slices.Clone(docs), func(d string) bool { return len(d)%3 != 0 })
		}
		var total float64
		first := len(rows)
		for j, d := range docs {
			if len(d) < 8 || j%step != 0 {
				continue
			}
			r := rowOf(d)
			r.kind, r.odd = i, j%2 == 1
			total += r.exact
			rows = append(rows, r)
		}
		for j := first; j < len(rows); j++ {
			// Squares of relative errors, larger documents more: between judging each message alike and judging totals.
			rows[j].weight = k.weight * math.Sqrt(rows[j].exact) / rows[j].exact / rows[j].exact / math.Sqrt(total)
		}
	}
	return rows
}

// errorOf is a kind's error, in percent: of its total, and of its documents on average.
type errorOf struct{ total, mean float64 }

func errorsOf(rows []row, kinds int, estimate func(row) float64) []errorOf {
	out := make([]errorOf, kinds)
	exact, sum, n := make([]float64, kinds), make([]float64, kinds), make([]float64, kinds)
	for _, r := range rows {
		e := estimate(r)
		exact[r.kind] += r.exact
		sum[r.kind] += e
		n[r.kind]++
		out[r.kind].mean += 100 * math.Abs(e-r.exact) / r.exact
	}
	for i := range out {
		out[i] = errorOf{100 * (sum[i]/exact[i] - 1), out[i].mean / n[i]}
	}
	return out
}
