package simmodel

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseFaults(t *testing.T) {
	for _, s := range []string{"", "cut", "cut=0, crlf", "status=503x2", "drop", "drop=x3", "stall=20ms", "429=7", "pieces=1"} {
		if _, err := parseFaults(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"boom", "cut=x", "cut=-1", "status", "status=99", "status=503x0", "crlf=1", "stall", "stall=-1s", "drop=2"} {
		if _, err := parseFaults(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

// raw sends a request on a connection of its own and returns what came, to the last byte, and how it ended.
func raw(t *testing.T, url, body, faults string) ([]byte, error) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	req, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(body))
	req.Header.Set("x-sim-fault", faults)
	req.Header.Set("Connection", "close")
	if err := req.Write(c); err != nil {
		t.Fatal(err)
	}
	return io.ReadAll(c)
}

func TestStreamFaultsOnTheWire(t *testing.T) {
	m := newModel(t, Options{})
	url := serve(t, m)
	body := userBody("[[sim: say one two three four]]", `,"stream":true`)
	cases := []struct {
		faults string
		check  func(b []byte, err error) bool
	}{
		{"cut=2", func(b []byte, err error) bool {
			return err == nil && bytes.Count(b, []byte("data: {")) == 2 && !bytes.HasSuffix(b, []byte("0\r\n\r\n"))
		}},
		{"reset=2", func(_ []byte, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"end=2", func(b []byte, err error) bool {
			return err == nil && bytes.Count(b, []byte("data: {")) == 2 && bytes.HasSuffix(b, []byte("0\r\n\r\n")) && !bytes.Contains(b, []byte("[DONE]"))
		}},
		{"drop", func(b []byte, err error) bool { return err == nil && len(b) == 0 }},
		{"error_event=2", func(b []byte, err error) bool {
			return bytes.Contains(b, []byte(`data: {"error":`)) && !bytes.Contains(b, []byte("[DONE]"))
		}},
		{"malformed", func(b []byte, err error) bool {
			for e := range bytes.SplitSeq(b, []byte("\n")) {
				if d, ok := bytes.CutPrefix(e, []byte("data: ")); ok && string(d) != "[DONE]" && !json.Valid(d) {
					return true
				}
			}
			return false
		}},
		{"info=103", func(b []byte, err error) bool {
			return bytes.HasPrefix(b, []byte("HTTP/1.1 103 ")) && bytes.Contains(b, []byte("HTTP/1.1 200 OK"))
		}},
		{"close_delimited", func(b []byte, err error) bool {
			return err == nil && !bytes.Contains(b, []byte("chunked")) && bytes.HasSuffix(b, []byte("data: [DONE]\n\n"))
		}},
		{"close_delimited, cut=2", func(b []byte, err error) bool { return bytes.Count(b, []byte("data: {")) == 2 }},
		{"comments", func(b []byte, err error) bool { return bytes.Count(b, []byte(": ping\n\n")) == 8 }},
		{"crlf", func(b []byte, err error) bool { return bytes.Contains(b, []byte("data: [DONE]\r\n\r\n")) }},
		{"cr", func(b []byte, err error) bool { return bytes.Contains(b, []byte("data: [DONE]\r\r")) }},
		{"nospace", func(b []byte, err error) bool { return bytes.Contains(b, []byte("data:[DONE]\n\n")) }},
		{"multi_data", func(b []byte, err error) bool { return bytes.Contains(b, []byte(",\ndata: \"object\"")) }},
		{"no_done", func(b []byte, err error) bool {
			return !bytes.Contains(b, []byte("[DONE]")) && bytes.HasSuffix(b, []byte("0\r\n\r\n"))
		}},
		{"pieces=5", func(b []byte, err error) bool { return bytes.Contains(b, []byte("\r\n5\r\ndata:\r\n")) }},
		{"bom", func(b []byte, err error) bool { return bytes.Contains(b, []byte("\xef\xbb\xbfdata: {")) }},
		{"huge=300000", func(b []byte, err error) bool { return len(b) > 300000 && bytes.Contains(b, []byte("[DONE]")) }},
		{"huge_comment=300000", func(b []byte, err error) bool { return bytes.Contains(b, bytes.Repeat([]byte("x"), 300000)) }},
		{"unknown_event", func(b []byte, err error) bool { return bytes.Contains(b, []byte("event: sim.unknown")) }},
		{"bad_type", func(b []byte, err error) bool { return bytes.Contains(b, []byte("Content-Type: text/plain")) }},
		{"one_write", func(b []byte, err error) bool {
			return bytes.Count(b, []byte("\r\n\r\n")) <= 3 && bytes.Contains(b, []byte("[DONE]"))
		}},
	}
	for _, c := range cases {
		t.Run(c.faults, func(t *testing.T) {
			b, err := raw(t, url, body, c.faults)
			if !c.check(b, err) {
				t.Errorf("%v\n%.2000q", err, b)
			}
		})
	}
	eventually(t, "all out", func() bool { return m.Stats().InFlight == 0 && m.Stats().Running == 0 })
	if m.Stats().Faults != int64(len(cases)) {
		t.Errorf("%d faults counted, %d made", m.Stats().Faults, len(cases))
	}
}

func TestBentChatEvents(t *testing.T) {
	m := newModel(t, Options{})
	ask := func(faults, more string) []event {
		body := `{"model":"m","stream":true,` + chatTools + `,"messages":[{"role":"user","content":"[[sim: say hi & shell ls]]"}]` + more + `}`
		return events(t, call(m, "POST", "/v1/chat/completions", body, "x-sim-fault", faults).Body)
	}
	count := countRaw
	if n := count(ask("no_finish_key", ""), `"finish_reason":null`); n != 0 {
		t.Error("no_finish_key:", n)
	}
	if n := count(ask("finish_twice", ""), `"finish_reason":"tool_calls"`); n != 2 {
		t.Error("finish_twice:", n)
	}
	if list := ask("usage_unasked", ""); count(list, `"choices":[],"usage":{`) != 1 {
		t.Error("usage_unasked")
	}
	if list := ask("usage_on_last", `,"stream_options":{"include_usage":true}`); count(list, `"choices":[],`) != 0 || count(list, `"usage":{`) != 1 {
		t.Error("usage_on_last")
	}
	if list := ask("empty_first", ""); !strings.Contains(list[0].raw, `"choices":[]`) {
		t.Error("empty_first")
	}
	if n := count(ask("no_index", ""), `"tool_calls":[{"index"`); n != 0 {
		t.Error("no_index:", n)
	}
	if list := ask("new_ids", ""); list[0].data["id"] == list[1].data["id"] {
		t.Error("new_ids")
	}
	if n := count(ask("no_role", ""), `"role"`); n != 0 {
		t.Error("no_role:", n)
	}
	if list := ask("whole_calls", ""); count(list, `"arguments"`) != 1 || count(list, `{\"command\":\"ls\"}`) != 1 {
		t.Error("whole_calls")
	}
	if n := count(ask("extra_fields", ""), `12345678901234567890`); n == 0 {
		t.Error("extra_fields")
	}
}

func TestGzipMembers(t *testing.T) {
	m := newModel(t, Options{})
	w := call(m, "POST", "/v1/chat/completions", userBody("[[sim: say one two]]", `,"stream":true`), "x-sim-fault", "gzip_members")
	members := 0
	r := bufio.NewReader(w.Body)
	var all bytes.Buffer
	for {
		z, err := gzip.NewReader(r)
		if err != nil {
			break
		}
		z.Multistream(false)
		io.Copy(&all, z)
		members++
	}
	if members < 2 || !strings.Contains(all.String(), "[DONE]") || header(w, "Content-Encoding") != "gzip" {
		t.Error(members, all.String())
	}
}

func TestFaultsBeforeTheAnswer(t *testing.T) {
	m := newModel(t, Options{})
	for i, want := range []int{503, 503, 200, 200} {
		if w := call(m, "POST", "/v1/chat/completions", userBody("same body", ""), "x-sim-fault", "status=503x2"); w.Code != want {
			t.Errorf("try %d: %d", i, w.Code)
		}
	}
	w := call(m, "POST", "/v1/messages", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, "x-sim-fault", "429=7")
	if w.Code != 429 || header(w, "Retry-After") != "7" || !strings.Contains(w.Body.String(), "rate_limit_error") {
		t.Error(w.Code, w.Header(), w.Body)
	}
	if w := call(m, "POST", "/v1/chat/completions", userBody("x", ""), "x-sim-fault", "malformed"); json.Valid(w.Body.Bytes()) || w.Code != 200 {
		t.Error(w.Body)
	}
	if w := call(m, "POST", "/v1/chat/completions", userBody("x", ""), "x-sim-fault", "nonsense"); w.Code != 400 {
		t.Error(w.Code)
	}
	if w := call(m, "POST", "/v1/chat/completions", userBody("x [[sim: fault status=418]]", "")); w.Code != 418 {
		t.Error(w.Code)
	}
	first := newModel(t, Options{Faults: []FaultRule{{Fault: "status=500", First: 2, Dialect: "chat"}}})
	var got []int
	for range 3 {
		got = append(got, call(first, "POST", "/v1/chat/completions", userBody("x", "")).Code)
	}
	if got[0] != 500 || got[1] != 500 || got[2] != 200 {
		t.Error(got)
	}
}

func TestUnaryCut(t *testing.T) {
	m := newModel(t, Options{})
	url := serve(t, m)
	for _, f := range []string{"cut=10", "reset=10"} {
		b, err := raw(t, url, userBody("x", ""), f)
		if _, body, ok := bytes.Cut(b, []byte("\r\n\r\n")); err == nil && (!ok || len(body) != 10) {
			t.Errorf("%s: %q", f, b)
		}
	}
}

func TestEarlyHints(t *testing.T) {
	m := newModel(t, Options{})
	var codes []int
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		codes = append(codes, code)
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "POST", serve(t, m)+"/v1/chat/completions", strings.NewReader(userBody("x", "")))
	req.Header.Set("x-sim-fault", "info=102")
	resp, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || len(codes) != 1 || codes[0] != 102 || resp.Header.Get("Link") != "" {
		t.Error(resp.StatusCode, codes, resp.Header)
	}
}

// The model serves any listener: TLS and Unix sockets notice a leaving agent too.
func TestOtherListeners(t *testing.T) {
	dummy := httptest.NewTLSServer(nil)
	defer dummy.Close()
	dir := t.TempDir()
	for _, kind := range []string{"tls", "unix"} {
		t.Run(kind, func(t *testing.T) {
			m := newModel(t, Options{DecodeRate: 20, Slots: 1})
			client := newClient(t)
			tr := client.Transport.(*http.Transport)
			var s *Server
			var err error
			url := "http://sim"
			if kind == "unix" {
				s, err = m.Start("unix:" + dir + "/sim.sock")
				tr.DialContext = func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", dir+"/sim.sock") }
			} else {
				var l net.Listener
				if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
					s = m.Serve(tls.NewListener(l, dummy.TLS))
					url = "https://" + l.Addr().String()
				}
				tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(userBody("[[sim: tokens 999]]", `,"stream":true`)))
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(resp.Body, make([]byte, 100))
			cancel()
			resp.Body.Close()
			if took := eventually(t, "freed", func() bool { return m.Stats().Running == 0 }); took > 250*time.Millisecond {
				t.Error(took)
			}
		})
	}
}
