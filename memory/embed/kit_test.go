package embed

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A part is a tensor to be written.
type part struct {
	dtype string
	shape []int
	data  []byte
}

func floats(shape []int, x ...float32) part {
	p := part{"F32", shape, nil}
	for _, f := range x {
		p.data = binary.LittleEndian.AppendUint32(p.data, math.Float32bits(f))
	}
	return p
}

func longs(x ...int64) part {
	p := part{"I64", []int{len(x)}, nil}
	for _, n := range x {
		p.data = binary.LittleEndian.AppendUint64(p.data, uint64(n))
	}
	return p
}

func chars(shape []int, x ...int8) part {
	p := part{"I8", shape, nil}
	for _, n := range x {
		p.data = append(p.data, byte(n))
	}
	return p
}

// safetensors writes a file.
func safetensors(t testing.TB, parts map[string]part) []byte {
	t.Helper()
	head, data := map[string]any{"__metadata__": map[string]string{"format": "pt"}}, []byte{}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		p := parts[name]
		head[name] = map[string]any{"dtype": p.dtype, "shape": p.shape, "data_offsets": []int{len(data), len(data) + len(p.data)}}
		data = append(data, p.data...)
	}
	raw, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(raw)))
	return append(append(file, raw...), data...)
}

// wordPieceFile is a BERT tokenizer of these tokens.
func wordPieceFile(t testing.TB, tokens ...string) []byte {
	t.Helper()
	vocab := map[string]int{}
	for i, token := range tokens {
		vocab[token] = i
	}
	return toJSON(t, map[string]any{
		"normalizer": map[string]any{
			"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": true,
		},
		"pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
		"model":         map[string]any{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": vocab},
	})
}

// unigramFile is a SentencePiece tokenizer of these tokens and scores.
func unigramFile(t testing.TB, fallback bool, pairs ...any) []byte {
	t.Helper()
	var vocab [][]any
	for i := 0; i < len(pairs); i += 2 {
		vocab = append(vocab, []any{pairs[i], pairs[i+1]})
	}
	return toJSON(t, map[string]any{
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "WhitespaceSplit"},
			map[string]any{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
		}},
		"model": map[string]any{"type": "Unigram", "unk_id": 0, "byte_fallback": fallback, "vocab": vocab},
	})
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// folder writes a model's files.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, files map[string][]byte) *Static {
	t.Helper()
	m, err := Open(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func near(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-6 })
}
