package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Defaults of Options.
const (
	DefaultTexts = 64
	DefaultBytes = 128 << 10
)

// A Post carries a request's body to /v1/embeddings for a tenant, who pays, and returns the answer. An error says that there was
// none. It does not keep the body; the answer is the caller's. Whoever makes it bounds the answer's length: 32 texts of 3,072
// dimensions are about 2 MB.
type Post func(ctx context.Context, tenant string, body []byte) (status int, answer []byte, err error)

// Options of a Remote. Model is needed.
type Options struct {
	Model string // as the API names it
	// From tells apart models of one name that different APIs serve: it goes before the name under which vectors are stored. "": nothing.
	From string
	// Dimensions is how many numbers are asked for, and needed. 0: as many as the model has. Few models can choose.
	Dimensions int
	// Base64 asks for the numbers in a quarter of the bytes. Not every server knows it; whatever comes is read.
	Base64 bool
	Texts  int // of one request; 0: 64
	Bytes  int // of one request's texts, unless one text alone is more; 0: 128 KiB
}

// A Remote is an embedder at a model API.
type Remote struct {
	post Post
	opt  Options
	name string
	most atomic.Int64 // texts of one request; less once a request was refused for its size
	dim  atomic.Int64 // of the first answer: a model does not change it
}

// NewRemote returns an embedder that asks with post.
func NewRemote(post Post, o Options) (*Remote, error) {
	if post == nil || o.Model == "" {
		return nil, errors.New("embed: a model and a way to it are needed")
	}
	if o.Dimensions < 0 || o.Texts < 0 || o.Bytes < 0 {
		return nil, errors.New("embed: dimensions, texts and bytes cannot be negative")
	}
	if o.Texts == 0 {
		o.Texts = DefaultTexts
	}
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	r := &Remote{post: post, opt: o, name: o.Model}
	if o.From != "" {
		r.name = o.From + "/" + r.name
	}
	if o.Dimensions > 0 {
		r.name = fmt.Sprintf("%s/%d", r.name, o.Dimensions)
	}
	r.most.Store(int64(o.Texts))
	r.dim.Store(int64(o.Dimensions))
	return r, nil
}

// Model names what makes the vectors: where they come from, the API's model, and the dimensions that were asked for.
func (r *Remote) Model() string { return r.name }

// Embed returns a vector for each text, in their order; nil for texts without words. Either all come, or an error.
func (r *Remote) Embed(ctx context.Context, tenant string, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	var at []int // places of the texts that are asked for: APIs refuse empty ones
	for i, t := range texts {
		if strings.TrimSpace(t) != "" {
			at = append(at, i)
		}
	}
	for len(at) > 0 {
		n := r.batch(texts, at)
		if err := r.ask(ctx, tenant, texts, at[:n], vectors); err != nil {
			return nil, err
		}
		at = at[n:]
	}
	return vectors, nil
}

// batch is how many of the texts go into the next request.
func (r *Remote) batch(texts []string, at []int) int {
	size := 0
	for n, i := range at[:min(len(at), int(r.most.Load()))] {
		if size += len(texts[i]); size > r.opt.Bytes && n > 0 {
			return n
		}
	}
	return min(len(at), int(r.most.Load()))
}

// ask embeds the texts at those places. What is refused for its size is asked for in halves.
func (r *Remote) ask(ctx context.Context, tenant string, texts []string, at []int, vectors [][]float32) error {
	err := r.once(ctx, tenant, texts, at, vectors)
	var refused *Refused
	if !errors.As(err, &refused) || !refused.TooLarge() {
		return err
	}
	if len(at) == 1 {
		return r.shorten(ctx, tenant, texts[at[0]], &vectors[at[0]], err)
	}
	half := len(at) / 2
	if refused.tooMany() { // the next ones need not be refused to know; a long text says nothing about the others
		r.most.Store(int64(max(1, min(int64(half), r.most.Load()))))
	}
	if err := r.ask(ctx, tenant, texts, at[:half], vectors); err != nil {
		return err
	}
	return r.ask(ctx, tenant, texts, at[half:], vectors)
}

// halvings is how often a text that is too long is cut in two: a model with a window of 512 tokens takes the beginning of 30 KB.
const halvings = 5

// shorten embeds the beginning of a text that is too long alone. Models that cut it themselves do the same.
func (r *Remote) shorten(ctx context.Context, tenant, text string, v *[]float32, err error) error {
	one := make([][]float32, 1)
	for range halvings {
		end := len(text) / 2
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		if text = text[:end]; strings.TrimSpace(text) == "" {
			return err
		}
		err = r.once(ctx, tenant, []string{text}, []int{0}, one)
		var refused *Refused
		if err == nil || !errors.As(err, &refused) || !refused.TooLarge() {
			*v = one[0]
			return err
		}
	}
	return err
}

// request is the body of /v1/embeddings.
type request struct {
	Model          string   `json:"model"`
	Input          []string `json:"input"`
	EncodingFormat string   `json:"encoding_format,omitempty"`
	Dimensions     int      `json:"dimensions,omitempty"`
}

// once makes one request.
func (r *Remote) once(ctx context.Context, tenant string, texts []string, at []int, vectors [][]float32) error {
	q := request{Model: r.opt.Model, Input: make([]string, len(at)), Dimensions: r.opt.Dimensions}
	for i, place := range at {
		q.Input[i] = texts[place]
	}
	if r.opt.Base64 {
		q.EncodingFormat = "base64"
	}
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	status, answer, err := r.post(ctx, tenant, body)
	if err != nil {
		return fmt.Errorf("embed: %s: %w", r.opt.Model, err)
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("embed: %s: %w", r.opt.Model, refusal(status, answer))
	}
	got, err := readAnswer(answer, len(at))
	if err == nil {
		err = r.sameDimensions(got)
	}
	if err != nil {
		return fmt.Errorf("embed: %s: %w", r.opt.Model, err)
	}
	for i, place := range at {
		vectors[place] = unit(got[i])
	}
	return nil
}

// sameDimensions refuses vectors that no vector before or beside them can be compared with.
func (r *Remote) sameDimensions(vectors [][]float32) error {
	for _, v := range vectors {
		n := int64(len(v))
		if r.dim.CompareAndSwap(0, n) {
			continue
		}
		if want := r.dim.Load(); n != want {
			return fmt.Errorf("a vector has %d dimensions, not %d", n, want)
		}
	}
	return nil
}
