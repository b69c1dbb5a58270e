package tokens

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var (
	fitNow = flag.Bool("fit", false, "fit the estimator's weights anew and write weights.go")
	more   = flag.String("more", "", "files to fit on too: NAME=GLOB,NAME=GLOB,...")
	ridge  = flag.Float64("ridge", 0.002, "how strongly a pair is held to what its class costs after others")
)

const (
	lean  = 1.01      // estimates lean to more, by this
	least = 1.0 / 128 // no byte is free: a strange text must not seem empty
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

// fit finds weights by least squares with a ridge and a bound below: first one for each class, then one for each pair, held to its
// class's. Coordinate descent on the normal equations; Franc, Hlaváč, Navara: Sequential coordinate-wise algorithm for the non-negative
// least squares problem, 2005.
func fit(rows []row) []float64 {
	classes := slices.Clone(rows)
	for i, r := range rows {
		classes[i].pairs = map[int]float64{}
		for p, n := range r.pairs {
			classes[i].pairs[p%(1<<classBits)] += n
		}
	}
	byClass := bounded(classes, make([]float64, 1<<classBits), 1e-6)
	prior := make([]float64, pairs)
	for p := range prior {
		prior[p] = byClass[p%(1<<classBits)]
	}
	return bounded(rows, prior, *ridge)
}

func bounded(rows []row, prior []float64, ridge float64) []float64 {
	number := make([]int, len(prior)) // of a feature among those that occur, from 1
	var seen []int
	for _, r := range rows {
		for p := range r.pairs {
			if number[p] == 0 {
				seen = append(seen, p)
				number[p] = len(seen)
			}
		}
	}
	gram := make([][]float64, len(seen))
	for i := range gram {
		gram[i] = make([]float64, len(seen))
	}
	target := make([]float64, len(seen))
	type term struct {
		at int
		n  float64
	}
	for _, r := range rows {
		var terms []term
		for p, n := range r.pairs {
			terms = append(terms, term{number[p] - 1, n})
		}
		for _, a := range terms {
			target[a.at] += r.weight * a.n * (r.exact - r.fixed/lean)
			for _, b := range terms {
				gram[a.at][b.at] += r.weight * a.n * b.n
			}
		}
	}
	w := slices.Clone(prior)
	for range 400 {
		var moved float64
		for i, p := range seen {
			slope := target[i] + ridge*prior[p]
			for j, g := range gram[i] {
				slope -= g * w[seen[j]]
			}
			next := max(least, (slope+gram[i][i]*w[p])/(gram[i][i]+ridge))
			moved = max(moved, math.Abs(next-w[p]))
			w[p] = next
		}
		if moved < 1e-4 {
			break
		}
	}
	return w
}

func (r row) estimate(w []float64) (sum float64) {
	for p, n := range r.pairs {
		sum += n * w[p]
	}
	return sum*lean + r.fixed
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

// TestFit fits on each half of the documents and reports the other one, then on all of them, and writes that to weights.go.
func TestFit(t *testing.T) {
	if !*fitNow {
		t.Skip("SKIP: the weights are not fitted anew without -fit")
	}
	kinds := corpus(t)
	rows := rowsOf(kinds, 1)
	even := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.odd })
	odd := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !r.odd })
	report := func(rows []row, w []float64) []errorOf {
		return errorsOf(rows, len(kinds), func(r row) float64 { return r.estimate(w) })
	}
	a, b := report(odd, fit(even)), report(even, fit(odd))
	all := fit(rows)
	fitted := report(rows, all)
	for i, k := range kinds {
		t.Logf("%-22s half: %+6.1f %5.1f   other half: %+6.1f %5.1f   fitted: %+6.1f %5.1f", k.name, a[i].total, a[i].mean, b[i].total, b[i].mean, fitted[i].total, fitted[i].mean)
	}
	write(t, all)
}

// write puts the weights into weights.go, four lines for each class before.
func write(t *testing.T, w []float64) {
	var b strings.Builder
	b.WriteString("package tokens\n\n// Code generated by go test -run TestFit -fit; DO NOT EDIT.\n\n")
	b.WriteString("// pairWeights is what a byte adds, by the class of the byte before it and then its own, in units of 1/weightUnit token.\n")
	b.WriteString("var pairWeights = [pairs]uint16{\n")
	for line := range slices.Chunk(w, 16) {
		sep := "\t"
		for _, x := range line {
			fmt.Fprintf(&b, "%s%d,", sep, int(min(math.MaxUint16, math.Round(x*lean*weightUnit))))
			sep = " "
		}
		b.WriteString("\n")
	}
	b.WriteString("}\n")
	if err := os.WriteFile("weights.go", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
