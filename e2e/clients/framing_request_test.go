//go:build e2e && unix

package clients

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

const (
	unaryHead = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\nx-request-id: req_1\r\n"
	chatBody  = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
)

func reply(head, body string) string {
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

var unaryBody = `{"id":"c1", "object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`

// TestRequests: what agents send reaches the upstream as they spelled it.
func TestRequests(t *testing.T) {
	r := newRig(t)
	big := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 6<<20) + `"}]}`
	tests := []struct{ name, raw string }{
		{"plain", post("/v1/chat/completions", chatBody)},
		{"names in any case", "POST /v1/chat/completions HTTP/1.1\r\nx-B: 1\r\nHOST: localhost\r\ncontent-length: 57\r\nX-a: 2\r\nCONTENT-type: application/json\r\n\r\n" + chatBody},
		{"names twice", post("/v1/chat/completions", chatBody, "anthropic-beta: a", "X: 1", "anthropic-beta: b")},
		{"empty value", post("/v1/chat/completions", chatBody, "X-Empty:", "X-After: 1")},
		{"white space around values", post("/v1/chat/completions", chatBody, "X-Tab:\tv \t", "X-None:v", "X-Inner: a  b")},
		{"bytes above ASCII", post("/v1/chat/completions", chatBody, "X-Name: Grüße \xe4")},
		{"no User-Agent, no Accept, no type", "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 57\r\n\r\n" + chatBody},
		{"encodings", post("/v1/chat/completions", chatBody, "accept-encoding: gzip, deflate, br, zstd", "Accept: */*")},
		{"encoding in the middle", "POST /v1/chat/completions HTTP/1.1\r\nAccept-Encoding: br\r\nHost: localhost\r\nContent-Length: 57\r\nX-Last: 1\r\n\r\n" + chatBody},
		{"hop by hop", post("/v1/chat/completions", chatBody, "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers", "X-Kept: 1")},
		{"ours", post("/v1/chat/completions", chatBody, "X-Trapgate-User: u", "x-trapgate-session: s", "x-trapgate-unknown: 1", "x-trap: 1")},
		{"trace", post("/v1/chat/completions", chatBody, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "baggage: c=d")},
		{"credential", post("/v1/chat/completions", chatBody, "authorization: Bearer sk-1", "OpenAI-Organization: o", "x-api-key: k", "Cookie: a=b")},
		{"forwarding headers of its own", post("/v1/chat/completions", chatBody, "X-Forwarded-For: 10.0.0.1", "Via: 1.1 x", "Forwarded: for=1")},
		{"query", post("/v1/chat/completions?a=b%20c&d&e=ü", chatBody)},
		{"no prefix", post("/chat/completions", chatBody)},
		{"another prefix", post("/api/v1/chat/completions", chatBody)},
		{"azure", post("/openai/deployments/gpt%204/chat/completions?api-version=2025-01-01", chatBody, "api-key: k")},
		{"body with white space", post("/v1/chat/completions", " {\n\t\"messages\" : [ {\"content\":\"\\u0041\\/\",\"role\":\"user\"} ] , \"model\":\"m\" }\r\n ")},
		{"unknown fields", post("/v1/chat/completions", `{"zz":{"a":[1.0,1e400,-0]},"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi","vendor":null}],"sender":"x"}],"tool_choice":null}`)},
		{"keys twice inside metadata", post("/v1/chat/completions", `{"model":"m","metadata":{"a":"1","a":"2"},"messages":[{"role":"user","content":"hi"}]}`)},
		{"surrogates and controls", post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"\ud83d\ude00 \u0000 \ud800"}]}`)},
		{"6 MiB", post("/v1/chat/completions", big)},
		{"chunked", "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n" + chunk(chatBody[:9]) + chunk(chatBody[9:]) + lastChunk},
		{"expect", post("/v1/chat/completions", chatBody, "Expect: 100-continue")},
		{"responses", post("/v1/responses", `{"model":"m","input":[{"type":"additional_tools","tools":[]},{"role":"user","content":"hi"}],"store":false}`)},
		{"messages", post("/v1/messages?beta=true", `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}`, "anthropic-version: 2023-06-01", "x-api-key: k")},
		{"count tokens", post("/v1/messages/count_tokens?beta=true", `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)},
		{"completions", post("/v1/completions", `{"model":"m","prompt":"hi"}`)},
		{"embeddings", post("/v1/embeddings", `{"model":"m","input":"hi","encoding_format":"base64"}`)},
		{"multipart", "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 64\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n\x00\xff\r\n--x--\r\n\r\n\r\n"},
		{"not JSON, elsewhere", post("/v1/anything", "{not json")},
		{"get", "GET /v1/responses/resp_1?include[]=a HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"input items", "GET /v1/responses/resp_1/input_items?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"cancel", "POST /v1/responses/resp_1/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"},
		{"delete", "DELETE /v1/responses/resp_1 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"delete with a body", "DELETE /v1/vector_stores/v/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"},
		{"patch", "PATCH /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"},
		{"put", "PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"},
		{"options", "OPTIONS /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"head", "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"escaped path", "GET /v1/files/a%2Fb%20c/content HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"doubled slash", "GET /v1//files/./x HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.answer(func(c *net.TCPConn, req rawRequest) bool {
				raw := reply(unaryHead, unaryBody)
				if req.Method == http.MethodHead {
					raw = strings.TrimSuffix(raw, unaryBody)
				}
				_, err := io.WriteString(c, raw)
				return err == nil
			})
			res, got, err := r.do(t, tt.raw)
			if err != nil {
				t.Error(err)
			}
			if res.StatusCode != http.StatusOK {
				t.Errorf("status %d: %s", res.StatusCode, tail(got, 400))
			}
			r.same(t)
		})
	}
}

