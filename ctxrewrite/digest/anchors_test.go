package digest

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
)

// TestAnchorsMissNothing compares with looking at every place of texts that are full of pieces of anchors.
func TestAnchorsMissNothing(t *testing.T) {
	for _, a := range []*anchors{faultAnchors, reasonAnchors} {
		var pieces []string
		for _, l := range a.list {
			pieces = append(pieces, l.text, l.text[:3], l.text[2:])
		}
		pieces = append(pieces, " ", "x", "é", "some other words")
		found := 0
		for seed := range int64(2000) {
			rng := rand.New(rand.NewSource(seed))
			var b []byte
			for range rng.Intn(12) {
				b = append(b, pieces[rng.Intn(len(pieces))]...)
			}
			got := map[int]bool{}
			for at, rest := a.next(b, 0); at >= 0; at, rest = a.next(b, rest) {
				got[at] = true
			}
			for i := range b {
				for _, l := range a.list {
					if bytes.HasPrefix(b[i:], []byte(l.text)) {
						if found++; !got[i+l.word] {
							t.Fatalf("%q at %d of %q was missed", l.text, i, b)
						}
						delete(got, i+l.word)
					}
				}
			}
			if len(got) > 0 {
				t.Fatalf("%q: nothing stands at %v", b, got)
			}
		}
		if found < 1000 {
			t.Errorf("only %d anchors were tried", found)
		}
	}
}

func TestNextDigitAndMark(t *testing.T) {
	for c := range 256 {
		for n := range 20 {
			b := []byte(strings.Repeat("a", n) + string([]byte{byte(c)}) + "\x80zZ")
			wantDigit, wantMark := len(b), len(b)
			if c >= '0' && c <= '9' {
				wantDigit, wantMark = n, n
			} else if strings.IndexByte("./:@", byte(c)) >= 0 {
				wantMark = n
			}
			if d, m := nextDigit(b, 0), nextMark(b, 0); d != wantDigit || m != wantMark {
				t.Fatalf("%q: digit at %d, mark at %d", b, d, m)
			}
		}
	}
}

func TestLowered(t *testing.T) {
	const text = "It’S ÉTÉ — @[`{ AZaz, DON’T; naïve 日本 Q"
	want := "it's ÉtÉ — @[`{ azaz, don't; naïve 日本 q"
	if got := string(lowered(nil, []byte(text))); got != want {
		t.Errorf("got %q", got)
	}
}

func TestLexiconIsFoundWhole(t *testing.T) {
	for w, sets := range lexicon {
		if got := lookup([]byte(w+" and what follows"), len(w)); got != sets {
			t.Errorf("%s: %b instead of %b", w, got, sets)
		}
	}
	for _, w := range []string{"x", "mus", "musty", "neverthe", "neverthel", "tomorrow"} {
		if _, ok := lexicon[w]; !ok && lookup([]byte(w+pad), len(w)) != 0 {
			t.Errorf("%s is no word of the lexicon", w)
		}
	}
}
