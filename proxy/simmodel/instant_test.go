package simmodel

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	s, err := StartInstant("127.0.0.1:0", InstantOptions{Tokens: 5, Stamp: true, Body: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := newClient(t)
	for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/messages"} {
		for _, stream := range []bool{false, true} {
			for _, chunked := range []bool{false, true} {
				var body io.Reader = strings.NewReader(fmt.Sprintf(`{"model":"m","stream":%v}`, stream))
				if chunked {
					body = io.MultiReader(body)
				}
				resp, err := client.Post(s.URL+path, "application/json", body)
				if err != nil {
					t.Fatal(err)
				}
				if !stream {
					b, _ := io.ReadAll(resp.Body)
					decode(t, b)
				} else if n := countRaw(events(t, resp.Body), "@"); n != 5 {
					t.Errorf("%s: %d stamped tokens", path, n)
				}
				resp.Body.Close()
			}
		}
	}
}

func TestInstantInterval(t *testing.T) {
	s, err := StartInstant("127.0.0.1:0", InstantOptions{Tokens: 4, Interval: 20 * time.Millisecond, Stamp: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	resp, err := newClient(t).Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	var late time.Duration
	n := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if _, rest, ok := strings.Cut(line, "@"); ok {
			ns, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			late = max(late, time.Since(time.Unix(0, ns)))
			n++
		}
	}
	if n != 4 || late > 15*time.Millisecond {
		t.Errorf("%d tokens, at most %v late", n, late)
	}
}

func BenchmarkInstantUnary(b *testing.B) {
	s, err := StartInstant("127.0.0.1:0", InstantOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		req := []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}")
		buf := make([]byte, 4096)
		for pb.Next() {
			c.Write(req)
			if _, err := c.Read(buf); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkModelUnary(b *testing.B) {
	m := newModel(b, Options{OutputTokens: 8})
	url := serve(b, m)
	client := newClient(b)
	body := userBody("hello", "")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkModelStreamToken(b *testing.B) {
	m := newModel(b, Options{})
	url := serve(b, m)
	resp, err := newClient(b).Post(url+"/v1/chat/completions", "application/json", strings.NewReader(userBody(fmt.Sprintf("[[sim: tokens %d]]", b.N), `,"stream":true`)))
	if err != nil {
		b.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// An agent's whole body, mostly cached.
func BenchmarkModelBigBody(b *testing.B) {
	m := newModel(b, Options{OutputTokens: 8})
	body := userBody(strings.Repeat("some words of a long history ", 15000), "")
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if w := call(m, http.MethodPost, "/v1/chat/completions", body); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
