package ctxrewrite

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/ctxrewrite/store"
)

// A text is known again by its runs of runWords words, or by the whole of a shorter one: digests quote parts of sentences. Of a long
// text so many runs are kept, evenly spread.
const (
	runWords = 7
	maxRuns  = 2048
)

// maxForgotten bounds the runs that are kept of one tenant; further ones are forgotten where they stand, and not guarded against.
const maxForgotten = 1 << 18

// forgotten are what a tenant has asked to forget, as hashes: digests and contents made from a history that the agent still sends have
// nothing of it. Safe for concurrent use; nil has nothing.
type forgotten struct {
	mu      sync.RWMutex
	runs    map[uint64]struct{}
	lengths [runWords + 1]bool
	all     [][]uint64 // words that count only when all of one list are there
}

// says reports whether a text has something of it, in whatever case, spacing and escaping.
func (g *forgotten) says(text []byte) bool {
	if g == nil {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if len(g.runs) == 0 && len(g.all) == 0 {
		return false
	}
	words := hashes(wordsOf(text))
	for n := range g.lengths {
		if !g.lengths[n] {
			continue
		}
		for i := 0; i+n <= len(words); i++ {
			if _, ok := g.runs[runOf(words[i:i+n])]; ok {
				return true
			}
		}
	}
	return slices.ContainsFunc(g.all, func(list []uint64) bool {
		return !slices.ContainsFunc(list, func(w uint64) bool { return !slices.Contains(words, w) })
	})
}

// add takes a note of what is forgotten. A damaged one counts as far as it can be read.
func (g *forgotten) add(note []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.runs == nil {
		g.runs = map[uint64]struct{}{}
	}
	for note = note[1:]; len(note) >= 10; {
		kind, n := note[0], int(note[1])
		note = note[2:]
		if n == 0 || len(note) < 8*n {
			return
		}
		var list []uint64
		for range n {
			list, note = append(list, binary.LittleEndian.Uint64(note)), note[8:]
		}
		switch {
		case kind == allWords:
			g.all = append(g.all, list)
		case kind <= runWords && len(g.runs) < maxForgotten:
			g.lengths[kind] = true
			for _, run := range list {
				g.runs[run] = struct{}{}
			}
		}
	}
}

// allWords is the kind of an entry whose words must all be there; of a run the kind is how many words it has.
const allWords = 'w'

// noteOf is the stored form: for each entry its kind, how many hashes there are, and these; nil for nothing.
func noteOf(texts, words []string) []byte {
	note := []byte{store.NoteForgotten}
	entry := func(kind byte, list []uint64) {
		for part := range slices.Chunk(list, 255) {
			note = append(note, kind, byte(len(part)))
			for _, h := range part {
				note = binary.LittleEndian.AppendUint64(note, h)
			}
		}
	}
	for _, text := range texts {
		list := hashes(wordsOf([]byte(text)))
		n := min(runWords, len(list))
		if n == 0 {
			continue
		}
		var runs []uint64
		for step, i := max(1, len(list)/maxRuns), 0; i+n <= len(list); i += step {
			runs = append(runs, runOf(list[i:i+n]))
		}
		entry(byte(n), runs)
	}
	var list []uint64
	for _, w := range words {
		list = append(list, hashes(wordsOf([]byte(w)))...)
	}
	if len(list) > 0 && len(list) <= 255 {
		entry(allWords, list)
	}
	if len(note) == 1 {
		return nil
	}
	return note
}

func runOf(words []uint64) (h uint64) {
	for _, w := range words {
		h = (h ^ w) * 0x9E3779B97F4A7C15
		h ^= h >> 32
	}
	return h
}

// hashes are those of the words between single spaces.
func hashes(words []byte) (all []uint64) {
	for word := range bytes.FieldsSeq(words) {
		all = append(all, xxh3.Hash(word))
	}
	return all
}

// guards are what tenants have asked to forget, as far as it was read.
type guards struct {
	mu       sync.Mutex
	byTenant map[string]*forgotten
}

// of returns what the tenant has asked to forget; nil: nothing.
func (g *guards) of(tenant string) *forgotten {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byTenant[tenant]
}

func (g *guards) add(tenant string, note []byte) {
	g.mu.Lock()
	if g.byTenant == nil {
		g.byTenant = map[string]*forgotten{}
	}
	if g.byTenant[tenant] == nil {
		g.byTenant[tenant] = &forgotten{}
	}
	f := g.byTenant[tenant]
	g.mu.Unlock()
	f.add(note)
}

// forgottenSession holds the notes of what a tenant asked to forget. No agent has a session of this name: names hold no control
// characters.
const forgottenSession = "\x01forgotten"

// guarded reads what the tenant asked to forget, also in other processes.
func (e *Engine) guarded(ctx context.Context, tenant string) error {
	notes, err := e.store.Notes(ctx, store.Key{Tenant: tenant, Session: forgottenSession})
	for _, note := range notes {
		if len(note) > 0 && note[0] == store.NoteForgotten {
			e.guards.add(tenant, note)
		}
	}
	return err
}

// wordsOf is a text's letters and digits in lower case, each word between single spaces, with one in front and one behind. JSON
// escapes, of whatever depth, are read as what they stand for, so that a text is found inside a string inside a string. Of writing
// without spaces each character is a word.
func wordsOf(text []byte) []byte {
	out := make([]byte, 1, len(text)+2)
	out[0] = ' '
	for i := 0; i < len(text); {
		if text[i] == '\\' {
			r, n := escaped(text[i:])
			out, i = appendWord(out, r), i+n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		out, i = appendWord(out, r), i+n
	}
	if out[len(out)-1] != ' ' {
		out = append(out, ' ')
	}
	return out
}

func appendWord(out []byte, r rune) []byte {
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai):
		if out[len(out)-1] != ' ' {
			out = append(out, ' ')
		}
		return append(utf8.AppendRune(out, r), ' ')
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return utf8.AppendRune(out, unicode.ToLower(r))
	case r == '\'' || r == '’' || out[len(out)-1] == ' ': // an apostrophe divides no word
		return out
	}
	return append(out, ' ')
}
