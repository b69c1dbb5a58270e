package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A counter is an upstream that counts what reaches it. Every answer is billed with 100 tokens.
type counter struct {
	mu       sync.Mutex
	at       []time.Time
	inflight atomic.Int64
	most     atomic.Int64
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	n := c.inflight.Add(1)
	defer c.inflight.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	select {
	case <-time.After(20 * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	c.mu.Lock()
	c.at = append(c.at, time.Now())
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":60,"completion_tokens":40,"total_tokens":100}}`)
}

// worst is by how much any time had more than perSecond allows.
func (c *counter) worst(perSecond float64) (over float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, from := range c.at {
		for k, to := range c.at[i:] {
			over = max(over, float64(k+1)-perSecond*to.Sub(from).Seconds())
		}
	}
	return over
}

// A running is one `trapgate run` in a process of its own, whose command tells where it was pointed.
type running struct {
	cmd *exec.Cmd
	url string
	in  io.Closer
}

func startRun(t *testing.T, args ...string) *running {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"trapgate", "run"}, args...)
	cmd := &exec.Cmd{Path: exe, Args: append(args, "--", "sh", "-c", "echo $OPENAI_BASE_URL; cat"), Env: append(os.Environ(), "OPENAI_API_KEY=k")}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: cmd, in: in}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r.url = strings.TrimSpace(line)
	return r
}

// ask makes calls until the budget is used up or the process is gone, and counts those that were answered.
func (r *running) ask(ctx context.Context, client *http.Client) (answered int64, last string) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/chat/completions", strings.NewReader(`{"model":"m","max_tokens":40,"messages":[{"role":"user","content":"hello"}]}`))
		if err != nil {
			return answered, err.Error()
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer k")
		resp, err := client.Do(req)
		if err != nil {
			return answered, "gone"
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return answered, "gone"
		}
		if resp.StatusCode != http.StatusOK {
			return answered, resp.Status + " " + resp.Header.Get("x-trapgate-error") + " " + string(body)
		}
		answered++
	}
}

// TestRunsShare: three runs of one directory at once spend one budget and one limit; the holder is killed in between, another
// takes over, and the books are complete.
func TestRunsShare(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: takes seconds")
	}
	const calls, perMinute, concurrency = 200, 3000, 4
	up := &counter{}
	srv := httptest.NewServer(up)
	defer srv.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "trapgate.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
upstreams: [{name: up, base_url: %q}]
schedule:
  pools: [{upstream: up, requests_per_minute: %d, concurrency: %d}]
  tenants: [{name: "*", budgets: [{unit: tokens, limit: %d, window: month}]}]
`, srv.URL, perMinute, concurrency, calls*100), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	var runs [3]*running
	for i := range runs {
		runs[i] = startRun(t, "--config", file, "--data", data)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var answered [3]atomic.Int64
	var wg sync.WaitGroup
	for i, r := range runs {
		for range 3 {
			wg.Go(func() {
				n, last := r.ask(ctx, client)
				answered[i].Add(n)
				if i > 0 && !strings.HasPrefix(last, "429 Too Many Requests budget_exceeded") {
					t.Errorf("run %d ended with %q", i, last)
				}
			})
		}
	}
	for { // the holder dies in the middle
		up.mu.Lock()
		n := len(up.at)
		up.mu.Unlock()
		if n >= calls/3 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("only %d calls in a minute", n)
		}
		time.Sleep(time.Millisecond)
	}
	if err := runs[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	billed := int64(len(up.at))
	t.Logf("billed %d calls of %d; answered %d, %d, %d; most at once %d; above the rate by %.1f calls",
		billed, calls, answered[0].Load(), answered[1].Load(), answered[2].Load(), up.most.Load(), up.worst(perMinute/60.))
	if billed > calls*105/100 {
		t.Errorf("the budget is %d calls, the upstream billed %d", calls, billed)
	}
	if billed < calls*80/100 { // estimates, and what the dead one held
		t.Errorf("the budget is %d calls, only %d came to be", calls, billed)
	}
	if n := up.most.Load(); n > concurrency {
		t.Errorf("%d calls at once, the limit is %d", n, concurrency)
	}
	if over := up.worst(perMinute / 60.); over > perMinute/10 {
		t.Errorf("%.0f calls above the rate", over)
	}
	holderOf(t, data, runs[1].cmd.Process.Pid, runs[2].cmd.Process.Pid)
	for _, r := range runs[1:] {
		r.in.Close()
		if err := r.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if used := usedIn(t, data); used > billed || used < billed-3*concurrency {
		t.Errorf("written down: %d calls, billed %d: only what the killed one had under way may be missing", used, billed)
	}
}

// holderOf looks who has the directory now.
func holderOf(t *testing.T, dir string, pids ...int) {
	t.Helper()
	lock, err := state.Lock(dir)
	if err == nil {
		lock.Release()
		t.Fatal("nobody holds the directory")
	}
	for _, pid := range pids {
		if strings.Contains(err.Error(), fmt.Sprint("process ", pid)) {
			return
		}
	}
	t.Errorf("held by another: %v", err)
}

func usedIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	db, err := state.OpenReader(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	today := budget.DateOf(time.Now())
	rows, err := budget.Query(context.Background(), db, today-1, today, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		n += r.Attempts
	}
	raw, _ := json.Marshal(rows)
	t.Logf("written down: %s", raw)
	return n
}
