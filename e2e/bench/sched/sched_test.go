package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// some lengths, spread like those of a chat trace.
func someLengths() []benchkit.Length {
	r := benchkit.Source(99, 0)
	ls := make([]benchkit.Length, 500)
	for i := range ls {
		ls[i] = benchkit.Length{In: int(100 + 2000*r.Float64()), Out: 1 + int(150*r.ExpFloat64())}
	}
	return ls
}

// Taking many steps at once must not change what happens: the same run with an event planned all the time, which cuts every
// jump, gives the same waits.
func TestJumpsChangeNothing(t *testing.T) {
	run := func(cut bool) string {
		b := newBatcher(plain(fifo))
		seq := 0
		var calls []*call
		for _, p := range programs(1, 0.3, someLengths())[:60] {
			p.start(b, &seq, &calls)
		}
		if cut {
			var again func()
			again = func() {
				if len(b.heap) > 0 {
					b.plan(b.now+0.013, again)
				}
			}
			again()
		}
		b.run(math.Inf(1))
		var s strings.Builder
		for _, c := range calls {
			fmt.Fprintf(&s, "%.6f %.6f\n", c.sent, c.ended)
		}
		return s.String()
	}
	jumps, steps := run(false), run(true)
	if jumps != steps {
		t.Errorf("with jumps:\n%.300s\nstep by step:\n%.300s", jumps, steps)
	}
}

// Every order serves every call once, keeps to the server's limits, does the same work, and sees the same arrivals.
func TestOrdersServeTheSame(t *testing.T) {
	ls := someLengths()
	var first string
	for _, s := range append(slices.Clone(s2Sides), sideEnd, sideStream, sideHalf, sideLight) {
		b := newBatcher(s.mk)
		ps := programs(2, 0.5, ls)[:300]
		seq, want := 0, 0.0
		var calls []*call
		for _, p := range ps {
			p.start(b, &seq, &calls)
			for _, l := range p.calls {
				want += cost(l)
			}
		}
		b.stepped = func() {
			if len(b.running) > batchSlots {
				t.Fatalf("%s: %d run", s.name, len(b.running))
			}
		}
		b.run(math.Inf(1))
		if b.kv != 0 || len(b.running) != 0 || b.served != want {
			t.Errorf("%s: %d KV tokens and %d running are left, served %.0f of %.0f", s.name, b.kv, len(b.running), b.served, want)
		}
		var born strings.Builder
		for _, p := range ps {
			if p.ended < p.born+p.ideal()*0.5 {
				t.Fatalf("%s: program %d took %.2f s, ideal %.2f", s.name, p.seq, p.ended-p.born, p.ideal())
			}
			fmt.Fprintln(&born, p.born, p.calls, p.gaps)
		}
		if first == "" {
			first = born.String()
		}
		if born.String() != first {
			t.Errorf("%s saw other programs", s.name)
		}
	}
}

// The orders differ in what they are known to differ in.
func TestKnownDifferences(t *testing.T) {
	streamedDiff := s1b(1, 120, sideStream.mk).Diff
	if fifoDiff := s1b(1, 120, sideFIFO.mk).Diff; fifoDiff < 20*streamedDiff {
		t.Errorf("S1b: FIFO %.0f, VTC by token %.0f", fifoDiff, streamedDiff)
	}
	ls := someLengths()
	light, arrivals := s1(1, 150, ls, sideLight.mk), s1(1, 150, ls, sideFIFO.mk)
	if light.P99 > arrivals.P50/3 {
		t.Errorf("S1: light tenants strictly first wait %.2f s, by arrival %.2f", light.P99, arrivals.P50)
	}
	oracle, last := s2(1, 0.9, ls, sideOracle.mk), s2(1, 0.9, ls, sideFirst.mk)
	if oracle.Mean > last.Mean {
		t.Errorf("S2: the oracle's mean %.1f, by program arrival %.1f", oracle.Mean, last.Mean)
	}
	known, end := s3(1, s3Limits[1], 900, ls, bucket(reserveKnown)), s3(1, s3Limits[1], 900, ls, bucket(chargeAtEnd))
	if end.Worst < known.Worst*1.5 || known.Use < 0.9 {
		t.Errorf("S3: charged at the end %.2f, known %.2f at use %.2f", end.Worst, known.Worst, known.Use)
	}
}

// The worst window is found wherever it lies: ten calls of a tenth of the limit in a minute are 1, twenty are 2.
func TestS3Window(t *testing.T) {
	l := s3Limit{tpm: 1000}
	var calls []*call
	for i := range 60 {
		calls = append(calls, &call{Length: benchkit.Length{In: 50, Out: 50}, sent: float64(i * 6), ended: 130 + float64(i*6)})
	}
	for range 10 {
		calls = append(calls, &call{Length: benchkit.Length{In: 50, Out: 50}, sent: 200, ended: 301})
	}
	if got := s3Figures(calls, l, 600, 0).Worst; math.Abs(got-2) > 0.11 {
		t.Errorf("worst %v, want about 2", got)
	}
}

func TestRunWritesThePage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "lengths.csv")
	var rows strings.Builder
	rows.WriteString("TIMESTAMP,ContextTokens,GeneratedTokens\n")
	for _, l := range someLengths() {
		fmt.Fprintf(&rows, "x,%d,%d\n", l.In, l.Out)
	}
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-lengths", file, "-quick", "-only", "s1,s1b,hog,aios", "-out", dir}, &out); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || !bytes.Equal(page, out.Bytes()) {
		t.Fatalf("page and output differ, %v", err)
	}
	for _, want := range []string{"lengths.csv", "500 rows", "## S1:", "## S1b:", "## Hog test", "| S1 light p99 wait, s |", "AIOS: makespan", "![Waits in S1](s1.svg)"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("page lacks %q", want)
		}
	}
	if strings.Contains(string(page), "NaN") || strings.Contains(string(page), "## S2") {
		t.Errorf("page:\n%s", page)
	}
	for _, pic := range []string{"s1.svg", "hog.svg"} {
		if s, err := os.ReadFile(filepath.Join(dir, pic)); err != nil || !bytes.Contains(s, []byte("<polyline")) {
			t.Errorf("%s: %v, %d bytes", pic, err, len(s))
		}
	}
}

func TestRunRefuses(t *testing.T) {
	if err := run([]string{"-lengths", filepath.Join(t.TempDir(), "none.csv")}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("missing file: %v", err)
	}
}
