package simmodel

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func userBody(text, more string) string {
	return fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":%s}]%s}`, quote(text), more)
}

func usageOf(t testing.TB, w *httptest.ResponseRecorder) (prompt, cached, output int) {
	t.Helper()
	u := at(t, decode(t, w.Body.Bytes()), "usage")
	if u == nil {
		t.Fatalf("no usage in %s", w.Body)
	}
	return int(at(t, u, "prompt_tokens").(float64)), int(at(t, u, "prompt_tokens_details", "cached_tokens").(float64)), int(at(t, u, "completion_tokens").(float64))
}

// The time of a request is the formula's, exactly, under a virtual clock: overhead, prefill of what is not cached, decode.
func TestTimeIsTheFormula(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New(Options{PrefillRate: 1000, DecodeRate: 50, Overhead: Duration(30 * time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		text := strings.Repeat("abc ", 4000)
		for round, wantCached := range []bool{false, true} {
			start := time.Now()
			w := call(m, "POST", "/v1/chat/completions", userBody(text, `,"max_tokens":11`))
			got := time.Since(start)
			n, c, out := usageOf(t, w)
			if (c > 0) != wantCached || out != 11 || n < 4000 || c > n {
				t.Fatalf("round %d: usage %d %d %d", round, n, c, out)
			}
			want := 30*time.Millisecond + time.Duration(n-c)*time.Millisecond + 10*20*time.Millisecond
			if d := got - want; d < -time.Microsecond || d > time.Microsecond {
				t.Errorf("round %d: took %v, formula %v", round, got, want)
			}
		}
		if s := m.Stats(); s.PrefillTokens != s.PromptTokens-s.CachedTokens {
			t.Errorf("prefill %d, prompt %d, cached %d", s.PrefillTokens, s.PromptTokens, s.CachedTokens)
		}
	})
}

// Stream events leave at their own moments: nothing before the first token, then one at each interval.
func TestStreamTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{PrefillRate: 1000, DecodeRate: 10})
		defer m.Close()
		start := time.Now()
		var at []time.Duration
		w := &watchWriter{ResponseRecorder: httptest.NewRecorder(), flushed: func() { at = append(at, time.Since(start)) }}
		m.ServeHTTP(w, request0("POST", "/v1/chat/completions", userBody("hi", `,"stream":true,"max_tokens":4`)))
		if len(at) != 5 || at[0] != 5*time.Millisecond || at[1] != 105*time.Millisecond || at[3] != 305*time.Millisecond {
			t.Errorf("flushes at %v", at)
		}
	})
}

type watchWriter struct {
	*httptest.ResponseRecorder
	flushed func()
}

func (w *watchWriter) Flush() { w.flushed(); w.ResponseRecorder.Flush() }

// TimeScale k: the same work in a k-th of the time.
func TestTimeScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(k float64) time.Duration {
			m, _ := New(Options{PrefillRate: 100, DecodeRate: 10, Overhead: Duration(time.Second), TimeScale: k})
			defer m.Close()
			start := time.Now()
			call(m, "POST", "/v1/chat/completions", userBody("hello", `,"max_tokens":20`))
			return time.Since(start)
		}
		if a, b := took(1), took(20); (a - 20*b).Abs() > 20*time.Microsecond {
			t.Errorf("%v against 20 x %v", a, b)
		}
	})
}

func TestBatchSlowdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{DecodeRate: 10, BatchSlowdown: 0.5, Slots: 2})
		defer m.Close()
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				call(m, "POST", "/v1/chat/completions", userBody(fmt.Sprint(i), `,"stream":true,"max_tokens":11`))
			})
		}
		wg.Wait()
		if got := time.Since(start); got != 1500*time.Millisecond {
			t.Errorf("two at once took %v, want 1.5 s", got)
		}
	})
}

// Slots are handed out in arrival order; who waits hears nothing.
func TestSlotsAreFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{DecodeRate: 10, Slots: 1})
		defer m.Close()
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				call(m, "POST", "/v1/chat/completions", userBody(fmt.Sprint(i), `,"max_tokens":11`))
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if s := m.Stats(); s.Running != 1 || s.Queued != 4 || s.InFlight != 5 {
			t.Errorf("%+v", s)
		}
		wg.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4]" {
			t.Error(order)
		}
		if s := m.Stats(); s.MaxQueued != 4 || s.SlotSeconds < 4.99 || s.SlotSeconds > 5.01 {
			t.Errorf("%+v", s)
		}
	})
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{DecodeRate: 10, Slots: 1, MaxQueue: 1})
		defer m.Close()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { call(m, "POST", "/v1/chat/completions", userBody(fmt.Sprint(i), "")) })
		}
		synctest.Wait()
		if w := call(m, "POST", "/v1/chat/completions", userBody("x", "")); w.Code != 503 {
			t.Error(w.Code)
		}
		if w := call(m, "POST", "/v1/messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`); w.Code != 529 {
			t.Error(w.Code)
		}
		wg.Wait()
	})
}