// TestBasePath: an upstream whose base URL ends with the version, as the SDKs take it, gets the same paths.
func TestBasePath(t *testing.T) {
	r := newRigAt(t, "/v1")
	for _, raw := range []string{
		post("/v1/chat/completions?a=b", chatBody), post("/v1/messages?beta=true", `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}`),
		post("/v1/responses", `{"model":"m","input":"hi"}`), "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /v1/models/org%2Fname HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		line, _, _ := strings.Cut(raw, " HTTP")
		t.Run(line, func(t *testing.T) {
			r.answer(whole(reply(unaryHead, unaryBody)))
			if _, _, err := r.do(t, raw); err != nil {
				t.Error(err)
			}
			r.same(t)
		})
	}
}

// TestResponses: what the upstream answers reaches the agent as it spelled it.
func TestResponses(t *testing.T) {
	r := newRig(t)
	binary := make([]byte, 1<<20)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	tests := []struct{ name, raw, answer string }{
		{"plain", "", reply(unaryHead, unaryBody)},
		{"names in any case and order", "", "HTTP/1.1 200 OK\r\nx-B: 1\r\nSERVER: up\r\ncontent-TYPE: application/json\r\nContent-length: 2\r\nX-A: 2\r\nx-b: 3\r\n\r\n{}"},
		{"no Date, no Server, no type", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
		{"cookies", "", "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX: 1\r\nSet-Cookie: b=2; HttpOnly\r\nset-cookie: c=\"3\"\r\nContent-Length: 2\r\n\r\n{}"},
		{"server timing of its own", "", "HTTP/1.1 200 OK\r\nserver-timing: up;dur=3\r\nContent-Length: 2\r\n\r\n{}"},
		{"limits", "", "HTTP/1.1 200 OK\r\nx-ratelimit-remaining-requests: 1\r\nRetry-After: 3\r\nanthropic-ratelimit-tokens-remaining: 5\r\nopenai-processing-ms: 4\r\nAlt-Svc: h3=\":443\"\r\nContent-Length: 2\r\n\r\n{}"},
		{"hop by hop", "", "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\n{}"},
		{"empty and odd values", "", "HTTP/1.1 200 OK\r\nX-Empty:\r\nX-Latin: \xe4\r\nX-None:v\r\nContent-Length: 2\r\n\r\n{}"},
		{"reason of its own", "", "HTTP/1.1 200 Fine by me\r\nContent-Length: 2\r\n\r\n{}"},
		{"no reason", "", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}"},
		{"unknown status", "", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\n{}"},
		{"empty body", "", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"no content", "", "HTTP/1.1 204 No Content\r\nx-request-id: r\r\n\r\n"},
		{"not modified", "GET /v1/files/f HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"},
		{"redirect is not followed", "", "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"},
		{"head", "HEAD /v1/files/f HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 123\r\nX: 1\r\n\r\n"},
		{"chunked", "", unaryHead + "Transfer-Encoding: chunked\r\n\r\n" + chunk(unaryBody[:5]) + chunk(unaryBody[5:]) + lastChunk},
		{"binary", "GET /v1/files/f/content HTTP/1.1\r\nHost: localhost\r\n\r\n", reply("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n", string(binary))},
		{"compressed although nobody asked", "", reply("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00")},
		{"not JSON", "", reply("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "<html>busy</html>")},
	}
	for _, status := range []string{"400 Bad Request", "401 Unauthorized", "402 Payment Required", "403 Forbidden", "404 Not Found", "409 Conflict", "413 Too Large", "422 Unprocessable", "500 Internal Server Error", "501 Not Implemented", "529 Overloaded"} {
		tests = append(tests, struct{ name, raw, answer string }{
			status, "", reply("HTTP/1.1 "+status+"\r\nContent-Type: application/json\r\nx-request-id: r\r\nx-should-retry: false\r\n",
				`{"error":{"message":"m","type":"t","param":null,"code":"c", "x":1}}`),
		})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := tt.raw
			if raw == "" {
				raw = post("/v1/chat/completions", chatBody)
			}
			r.answer(whole(tt.answer))
			if _, _, err := r.do(t, raw); err != nil {
				t.Error(err)
			}
			r.same(t)
		})
	}
}

// TestLongRetryAfter: a wait that is longer than Trapgate may wait is the agent's business, at once and as it came.
func TestLongRetryAfter(t *testing.T) {
	r := newRig(t)
	r.answer(whole(reply("HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\nx-ratelimit-reset-requests: 60s\r\n", `{"error":{"code":"rate_limit_exceeded"}}`)))
	res, _, err := r.do(t, post("/v1/chat/completions", chatBody))
	if err != nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%v, %v", res.Status, err)
	}
	r.same(t)
}

// TestConnections: requests one after another, and two sent at once, on one agent connection.
func TestConnections(t *testing.T) {
	r := newRig(t)
	n := 0
	r.answer(func(c *net.TCPConn, req rawRequest) bool {
		n++
		_, err := io.WriteString(c, reply(unaryHead, fmt.Sprintf(`{"n":%d,"got":%d}`, n, len(req.body))))
		return err == nil
	})
	one := post("/v1/chat/completions", chatBody)
	two := post("/v1/responses", `{"model":"m","input":"hi"}`)
	c := r.dial(t)
	b := bufio.NewReader(c)
	for _, raw := range []string{one, two, one} {
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readResponse(t, b, raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(c, one+two); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`{"n":4,"got":57}`, `{"n":5,"got":26}`} {
		_, body, err := readResponse(t, b, one)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body, []byte(want)) {
			t.Errorf("answer %d of two sent at once: %s, want %s", i+1, body, want)
		}
	}
	_ = c.Close()
	if pairs := r.same(t); len(pairs) != 5 {
		t.Errorf("%d exchanges, want 5", len(pairs))
	}
}

// TestUpgrade: a refusal passes at once, and an accepted upgrade is a tunnel.
func TestUpgrade(t *testing.T) {
	r := newRig(t)
	raw := "GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nX-First: 1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	t.Run("refused", func(t *testing.T) {
		r.answer(whole(reply("HTTP/1.1 426 Upgrade Required\r\nx: 1\r\n", "no")))
		if res, _, err := r.do(t, raw); err != nil || res.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("%v, %v", res.Status, err)
		}
		r.same(t)
	})
	t.Run("accepted", func(t *testing.T) {
		r.answer(func(c *net.TCPConn, req rawRequest) bool {
			if req.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(req.Header.Get("Connection"), "upgrade") {
				_, _ = io.WriteString(c, reply("HTTP/1.1 400 Bad Request\r\n", "the upgrade is lost"))
				return false
			}
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello")
			buf := make([]byte, 4)
			if _, err := io.ReadFull(c, buf); err == nil {
				_, _ = c.Write(append([]byte("echo "), buf...))
			}
			return false
		})
		c := r.send(t, raw)
		b := bufio.NewReader(c)
		res, err := http.ReadResponse(b, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v, %v", res, err)
		}
		if res.Header.Get("Sec-Websocket-Accept") == "" || res.Header.Get("Upgrade") != "websocket" {
			t.Errorf("fields of the upgrade are lost: %v", res.Header)
		}
		_, _ = io.WriteString(c, "ping")
		if all, err := io.ReadAll(b); string(all) != "helloecho ping" || err != nil {
			t.Errorf("through the tunnel: %q, %v", all, err)
		}
	})
}
