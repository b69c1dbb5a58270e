package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A talk makes texts whose words are as frequent as those of a language are, by Zipf's law.
type talk struct {
	*rand.Rand
	zipf  *rand.Zipf
	words []string
}

func newTalk() *talk {
	r := rand.New(rand.NewPCG(1, 2))
	t := &talk{Rand: r, zipf: rand.NewZipf(r, 1.07, 20, 39_999)}
	for range 40_000 {
		var w strings.Builder
		for range 2 + r.IntN(3) {
			w.WriteByte("bcdfghjklmnprstvwz"[r.IntN(18)])
			w.WriteByte("aeiou"[r.IntN(5)])
			w.WriteString([...]string{"", "", "n", "r", "s", "t", "l"}[r.IntN(7)])
		}
		t.words = append(t.words, w.String())
	}
	return t
}

func (t *talk) text(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(t.words[t.zipf.Uint64()])
		b.WriteByte(' ')
	}
	return b.String()
}

var (
	me      = record.Scope{Tenant: "t", User: "u", Session: "s"}
	someday = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func (t *talk) record(i int) *record.Record {
	s := me
	s.Session = fmt.Sprint(i / 25)
	role := record.User
	if i%2 == 1 {
		role = record.Assistant
	}
	text := t.text(8 + t.IntN(16))
	return &record.Record{
		ID: record.NewID(), Scope: s, Kind: record.Episode, Role: role, Trust: record.High, Text: text, Seq: int64(i % 25),
		Said: someday.Add(time.Duration(i) * time.Minute), Sim: SimHash(text),
	}
}

func filled(n int) (*Index, *talk) {
	t := newTalk()
	x := New(Options{})
	for i := range n {
		x.Put(t.record(i))
	}
	return x, t
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, t := filled(n)
			b.Cleanup(func() { runtime.KeepAlive(x) })
			var questions []string
			for range 256 {
				questions = append(questions, "what about "+t.text(6))
			}
			b.ReportAllocs()
			b.ResetTimer()
			took := make([]time.Duration, 0, 1<<16)
			i := 0
			for b.Loop() {
				begin := time.Now()
				x.Search(context.Background(), me, &store.Query{Text: questions[i%256], Now: someday, Limit: 48})
				took = append(took, time.Since(begin))
				i++
			}
			b.ReportMetric(float64(quantile(took, .5).Microseconds()), "p50-us")
			b.ReportMetric(float64(quantile(took, .95).Microseconds()), "p95-us")
			b.ReportMetric(float64(x.Bytes())/float64(n), "B/record")
		})
	}
}

func BenchmarkPut(b *testing.B) {
	x, t := filled(10_000)
	records := make([]*record.Record, 4096)
	for i := range records {
		records[i] = t.record(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i == len(records) {
			b.StopTimer()
			for _, r := range records {
				x.Delete(r.ID)
			}
			i = 0
			b.StartTimer()
		}
		x.Put(records[i])
		i++
	}
}

func BenchmarkBuild100k(b *testing.B) {
	t := newTalk()
	records := make([]*record.Record, 100_000)
	for i := range records {
		records[i] = t.record(i)
	}
	for b.Loop() {
		x := New(Options{})
		for _, r := range records {
			x.Put(r)
		}
	}
}
