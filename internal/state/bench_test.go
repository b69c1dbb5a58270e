package state

import (
	"math/rand/v2"
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

// BenchmarkScrub scrubs a file of 320 MB of which a tenth of the rows was deleted, while somebody writes one row after the other:
// how long that takes, and the longest that a write waits.
func BenchmarkScrub(b *testing.B) {
	dir := b.TempDir()
	db, err := Open(bg, Options{Dir: dir, Migrations: []Migration{songs}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rnd := rand.New(rand.NewPCG(1, 1))
	for n, size := 0, int64(0); size < 320<<20; n++ {
		write(b, db, func(tx *Tx) error {
			for i := range 1000 {
				who := "bird"
				if i%10 == 0 {
					who = "CANARY"
				}
				if err := sing(tx, rnd.IntN(1<<30), who, aSong(rnd, who)+aSong(rnd, who)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := db.Reader().QueryRow(`SELECT page_count * 4096 FROM pragma_page_count`).Scan(&size); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Checkpoint(bg); err != nil {
		b.Fatal(err)
	}
	var quiet, longest time.Duration
	probe := func(stop <-chan struct{}) (longest time.Duration) {
		for n := 1 << 30; ; n++ {
			select {
			case <-stop:
				return longest
			default:
			}
			began := time.Now()
			write(b, db, func(tx *Tx) error { return sing(tx, n, "late bird", aSong(rnd, "late bird")) })
			longest = max(longest, time.Since(began))
		}
	}
	stop := make(chan struct{})
	time.AfterFunc(2*time.Second, func() { close(stop) })
	quiet = probe(stop)
	write(b, db, func(tx *Tx) error { return silence(tx, "CANARY") })
	b.ReportAllocs()
	for b.Loop() {
		stop, ended := make(chan struct{}), make(chan time.Duration)
		go func() { ended <- probe(stop) }()
		if err := db.Scrub(bg); err != nil {
			b.Fatal(err)
		}
		close(stop)
		longest = max(longest, <-ended)
	}
	b.StopTimer()
	if n := canaries(b, dir); n > 0 {
		b.Errorf("%d are left", n)
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-wait")
	b.ReportMetric(float64(quiet.Microseconds())/1000, "ms-longest-wait-without")
}
