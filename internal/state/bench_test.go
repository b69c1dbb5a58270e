package state

import (
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkWrite is what a caller pays to hand a write over.
func BenchmarkWrite(b *testing.B) {
	db, err := Open(bg, Options{Dir: b.TempDir(), Migrations: []Migration{numbers}, MaxQueued: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var n atomic.Int64
	f := func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO numbers VALUES (?, '')`, n.Add(1))
		return err
	}
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		_ = db.Write(f)
	}
	handed := time.Since(start)
	if err := db.Flush(bg); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "committed/s")
	b.ReportMetric(float64(handed.Nanoseconds())/float64(b.N), "ns/handed")
}

// BenchmarkWriteSync is how long a commit takes when nobody else writes.
func BenchmarkWriteSync(b *testing.B) {
	db, err := Open(bg, Options{Dir: b.TempDir(), Migrations: []Migration{numbers}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if err := db.WriteSync(bg, insert(n)); err != nil {
			b.Fatal(err)
		}
	}
}
