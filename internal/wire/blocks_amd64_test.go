package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// A string reads alike a word at a time and a block at a time, wherever it begins and whatever cuts its runs of backslashes.
func TestBlocksReadLikeWords(t *testing.T) {
	if !vector {
		t.Skip("SKIP: this processor has no AVX2")
	}
	defer func() { vector = true }()
	read := func(on bool, b []byte) (end, odd int, err string) {
		vector = on
		s := scanner{b: b, lim: Limits{}.withDefaults()}
		if !s.str() {
			err = s.err.Error()
		}
		return s.i, s.odd, err
	}
	pieces := []string{`\`, `\\`, `\n`, `\"`, `\/`, `\u00e9`, `\x`, `"`, "a", "plain text of some length ", "\x01", "é", "\xff", `\b\f\r\t`, "bfnrt", "\x7f\x1f"}
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		b := append(bytes.Repeat([]byte{' '}, r.IntN(70)), '"')
		start := len(b) - 1
		rare := 1 + r.IntN(400) // how seldom what ends a string comes
		for len(b) < 40+r.IntN(2000) {
			p := pieces[r.IntN(len(pieces))]
			if ends := p == `"` || p == `\x` || p == "\x01" || p == "\x7f\x1f" || p == "\xff"; ends && r.IntN(rare) > 0 {
				p = `\\`
			}
			b = append(b, p...)
		}
		b = append(b, `" `...)[start:]
		e1, o1, err1 := read(false, b)
		e2, o2, err2 := read(true, b)
		if e1 != e2 || o1 != o2 || err1 != err2 {
			rt.Fatalf("words: %d %d %q, blocks: %d %d %q, of %q", e1, o1, err1, e2, o2, err2, b)
		}
	})
}

func BenchmarkString(b *testing.B) {
	defer func() { vector = true }()
	for _, gap := range []int{15, 30, 200} { // bytes between escapes
		text := append([]byte{'"'}, bytes.Repeat(append(bytes.Repeat([]byte{'a'}, gap-2), '\\', 'n'), 4096/gap)...)
		text = append(text, '"')
		for _, on := range []bool{false, true} {
			b.Run(fmt.Sprintf("gap=%d/blocks=%t", gap, on), func(b *testing.B) {
				vector = on
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					s := scanner{b: text}
					if !s.str() {
						b.Fatal(s.err)
					}
				}
			})
		}
	}
}
