package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A Backend is a running trace store.
type Backend interface {
	// Name for messages: "zipkin" or "jaeger".
	Name() string
	// OTLP is the base URL for OTEL_EXPORTER_OTLP_ENDPOINT, protocol http/protobuf.
	OTLP() string
	// Spans returns the spans of a trace that are stored by now; none is no error. id is 32 hex digits.
	Spans(id string) ([]Span, error)
	// Stop ends it.
	Stop()
}

// A Span as a store returns it, in the form both stores share.
type Span struct {
	Trace, ID, Parent string // hex; Parent is "" at the root
	Service, Name     string
	Kind              string // "SERVER", "CLIENT", "PRODUCER", "CONSUMER", or "" for internal
	Attrs             map[string]string
	Events            []string
}

// Wait polls until the trace has at least n spans or the limit has passed, and returns what is there.
func Wait(b Backend, id string, n int, limit time.Duration) ([]Span, error) {
	end := time.Now().Add(limit)
	for {
		spans, err := b.Spans(id)
		if err == nil && len(spans) >= n {
			return spans, nil
		}
		if time.Now().After(end) {
			if err == nil {
				err = fmt.Errorf("trace: %s has %d spans of %s after %v, want %d", b.Name(), len(spans), id, limit, n)
			}
			return spans, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A Tree is the spans of one trace by their parents.
type Tree struct {
	Root     Span
	Children map[string][]Span // by the parent's id
}

// Grow makes a tree of spans. It fails unless there is exactly one root and every parent is there.
func Grow(spans []Span) (*Tree, error) {
	t := &Tree{Children: map[string][]Span{}}
	have := map[string]bool{}
	for _, s := range spans {
		if have[s.ID] {
			return nil, fmt.Errorf("trace: span %s is there twice", s.ID)
		}
		have[s.ID] = true
	}
	roots := 0
	for _, s := range spans {
		switch {
		case s.Trace != spans[0].Trace:
			return nil, fmt.Errorf("trace: span %s (%s) is of another trace", s.ID, s.Name)
		case s.Parent == "":
			roots++
			t.Root = s
		case !have[s.Parent]:
			return nil, fmt.Errorf("trace: span %s (%s of %s) has a parent that nobody stored: %s", s.ID, s.Name, s.Service, s.Parent)
		default:
			t.Children[s.Parent] = append(t.Children[s.Parent], s)
		}
	}
	if roots != 1 {
		return nil, fmt.Errorf("trace: %d roots among %d spans", roots, len(spans))
	}
	return t, nil
}

// getJSON reads url into v; a 404 leaves v as it is.
func getJSON(url string, v any) error {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("trace: %s: %w", url, err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("trace: %s: %s: %.300s", url, resp.Status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("trace: %s: %w: %.300s", url, err, body)
	}
	return nil
}

// await polls url until it answers 200, the program ends, or the limit has passed.
func await(url string, ended <-chan struct{}, limit time.Duration) error {
	client := http.Client{Timeout: 2 * time.Second}
	end := time.Now().Add(limit)
	for {
		resp, err := client.Get(url)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s", resp.Status)
		}
		select {
		case <-ended:
			return fmt.Errorf("trace: %s: the program ended", url)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("trace: %s was not ready within %v: %w", url, limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
