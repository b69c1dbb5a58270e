package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/embed"
)

const (
	answerWithin = 2 * time.Minute
	tries        = 4  // of one request, where another try may help
	together     = 32 // questions that are embedded at a time
)

// vectors is the embedder of a sidecar, whose questions are embedded before they are asked, so that none is late, and which counts.
type vectors struct {
	memory.Embedder
	url string

	mu         sync.Mutex
	questions  map[string][]float32
	dimensions int
	embedded   int // texts that got a vector
	blank      int // texts that have none
	last       time.Time
	err        error // the last one
}

// errVector is the answer to a question without a vector.
var errVector = errors.New("the question could not be embedded")

// Embed implements memory.Embedder.
func (v *vectors) Embed(ctx context.Context, tenant string, texts []string) ([][]float32, error) {
	if len(texts) == 1 {
		v.mu.Lock()
		known, ok := v.questions[texts[0]]
		v.mu.Unlock()
		switch {
		case ok && known == nil:
			return nil, errVector
		case ok:
			return [][]float32{known}, nil
		}
	}
	got, err := v.Embedder.Embed(ctx, tenant, texts)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.err = err
		return got, err
	}
	v.last = time.Now()
	for _, one := range got {
		if one == nil {
			v.blank++
			continue
		}
		v.embedded++
		v.dimensions = len(one)
	}
	return got, err
}

// prepare embeds questions, and returns how many have a vector.
func (v *vectors) prepare(ctx context.Context, questions []string) (got int) {
	for len(questions) > 0 && ctx.Err() == nil {
		batch := questions[:min(together, len(questions))]
		questions = questions[len(batch):]
		got += v.prepareSome(ctx, batch)
	}
	return got
}

// prepareSome embeds questions together, or, where that fails, in halves.
func (v *vectors) prepareSome(ctx context.Context, questions []string) (got int) {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	found, err := v.Embedder.Embed(within, tenant, questions)
	v.mu.Lock()
	if err != nil {
		v.err = err
		found = make([][]float32, len(questions))
	}
	for i, one := range found {
		if v.questions[questions[i]] = one; one != nil {
			got++
		}
	}
	v.mu.Unlock()
	var refused *embed.Refused
	if half := len(questions) / 2; half > 0 && errors.As(err, &refused) && refused.OfTexts() {
		return v.prepareSome(ctx, questions[:half]) + v.prepareSome(ctx, questions[half:])
	}
	return got
}

// dial finds the embeddings API at a URL, which may be the whole one or a base, and the name of its model.
func dial(ctx context.Context, at string) (*vectors, error) {
	base, err := url.Parse(at)
	if err != nil || base.Scheme == "" || base.Host == "" {
		return nil, fmt.Errorf("%q is no URL of an embeddings API, such as http://127.0.0.1:8080/v1/embeddings", at)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	given := strings.TrimSuffix(base.Path, "/embeddings")
	paths := []string{base.Path, base.Path + "/embeddings", base.Path + "/v1/embeddings"}
	switch {
	case base.Path != given:
		paths = paths[:1]
	case given == "" || strings.HasSuffix(given, "/v1"):
		paths = paths[1:]
	}
	var errs []error
	for _, path := range paths {
		u := *base
		u.Path = path
		by, err := embed.NewRemote(poster(u.String()), embed.Options{Model: model(ctx, base, strings.TrimSuffix(path, "/embeddings"))})
		if err == nil {
			_, err = by.Embed(ctx, tenant, []string{"Is anybody there?"})
		}
		if err == nil {
			return &vectors{Embedder: by, url: u.String(), questions: map[string][]float32{}}, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", u.String(), err))
	}
	return nil, errors.Join(errs...)
}

// model is the model that a server lists, if it lists any; one whose name says that it embeds before others.
func model(ctx context.Context, base *url.URL, path string) string {
	const any = "embeddings"
	u := *base
	u.Path = path + "/models"
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return any
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return any
	}
	defer answer.Body.Close()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&list) != nil || len(list.Data) == 0 || list.Data[0].ID == "" {
		return any
	}
	for _, m := range list.Data {
		if name := strings.ToLower(m.ID); strings.Contains(name, "embed") || strings.Contains(name, "minilm") {
			return m.ID
		}
	}
	return list.Data[0].ID
}

// poster asks at a URL, again where that may help: a server may be starting, or busy.
func poster(url string) embed.Post {
	return func(ctx context.Context, _ string, body []byte) (status int, answer []byte, err error) {
		for try := range tries {
			if try > 0 {
				select {
				case <-time.After(250 * time.Millisecond << try):
				case <-ctx.Done():
					return status, answer, errors.Join(err, ctx.Err())
				}
			}
			status, answer, err = post(ctx, url, body)
			if busy := status == 429 || status >= 502 && status <= 504; err == nil && !busy || ctx.Err() != nil {
				break
			}
		}
		return status, answer, err
	}
}

func post(ctx context.Context, url string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	return answer.StatusCode, b, err
}
