package simmodel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

func newModel(t testing.TB, o Options) *Model {
	t.Helper()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func serve(t testing.TB, m *Model) string {
	t.Helper()
	s, err := m.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.URL
}

func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func request0(method, path, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if strings.Contains(path, "messages") {
		r.Header.Set("anthropic-version", "2023-06-01")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// call asks the model without a socket.
func call(m *Model, method, path, body string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, request0(method, path, body, header...))
	return w
}

// frozen is a clock that stands still and never waits, for golden files.
type frozen struct{ wallClock }

func (frozen) Now() time.Time { return time.Unix(1_700_000_000, 0) }

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs (go test -update writes it):\n got %s\nwant %s", name, got, want)
	}
}

type event struct {
	name string
	data map[string]any
	raw  string
}

func events(t testing.TB, r io.Reader) []event {
	t.Helper()
	var out []event
	var name string
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		line := s.Text()
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
		}
		d, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		e := event{name: name, raw: d}
		if d != "[DONE]" {
			if err := json.Unmarshal([]byte(d), &e.data); err != nil {
				t.Fatalf("event %q: %v", d, err)
			}
		}
		out, name = append(out, e), ""
	}
	return out
}

func decode(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// at walks into decoded JSON: strings are members, ints elements.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no object at %v in %v", p, v)
			}
			v = o[p]
		case int:
			a, ok := v.([]any)
			if !ok || p >= len(a) {
				t.Fatalf("no element %d in %v", p, v)
			}
			v = a[p]
		}
	}
	return v
}

func countRaw(list []event, sub string) (n int) {
	for _, e := range list {
		n += strings.Count(e.raw, sub)
	}
	return n
}

// header reads a header in any case: the model writes its own in lower case, as the real APIs do.
func header(w *httptest.ResponseRecorder, name string) string {
	for k, v := range w.Header() {
		if strings.EqualFold(k, name) {
			return v[0]
		}
	}
	return ""
}
