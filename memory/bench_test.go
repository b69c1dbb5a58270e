package memory

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

func benchEngine(b *testing.B, change ...func(*Options)) *Engine {
	s, _ := openSQLite(b, b.TempDir())
	o := Options{Store: s, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	e, err := New(Config{}, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

// percentile reports the times' p50 and p99.
func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
}

// What Learn takes in the path: one new message, and twenty, of 500 bytes.
func BenchmarkLearn(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := benchEngine(b)
			texts := make([]string, 64)
			for i := range texts {
				texts[i] = strings.Repeat(fmt.Sprintf("The %s crate stands in hall %d beside the %s. ", names[i%20], i, names[(i*7)%20]), 10)
			}
			var took []time.Duration
			chain := uint64(0)
			for i := 0; b.Loop(); i++ {
				t := Turn{Scope: user("ann", "s")}
				for range n {
					chain++
					t.Messages = append(t.Messages, Message{Role: record.User, Text: texts[chain%64], Chain: chain, Seq: int64(chain)})
				}
				begin := time.Now()
				e.Learn(t)
				took = append(took, time.Since(begin))
				if i%8 == 7 { // the queue is not to be full
					b.StopTimer()
					_ = e.Flush(b.Context())
					b.StartTimer()
				}
			}
			percentiles(b, took)
		})
	}
}

// From Learn until it is durable, one turn at a time.
func BenchmarkDurable(b *testing.B) {
	e := benchEngine(b)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		begin := time.Now()
		e.Learn(Turn{Scope: user("ann", "s"), Messages: []Message{{Role: record.User, Text: crate(i), Chain: uint64(i + 1), Seq: int64(i)}}})
		if err := e.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	percentiles(b, took)
}

// The replay of notes at every request, with none and with twenty.
func BenchmarkNotes(b *testing.B) {
	for _, n := range []int{0, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := benchEngine(b)
			s := user("ann", "s")
			for i := range n {
				if _, err := e.Recall(b.Context(), &Question{Scope: s, Text: "what?", Chain: uint64(i + 1)}); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, err := e.Notes(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Recall over 10,000 memories of one user, from the question to the note.
func BenchmarkRecall10k(b *testing.B) {
	e := benchEngine(b)
	for i := 0; i < 10_000; i += 50 {
		t := Turn{Scope: user("ann", fmt.Sprint("s", i/200)), Imported: true}
		for j := i; j < i+50; j++ {
			text := fmt.Sprintf("%s the %s %s of hall %d was %s by %s.",
				names[j%20], things[j/7%12], places[j/3%12], j, doings[j/5%10], names[j/11%20])
			t.Messages = append(t.Messages, Message{Role: record.User, Text: text, Seq: int64(j)})
		}
		if err := e.LearnNow(b.Context(), t); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := e.Search(b.Context(), user("ann", "x"), "Berlin", 1, false); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	late := 0
	for i := 0; b.Loop(); i++ {
		begin := time.Now()
		text := fmt.Sprintf("Who %s the %s in %s?", doings[i%10], things[i%12], places[i/3%12])
		r, err := e.Recall(b.Context(), &Question{Scope: user("ann", fmt.Sprint("q", i)), Text: text, Chain: 1})
		if err != nil {
			b.Fatal(err)
		}
		if r.Late {
			late++
		}
		took = append(took, time.Since(begin))
	}
	percentiles(b, took)
	b.ReportMetric(float64(late), "late")
}
