package embed

import (
	"math"
	"strings"
	"unicode/utf8"
)

// A splitter cuts a word into tokens and appends their numbers. What is not in the vocabulary is left out: it has no meaning to add.
type splitter interface {
	split(ids []int32, word string) []int32
}

// A wordPiece takes the longest token that the rest of the word begins with, again and again. A word that cannot be cut so is
// unknown as a whole.
type wordPiece struct {
	*vocabulary
	continues   string // marks tokens inside a word
	longestWord int    // characters
}

func (w *wordPiece) split(ids []int32, word string) []int32 {
	if utf8.RuneCountInString(word) > w.longestWord {
		return ids
	}
	first, prefix, seed := len(ids), "", uint64(fnvSeed)
	for len(word) > 0 {
		best, length := int32(-1), 0
		h := seed
		for i := 0; i < min(len(word), w.longest); i++ {
			h = grow(h, word[i])
			if id := w.find(h, prefix, word[:i+1]); id >= 0 {
				best, length = id, i+1
			}
		}
		if best < 0 {
			return ids[:first]
		}
		ids = append(ids, best)
		word = word[length:]
		if prefix == "" {
			prefix = w.continues
			for i := range len(prefix) {
				seed = grow(seed, prefix[i])
			}
		}
	}
	return ids
}

// A unigram cuts a word into the tokens whose probabilities multiply to the most (Viterbi).
type unigram struct {
	*vocabulary
	unknownScore float32
	bytes        *[256]int32 // tokens of single bytes, for what is not in the vocabulary; nil: none
}

// unknownPenalty is how much less likely than the least likely token a character is that is none, as SentencePiece has it.
const unknownPenalty = 10

// A step is the best way to a place in a word.
type step struct {
	score float32
	from  int
	id    int32
}

// maxWord is the most bytes of a word that are cut at once; longer ones, which nobody wrote as words, are cut in pieces of it.
const maxWord = 256

func (u *unigram) split(ids []int32, word string) []int32 {
	for len(word) > maxWord {
		end := maxWord
		for end > 0 && !utf8.RuneStart(word[end]) {
			end--
		}
		ids = u.best(ids, word[:end])
		word = word[end:]
	}
	return u.best(ids, word)
}

func (u *unigram) best(ids []int32, word string) []int32 {
	var steps [maxWord + 1]step
	way := steps[:len(word)+1]
	for i := 1; i < len(way); i++ {
		way[i].score = float32(math.Inf(-1))
	}
	for i := 0; i < len(word); {
		_, size := utf8.DecodeRuneInString(word[i:])
		whole := false
		h := uint64(fnvSeed)
		for j := i; j < min(len(word), i+u.longest); j++ {
			h = grow(h, word[j])
			if id := u.find(h, "", word[i:j+1]); id >= 0 {
				way[j+1].improve(way[i].score+u.scores[id], i, id)
				whole = whole || j+1 == i+size
			}
		}
		if !whole {
			way[i+size].improve(way[i].score+u.unknownScore, i, -1)
		}
		i += size
	}
	first := len(ids)
	for at := len(word); at > 0; at = way[at].from {
		ids = u.emit(ids, way[at].id, word[way[at].from:at])
	}
	for i, j := first, len(ids)-1; i < j; i, j = i+1, j-1 {
		ids[i], ids[j] = ids[j], ids[i]
	}
	return ids
}

// emit appends a token, or the bytes of what is none, from the last to the first.
func (u *unigram) emit(ids []int32, id int32, text string) []int32 {
	if id >= 0 {
		return append(ids, id)
	}
	if u.bytes != nil {
		for i := len(text) - 1; i >= 0; i-- {
			if b := u.bytes[text[i]]; b >= 0 {
				ids = append(ids, b)
			}
		}
	}
	return ids
}

func (s *step) improve(score float32, from int, id int32) {
	if score > s.score {
		*s = step{score, from, id}
	}
}

// byteTokens are the tokens <0x00> to <0xFF>.
func byteTokens(v *vocabulary) *[256]int32 {
	const digits = "0123456789ABCDEF"
	var t [256]int32
	for b := range t {
		t[b] = v.id(strings.Join([]string{"<0x", digits[b>>4 : b>>4+1], digits[b&15 : b&15+1], ">"}, ""))
	}
	return &t
}
