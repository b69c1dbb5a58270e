package simmodel

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(100 * time.Microsecond)
	}
	return time.Since(start)
}

// On real sockets: whoever leaves, in whatever state, frees the slot or the place at once, and nothing more is generated.
func TestAbandonedRequestsFreeTheirSlot(t *testing.T) {
	const long = `,"max_tokens":100000`
	cases := []struct {
		name, state string
		o           Options
		body        string
		header      string
		read        int // bytes to read before leaving
	}{
		{"prefill, unary", "prefill", Options{Slots: 1, PrefillRate: 1}, userBody("hello there", ""), "", 0},
		{"prefill, stream", "prefill", Options{Slots: 1, PrefillRate: 1}, userBody("hello there", `,"stream":true`), "", 0},
		{"decode, unary", "decode", Options{Slots: 1, DecodeRate: 20}, userBody("[[sim: tokens 9000]]", long), "", 0},
		{"decode, stream", "decode", Options{Slots: 1, DecodeRate: 200}, userBody("[[sim: tokens 9000]]", long+`,"stream":true`), "", 1000},
		{"hanging before headers", "fault", Options{Slots: 1}, userBody("x", ""), "hang_headers", 0},
		{"hanging in the stream", "decode", Options{Slots: 1}, userBody("x", `,"stream":true`), "hang=2", 200},
		{"close-delimited stream", "decode", Options{Slots: 1, DecodeRate: 100}, userBody("[[sim: tokens 9000]]", long+`,"stream":true`), "close_delimited", 500},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var state atomic.Value
			c.o.OnAbandon = func(s string, _ time.Time) { state.Store(s) }
			m := newModel(t, c.o)
			url := serve(t, m)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(c.body))
			if c.header != "" {
				req.Header.Set("x-sim-fault", c.header)
			}
			done := make(chan struct{})
			read := make(chan struct{})
			go func() {
				defer close(done)
				resp, err := newClient(t).Do(req)
				if err != nil {
					return
				}
				defer resp.Body.Close()
				io.ReadFull(resp.Body, make([]byte, c.read))
				close(read)
				io.Copy(io.Discard, resp.Body)
			}()
			if c.read > 0 {
				<-read
			} else {
				eventually(t, "in flight", func() bool { return m.Stats().InFlight == 1 && (m.Stats().Running == 1 || c.state == "fault") })
				time.Sleep(5 * time.Millisecond)
			}
			cancel()
			took := eventually(t, "freed", func() bool { s := m.Stats(); return s.Running == 0 && s.InFlight == 0 })
			<-done
			s := m.Stats()
			if s.Abandoned != 1 || s.TokensAfterAbandoning != 0 || s.Completed != 0 {
				t.Errorf("%+v", s)
			}
			if took > time.Second || time.Duration(s.FreedAfterMax) > time.Second {
				t.Errorf("freed after %v (model: %v)", took, time.Duration(s.FreedAfterMax))
			}
			eventually(t, "told", func() bool { return state.Load() != nil })
			if state.Load() != c.state {
				t.Errorf("state %v, want %s", state.Load(), c.state)
			}
		})
	}
}

// Leaving the queue frees the place; the one behind moves up.
func TestAbandonedInTheQueue(t *testing.T) {
	m := newModel(t, Options{Slots: 1, DecodeRate: 50})
	url := serve(t, m)
	client := newClient(t)
	post := func(ctx context.Context, text string) chan int {
		out := make(chan int, 1)
		req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(userBody(text, "")))
		go func() {
			resp, err := client.Do(req)
			if err != nil {
				out <- 0
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			out <- resp.StatusCode
		}()
		return out
	}
	hold, stopHold := context.WithCancel(context.Background())
	defer stopHold()
	a := post(hold, "[[sim: tokens 5000]]")
	eventually(t, "running", func() bool { return m.Stats().Running == 1 })
	gone, leave := context.WithCancel(context.Background())
	b := post(gone, "[[sim: tokens 5000]] b")
	eventually(t, "one queued", func() bool { return m.Stats().Queued == 1 })
	c := post(context.Background(), "[[sim: say short]]")
	eventually(t, "two queued", func() bool { return m.Stats().Queued == 2 })
	leave()
	eventually(t, "left the queue", func() bool { return m.Stats().Queued == 1 })
	<-b
	stopHold()
	<-a
	if got := <-c; got != 200 {
		t.Errorf("the one behind got %d", got)
	}
	eventually(t, "all out", func() bool { return m.Stats().InFlight == 0 })
	if s := m.Stats(); s.Abandoned != 2 || s.AbandonedQueued != 1 || s.Completed != 1 || s.TokensAfterAbandoning != 0 {
		t.Errorf("%+v", s)
	}
}
