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
)

// some lengths, spread like those of a chat trace.
func someLengths() []length {
	r := source(99, 0)
	ls := make([]length, 500)
	for i := range ls {
		ls[i] = length{int(100 + 2000*r.Float64()), 1 + int(150*r.ExpFloat64())}
	}
	return ls
}

func TestParseLengths(t *testing.T) {
	const head = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
	for name, c := range map[string]struct {
		in   string
		want []length
		bad  bool
	}{
		"two rows":           {in: head + "x,374,44\ny,396,109\n", want: []length{{374, 44}, {396, 109}}},
		"more columns":       {in: "a,b,c,d\nx,3,4,5\n", want: []length{{3, 4}}},
		"no output left out": {in: head + "x,374,0\ny,3,1\n", want: []length{{3, 1}}},
		"no input counts 1":  {in: head + "x,0,5\n", want: []length{{1, 5}}},
		"no rows":            {in: head, bad: true},
		"empty":              {in: "", bad: true},
		"not a number":       {in: head + "x,a,b\n", bad: true},
		"too few columns":    {in: "a,b\nx,1\n", bad: true},
		"ragged":             {in: head + "x,1,2,3\n", bad: true},
	} {
		got, err := parseLengths(strings.NewReader(c.in))
		if (err != nil) != c.bad || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v, error %v", name, got, err, c.want, c.bad)
		}
	}
}

func FuzzParseLengths(f *testing.F) {
	f.Add("TIMESTAMP,ContextTokens,GeneratedTokens\nx,374,44\n")
	f.Add("a,b,c\n1,-5,9223372036854775807\n")
	f.Fuzz(func(t *testing.T, in string) {
		ls, err := parseLengths(strings.NewReader(in))
		if (err == nil) != (len(ls) > 0) {
			t.Fatalf("%d rows and error %v", len(ls), err)
		}
		for _, l := range ls {
			if l.in < 1 || l.out < 1 {
				t.Fatalf("length %v", l)
			}
		}
	})
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
				want += l.cost()
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

func TestFigures(t *testing.T) {
	if got := percentile([]float64{4, 1, 3, 2}, 0.5); got != 2 {
		t.Errorf("p50 %v", got)
	}
	if got := percentile([]float64{4, 1, 3, 2}, 0.99); got != 4 {
		t.Errorf("p99 %v", got)
	}
	if got := jain([]float64{1, 1, 1, 1}); got != 1 {
		t.Errorf("equal: %v", got)
	}
	if got := jain([]float64{1, 0, 0, 0}); got != 0.25 {
		t.Errorf("one has all: %v", got)
	}
}

// The worst window is found wherever it lies: ten calls of a tenth of the limit in a minute are 1, twenty are 2.
func TestS3Window(t *testing.T) {
	l := s3Limit{tpm: 1000}
	var calls []*call
	for i := range 60 {
		calls = append(calls, &call{length: length{50, 50}, sent: float64(i * 6), ended: 130 + float64(i*6)})
	}
	for range 10 {
		calls = append(calls, &call{length: length{50, 50}, sent: 200, ended: 301})
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
		fmt.Fprintf(&rows, "x,%d,%d\n", l.in, l.out)
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
