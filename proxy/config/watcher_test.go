package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type told struct {
	s   *Snapshot
	err error
}

// watched starts a Watcher on the real file system.
func watched(t *testing.T, path string) (*Watcher, chan told) {
	t.Helper()
	env := OSEnv()
	env.Lookup = func(k string) (string, bool) { v, ok := home[k]; return v, ok }
	c := make(chan told, 16)
	w, err := Watch(path, env, Overrides{}, func(s *Snapshot, err error) { c <- told{s, err} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, c chan told) told {
	t.Helper()
	select {
	case e := <-c:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no change was told")
		return told{}
	}
}

// none fails when something is told soon.
func none(t *testing.T, c chan told) {
	t.Helper()
	select {
	case e := <-c:
		t.Fatalf("told without a change: %v %v", e.s.Generation, e.err)
	case <-time.After(4 * quiet):
	}
}

func body(n int) string { return fmt.Sprintf("limits: {body: %dMiB}\n", n) }

func mib(s *Snapshot) int { return int(s.Limits.Body >> 20) }

func TestWatchedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	write(t, path, body(1))
	w, c := watched(t, path)
	first := w.Current()
	if mib(first) != 1 || first.Generation != 1 {
		t.Fatal(first)
	}
	write(t, path, body(2)) // in place
	if e := next(t, c); e.err != nil || mib(e.s) != 2 || e.s.Generation != 2 || w.Current() != e.s || mib(first) != 1 {
		t.Fatal(e)
	}
	replace(t, path, body(3)) // by rename, as editors do
	if e := next(t, c); e.err != nil || mib(e.s) != 3 {
		t.Fatal(e)
	}
	before := time.Now()
	replace(t, path, "limits: {body: big}\nlistn: x\n")
	e := next(t, c)
	if e.err == nil || e.s != w.Current() || mib(e.s) != 3 {
		t.Fatal(e)
	}
	mentions(t, e.err.(Problems), path+":1:10: limits.body: must be a size", path+":2:1: listn: unknown key")
	if gen, at, err := w.Status(); gen != 3 || at.After(before) || err == nil {
		t.Error(gen, at, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if e := next(t, c); e.err == nil || !strings.Contains(e.err.Error(), "cannot be read") || mib(w.Current()) != 3 {
		t.Fatal(e)
	}
	write(t, path, body(4))
	if e := next(t, c); e.err != nil || mib(e.s) != 4 || e.s.Generation != 4 {
		t.Fatal(e)
	}
	if gen, _, err := w.Status(); gen != 4 || err != nil {
		t.Error(gen, err)
	}
}

func TestWatcherIgnoresWhatDoesNotMatter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "trapgate.yaml")
	write(t, path, body(1))
	w, c := watched(t, path)
	write(t, filepath.Join(dir, "other.yaml"), "x")
	replace(t, path, body(1)) // the same bytes
	if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	none(t, c)
	w.Reload() // as SIGHUP: always
	if e := next(t, c); e.err != nil || e.s.Generation != 2 {
		t.Error(e)
	}
	w.Drain()
	write(t, path, body(2))
	w.Reload()
	none(t, c)
	if mib(w.Current()) != 1 {
		t.Error("a change was taken after Drain")
	}
}

// Kubernetes mounts a ConfigMap as trapgate.yaml -> ..data/trapgate.yaml, ..data -> a folder, and swaps ..data.
func TestWatchedConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(n int) {
		folder := fmt.Sprintf("..v%d", n)
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, folder, "trapgate.yaml"), body(n))
		if err := os.Symlink(folder, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		_ = os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..v%d", n-1)))
	}
	version(1)
	path := filepath.Join(dir, "trapgate.yaml")
	if err := os.Symlink("..data/trapgate.yaml", path); err != nil {
		t.Fatal(err)
	}
	w, c := watched(t, path)
	for n := 2; n < 6; n++ {
		version(n)
		if e := next(t, c); e.err != nil || mib(e.s) != n || mib(w.Current()) != n {
			t.Fatal(n, e)
		}
	}
}

