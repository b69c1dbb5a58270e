package embed

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory"
)

var (
	_ memory.Embedder = (*Static)(nil)
	_ memory.Embedder = (*Remote)(nil)
)

var small = []string{"[PAD]", "[UNK]", "cat", "dog", "##s", ".", "cafe", "猫"}

func smallVectors() part {
	return floats([]int{8, 2}, 9, 9, 9, 9, 1, 0, 0, 1, 1, 1, -1, 0, 3, 4, 0, -2)
}

func one(t *testing.T, m *Static, text string) []float32 {
	t.Helper()
	v, err := m.Embed(context.Background(), "", []string{text})
	if err != nil || len(v) != 1 {
		t.Fatalf("%q: %v, %v", text, v, err)
	}
	return v[0]
}

func TestStatic(t *testing.T) {
	plain := open(t, map[string][]byte{
		"config.json":       []byte(`{"model_type":"model2vec","normalize":true}`),
		"tokenizer.json":    wordPieceFile(t, small...),
		"model.safetensors": safetensors(t, map[string]part{"embeddings": smallVectors()}),
	})
	// Tokens share rows, count differently, and have vectors of a byte for each dimension.
	packed := open(t, map[string][]byte{
		"tokenizer.json": wordPieceFile(t, small...),
		"model.safetensors": safetensors(t, map[string]part{
			"embeddings": chars([]int{3, 2}, 100, 0, 0, 50, -128, 127),
			"mapping":    longs(0, 0, 0, 1, 2, 99, 0, -1),
			"weights":    floats([]int{8}, 1, 1, 1, 4, .5, 1, 1, 1),
		}),
	})
	h := float32(math.Sqrt(.5))
	for _, c := range []struct {
		name  string
		model *Static
		text  string
		want  []float32
	}{
		{"one word", plain, "cat", []float32{1, 0}},
		{"case, accents, space", plain, "  CAFÉ\n", []float32{.6, .8}},
		{"the mean of words", plain, "dog cat", []float32{h, h}},
		{"the end of a word is a token", plain, "cats", []float32{2 / float32(math.Sqrt(5)), 1 / float32(math.Sqrt(5))}},
		{"an unknown word adds nothing", plain, "cat zebra", []float32{1, 0}},
		{"Chinese is written without spaces", plain, "猫猫", []float32{0, -1}},
		{"no word is known", plain, "zebra", nil},
		{"nothing", plain, "", nil},
		{"no direction", plain, "cat.", nil},
		{"a special token in a text is text", plain, "[UNK] cat", []float32{1, 0}},
		{"weights and bytes", packed, "dog cat", []float32{100 / float32(math.Sqrt(50000)), 200 / float32(math.Sqrt(50000))}},
		{"a token whose row is not there", packed, "cat . 猫", []float32{1, 0}},
	} {
		if got := one(t, c.model, c.text); !near(got, c.want) {
			t.Errorf("%s: %q: %v, not %v", c.name, c.text, got, c.want)
		}
	}
	if plain.Dimensions() != 2 || plain.Model() == packed.Model() || !strings.HasPrefix(plain.Model(), "static/2/") {
		t.Errorf("%d dimensions, names %q and %q", plain.Dimensions(), plain.Model(), packed.Model())
	}
}

func TestStaticRefuses(t *testing.T) {
	words, good := wordPieceFile(t, small...), map[string]part{"embeddings": smallVectors()}
	// with are files of good words and these tensors; without, of good tensors and these words.
	with := func(parts map[string]part) map[string][]byte {
		return map[string][]byte{"tokenizer.json": words, "model.safetensors": safetensors(t, parts)}
	}
	without := func(words string) map[string][]byte {
		return map[string][]byte{"tokenizer.json": []byte(words), "model.safetensors": safetensors(t, good)}
	}
	for want, files := range map[string]map[string][]byte{
		"no such file":              {"tokenizer.json": words},
		"tokenizer.json":            {"model.safetensors": safetensors(t, good)},
		"no static one":             {"config.json": []byte(`{"model_type":"bert"}`)},
		"it is no JSON":             {"config.json": []byte(`{`)},
		"empty":                     {"tokenizer.json": words, "model.safetensors": nil},
		"header would have":         {"tokenizer.json": words, "model.safetensors": binary.LittleEndian.AppendUint64(nil, 1<<60)},
		"no model2vec model":        with(map[string]part{"weights": floats([]int{1}, 1)}),
		"1 embeddings for 8":        with(map[string]part{"embeddings": floats([]int{1, 2}, 1, 2)}),
		"of 1 dimensions":           with(map[string]part{"embeddings": floats([]int{1}, 1)}),
		"1 weights (F32)":           with(map[string]part{"embeddings": smallVectors(), "weights": floats([]int{1}, 1)}),
		"mapping has 1":             with(map[string]part{"embeddings": smallVectors(), "mapping": longs(1)}),
		"does not fit its":          with(map[string]part{"embeddings": {"F32", []int{8, 2}, make([]byte, 60)}}),
		"I64 of 2 dimensions":       with(map[string]part{"embeddings": {"I64", []int{8, 2}, make([]byte, 128)}}),
		"neither WordPiece":         without(`{"model":{"type":"BPE"}}`),
		"normalizer \"Odd\"":        without(`{"normalizer":{"type":"Odd"}}`),
		"pre-tokenizer \"Strange\"": without(`{"pre_tokenizer":{"type":"Strange"}}`),
		"vocabulary is empty":       without(`{"model":{"type":"Unigram","vocab":[]}}`),
		"the number 99":             without(`{"model":{"type":"WordPiece","vocab":{"a":99}}}`),
		"no token and score":        without(`{"model":{"type":"Unigram","vocab":[["a"]]}}`),
	} {
		if m, err := Open(folder(t, files)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, m, err)
		}
	}
}

