package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/store"
)

// stores are those that need no server.
func stores(b *testing.B, run func(b *testing.B, s store.Store)) {
	b.Run("memory", func(b *testing.B) { run(b, store.NewMemory(store.Options{})) })
	b.Run("sqlite", func(b *testing.B) { run(b, store.NewSQLite(openState(b, b.TempDir()), store.Options{})) })
}

// BenchmarkEpochs reads 20 epochs of 10 KB, among 200 other sessions.
func BenchmarkEpochs(b *testing.B) {
	stores(b, func(b *testing.B, s store.Store) {
		for i := range 200 {
			put(b, s, store.Key{Tenant: "t", Session: fmt.Sprint(i)}, 1, "another")
		}
		record := string(noise(10 << 10))
		for i := range 20 {
			put(b, s, session, uint64(i), record)
		}
		for b.Loop() {
			if all, err := s.Epochs(b.Context(), session); err != nil || len(all) != 20 || len(all[19]) != len(record) {
				b.Fatal(len(all), err)
			}
		}
	})
}

// BenchmarkPutEpoch stores an epoch of 10 KB, until it is committed.
func BenchmarkPutEpoch(b *testing.B) {
	stores(b, func(b *testing.B, s store.Store) {
		record := noise(10 << 10)
		for n := uint64(0); b.Loop(); n++ {
			if _, err := s.PutEpoch(b.Context(), store.Key{Session: fmt.Sprint(n % 100)}, n, record); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPutContents hands over what an epoch evicts: 40 results of 8 KB, words at random.
func BenchmarkPutContents(b *testing.B) {
	stores(b, func(b *testing.B, s store.Store) {
		words := rand.New(rand.NewPCG(1, 2))
		contents := make([]store.Content, 40)
		for i := range contents {
			for len(contents[i].Body) < 8<<10 {
				contents[i].Body = fmt.Appendf(contents[i].Body, "line %d of word%d: %x\\n", len(contents[i].Body), words.IntN(1000), words.Uint32())
			}
		}
		b.SetBytes(40 * 8 << 10)
		for n := 0; b.Loop(); n++ {
			for i := range contents {
				contents[i].Handle = fmt.Sprintf("ctx:%d:%d", n, i)
			}
			if err := s.PutContents(b.Context(), store.Key{Session: fmt.Sprint(n % 100)}, contents); err != nil {
				b.Fatal(err)
			}
		}
	})
}