// A conversation that grows hits all of what came before; a changed first word loses it all.
func TestCacheFollowsTheConversation(t *testing.T) {
	m := newModel(t, Options{})
	first := `{"role":"user","content":` + string(quote(strings.Repeat("some words ", 400)+"[[sim: say a long answer that is kept; say b]]")) + `}`
	w := call(m, "POST", "/v1/chat/completions", `{"model":"m","messages":[`+first+`]}`)
	n1, c1, out1 := usageOf(t, w)
	if c1 != 0 {
		t.Fatal("a hit in an empty cache")
	}
	answer := at(t, decode(t, w.Body.Bytes()), "choices", 0, "message", "content").(string)
	next := `{"model":"m","messages":[` + first + `,{"role":"assistant","content":` + string(quote(answer)) + `},{"role":"user","content":"on"}]}`
	_, c2, _ := usageOf(t, call(m, "POST", "/v1/chat/completions", next))
	if c2 < n1+out1-16 || c2%16 != 0 {
		t.Errorf("cached %d of %d + %d", c2, n1, out1)
	}
	_, c3, _ := usageOf(t, call(m, "POST", "/v1/chat/completions", strings.Replace(next, "some words", "Some words", 1)))
	if c3 != 0 {
		t.Errorf("cached %d after the first word changed", c3)
	}
	_, c4, _ := usageOf(t, call(m, "POST", "/v1/chat/completions", strings.Replace(next, `"model":"m"`, `"model":"other"`, 1)))
	if c4 != 0 {
		t.Errorf("another model's cache was hit: %d", c4)
	}
}

// With room for one conversation only, two that alternate never hit, and one alone always does.
func TestCacheIsBounded(t *testing.T) {
	m := newModel(t, Options{Cache: CacheOptions{Tokens: 1100}})
	body := func(i int) string { return userBody(fmt.Sprint(i)+strings.Repeat(" word", 800), "") }
	hits := func(order ...int) (sum int) {
		for _, i := range order {
			_, c, _ := usageOf(t, call(m, "POST", "/v1/chat/completions", body(i)))
			sum += c
		}
		return sum
	}
	if got := hits(1, 2, 1, 2, 1, 2); got > 6*160 {
		t.Errorf("interleaved: %d tokens hit", got)
	}
	if got := hits(3, 3, 3); got < 2*980 {
		t.Errorf("grouped: %d tokens hit", got)
	}
	if s := m.Stats(); s.CacheHeld > 1100 {
		t.Errorf("holds %d", s.CacheHeld)
	}
}

func TestCacheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{Cache: CacheOptions{TTL: Duration(time.Minute)}})
		defer m.Close()
		ask := func() int {
			_, c, _ := usageOf(t, call(m, "POST", "/v1/chat/completions", userBody(strings.Repeat("w ", 500), "")))
			return c
		}
		ask()
		time.Sleep(50 * time.Second)
		if ask() == 0 {
			t.Error("lost before its time")
		}
		time.Sleep(61 * time.Second)
		if ask() != 0 {
			t.Error("kept after its time")
		}
	})
}

// Whatever is asked: the cache never reports more than the common prefix with what was seen, nor holds more than its bound.
func TestCacheProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newPrefixCache(CacheOptions{Tokens: rapid.IntRange(4, 64).Draw(t, "cap") * 4, Block: 4})
		var seen [][]byte
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			text := []byte(rapid.StringMatching(`[ab]{0,200}`).Draw(t, "text"))
			if len(seen) > 0 && rapid.Bool().Draw(t, "extend") {
				text = append(append([]byte(nil), seen[len(seen)-1]...), text...)
			}
			chain := c.chain(text, 7, nil)
			n := c.lookup(chain, time.Time{})
			best := 0
			for _, s := range seen {
				k := 0
				for k < len(s) && k < len(text) && s[k] == text[k] {
					k++
				}
				best = max(best, k/16)
			}
			if n > best {
				t.Fatalf("%d blocks hit, common prefix has %d", n, best)
			}
			c.insert(chain, n, len(chain), time.Time{})
			if len(c.blocks) > c.cap {
				t.Fatalf("%d blocks held of %d", len(c.blocks), c.cap)
			}
			seen = append(seen, text)
		}
	})
}

// A waiter that is cancelled gives its place up at once, also in the moment in which it gets a slot.
func TestAcquireCancelRace(t *testing.T) {
	e := &engine{clock: wallClock{}, slots: 1, stats: &counters{}}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%7)*100*time.Microsecond)
			defer cancel()
			if e.acquire(ctx) == nil {
				time.Sleep(50 * time.Microsecond)
				e.release()
			}
		})
	}
	wg.Wait()
	if busy, queued, _ := e.load(); busy != 0 || queued != 0 {
		t.Errorf("left: %d busy, %d queued", busy, queued)
	}
}

// LateOverflow refuses at the request's turn, as an engine does that counts tokens late; else it is refused at once.
func TestLateOverflow(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m, _ := New(Options{DecodeRate: 10, Slots: 1, ContextWindow: 200, LateOverflow: late})
			defer m.Close()
			var wg sync.WaitGroup
			wg.Go(func() { call(m, "POST", "/v1/chat/completions", userBody("x", `,"max_tokens":11`)) })
			synctest.Wait()
			start := time.Now()
			w := call(m, "POST", "/v1/chat/completions", userBody(strings.Repeat("long ", 300), `,"stream":true`))
			want := map[bool]time.Duration{true: time.Second}[late]
			if w.Code != 400 || time.Since(start) != want {
				t.Errorf("late %v: %d after %v", late, w.Code, time.Since(start))
			}
			wg.Wait()
		})
	}
}

// EarlyHeaders: the header leaves when the slot is taken, the first event with the first token.
func TestEarlyHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{PrefillRate: 10, EarlyHeaders: true})
		defer m.Close()
		start := time.Now()
		var flushes []time.Duration
		w := &watchWriter{ResponseRecorder: httptest.NewRecorder(), flushed: func() { flushes = append(flushes, time.Since(start)) }}
		m.ServeHTTP(w, request0("POST", "/v1/messages", `{"model":"m","max_tokens":3,"stream":true,"messages":[{"role":"user","content":"hi"}]}`))
		if len(flushes) < 2 || flushes[0] != 0 || flushes[1] != 500*time.Millisecond {
			t.Error(flushes)
		}
	})
}
