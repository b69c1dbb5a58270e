package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/sqlite"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/share"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

const (
	benchTenant = "bench"
	benchKey    = "bench-key-0123456789"
)

// A gate is a trapgate before an upstream that answers at once.
type gate struct {
	*rig.Proc
	url    string
	client *http.Client
	up     *simmodel.Instant
}

// serve starts one over a data directory; section "" is without memory. ready is how long it took to its ready line.
func serve(data, section string) (g *gate, ready time.Duration, err error) {
	bin, err := rig.Binary()
	if err != nil {
		return nil, 0, err
	}
	g = &gate{client: &http.Client{Transport: &http.Transport{}}}
	if g.up, err = simmodel.StartInstant("127.0.0.1:0", simmodel.InstantOptions{}); err != nil {
		return nil, 0, err
	}
	config := filepath.Join(filepath.Dir(data), filepath.Base(data)+".yaml")
	text := fmt.Sprintf("upstreams: [{name: u, base_url: %s/v1, credential: none}]\nauth: {keys: [{name: %s, key: {env: BENCH_KEY}}]}\n"+
		"telemetry: {log: {exchanges: false}}\nadmin: \"off\"\n%s", g.up.URL, benchTenant, section)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, 0, errors.Join(err, g.up.Close())
	}
	cmd := exec.Command(bin, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data", data)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(data), "BENCH_KEY=" + benchKey}
	begin := time.Now()
	g.Proc, g.url, err = rig.Start(cmd, time.Minute, func(line string) (string, bool) {
		return strings.CutPrefix(line, "trapgate: listening on ")
	})
	if err != nil {
		return nil, 0, errors.Join(err, g.up.Close())
	}
	return g, time.Since(begin), nil
}

func (g *gate) close() error {
	g.client.CloseIdleConnections()
	return errors.Join(g.Stop(), g.up.Close())
}

// ask sends one message in a conversation of its own, and returns what x-trapgate-memory says.
func (g *gate) ask(user, session, text string) (string, time.Duration, error) {
	body, err := json.Marshal(map[string]any{"model": "m", "messages": []map[string]string{{"role": "user", "content": text}}})
	if err != nil {
		return "", 0, err
	}
	req, err := http.NewRequest(http.MethodPost, g.url+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Authorization": {"Bearer " + benchKey}, "X-User": {user}, "X-Trapgate-Session": {session},
	}
	begin := time.Now()
	resp, err := g.client.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	took := time.Since(begin)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("status %d", resp.StatusCode))
	}
	return resp.Header.Get("x-trapgate-memory"), took, err
}

const byHeader = "memory: {scope: {user: {header: x-user}}}\n"

// filled makes a data directory in which users have so many records each.
func filled(ctx context.Context, dir string, users map[string]int) (data string, some []string, err error) {
	data = filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", nil, err
	}
	db, err := state.Open(ctx, state.Options{Dir: data, Migrations: share.Migrations})
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := sqlite.New(db, sqlite.Options{Key: []byte("of this measurement only"), IndexBytes: 1})
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	seed := uint64(10)
	for user, n := range users {
		seed++
		of, err := fill(ctx, store.Store(s), benchTenant, user, n, seed)
		if err != nil {
			return "", nil, err
		}
		if user == "ann" {
			some = of
		}
	}
	return data, some, nil
}

// exchange measures whole exchanges of one message with memory, in a scope of 1,000 records, and without, in turn.
func exchange(ctx context.Context, p *plan, r *report) (err error) {
	dir, err := os.MkdirTemp("", "trapgate-memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data, some, err := filled(ctx, dir, map[string]int{"ann": 1000})
	if err != nil {
		return err
	}
	var sides []*gate
	defer func() {
		for _, g := range sides {
			err = errors.Join(err, g.close())
		}
	}()
	for i, section := range []string{"", byHeader} {
		at := data
		if i == 0 {
			at = filepath.Join(dir, "without")
		}
		g, _, err := serve(at, section)
		if err != nil {
			return err
		}
		sides = append(sides, g)
	}
	say := newSpeaker(5)
	took := make([][]time.Duration, len(sides))
	told := 0
	for i := range p.exchanges {
		q := say.question(some[i%len(some)])
		for k := range sides {
			side := (i + k) % len(sides)
			header, t, err := sides[side].ask("ann", fmt.Sprint("ask-", i), q)
			if err != nil {
				return err
			}
			if i >= p.exchanges/10 { // the first ones warm up
				took[side] = append(took[side], t)
			}
			if side == 1 && strings.HasPrefix(header, "hits=") && !strings.HasPrefix(header, "hits=0") {
				told++
			}
		}
	}
	for _, q := range []float64{0.5, 0.99} {
		off, on := at(took[0], q, time.Microsecond), at(took[1], q, time.Microsecond)
		r.shown(fmt.Sprintf("exchange of a new conversation, memory on minus off, p%.0f", 100*q), "%.0f us (%.0f and %.0f)", on-off, on, off)
	}
	r.shown("of those exchanges told something", "%d of %d", told, p.exchanges)
	return nil
}

// open starts trapgate over many memories, and looks at what it takes.
func open(ctx context.Context, p *plan, r *report) (err error) {
	dir, err := os.MkdirTemp("", "trapgate-memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	users := map[string]int{"ann": p.openOne}
	for i := 1; i < p.openAll/p.openOne; i++ {
		users[fmt.Sprint("user", i)] = p.openOne
	}
	data, some, err := filled(ctx, dir, users)
	if err != nil {
		return err
	}
	if err := opened(r, data, fmt.Sprintf("open at %d memories", p.openAll), some, true); err != nil {
		return err
	}
	if data, some, err = filled(ctx, filepath.Join(dir, "one"), map[string]int{"ann": p.resident}); err != nil {
		return err
	}
	return opened(r, data, fmt.Sprintf("a user of %d", p.resident), some, false)
}

func opened(r *report, data, name string, some []string, start bool) (err error) {
	g, ready, err := serve(data, byHeader)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	begin := time.Now()
	header := ""
	for n := 0; time.Since(begin) < time.Minute; n++ {
		if header, _, err = g.ask("ann", fmt.Sprint("ask-", n), newSpeaker(6).question(some[n%len(some)])); err != nil {
			return err
		}
		if strings.HasPrefix(header, "hits=") && !strings.HasPrefix(header, "hits=0") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	first := time.Since(begin)
	if !strings.HasPrefix(header, "hits=") {
		return fmt.Errorf("nothing is told: %s", header)
	}
	if start {
		r.atMost(name+": ready after", ready.Seconds(), 2, " s")
		r.shown(name+": first note after it", "%.2f s", first.Seconds())
		return nil
	}
	r.shown(name+": first note after the start", "%.2f s", first.Seconds())
	rss, err := resident(g.PID())
	if err != nil {
		return err
	}
	r.atMost(name+": RSS", rss, 250, " MiB")
	return nil
}

// resident is a process's VmRSS in MiB.
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1024, nil
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d on %s", pid, benchkit.Kernel())
}