// The whole folder is replaced, as configuration management does.
func TestWatchedFolder(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	fill := func(folder string, n int) {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "trapgate.yaml"), body(n))
	}
	fill(conf, 1)
	_, c := watched(t, filepath.Join(conf, "trapgate.yaml"))
	fill(conf+".new", 2)
	if err := os.Rename(conf, conf+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(conf+".new", conf); err != nil {
		t.Fatal(err)
	}
	if e := next(t, c); e.err != nil || mib(e.s) != 2 {
		t.Fatal(e)
	}
	write(t, filepath.Join(conf, "trapgate.yaml"), body(3)) // in the new folder
	if e := next(t, c); e.err != nil || mib(e.s) != 3 {
		t.Fatal(e)
	}
}

func TestWatchedSecret(t *testing.T) {
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "trapgate.yaml"), filepath.Join(dir, "secrets", "key")
	if err := os.Mkdir(filepath.Dir(secret), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, secret, "one\n")
	write(t, path, "upstreams: [{name: a, base_url: 'http://h/v1', api_key: {file: secrets/key}}]\n")
	w, c := watched(t, path)
	replace(t, secret, "two")
	if e := next(t, c); e.err != nil || e.s.Upstreams[0].APIKey.Reveal() != "two" {
		t.Fatal(e)
	}
	if err := os.RemoveAll(filepath.Dir(secret)); err != nil {
		t.Fatal(err)
	}
	if e := next(t, c); e.err == nil || w.Current().Upstreams[0].APIKey.Reveal() != "two" {
		t.Fatal(e)
	}
	if err := os.Mkdir(filepath.Dir(secret), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, secret, "three")
	for { // the folder alone may have been seen first
		e := next(t, c)
		if e.err == nil {
			if e.s.Upstreams[0].APIKey.Reveal() != "three" {
				t.Fatal(e)
			}
			return
		}
	}
}

// Writers empty a file first, and an empty file would be a good one that lets everybody in.
func TestEmptiedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	write(t, path, "auth: {keys: [{name: a, key: {env: KEY_A}}]}\nupstreams: [{name: u, base_url: 'http://h', credential: none}]\n")
	w, c := watched(t, path)
	write(t, path, "")
	if e := next(t, c); e.err == nil || !w.Current().HasAuth() {
		t.Fatal("auth went away with the file's bytes")
	}
	w.Reload()
	if e := next(t, c); e.err != nil || w.Current().HasAuth() {
		t.Fatal(e)
	}
}

func TestRestartWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	write(t, path, "limits: {idle: 1m}\n")
	w, c := watched(t, path)
	replace(t, path, "listen: 127.0.0.1:5000\nadmin: off\ndata: /else\nlimits: {idle: 2m, body: 2MiB}\n")
	e := next(t, c)
	if e.err != nil || mib(e.s) != 2 {
		t.Fatal(e)
	}
	if s := w.Current(); s.Listen.Address != "127.0.0.1:4000" || s.Admin.IsZero() || s.Data == "/else" || s.Limits.Idle != time.Minute {
		t.Error("the snapshot tells what is not so")
	}
	mentions(t, e.s.Warnings, path+":1:1: listen: a change of it needs a restart (still 127.0.0.1:4000)", path+":2:1: admin: ", path+":3:1: data: ", path+":4:10: limits.idle: ")
	if len(e.s.Warnings) != 4 {
		t.Error(e.s.Warnings)
	}
}

