package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// said is a sentence of about the length of a turn of a conversation, 23 words, whose words are as unevenly frequent as those of a
// language.
func said(rnd *rand.Rand) string {
	zipf := rand.NewZipf(rnd, 1.1, 4, 20000)
	var b strings.Builder
	for i := range 23 {
		if i > 0 {
			b.WriteByte(' ')
		}
		n := zipf.Uint64()
		for k := 0; k < 2 || n > 0; k++ {
			b.WriteString([]string{"ba", "co", "di", "fu", "ge", "lo", "ma", "ni", "pe", "ru", "sa", "te", "vo", "wi", "ki", "ho"}[n%16])
			n /= 16
		}
	}
	return b.String()
}

// diary makes n turns of one user, 22 a session.
func diary(rnd *rand.Rand, user string, from, n int) []*record.Record {
	start := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)
	all := make([]*record.Record, n)
	for i := range all {
		at := start.Add(time.Duration(from+i) * time.Minute)
		s := record.Scope{Tenant: "acme", User: user, Session: fmt.Sprint("session-", (from+i)/22)}
		text := said(rnd)
		all[i] = &record.Record{
			ID: record.EpisodeID(s, record.User, text), Scope: s, Kind: record.Episode,
			Role: record.User, Origin: record.Captured, Trust: record.High, Text: text, Seq: int64(from + i), Said: at, Created: at,
			Expires: at.Add(90 * 24 * time.Hour), Importance: 0.5,
			Text64: record.TextKey(text), Sim: index.SimHash(text),
		}
	}
	return all
}

func apply(t testing.TB, s *Store, all []*record.Record) {
	t.Helper()
	for len(all) > 0 {
		part := all[:min(1000, len(all))]
		all = all[len(part):]
		if err := s.Apply(bg, store.Changes{Tenant: part[0].Scope.Tenant, At: time.Now(), Add: part}); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1, 32} {
		for _, loaded := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d records/loaded=%v", n, loaded), func(b *testing.B) {
				s, _ := open(b, b.TempDir(), Options{})
				rnd := rand.New(rand.NewPCG(1, 2))
				if loaded {
					if _, err := s.loaded(bg, record.Space{Tenant: "acme", User: "u"}); err != nil {
						b.Fatal(err)
					}
				}
				var took []time.Duration
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					all := diary(rnd, "u", i*n, n)
					b.StartTimer()
					begin := time.Now()
					apply(b, s, all)
					took = append(took, time.Since(begin))
				}
				b.ReportMetric(float64(quantile(took, 0.99).Microseconds()), "p99-us")
			})
		}
	}
}

func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1))]
}

// BenchmarkLoad is how long the first question of a space waits: for the rows alone, and for the index.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		dir := b.TempDir()
		s, db := open(b, dir, Options{})
		apply(b, s, diary(rand.New(rand.NewPCG(1, 2)), "u", 0, n))
		if err := db.Checkpoint(bg); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, state.File))
		if err != nil {
			b.Fatal(err)
		}
		of := record.Space{Tenant: "acme", User: "u"}
		b.Run(fmt.Sprintf("%d rows", n), func(b *testing.B) {
			for b.Loop() {
				got := 0
				if err := s.rowsOf(bg, of, func(page []loadedRow) bool { got += len(page); return true }); err != nil || got != n {
					b.Fatal(got, err)
				}
			}
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB-file")
		})
		b.Run(fmt.Sprintf("%d into the index", n), func(b *testing.B) {
			for b.Loop() {
				s.spaces.mu.Lock()
				s.spaces.known.Purge()
				s.spaces.mu.Unlock()
				runtime.GC()
				if _, err := s.loaded(bg, of); err != nil {
					b.Fatal(err)
				}
			}
			st, err := s.Stats(bg, "")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(st.IndexBytes)/(1<<20), "MiB-index")
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap")
		})
		s.Close()
	}
}

// BenchmarkMillion is what a file with a million memories of a thousand users costs: to open it, to open it and answer the first
// question of a user, to forget one of them. It generates the file, for a minute or more.
func BenchmarkMillion(b *testing.B) {
	dir := b.TempDir()
	s, db := open(b, dir, Options{})
	rnd := rand.New(rand.NewPCG(1, 2))
	for u := range 1000 {
		apply(b, s, diary(rnd, fmt.Sprint("user", u), 0, 1000))
	}
	s.Close()
	db.Close()
	reopened := func(b *testing.B, f func(*Store)) {
		for b.Loop() {
			s, db := open(b, dir, Options{})
			f(s)
			b.StopTimer()
			s.Close()
			db.Close()
			b.StartTimer()
		}
	}
	of := record.Scope{Tenant: "acme", User: "user7"}
	search := func(s *Store) {
		if _, err := s.Search(bg, of, &store.Query{Text: "bama coco", Now: time.Now(), Limit: 5}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("open", func(b *testing.B) {
		reopened(b, func(*Store) {})
		info, err := os.Stat(filepath.Join(dir, state.File))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB-file")
	})
	b.Run("open and search", func(b *testing.B) { reopened(b, search) })
	s, _ = open(b, dir, Options{})
	search(s)
	b.Run("stats", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Stats(bg, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("forget one", func(b *testing.B) {
		for b.Loop() {
			one, err := s.List(bg, store.Filter{Tenant: "acme", User: "user7"}, record.ID{}, 1)
			if err != nil || len(one) != 1 {
				b.Fatal(len(one), err)
			}
			if _, err := s.Forget(bg, store.Forget{Filter: store.Filter{Tenant: "acme"}, IDs: []record.ID{one[0].ID}, At: time.Now()}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
