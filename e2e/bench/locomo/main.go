package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
)

// deep is how many turns a ranking has.
const deep = 100

// system names what is measured, in the file of rankings.
const system = "trapgate"

// A ranked is what one run found.
type ranked struct {
	System   string                `json:"system"`
	Rankings map[string][][]string `json:"rankings"`
}

func main() {
	data := flag.String("data", "", "question set, JSON (required)")
	rank := flag.String("rank", "", "write the rankings here")
	embeddings := flag.String("embeddings", "", "URL of an OpenAI-style embeddings API, such as http://127.0.0.1:8080/v1/embeddings")
	flag.Parse()
	if *data == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), *data, *rank, *embeddings, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "locomo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data, rank, embeddings string, w io.Writer) (err error) {
	conversations, err := set.Read(data)
	if err != nil {
		return err
	}
	m, err := open(ctx, embeddings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	turns := 0
	begin := time.Now()
	for i := range conversations {
		n, err := m.learn(ctx, &conversations[i])
		if err != nil {
			return err
		}
		turns += n
	}
	learned := time.Since(begin)
	if m.by != nil {
		if err := m.embedded(ctx, conversations, w); err != nil {
			return err
		}
	}
	out := ranked{System: system, Rankings: map[string][][]string{}}
	var took []time.Duration
	for i := range conversations {
		c := &conversations[i]
		rankings, times, err := m.ask(ctx, c)
		if err != nil {
			return err
		}
		out.Rankings[c.ID] = rankings
		took = append(took, times...)
	}
	report(w, conversations, out.Rankings)
	slices.Sort(took)
	fmt.Fprintf(w, "\n%d turns learned in %v; a question takes p50 %v, p95 %v\n",
		turns, learned.Round(time.Millisecond), at(took, .5), at(took, .95))
	if err := m.size(ctx, w); err != nil {
		return err
	}
	if rank == "" {
		return nil
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(rank, append(b, '\n'), 0o644)
}

func at(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(time.Microsecond)
}
