package benchkit

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseLengths(t *testing.T) {
	const head = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
	for name, c := range map[string]struct {
		in   string
		want []Length
		bad  bool
	}{
		"two rows":           {in: head + "x,374,44\ny,396,109\n", want: []Length{{374, 44}, {396, 109}}},
		"more columns":       {in: "a,b,c,d\nx,3,4,5\n", want: []Length{{3, 4}}},
		"no output left out": {in: head + "x,374,0\ny,3,1\n", want: []Length{{3, 1}}},
		"no input counts 1":  {in: head + "x,0,5\n", want: []Length{{1, 5}}},
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
			if l.In < 1 || l.Out < 1 {
				t.Fatalf("length %v", l)
			}
		}
	})
}

func TestLengths(t *testing.T) {
	file := filepath.Join(t.TempDir(), "l.csv")
	if err := os.WriteFile(file, []byte("TIMESTAMP,ContextTokens,GeneratedTokens\nx,10,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ls, name, err := Lengths(file); err != nil || name != "l.csv" || !slices.Equal(ls, []Length{{10, 5}}) {
		t.Errorf("%v %q %v", ls, name, err)
	}
	if _, _, err := Lengths(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// The draws of a stream are the same whenever it is asked, and no two streams have the same.
func TestSource(t *testing.T) {
	a, again, other := Source(1, 2), Source(1, 2), Source(1, 3)
	for range 10 {
		v := a.Uint64()
		if again.Uint64() != v || other.Uint64() == v {
			t.Fatal("streams are mixed up")
		}
	}
}

func TestStats(t *testing.T) {
	v := []float64{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, 0.25: 1, 0.5: 2, 0.51: 3, 0.99: 4, 1: 4} {
		if got := Percentile(v, q); got != want {
			t.Errorf("percentile %g is %g, want %g", q, got, want)
		}
	}
	if v[0] != 4 {
		t.Error("the values were sorted in place")
	}
	if m := Median(append(v, math.NaN())); m != 2.5 {
		t.Errorf("median %g", m)
	}
	if m := Median([]float64{3, 1, 2}); m != 2 {
		t.Errorf("median of three %g", m)
	}
	if m := Mean(v); m != 2.5 {
		t.Errorf("mean %g", m)
	}
	if j := Jain([]float64{1, 1, 1, 1}); j != 1 {
		t.Errorf("equal: %g", j)
	}
	if j := Jain([]float64{1, 0, 0, 0}); j != 0.25 {
		t.Errorf("one has all: %g", j)
	}
	for name, got := range map[string]float64{"percentile": Percentile(nil, 0.5), "median": Median(nil), "mean": Mean(nil), "Jain's index": Jain([]float64{0})} {
		if !math.IsNaN(got) {
			t.Errorf("%s of nothing is %g", name, got)
		}
	}
}

func TestPlots(t *testing.T) {
	all := []Series{{"direct <1>", []Point{{0, 0}, {5, 3}, {60, 40}}}, {"trapgate", nil}}
	for name, text := range map[string]string{"waits": WaitsPlot("T & t", all), "speed": SpeedPlot("t", all), "empty": WaitsPlot("t", nil)} {
		d := xml.NewDecoder(strings.NewReader(text))
		var err error
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(text, "NaN") {
			t.Errorf("%s holds NaN", name)
		}
		if lines := strings.Count(text, "<polyline"); name != "empty" && lines != 2 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
	// Ours is blue and the first one grey; three points lie in three sixtieths.
	waits := WaitsPlot("t", all)
	if _, points, ok := strings.Cut(waits, `<polyline points="`); !ok || strings.Count(strings.SplitN(points, `"`, 2)[0], ",") != 3 {
		t.Errorf("not three points in\n%s", waits)
	}
	if strings.Count(waits, colours[len(colours)-1]) != 2 || strings.Count(waits, colours[0]) != 2 {
		t.Errorf("colours in\n%s", waits)
	}
}

func TestFolder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "a", "b")
	if dir, err := Folder("bench", out, true); err != nil || dir != out {
		t.Errorf("named: %q, %v", dir, err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := Folder("bench", "", true)
	if err != nil || !strings.HasPrefix(filepath.Base(dir), "trapgate-bench-") {
		t.Errorf("temporary: %q, %v", dir, err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestServices(t *testing.T) {
	r := Source(1, 1)
	var hog, aios []float64
	for range 4000 {
		hog, aios = append(hog, HogService(r)), append(aios, AIOSService(r))
	}
	if lo, hi := slices.Min(hog), slices.Max(hog); lo < 0.5 || hi > 2.5 || math.Abs(Mean(hog)-1.5) > 0.05 {
		t.Errorf("hog test: from %g to %g, mean %g", lo, hi, Mean(hog))
	}
	if lo, hi := slices.Min(aios), slices.Max(aios); lo != AIOSLeast || hi != AIOSMost || math.Abs(Median(aios)-math.Exp(-0.4)) > 0.05 {
		t.Errorf("AIOS: from %g to %g, median %g", lo, hi, Median(aios))
	}
}
