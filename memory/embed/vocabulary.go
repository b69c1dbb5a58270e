package embed

import (
	"errors"
	"math"
)

// A vocabulary finds tokens in texts, byte by byte: a hash table over one string, which takes a third of a map's memory. Tokens keep
// their numbers.
type vocabulary struct {
	blob    []byte
	ends    []uint32 // of token i in the blob; it begins where the one before it ends
	scores  []float32
	table   []slot
	longest int // bytes
}

type slot struct {
	hash uint32
	id   int32 // -1: empty
}

// FNV-1a, because it grows by a byte at a time: looking for all tokens that begin at a place hashes each byte once.
const (
	fnvSeed  = 14695981039346656037
	fnvPrime = 1099511628211
)

func grow(h uint64, c byte) uint64 { return (h ^ uint64(c)) * fnvPrime }

// add appends a token, whose number is the count of those before it.
func (v *vocabulary) add(token string, score float32) {
	v.blob = append(v.blob, token...)
	v.ends = append(v.ends, uint32(len(v.blob)))
	v.scores = append(v.scores, score)
	v.longest = max(v.longest, len(token))
}

func (v *vocabulary) len() int { return len(v.ends) }

func (v *vocabulary) token(id int32) []byte {
	var begin uint32
	if id > 0 {
		begin = v.ends[id-1]
	}
	return v.blob[begin:v.ends[id]]
}

// build makes the table, after the last token. Of tokens of the same text the last one counts.
func (v *vocabulary) build() error {
	switch {
	case v.len() == 0:
		return errors.New("the vocabulary is empty")
	case len(v.blob) > math.MaxUint32:
		return errors.New("the vocabulary is too large")
	}
	size := 1
	for size < 2*v.len() {
		size *= 2
	}
	v.table = make([]slot, size)
	for i := range v.table {
		v.table[i].id = -1
	}
	for id := range int32(v.len()) {
		h := uint64(fnvSeed)
		token := v.token(id)
		for _, c := range token {
			h = grow(h, c)
		}
		at := v.place(h)
		for v.table[at].id >= 0 && (v.table[at].hash != check(h) || string(v.token(v.table[at].id)) != string(token)) {
			at = (at + 1) & (size - 1)
		}
		v.table[at] = slot{check(h), id}
	}
	return nil
}

func check(h uint64) uint32 { return uint32(h >> 32) }

func (v *vocabulary) place(h uint64) int { return int((h ^ h>>29) & uint64(len(v.table)-1)) }

// find returns the token that is prefix and text together, whose hash is h; -1: there is none.
func (v *vocabulary) find(h uint64, prefix, text string) int32 {
	for at := v.place(h); ; at = (at + 1) & (len(v.table) - 1) {
		s := v.table[at]
		if s.id < 0 {
			return -1
		}
		if s.hash != check(h) {
			continue
		}
		if t := v.token(s.id); len(t) == len(prefix)+len(text) && string(t[:len(prefix)]) == prefix && string(t[len(prefix):]) == text {
			return s.id
		}
	}
}

// id returns the number of a token; -1: there is none.
func (v *vocabulary) id(token string) int32 {
	h := uint64(fnvSeed)
	for i := range len(token) {
		h = grow(h, token[i])
	}
	return v.find(h, "", token)
}

// lowest is the score of the least likely token.
func (v *vocabulary) lowest() float32 {
	low := float32(math.Inf(1))
	for _, s := range v.scores {
		low = min(low, s)
	}
	return low
}
