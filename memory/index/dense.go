package index

import (
	"math"
	"math/bits"
	"slices"
)

// A vector is an embedding in a quarter of its size: its numbers as bytes, and their signs alone, which are enough to find what is
// worth comparing in full.
type vector struct {
	model uint16
	scale float32
	full  []int8
	signs []uint64
}

func newVector(model uint16, unit []float32) *vector {
	var top float32
	for _, f := range unit {
		top = max(top, float32(math.Abs(float64(f))))
	}
	v := &vector{model: model, scale: top / 127, full: make([]int8, len(unit)), signs: make([]uint64, (len(unit)+63)/64)}
	for i, f := range unit {
		if top > 0 {
			v.full[i] = int8(math.RoundToEven(float64(f / top * 127)))
		}
		if f > 0 {
			v.signs[i/64] |= 1 << (i % 64)
		}
	}
	return v
}

func (v *vector) bytes() int64 {
	if v == nil {
		return 0
	}
	return int64(64 + len(v.full) + 8*len(v.signs))
}

// like reports whether two vectors can be compared: they are of the same model.
func (v *vector) like(w *vector) bool {
	return v != nil && w != nil && v.model == w.model && len(v.full) == len(w.full)
}

// cosine of two vectors that can be compared.
func (v *vector) cosine(w *vector) float32 {
	var sum int32
	b := w.full[:len(v.full)]
	for i, f := range v.full {
		sum += int32(f) * int32(b[i])
	}
	return float32(sum) * v.scale * w.scale
}

// apart is in how many signs two vectors of the same length differ.
func (v *vector) apart(w *vector) (n int) {
	b := w.signs[:len(v.signs)]
	for i, s := range v.signs {
		n += bits.OnesCount64(s ^ b[i])
	}
	return n
}

// SetVector gives a record its embedding, of unit length; nil takes it away. It does not keep the slice. A record that is not there
// is left alone.
func (x *Index) SetVector(id [16]byte, model string, unit []float32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if slot, ok := x.byID[id]; ok {
		x.setVector(slot, model, unit)
	}
}

func (x *Index) setVector(slot uint32, model string, unit []float32) {
	d := &x.docs[slot]
	x.vectors -= d.vec.bytes()
	d.vec = nil
	if len(unit) == 0 {
		return
	}
	n := slices.Index(x.models, model)
	if n < 0 {
		n = len(x.models)
		x.models = append(x.models, model)
	}
	d.vec = newVector(uint16(n), unit)
	x.vectors += d.vec.bytes()
}

// exhaustive is up to how many records are compared in full; above it, those whose signs are nearest are.
const exhaustive = 4096

// A spread is where the cosines of a question lie, from those of records like any other to the best. Models differ in both.
type spread struct{ usual, perBest float32 }

const (
	sampled     = 512 // about how many records tell what is usual
	outstanding = 6   // by how many standard deviations the best differs from what is usual, where something means alike at all
)

// findDense touches what is nearest by embedding.
func (t *search) findDense() {
	t.spread = spread{}
	if t.vec == nil {
		return
	}
	var best float32
	var sum, squares float64
	near, total := t.x.nearest(t.vec, sampled)
	for _, slot := range near {
		t.touch(slot)
		best = max(best, t.x.docs[slot].vec.cosine(t.vec))
	}
	step, n := max(1, total/sampled), 0
	for i := 0; i < len(t.x.docs); i += step {
		if w := t.x.docs[i].vec; w.like(t.vec) {
			c := float64(w.cosine(t.vec))
			sum, squares, n = sum+c, squares+c*c, n+1
		}
	}
	if n == 0 {
		return
	}
	usual := sum / float64(n)
	wide := max(float64(best)-usual, outstanding*math.Sqrt(max(0, squares/float64(n)-usual*usual)))
	if wide > 0 {
		t.spread = spread{float32(usual), float32(1 / wide)}
	}
}

// meant is how near a record is by embedding: 1 is the best there is, if that is near at all, 0 like any other, or not known.
func (t *search) meant(slot uint32) float32 {
	if slot == none {
		return 0
	}
	w := t.x.docs[slot].vec
	if !w.like(t.vec) {
		return 0
	}
	return max(-1, min(1, (w.cosine(t.vec)-t.spread.usual)*t.spread.perBest))
}

// nearest are the slots whose embeddings are nearest to one, about n of them, and how many can be compared.
func (x *Index) nearest(v *vector, n int) (out []uint32, total int) {
	// A histogram of distances finds the one within which n records lie, in one pass.
	counts := make([]int, len(v.signs)*64+1)
	distance := make([]int16, len(x.docs))
	for i := range x.docs {
		w := x.docs[i].vec
		distance[i] = -1
		if w.like(v) {
			d := v.apart(w)
			distance[i] = int16(d)
			counts[d]++
			total++
		}
	}
	limit, sum := 0, 0
	for limit = range counts {
		if sum += counts[limit]; sum >= n {
			break
		}
	}
	for i, d := range distance {
		if d >= 0 && (total <= exhaustive || int(d) <= limit) {
			out = append(out, uint32(i))
		}
	}
	return out, total
}