// TestStaticCloses closes a model while it is used: who comes later is told so, and nobody reads what is no longer there.
func TestStaticCloses(t *testing.T) {
	m, err := Open(folder(t, map[string][]byte{
		"tokenizer.json":    wordPieceFile(t, small...),
		"model.safetensors": safetensors(t, map[string]part{"embeddings": smallVectors()}),
	}))
	if err != nil {
		t.Fatal(err)
	}
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for {
				v, err := m.Embed(context.Background(), "", []string{"cat", "dog"})
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil || !near(v[0], []float32{1, 0}) || !near(v[1], []float32{0, 1}) {
					t.Errorf("%v, %v", v, err)
					return
				}
			}
		})
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	users.Wait()
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Embed(canceled, "", []string{"cat"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStaticLength holds that every vector has length 1 or is nil, whatever the text.
func TestStaticLength(t *testing.T) {
	m := open(t, map[string][]byte{
		"tokenizer.json":    wordPieceFile(t, small...),
		"model.safetensors": safetensors(t, map[string]part{"embeddings": smallVectors()}),
	})
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.OneOf(rapid.SampledFrom(small), rapid.String(), rapid.Just("cats"))).Draw(t, "words")
		v := m.embed(strings.Join(words, " "))
		var sum float64
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		if v != nil && math.Abs(sum-1) > 1e-5 {
			t.Fatalf("%v has the length %v", v, math.Sqrt(sum))
		}
	})
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 1.0 / 16384, 0x0001: 1.0 / (1 << 24), 0x8001: -1.0 / (1 << 24),
		0x3555: 0.333251953125, 0x7c00: float32(math.Inf(1)),
	} {
		if got := half(bits); got != want {
			t.Errorf("%#04x: %v, not %v", bits, got, want)
		}
	}
	if got := half(0x7e00); got == got {
		t.Errorf("not a number is %v", got)
	}
}

func TestTypes(t *testing.T) {
	for dtype, data := range map[string][]byte{
		"F64":  binary.LittleEndian.AppendUint64(nil, math.Float64bits(-1.5)),
		"F32":  binary.LittleEndian.AppendUint32(nil, math.Float32bits(-1.5)),
		"F16":  {0, 0xbe},
		"BF16": {0xc0, 0xbf},
	} {
		x := tensor{dtype, 1, 1, data}
		if got := x.number(0); got != -1.5 {
			t.Errorf("%s: %v", dtype, got)
		}
	}
	for dtype, data := range map[string][]byte{"I64": {7, 1, 0, 0, 0, 0, 0, 0}, "I32": {7, 1, 0, 0}, "U16": {7, 1}} {
		x := tensor{dtype, 1, 1, data}
		if got := x.integer(0); got != 263 {
			t.Errorf("%s: %v", dtype, got)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	good := safetensors(f, map[string]part{
		"embeddings": smallVectors(), "weights": floats([]int{8}, 1, 2, 3, 4, 5, 6, 7, 8), "mapping": longs(0, 1, 2, 3, 4, 5, 6, 7),
	})
	f.Add(good)
	f.Add(good[:40])
	f.Add(safetensors(f, map[string]part{"embeddings": chars([]int{8, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)}))
	tokens, err := readTokenizer(wordPieceFile(f, small...))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := newStatic(file, tokens)
		if err != nil {
			return
		}
		if v := m.embed("cats, dogs and a café 猫."); v != nil && len(v) != m.vectors.cols {
			t.Fatalf("%d numbers of %d", len(v), m.vectors.cols)
		}
	})
}
