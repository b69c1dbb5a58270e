//go:build e2e

package redis

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/store/storetest"
	"github.com/trapgate/trapgate/e2e/engine/rig"
)

func TestContextStore(t *testing.T) {
	s := start(t)
	client := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer client.Close()
	var opened atomic.Int64
	storetest.Run(t, func(_ *testing.T, opt store.Options) store.Store {
		return store.NewRedis(client, fmt.Sprintf("context:%d:", opened.Add(1)), opt)
	})
	t.Run("damaged entries", func(t *testing.T) { damagedContext(t, client) })
	t.Run("the server's clock", func(t *testing.T) { expiringContext(t, client) })
	t.Run("replicas", func(t *testing.T) { replicas(t, s.Addr) })
	t.Run("a restart", func(t *testing.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		c := store.NewRedis(client, "", store.Options{})
		if got, err := c.PutEpoch(t.Context(), store.Key{Session: "s"}, 1, []byte("after it")); err != nil || string(got) != "after it" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// damagedContext changes what is stored: it is skipped, and can be stored again.
func damagedContext(t *testing.T, client *goredis.Client) {
	ctx, k := t.Context(), store.Key{Tenant: "t", Session: "s"}
	c := store.NewRedis(client, "damaged:", store.Options{})
	body := []byte(strings.Repeat("content ", 100))
	for chain := range uint64(3) {
		if _, err := c.PutEpoch(ctx, k, chain, fmt.Appendf(nil, "epoch %d", chain)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PutContents(ctx, k, []store.Content{{Handle: "ctx:1", Body: body}}); err != nil {
		t.Fatal(err)
	}
	for key, field := range map[string]string{"{damaged:}e:1:ts": "1", "{damaged:}c:1:ts": "ctx:1"} {
		was, err := client.HGet(ctx, key, field).Bytes()
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		was[len(was)-1] ^= 1
		if err := client.HSet(ctx, key, field, was).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.Epochs(ctx, k); err != nil || len(all) != 2 || string(all[1]) != "epoch 2" {
		t.Errorf("epochs: %q, %v", all, err)
	}
	if _, err := c.Content(ctx, "t", "ctx:1"); err != store.ErrUnknown {
		t.Errorf("a damaged content: %v", err)
	}
	if got, err := c.PutEpoch(ctx, k, 1, []byte("better")); err != nil || string(got) != "better" {
		t.Errorf("instead of a damaged epoch: %q, %v", got, err)
	}
	if err := c.PutContents(ctx, k, []store.Content{{Handle: "ctx:1", Body: body}}); err != nil {
		t.Error(err)
	}
	if got, err := c.Content(ctx, "t", "ctx:1"); err != nil || string(got.Body) != string(body) {
		t.Errorf("instead of a damaged content: %q, %v", got.Body, err)
	}
	if all, err := c.Epochs(ctx, k); err != nil || len(all) != 3 || string(all[1]) != "better" {
		t.Errorf("epochs: %q, %v", all, err)
	}
}

// expiringContext leaves everything to the server: no key outlives the time to live.
func expiringContext(t *testing.T, client *goredis.Client) {
	ctx, k := t.Context(), store.Key{Tenant: "t", Session: "s"}
	c := store.NewRedis(client, "short:", store.Options{TTL: 300 * time.Millisecond})
	if _, err := c.PutEpoch(ctx, k, 1, []byte("e")); err != nil {
		t.Fatal(err)
	}
	if err := c.PutContents(ctx, k, []store.Content{{Handle: "ctx:1", Body: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	keys, err := client.Keys(ctx, "{short:}*").Result()
	if err != nil || len(keys) != 6 {
		t.Fatalf("keys: %q, %v", keys, err)
	}
	for deadline := time.Now().Add(5 * time.Second); len(keys) > 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if keys, err = client.Keys(ctx, "{short:}*").Result(); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) > 0 {
		t.Errorf("keys that outlive the time to live: %q", keys)
	}
}

// replicas are stores with connections of their own that make the same epochs at once.
func replicas(t *testing.T, addr string) {
	const stores, rounds = 4, 200
	stood := make([][rounds]string, stores)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			client := goredis.NewClient(&goredis.Options{Addr: addr})
			defer client.Close()
			c := store.NewRedis(client, "replicas:", store.Options{})
			for n := range rounds {
				record, err := c.PutEpoch(context.Background(), store.Key{Session: "s"}, uint64(n), fmt.Appendf(nil, "%d of %d", n, i))
				if err != nil {
					t.Error(err)
				}
				stood[i][n] = string(record)
			}
		})
	}
	wg.Wait()
	won := map[byte]int{}
	for n := range rounds {
		one := stood[0][n]
		for i := range stores {
			if stood[i][n] != one || !strings.HasPrefix(one, fmt.Sprintf("%d of ", n)) {
				t.Fatalf("epoch %d: %q stands for the first, %q for another", n, one, stood[i][n])
			}
		}
		won[one[len(one)-1]]++
	}
	t.Logf("%d epochs of %d replicas; won: %v", rounds, stores, won)
}

// TestContextGates has a conversation outgrow its window at one gate and go on at another that shares its Redis: the upstream gets
// the same bytes. A gate that shares with nobody makes others of it.
func TestContextGates(t *testing.T) {
	s := start(t)
	up := &recorder{}
	srv := httptest.NewServer(up)
	defer srv.Close()
	gate := func(shared string) *rig.Gate {
		t.Helper()
		g, err := rig.StartGate(fmt.Sprintf("upstreams: [{name: u, base_url: %q, credential: agent}]\ncontext: {windows: {\"*\": 3000}, reserve: 500%s}\n",
			srv.URL+"/v1", shared), "", "REDIS="+s.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close() })
		return g
	}
	const shared = ", shared: {redis: {env: REDIS}, prefix: gates}"
	a, b, alone := gate(shared), gate(shared), gate("")
	c, last, epoch := &talk{}, "", 0
	for before := 0; epoch < 3 || epoch == before; { // just behind a swap: gates estimate sizes a little differently, so no mark may be near
		c.turn()
		before = epoch
		last, epoch = up.ask(t, a, c)
	}
	stored(t, a, epoch)
	stored(t, b, epoch) // which connects it: on a loaded machine that may take longer than a request waits for
	if sent, _ := up.ask(t, alone, c); sent == last {
		t.Error("a gate of its own sends the same: the Redis is not what makes gates agree")
	}
	if sent, _ := up.ask(t, b, c); sent != last {
		t.Errorf("the other gate sends\n%s\nafter\n%s\n%s", sent, last, b.Log())
	}
	c.turn()
	if sent, _ := up.ask(t, b, c); !strings.HasPrefix(sent, strings.TrimSuffix(last, "]}")) {
		t.Errorf("the next request does not continue the one before:\n%s\nafter\n%s", sent, last)
	}
	shownContext(t, a, b, "REDIS="+s.URL())
}

// stored waits until an epoch that a gate has swapped in is in its store: one that was made in the path is stored beside it.
func stored(t *testing.T, g *rig.Gate, epoch int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, body, err := g.AdminGet("/debug/context?session=gates")
		if err != nil {
			t.Fatal(err)
		}
		if status == http.StatusOK && strings.Contains(string(body), fmt.Sprintf(`"number":%d,`, epoch)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("epoch %d is not stored: %d %s", epoch, status, body)
		}
	}
}

// shownContext looks at the conversation through both gates, and at what is left of it when one has ended.
func shownContext(t *testing.T, a, b *rig.Gate, env string) {
	bin, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	show := func(g *rig.Gate, file bool, args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, append(append([]string{"context"}, args...), "--data", g.Data)...)
		if file {
			cmd.Args = append(cmd.Args, "--config", filepath.Join(filepath.Dir(g.Data), "trapgate.yaml"))
			cmd.Env = append(cmd.Environ(), env)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	rows := strings.Split(show(a, false, "ls"), "\n")
	if len(rows) != 3 || rows[2] != "" || strings.Fields(rows[1])[0] != "gates" {
		t.Fatalf("ls: %q", rows)
	}
	diff := show(a, false, "diff", "gates")
	_, handle, ok := strings.Cut(diff, "kept as ")
	handle, _, _ = strings.Cut(handle, "\n")
	if !ok || !strings.Contains(diff, "epoch 1, after the task") || !strings.Contains(diff, "epoch 2, after epoch 1") {
		t.Fatalf("diff: %s", diff)
	}
	whole, body := show(a, false, "show", "gates"), show(a, false, "show", handle)
	if !strings.Contains(whole, "epoch ") || !strings.Contains(body, "/src/file1.go") {
		t.Errorf("show: %s\n%s", whole, body)
	}
	session := func(row string) []string { return strings.Fields(row)[:4] } // without size and time, which use changes
	if again := strings.Split(show(b, false, "ls"), "\n"); len(again) != 3 || !slices.Equal(session(again[1]), session(rows[1])) {
		t.Errorf("ls: %q, but %q before", again, rows)
	}
	if show(b, false, "diff", "gates") != diff || show(b, false, "show", "gates") != whole {
		t.Error("the other gate shows something else")
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if kept := show(a, true, "diff", "gates"); kept != diff {
		t.Errorf("with its gate ended the conversation is another one: %s", kept)
	}
}

// A talk is a conversation that is a tool call and its result longer with each turn.
type talk struct {
	turns    int
	messages strings.Builder
}

func (c *talk) turn() {
	c.turns++
	var result strings.Builder
	for i := range 12 {
		fmt.Fprintf(&result, `step %d of run %d read line %d of the file;\n`, i, c.turns, c.turns*37+i)
	}
	fmt.Fprintf(&c.messages, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"read","arguments":"{\"path\":\"/src/file%d.go\"}"}}]}`, c.turns, c.turns)
	fmt.Fprintf(&c.messages, `,{"role":"tool","tool_call_id":"call_%d","content":"%s"}`, c.turns, result.String())
}

func (c *talk) body() string {
	return `{"model":"m","messages":[{"role":"system","content":"You must never delete keep-me.txt."},{"role":"user","content":"Mend the test."}` + c.messages.String() + `]}`
}

// A recorder is an upstream that keeps the newest request. Its answer says nothing of usage, which gates would learn from.
type recorder struct {
	mu   sync.Mutex
	body string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.body = string(body)
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`)
}

// ask sends the conversation through a gate and returns what came out of it, and the number of its epoch, 0 for none.
func (r *recorder) ask(t *testing.T, g *rig.Gate, c *talk) (sent string, epoch int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/chat/completions", strings.NewReader(c.body()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer one"}, "X-Trapgate-Session": {"gates"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, g.Log())
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", resp.Status, answer, err)
	}
	if note := resp.Header.Get("x-trapgate-context"); note != "" {
		if _, err := fmt.Sscanf(note, "epoch=%d;", &epoch); err != nil {
			t.Errorf("x-trapgate-context: %s", note)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body, epoch
}
