package embed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/zeebo/xxh3"
)

const (
	maxTokenizer = 256 << 20 // bytes of tokenizer.json; the largest are about 30 MB
	maxConfig    = 1 << 20
	textTokens   = 512     // of a text that are read, as in model2vec
	textBytes    = 8 << 10 // of a text that are read
)

// ErrClosed is returned by a Static that was closed.
var ErrClosed = errors.New("embed: the model is closed")

// A Static is a static embedding model. Its vectors stay in the file, which is mapped into memory where the system can: replace the
// file while it is in use, never write into it.
type Static struct {
	name    string
	tokens  *tokenizer
	vectors tensor
	mapping *tensor // token -> row of vectors; nil: the same number
	weights *tensor // of tokens; nil: 1

	pool  sync.Pool    // *scratch
	using sync.RWMutex // Close waits for those who read the file
	file  []byte       // nil once closed
	close func() error
}

type scratch struct {
	ids []int32
	sum []float32
}

// Open reads a model from a folder with model.safetensors, tokenizer.json and config.json, which may be missing.
func Open(dir string) (*Static, error) {
	config, err := readFile(filepath.Join(dir, "config.json"), maxConfig)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("embed: %w", err)
	}
	if len(config) > 0 && !gjson.ValidBytes(config) {
		return nil, fmt.Errorf("embed: %s: it is no JSON", filepath.Join(dir, "config.json"))
	}
	if kind := gjson.GetBytes(config, "model_type").Str; kind != "" && kind != "model2vec" {
		return nil, fmt.Errorf("embed: %s: the model is of the type %.40q, which is no static one", dir, kind)
	}
	words, err := readFile(filepath.Join(dir, "tokenizer.json"), maxTokenizer)
	if err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	tokens, err := readTokenizer(words)
	if err != nil {
		return nil, fmt.Errorf("embed: %s: %w", filepath.Join(dir, "tokenizer.json"), err)
	}
	path := filepath.Join(dir, "model.safetensors")
	file, release, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	m, err := newStatic(file, tokens)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embed: %s: %w", path, err), release())
	}
	m.name = fmt.Sprintf("static/%d/%016x", m.vectors.cols, fingerprint(words, file))
	m.close = release
	return m, nil
}

// fingerprint tells models apart: vectors of different ones must never be compared. Of the vectors it reads the beginning and the
// end, so that a large file is not read whole at each start.
func fingerprint(tokenizer, vectors []byte) uint64 {
	const some = 64 << 10
	h := xxh3.New()
	_, _ = h.Write(tokenizer)
	_, _ = h.Write(vectors[:min(some, len(vectors))])
	_, _ = h.Write(vectors[max(0, len(vectors)-some):])
	fmt.Fprint(h, len(vectors))
	return h.Sum64()
}

func newStatic(file []byte, tokens *tokenizer) (*Static, error) {
	tensors, err := readSafetensors(file)
	if err != nil {
		return nil, err
	}
	m := &Static{tokens: tokens, file: file, close: func() error { return nil }}
	var there bool
	if m.vectors, there = tensors["embeddings"]; !there {
		return nil, errors.New("there is no tensor \"embeddings\": this is no model2vec model")
	}
	if m.vectors.cols < 2 || m.vectors.cols > maxDimensions || strings.HasPrefix(m.vectors.dtype, "I") && m.vectors.dtype != "I8" ||
		m.vectors.dtype == "U16" {
		return nil, fmt.Errorf("the embeddings are %s of %d dimensions", m.vectors.dtype, m.vectors.cols)
	}
	words := tokens.words.len()
	if t, there := tensors["mapping"]; there {
		if t.rows < words || t.cols != 1 || t.dtype == "I8" || strings.Contains(t.dtype, "F") {
			return nil, fmt.Errorf("the mapping has %d numbers (%s) for %d tokens", t.rows, t.dtype, words)
		}
		m.mapping = &t
	} else if m.vectors.rows < words {
		return nil, fmt.Errorf("there are %d embeddings for %d tokens", m.vectors.rows, words)
	}
	if t, there := tensors["weights"]; there {
		if t.rows < words || t.cols != 1 || !strings.Contains(t.dtype, "F") {
			return nil, fmt.Errorf("there are %d weights (%s) for %d tokens", t.rows, t.dtype, words)
		}
		m.weights = &t
	}
	m.pool.New = func() any { return &scratch{sum: make([]float32, m.vectors.cols)} }
	return m, nil
}

// Model names the model by what is in its files.
func (m *Static) Model() string { return m.name }

// Dimensions is the length of its vectors.
func (m *Static) Dimensions() int { return m.vectors.cols }

// Close gives the file back. It waits for those who embed.
func (m *Static) Close() error {
	m.using.Lock()
	defer m.using.Unlock()
	if m.file == nil {
		return nil
	}
	m.file = nil
	return m.close()
}

// Embed returns a vector for each text; nil where no word is known. It asks nobody, so the tenant does not matter. Of a text the
// first 512 tokens count.
func (m *Static) Embed(ctx context.Context, _ string, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m.using.RLock()
		if m.file == nil {
			m.using.RUnlock()
			return nil, ErrClosed
		}
		vectors[i] = m.embed(text)
		m.using.RUnlock()
	}
	return vectors, nil
}

func (m *Static) embed(text string) []float32 {
	s := m.pool.Get().(*scratch)
	defer m.pool.Put(s)
	s.ids = m.tokens.tokens(s.ids[:0], cutText(text))
	s.ids = s.ids[:min(len(s.ids), textTokens)]
	clear(s.sum)
	for _, id := range s.ids {
		weight := float32(1)
		if m.weights != nil {
			weight = m.weights.number(int(id))
		}
		row := int64(id)
		if m.mapping != nil {
			row = m.mapping.integer(int(id))
		}
		if row >= 0 && row < int64(m.vectors.rows) {
			m.vectors.addRow(s.sum, int(row), weight)
		}
	}
	if finite(s.sum) != nil { // the file is damaged
		return nil
	}
	return unit(append([]float32(nil), s.sum...)) // the length is made 1, so the mean is as good as the sum
}

func cutText(text string) string {
	if len(text) <= textBytes {
		return text
	}
	end := textBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// readFile reads a file of at most so many bytes.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(raw)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return raw, err
}
