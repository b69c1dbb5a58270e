package admin

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func options() Options {
	return Options{
		Hosts: []string{"gate.internal"}, Origins: []string{"https://console.test"}, Token: token,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "m 1\n") }),
		State:   func() any { return State{Version: "v1"} },
		Memory:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "remembered\n") }),
		Share:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "shared\n") }),
	}
}

func TestRules(t *testing.T) {
	h := New(options())
	bearer := "Bearer " + token
	for _, c := range []struct {
		method, path, host, origin, auth string
		want                             int
	}{
		{"GET", "/livez", "10.1.2.3:4001", "", "", 200},
		{"HEAD", "/livez", "anything", "", "", 200},
		{"GET", "/readyz", "pod.svc", "", "", 200},
		{"GET", "/metrics", "10.1.2.3:4001", "", "", 200},
		{"GET", "/metrics", "10.1.2.3:4001", "https://evil.test", "", 403},
		{"GET", "/metrics", "localhost", "null", "", 403},
		{"GET", "/metrics", "localhost", "https://console.test", "", 200},
		{"POST", "/livez", "localhost", "", "", 405},
		{"OPTIONS", "/debug/state", "localhost", "", bearer, 405},
		{"GET", "/debug/state", "localhost:4001", "", bearer, 200},
		{"GET", "/debug/state", "127.0.0.1:4001", "", bearer, 200},
		{"GET", "/debug/state", "127.8.9.10", "", bearer, 200},
		{"GET", "/debug/state", "[::1]:4001", "", bearer, 200},
		{"GET", "/debug/state", "[::1]", "", bearer, 200},
		{"GET", "/debug/state", "LOCALHOST.", "", bearer, 200},
		{"GET", "/debug/state", "gate.internal:4001", "", bearer, 200},
		{"GET", "/debug/state", "evil.test", "", bearer, 403},
		{"GET", "/debug/state", "localhost.evil.test", "", bearer, 403},
		{"GET", "/debug/state", "127.0.0.1.evil.test", "", bearer, 403},
		{"GET", "/debug/state", "10.1.2.3:4001", "", bearer, 403},
		{"GET", "/debug/state", "", "", bearer, 403},
		{"GET", "/debug/state", "localhost", "http://localhost:3000", bearer, 403},
		{"GET", "/debug/state", "localhost", "", "", 401},
		{"GET", "/debug/state", "localhost", "", "Bearer wrong", 401},
		{"GET", "/debug/state", "localhost", "", "Basic " + token, 401},
		{"GET", "/debug/state", "localhost", "", bearer + "0", 401},
		{"GET", "/debug/state", "localhost", "", "bearer " + token, 200},
		{"GET", "/debug/pprof/", "localhost", "", "", 401},
		{"GET", "/debug/pprof/", "localhost", "", bearer, 200},
		{"GET", "/debug/pprof/heap", "localhost", "", bearer, 200},
		{"GET", "/debug/pprof/goroutine?debug=1", "localhost", "", bearer, 200},
		{"GET", "/share/leases", "localhost", "", bearer, 200},
		{"GET", "/share/leases", "localhost", "", "", 401},
		{"GET", "/share/leases", "evil.test", "", bearer, 403},
		{"POST", "/share/leases", "localhost", "", bearer, 405},
		{"GET", "/share/memory", "localhost", "", "", 401},
		{"POST", "/share/memory", "localhost", "", bearer, 405},
		{"GET", "/memory", "localhost", "", bearer, 200},
		{"POST", "/memory", "localhost", "", bearer, 200},
		{"DELETE", "/memory/mem_a", "localhost", "", bearer, 200},
		{"POST", "/memory/forget", "localhost", "", "", 401},
		{"POST", "/memory/forget", "evil.test", "", bearer, 403},
		{"POST", "/memory/forget", "localhost", "https://evil.test", bearer, 403},
		{"POST", "/memoryforget", "localhost", "", bearer, 405},
		{"GET", "/", "localhost", "", bearer, 200},
		{"GET", "/nothing", "localhost", "", "", 401},
		{"GET", "/nothing", "localhost", "", bearer, 404},
		{"GET", "/debug/../livez", "evil.test", "", "", 403},
	} {
		r := httptest.NewRequest(c.method, "http://x"+c.path, nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.auth != "" {
			r.Header.Set("Authorization", c.auth)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: headers %v", c, w.Header())
		}
		if strings.Contains(w.Body.String(), token) {
			t.Errorf("%+v: the token is in the answer", c)
		}
	}
}

func TestRulesOfTheConfiguration(t *testing.T) {
	o := options()
	host := "old.test"
	o.AllowHost = func(h string) bool { return h == host }
	o.AllowOrigin = func(string) bool { return true }
	h := New(o)
	get := func() int {
		r := httptest.NewRequest("GET", "/debug/state", nil)
		r.Host = "new.test"
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Origin", "https://any.test")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if got := get(); got != 403 {
		t.Errorf("before: %d", got)
	}
	host = "new.test"
	if got := get(); got != 200 {
		t.Errorf("after: %d", got)
	}
}

func TestWithoutToken(t *testing.T) {
	o := options()
	o.Token, o.NoToken = "", "the data directory cannot be written"
	h := New(o)
	for _, auth := range []string{"", "Bearer ", "Bearer"} {
		r := httptest.NewRequest("GET", "/debug/state", nil)
		r.Host = "localhost"
		r.Header.Set("Authorization", auth)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 403 || !strings.Contains(w.Body.String(), "cannot be written") {
			t.Errorf("%q: %d %s", auth, w.Code, w.Body)
		}
	}
}

func TestReady(t *testing.T) {
	o := options()
	ready, reasons := true, []string(nil)
	o.Ready = func() (bool, []string) { return ready, reasons }
	h := New(o)
	get := func(accept string) (int, string, string) {
		r := httptest.NewRequest("GET", "/readyz", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String(), w.Header().Get("Content-Type")
	}
	if code, body, typ := get("*/*"); code != 200 || body != "ready\n" || typ != "text/plain; charset=utf-8" {
		t.Errorf("%d %q %q", code, body, typ)
	}
	reasons = []string{"trapgate.yaml:14:7: upstreams[0].base_url: must be an absolute URL\nhint: add https://"}
	if code, body, _ := get(""); code != 200 || body != "ready\n- trapgate.yaml:14:7: upstreams[0].base_url: must be an absolute URL\n  hint: add https://\n" {
		t.Errorf("%d %q", code, body)
	}
	ready, reasons = false, []string{"draining"}
	if code, body, _ := get(""); code != 503 || body != "not ready\n- draining\n" {
		t.Errorf("%d %q", code, body)
	}
	code, body, typ := get("application/json")
	var got struct {
		Ready   bool
		Reasons []string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != 503 || got.Ready || got.Reasons[0] != "draining" || typ != "application/json" {
		t.Errorf("%d %s %v", code, body, err)
	}
}

func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.State = func() any { return State{Version: "v1", PID: 7} }
	s := Start(l, o)
	req, _ := http.NewRequest("GET", s.URL()+"/debug/state", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	c := &http.Client{Transport: &http.Transport{}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var got State
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.PID != 7 {
		t.Errorf("%+v %v", got, err)
	}
	resp.Body.Close()
	c.CloseIdleConnections()
	s.Close()
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("still listening")
	}
	s.Close() // harmless
}

func TestToken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := ReadToken(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of nothing: %v", err)
	}
	first, err := Token(dir)
	if err != nil || len(first) != 64 {
		t.Fatalf("%q %v", first, err)
	}
	if again, err := Token(dir); err != nil || again != first {
		t.Errorf("%q %v", again, err)
	}
	if read, err := ReadToken(dir); err != nil || read != first {
		t.Errorf("%q %v", read, err)
	}
	file := filepath.Join(dir, TokenFile)
	for path, want := range map[string]fs.FileMode{file: 0o600, dir: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadToken(dir); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a token that others can read: %v", err)
	}
	second, err := Token(dir)
	if err != nil || second == first {
		t.Errorf("a token that others could read is still good: %v", err)
	}
	if err := os.WriteFile(file, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Token(dir); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("not a token: %v", err)
	}
}

func TestTokenFileIsNoLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, TokenFile)); err != nil {
		t.Skip("SKIP: no symbolic links here:", err)
	}
	if got, err := Token(dir); err == nil {
		t.Errorf("took %q from behind a link", got)
	}
}

func TestTokenOfMany(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	got := map[string]bool{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			tok, err := Token(dir)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[tok] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Errorf("%d tokens", len(got))
	}
}

func TestTokenWithoutDirectory(t *testing.T) {
	if _, err := Token(""); err == nil {
		t.Error("a token without a directory")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Token(file); err == nil {
		t.Error("a token in a file")
	}
}