// The section may come, change and go while agents call; only who shares the limits holds until a restart.
func TestReloadedSchedule(t *testing.T) {
	dir := t.TempDir()
	path, address := filepath.Join(dir, "trapgate.yaml"), filepath.Join(dir, "redis")
	write(t, path, "limits: {}\n")
	write(t, address, "redis://:hush@one:6379/0\n")
	w, c := watched(t, path)
	const pools, shared = "schedule:\n  pools: [{upstream: openai, concurrency: %d}]\n", "  shared: {redis: {file: redis}, sidecars: %d}\n"
	slots := func(s *Snapshot) int { return s.Schedule.Engine.Pools[0].Limits.Concurrency }
	replace(t, path, fmt.Sprintf(pools+shared, 1, 2))
	if e := next(t, c); e.err != nil || slots(e.s) != 1 || e.s.Schedule.Shared.Sidecars != 2 || e.s.Warnings != nil {
		t.Fatal(e)
	}
	replace(t, path, fmt.Sprintf(pools+shared, 2, 3))
	e := next(t, c)
	if e.err != nil || slots(e.s) != 2 || e.s.Schedule.Shared.Sidecars != 2 || len(e.s.Warnings) != 1 {
		t.Fatal(e)
	}
	mentions(t, e.s.Warnings, path+":3:3: schedule.shared: a change of it needs a restart (still one:6379, prefix trapgate:lease:, 2 sidecars, renewed every 1s)")
	replace(t, address, "redis://:hush@two:6379/0") // the file that it names is watched too
	if e := next(t, c); e.err != nil || e.s.Schedule.Shared.Redis.String() != "one:6379" || len(e.s.Warnings) != 1 || strings.Contains(e.s.Warnings.Error(), "hush") {
		t.Fatal(e)
	}
	replace(t, path, fmt.Sprintf(pools, 3))
	if e := next(t, c); e.err != nil || slots(e.s) != 3 || e.s.Schedule.Shared == nil || len(e.s.Warnings) != 1 {
		t.Fatal(e)
	}
	before := w.Current()
	replace(t, path, fmt.Sprintf(pools, 0))
	if e := next(t, c); e.err == nil || w.Current() != before || slots(before) != 3 {
		t.Fatal("a bad change holds")
	}
	replace(t, path, "limits: {}\n")
	if e := next(t, c); e.err != nil || e.s.Schedule != nil {
		t.Fatal(e)
	}
	replace(t, path, "limits: {drain: 1s}\n") // two in a row without it
	if e := next(t, c); e.err != nil || e.s.Schedule != nil {
		t.Fatal(e)
	}
	replace(t, path, fmt.Sprintf(pools, 4))
	if e := next(t, c); e.err != nil || slots(e.s) != 4 || e.s.Schedule.Shared.String() != before.Schedule.Shared.String() || len(e.s.Warnings) != 1 {
		t.Fatal("a section that came back shares otherwise than what runs: ", e)
	}
}

// The running listener counts, not the one that the new file would like.
func TestAuthCannotLeaveAnOpenListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	const ups = "upstreams: [{name: u, base_url: 'http://h', credential: none}]\n"
	write(t, path, "listen: 0.0.0.0:4000\nauth: {keys: [{name: a, key: {env: KEY_A}}]}\n"+ups)
	w, c := watched(t, path)
	replace(t, path, "listen: 127.0.0.1:4000\n"+ups)
	if e := next(t, c); e.err == nil || !strings.Contains(e.err.Error(), "cannot go away while trapgate listens on 0.0.0.0:4000") || !w.Current().HasAuth() {
		t.Fatal(e.err)
	}
}

func TestReloadChecksTheBoundListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	write(t, path, "listen: 127.0.0.1:0\n")
	w, c := watched(t, path)
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 34567}
	if err := w.Bound(addr); err != nil {
		t.Fatal(err)
	}
	replace(t, path, "upstreams: [{name: u, base_url: 'http://localhost:34567/v1'}]\n")
	if e := next(t, c); e.err == nil || !strings.Contains(e.err.Error(), "points at trapgate's own listener") {
		t.Fatal(e.err)
	}
}

func TestWatcherWithoutFile(t *testing.T) {
	w, c := watched(t, "")
	w.Reload()
	if e := next(t, c); e.err != nil || e.s.Generation != 2 {
		t.Error(e)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestWatchRefusesABadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	if w, err := Watch(path, OSEnv(), Overrides{}, nil); err == nil || w != nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Error(w, err)
	}
	write(t, path, "x: y\n")
	if w, err := Watch(path, OSEnv(), Overrides{}, nil); err == nil || w != nil {
		t.Error(w, err)
	}
}

func TestCloseTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trapgate.yaml")
	write(t, path, "")
	w, _ := watched(t, path)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if w.Current() == nil {
		t.Error("the snapshot went away")
	}
}
