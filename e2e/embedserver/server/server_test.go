//go:build e2e

package server

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/memory/embed"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rig.Report(os.Stderr)
	os.Exit(code)
}

func need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		rig.Skip(t, "python3 is not there")
	}
}

func dot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

func embedAll(t testing.TB, by interface {
	Embed(context.Context, string, []string) ([][]float32, error)
}, texts ...string,
) [][]float32 {
	t.Helper()
	v, err := by.Embed(t.Context(), "t", texts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range v {
		if math.Abs(dot(v[i], v[i])-1) > 1e-5 {
			t.Fatalf("%q: the length is %v", texts[i], math.Sqrt(dot(v[i], v[i])))
		}
	}
	return v
}

// like are texts of which the first two say the same in other words, and the third something else in words of the first.
var like = [][3]string{
	{"I moved to Berlin last month.", "My home is in the German capital now.", "I moved the meeting to next month."},
	{"How old is your cat?", "What age is the kitten?", "How old is your house?"},
	{"She plays the violin in an orchestra.", "The musician performs classical music.", "She plays football in a park."},
	{"The server crashed because the disk was full.", "No storage was left, so the machine went down.", "The server brought the full plates."},
}

func TestRemoteModel(t *testing.T) {
	need(t)
	s := Start(t, Options{MostTexts: 6})
	client := &http.Client{}
	defer client.CloseIdleConnections()
	var r [2]*embed.Remote
	for i, packed := range []bool{false, true} {
		var err error
		if r[i], err = embed.NewRemote(Post(client, s.URL), embed.Options{Model: Model, Base64: packed}); err != nil {
			t.Fatal(err)
		}
	}
	var texts []string
	for _, l := range like {
		texts = append(texts, l[:]...)
	}
	v, packed := embedAll(t, r[0], texts...), embedAll(t, r[1], texts...) // 12 texts, of which 6 are taken at a time
	for i := range v {
		if len(v[i]) != Dimensions || dot(v[i], packed[i]) < 0.999999 {
			t.Errorf("%q: %d numbers, %v from the same in base64", texts[i], len(v[i]), dot(v[i], packed[i]))
		}
		if alone := embedAll(t, r[0], texts[i])[0]; dot(v[i], alone) < 0.9999 {
			t.Errorf("%q: alone it is %v from itself", texts[i], dot(v[i], alone))
		}
	}
	for i, l := range like {
		same, other := dot(v[3*i], v[3*i+1]), dot(v[3*i], v[3*i+2])
		t.Logf("%.2f and %.2f: %s", same, other, l[0])
		if same < other+0.1 {
			t.Errorf("%q: %v from the same, %v from another", l[0], same, other)
		}
	}
	times := make([]time.Duration, 20)
	for i := range times {
		begin := time.Now()
		embedAll(t, r[0], fmt.Sprintf("When did Caroline go to the support group, in %d?", 2000+i))
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	t.Logf("one question: best %v, p50 %v", times[0], times[len(times)/2])
}

func TestServerRefuses(t *testing.T) {
	need(t)
	s := Start(t, Options{MostTexts: 2})
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for body, want := range map[string]string{
		`[]`:                                "no object",
		`{"input":[]}`:                      "has to be",
		`{"input":["a",""]}`:                "has to be",
		`{"input":[[1,2]]}`:                 "has to be",
		`{"input":["a","b","c"]}`:           "too many inputs",
		`{"input":"a","dimensions":10}`:     "384 dimensions",
		`{"input":"a","encoding_format":1}`: "float or base64",
	} {
		status, answer, err := Post(client, s.URL)(t.Context(), "", []byte(body))
		if err != nil || status != 400 || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %d %s, %v", body, status, answer, err)
		}
	}
}
