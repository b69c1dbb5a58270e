package qdrant

import (
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/memory/index"
)

// A sparse is a sparse vector, by ascending dimension. Dimensions are hashes of 32 bits: of the ten thousands of terms of a space a
// few fall together, which makes a candidate more, and is settled when candidates are ranked by the terms themselves.
type sparse struct {
	indices []uint32
	values  []float32
}

func sparseOf(weights map[uint32]float32) (v sparse) {
	v.indices = slices.Sorted(maps.Keys(weights))
	for _, dim := range v.indices {
		v.values = append(v.values, weights[dim])
	}
	return v
}

func (v sparse) dims() []int64 {
	dims := make([]int64, len(v.indices))
	for i, dim := range v.indices {
		dims[i] = int64(dim)
	}
	return dims
}

func dimOf(term string) uint32 { return uint32(xxh3.HashString(term)) }

// termsOf is a text's terms, and how often each occurs.
func termsOf(text string) (v sparse, length int) {
	weights := map[uint32]float32{}
	terms := index.Terms(text)
	for _, t := range terms {
		weights[dimOf(t)]++
	}
	return sparseOf(damped(weights)), len(terms)
}

// damping is how soon it counts less that a term occurs once more: a document that says a word ten times must not crowd out ten
// that say it once. (The k of BM25.)
const damping = 1.2

// damped replaces frequencies by what they count, from 1 to damping+1.
func damped(weights map[uint32]float32) map[uint32]float32 {
	for dim, tf := range weights {
		weights[dim] = tf * (damping + 1) / (tf + damping)
	}
	return weights
}

// Runs of characters: of a term and its borders.
const shortGram, longGram = 3, 5

// eachGram calls f with the dimension of each run of 3 to 5 bytes of a term.
func eachGram(term string, f func(dim uint32)) {
	marked := "<" + term + ">"
	for n := shortGram; n <= longGram; n++ {
		for i := 0; i+n <= len(marked); i++ {
			f(uint32(xxh3.HashString(marked[i : i+n])))
		}
	}
}

// gramsOf is the runs of characters of a text's terms, and how often each occurs.
func gramsOf(text string) sparse {
	weights := map[uint32]float32{}
	for _, t := range index.Terms(text) {
		eachGram(t, func(dim uint32) { weights[dim]++ })
	}
	return sparseOf(damped(weights))
}
