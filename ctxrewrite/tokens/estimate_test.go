package tokens

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestEstimateErrors reports the error on every kind of data, of totals and of documents on average, and bounds both.
func TestEstimateErrors(t *testing.T) {
	kinds := corpus(t)
	step := 1
	if testing.Short() {
		step = 3
	}
	rows := rowsOf(kinds, step)
	for i, e := range errorsOf(rows, len(kinds), func(r row) float64 { return float64(r.estimated) }) {
		t.Logf("%-22s total %+5.1f %%, documents on average %4.1f %%", kinds[i].name, e.total, e.mean)
		most, mean := 6.0, 7.0
		if kinds[i].runes { // one weight for all languages of a script
			most, mean = 25, 25
		}
		if e.total > most || e.total < -5 {
			t.Errorf("%s: the total is %+.1f %% off", kinds[i].name, e.total)
		}
		if e.mean > mean {
			t.Errorf("%s: documents are %.1f %% off on average", kinds[i].name, e.mean)
		}
	}
}

// TestEstimateIsWhatWasFitted keeps the loop, which reads pairs of bytes, and the fit, which counts pairs of classes, from parting.
func TestEstimateIsWhatWasFitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("aé б\"я中\n,文"))), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		want := rowOf(text).fixed
		for p, n := range rowOf(text).pairs {
			want += n * float64(pairWeights[p]) / weightUnit
		}
		if got := Estimate([]byte(text)); math.Abs(float64(got)-want) > 1+0.002*float64(len(text)) {
			t.Fatalf("%q: %d, want %.2f", text, got, want)
		}
	})
}

func TestEstimateIsAdditive(t *testing.T) {
	kinds := corpus(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, k := range kinds {
		var whole strings.Builder
		parts := 0
		n := 0
		for _, d := range k.docs[:min(len(k.docs), 30)] {
			for len(d) > 0 {
				cut := min(len(d), 200+r.IntN(2_000))
				parts += Estimate([]byte(d[:cut]))
				whole.WriteString(d[:cut])
				d = d[cut:]
				n++
			}
		}
		got := Estimate([]byte(whole.String()))
		if math.Abs(float64(parts-got)) > 1.5*float64(n)+0.01*float64(got) {
			t.Errorf("%s: %d parts sum to %d, the whole is %d", k.name, n, parts, got)
		}
	}
}

func TestEstimateBounds(t *testing.T) {
	if Estimate(nil) != 0 || Estimate([]byte{}) != 0 || Estimate([]byte("a")) != 1 {
		t.Error("nothing is not 0 tokens, or one letter not 1")
	}
	for b := range 256 { // every text costs something, or a request of it would never be seen to grow
		text := bytes.Repeat([]byte{byte(b)}, 100_000)
		if n := Estimate(text); n < 700 || n > 400_000 {
			t.Fatalf("100,000 bytes %#x are %d tokens", b, n)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.String().Draw(t, "text"))
		if n := Estimate(text); n > 2*len(text)+1 || n < 0 {
			t.Fatalf("%q: %d tokens", text, n)
		}
	})
}

// TestEstimateOfUnevenRequests are requests of which one kind of data is most, as agents send them.
func TestEstimateOfUnevenRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	image := make([]byte, 30_000)
	for i := range image {
		image[i] = byte(r.Uint32())
	}
	sources := strings.Join(quoted(files(t, "bufio/*.go", "sort/*.go")), "")
	for name, body := range map[string]string{
		"an image":  fmt.Sprintf(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}},{"type":"text","text":"What is this?"}]}`, base64.StdEncoding.EncodeToString(image)),
		"a listing": `{"role":"tool","tool_call_id":"call_1","content":"` + strings.Repeat(`-rw-r--r--  1 user  staff   10423 Jan 12 11:05 internal/handlers/session_store_test.go\n`, 200) + `"}`,
		"sources":   `{"role":"tool","tool_call_id":"call_1","content":` + sources + `}`,
	} {
		exact, got := Count(body), Estimate([]byte(body))
		if off := 100 * (float64(got)/float64(exact) - 1); math.Abs(off) > 8 {
			t.Errorf("%s: %d tokens for %d: %+.1f %%", name, got, exact, off)
		}
	}
}

func TestEstimateAllocatesNothing(t *testing.T) {
	text := bytes.Repeat([]byte("some text, "), 1_000)
	if n := testing.AllocsPerRun(10, func() { Estimate(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
