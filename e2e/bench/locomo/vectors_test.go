package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A moody server of embeddings is busy at first, takes three texts at a time, and refuses one.
func moody(t *testing.T, path string) string {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Input []string }
		switch {
		case r.URL.Path != path:
			http.NotFound(w, r)
			return
		case asked.Add(1) == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case json.NewDecoder(r.Body).Decode(&q) != nil || len(q.Input) > 3:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		type vector struct {
			Embedding [5]float32 `json:"embedding"`
		}
		var answer struct {
			Data []vector `json:"data"`
		}
		for _, text := range q.Input {
			if strings.Contains(text, "missing") {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			var v vector
			for i, c := range text {
				v.Embedding[i%5] += float32(c % 7)
			}
			answer.Data = append(answer.Data, v)
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		s.Close()
	})
	return s.URL
}

func TestEmbeddings(t *testing.T) {
	data := filepath.Join(t.TempDir(), "set.json")
	if err := os.WriteFile(data, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	const usual = "/v1/embeddings"
	for given, path := range map[string]string{"": usual, usual: usual, "/v1/": usual, "/own": "/own"} {
		var printed strings.Builder
		if err := run(context.Background(), data, "", moody(t, path)+given, &printed); err != nil {
			t.Fatalf("%q: %v", given, err)
		}
		for _, want := range []string{"of 5 dimensions", "of 6 texts", "of 2 questions", "0 texts and 1 questions have none", "NOT ALL"} {
			if !strings.Contains(printed.String(), want) {
				t.Errorf("%q: no %q in\n%s", given, want, printed.String())
			}
		}
	}
	for _, at := range []string{"127.0.0.1:80", moody(t, "/v1/embeddings") + "/v2/embeddings"} {
		if err := run(context.Background(), data, "", at, &strings.Builder{}); err == nil {
			t.Errorf("%s: no error", at)
		}
	}
}
