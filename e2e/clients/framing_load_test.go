//go:build e2e && unix

package clients

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/record"
)

// TestManyAtOnce: agents that speak at the same time, in all dialects, unary and streaming, get their own answers. Each
// answer repeats the nonce of its request in every event, so that one reused buffer would show.
func TestManyAtOnce(t *testing.T) {
	r := newRig(t)
	r.answer(func(c *net.TCPConn, req rawRequest) bool {
		nonce := req.Header.Get("X-Nonce")
		if !strings.Contains(string(req.body), nonce) {
			_, _ = io.WriteString(c, reply("HTTP/1.1 400 Bad Request\r\n", "body and head of different requests"))
			return true
		}
		if req.Header.Get("X-Unary") != "" {
			_, err := io.WriteString(c, reply(unaryHead+"X-Nonce: "+nonce+"\r\n", `{"nonce":"`+strings.Repeat(nonce, 400)+`"}`))
			return err == nil
		}
		_, _ = io.WriteString(c, strings.Replace(chunkedHead, "x-request-id", "X-Nonce: "+nonce+"\r\nx-request-id", 1))
		for i := range 40 {
			if _, err := io.WriteString(c, chunk(fmt.Sprintf("data: {\"n\":%d,\"nonce\":%q}\n\n", i, strings.Repeat(nonce, 1+i%7)))); err != nil {
				return false
			}
			if i%8 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		_, err := io.WriteString(c, lastChunk)
		return err == nil
	})
	const agents, rounds = 24, 6
	var wg sync.WaitGroup
	for a := range agents {
		c := r.dial(t)
		_ = c.SetDeadline(time.Now().Add(60 * time.Second))
		wg.Add(1)
		go func() {
			defer wg.Done()
			b := bufio.NewReader(c)
			for n := range rounds {
				if err := oneOfMany(c, b, fmt.Sprintf("<%02d-%02d>", a, n), a+n); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	if pairs := r.same(t); len(pairs) != agents*rounds {
		t.Errorf("%d exchanges, want %d", len(pairs), agents*rounds)
	}
}

func oneOfMany(c net.Conn, b *bufio.Reader, nonce string, n int) error {
	d := dialects()[n%3]
	fields := []string{"X-Nonce: " + nonce}
	if n%2 == 0 {
		fields = append(fields, "X-Unary: 1")
	}
	body := strings.Replace(d.body, `"hi"`, `"hi `+strings.Repeat(nonce, 1+n*37)+`"`, 1)
	if _, err := io.WriteString(c, post(d.target, body, fields...)); err != nil {
		return fmt.Errorf("%s: %w", nonce, err)
	}
	res, err := http.ReadResponse(b, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", nonce, err)
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", nonce, err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Nonce") != nonce {
		return fmt.Errorf("%s: %s for %q: %s", nonce, res.Status, res.Header.Get("X-Nonce"), tail(got, 300))
	}
	if strings.Count(string(got), "<") != strings.Count(string(got), nonce) {
		return fmt.Errorf("%s: another agent's bytes in the answer", nonce)
	}
	return nil
}

// TestSlowReader: an agent that reads slowly gets everything.
func TestSlowReader(t *testing.T) {
	r := newRig(t)
	d := dialects()[0]
	event := "data: {\"x\":\"" + strings.Repeat("y", 8000) + "\"}\n\n"
	const count = 2000
	r.answer(func(c *net.TCPConn, _ rawRequest) bool {
		_, _ = io.WriteString(c, chunkedHead)
		for range count {
			if _, err := io.WriteString(c, chunk(event)); err != nil {
				return false
			}
		}
		_, err := io.WriteString(c, lastChunk)
		return err == nil
	})
	c := r.send(t, post(d.target, d.body))
	res := readFinal(t, c)
	buf, total := make([]byte, 256<<10), 0
	for {
		n, err := res.Body.Read(buf)
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if total < 4<<20 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if want := count * len(event); total != want {
		t.Errorf("%d bytes, want %d", total, want)
	}
	_ = c.Close()
	r.same(t)
}

// TestSlowWriter: a request that comes in small pieces is one request.
func TestSlowWriter(t *testing.T) {
	r := newRig(t)
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			r.answer(events(d.events()...))
			c := r.dial(t)
			_ = c.SetNoDelay(true)
			if err := slowly(c, []byte(post(d.target, d.body, "Accept-Encoding: gzip", "X-Last: 1")), 5); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(readFinal(t, c).Body); err != nil {
				t.Error(err)
			}
			_ = c.Close()
			r.same(t)
		})
	}
}

// TestRetries: what Trapgate tries again goes upstream as the agent wrote it each time, and when it gives up the agent gets
// the last answer as it came.
func TestRetries(t *testing.T) {
	if directOnly() {
		t.Skip("SKIP: needs trapgate")
	}
	r := newRig(t)
	fails := func(n int, status string) answerFunc {
		var mu sync.Mutex
		seen := 0
		return func(c *net.TCPConn, _ rawRequest) bool {
			mu.Lock()
			seen++
			k := seen
			mu.Unlock()
			raw := reply(unaryHead, unaryBody)
			if k <= n {
				raw = reply("HTTP/1.1 "+status+"\r\nx-Attempt: "+fmt.Sprint(k)+"\r\nContent-Type: application/json\r\n", fmt.Sprintf(`{"error":{"message":"attempt %d"}}`, k))
			}
			_, err := io.WriteString(c, raw)
			return err == nil
		}
	}
	for _, tt := range []struct {
		name     string
		answer   answerFunc
		attempts int
	}{
		{"503 once", fails(1, "503 Service Unavailable"), 2},
		{"429 twice, at once again", fails(2, "429 Too Many Requests\r\nretry-after: 0"), 3},
		{"502 to the end", fails(9, "502 Bad Gateway"), 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.answer(tt.answer)
			if _, _, err := r.do(t, post("/v1/chat/completions", chatBody, "X-A: 1", "accept-encoding: gzip")); err != nil {
				t.Error(err)
			}
			before, behind := r.exchanges(t)
			if len(before) != 1 || len(behind) != tt.attempts {
				t.Fatalf("%d exchanges became %d attempts, want %d", len(before), len(behind), tt.attempts)
			}
			for i, x := range behind {
				y := before[0]
				if i < len(behind)-1 {
					y.Response = x.Response // only the request counts for the earlier attempts
					y.Response.Fields = append(append(record.Fields(nil), x.Response.Fields...),
						record.Field{Name: "Server-Timing", Value: "-"}, record.Field{Name: "x-trapgate-request-id", Value: "-"})
				}
				diffs, _ := record.Compare([]record.Exchange{y}, []record.Exchange{x}, r.rules)
				for _, d := range diffs {
					t.Errorf("attempt %d: %v", i+1, d)
				}
			}
		})
	}
}
