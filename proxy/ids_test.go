package main

import (
	"fmt"
	"strings"
	"testing"
)

// storing answers as an upstream does that keeps what it makes, under ids with its own name.
func storing(name string) func(c *upConn, m *message) bool {
	return func(c *upConn, m *message) bool {
		switch {
		case strings.Contains(m.Body, `"stream":true`):
			return c.say(chunks("Content-Type: text/event-stream\r\n", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_"+name+fmt.Sprint(c.number)+"\"}}\n\n",
				"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_"+name+fmt.Sprint(c.number)+"\",\"status\":\"completed\"}}\n\n"))
		case strings.HasPrefix(m.Line, "POST /v1/responses HTTP"):
			return c.say(sized("200 OK", "Content-Type: application/json\r\n", fmt.Sprintf(`{"id":"resp_%s%d","object":"response","status":"completed","output":[]}`, name, c.number)))
		case strings.HasPrefix(m.Line, "POST /v1/files HTTP"):
			return c.say(sized("200 OK", "Content-Type: application/json\r\n", fmt.Sprintf(`{"id":"file-%s%d","object":"file"}`, name, c.number)))
		case strings.HasPrefix(m.Line, "POST /v1/containers HTTP"):
			return c.say(sized("200 OK", "Content-Type: application/json\r\n", fmt.Sprintf(`{"id":"cntr_%s%d","object":"container"}`, name, c.number)))
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", `{"object":"thing","from":"`+name+`"}`))
	}
}

func idOf(body string) string {
	_, rest, _ := strings.Cut(body, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// What is stored under an id is asked for where it was made.
func TestStoredResponsesGoBackToTheirMaker(t *testing.T) {
	t.Parallel()
	a, b := newFake(t, storing("a")), newFake(t, storing("b"))
	g := open(t, "upstreams: [{name: a, base_url: "+a.url()+", credential: none}, {name: b, base_url: "+b.url()+", credential: none}]\n")
	made := map[string]bool{}
	for i := range 24 {
		body := fmt.Sprintf(`{"model":"m","input":"conversation %d"}`, i)
		if i%2 > 0 {
			body = fmt.Sprintf(`{"model":"m","stream":true,"input":"conversation %d"}`, i)
		}
		id := idOf(g.do(t, post("/v1/responses", body)).Body)
		maker := strings.Trim(strings.TrimPrefix(id, "resp_"), "0123456789")
		made[maker] = true
		g.outcomes(t, g.telemetry.Ledger().Totals().Exchanges) // it is bound when it has ended
		eventually(t, "it has ended", func() bool { return g.telemetry.InFlight().Len() == 0 })
		next := g.do(t, post("/v1/responses", `{"model":"m","input":"and","previous_response_id":"`+id+`"}`))
		if !strings.Contains(next.Body, "resp_"+maker) {
			t.Errorf("%s went on at %s", id, next.Body)
		}
		for _, request := range []string{get("/v1/responses/" + id), get("/v1/responses/" + id + "/input_items?limit=1"), post("/v1/responses/"+id+"/cancel", ""), "DELETE /v1/responses/" + id + " HTTP/1.1\r\nHost: localhost\r\n\r\n", get("/v1/responses/" + id + "?stream=true")} {
			if m := g.do(t, request); !strings.Contains(m.Body, `"from":"`+maker+`"`) {
				t.Errorf("%.60q: %s %s", request, m.Line, m.Body)
			}
		}
	}
	if len(made) != 2 {
		t.Errorf("24 conversations were all made by %v", made)
	}
}

// With a key of ours, what one tenant has made is not there for another.
func TestIDsAreBoundToTheirTenant(t *testing.T) {
	t.Parallel()
	up := newFake(t, storing("u"))
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+", api_key: {env: KEY}}]\nroutes: [{upstreams: [u], passthrough: [\"/v1/files*\", \"/v1/containers*\"]}]\n"+twoTenants, tenantKeys)
	made := func(path, body string) string {
		m := g.do(t, post(path, body, bearer("key-a")))
		eventually(t, "it has ended", func() bool { return g.telemetry.InFlight().Len() == 0 })
		return idOf(m.Body)
	}
	resp, file, cntr := made("/v1/responses", `{"model":"m","input":"hi"}`), made("/v1/files", "--x"), made("/v1/containers", `{"name":"x"}`)
	streamed := made("/v1/responses", `{"model":"m","stream":true,"input":"hi"}`)
	pad := strings.Repeat(" ", 5000)
	long := strings.Repeat(`"x",`, 2000)
	for _, tt := range []struct{ name, request string }{
		{"get", get("/v1/responses/" + resp)},
		{"get a streamed one", get("/v1/responses/" + streamed)},
		{"input items", get("/v1/responses/" + resp + "/input_items")},
		{"delete", "DELETE /v1/responses/" + resp + " HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"cancel", post("/v1/responses/"+resp+"/cancel", "")},
		{"escaped path", get("/v1/responses/" + strings.Replace(resp, "_", "%5f", 1))},
		{"previous", post("/v1/responses", `{"model":"m","input":"x","previous_response_id":"`+resp+`"}`)},
		{"previous, escaped", post("/v1/responses", `{"model":"m","input":"x","previous_response\u005fid":"resp\u005f`+resp[5:]+`"}`)},
		{"file in a body", post("/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"`+file+`"}]}]}`)},
		{"escaped key", post("/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file\u005fid":"`+file+`"}]}]}`)},
		{"escaped value", post("/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"`+strings.Replace(file, "-", `\u002D`, 1)+`"}]}]}`)},
		{"far behind its key", post("/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":`+pad+`"`+file+`"}]}]}`)},
		{"a list of files", post("/v1/responses", `{"model":"m","input":"x","tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["`+file+`"]}}]}`)},
		{"a long list of files", post("/v1/responses", `{"model":"m","input":"x","tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":[`+long+`"`+file+`"]}}]}`)},
		{"container", post("/v1/responses", `{"model":"m","input":"x","tools":[{"type":"code_interpreter","container":"`+cntr+`"}]}`)},
		{"container of messages", post("/v1/messages", `{"model":"m","max_tokens":1,"messages":[],"container":{"skills":[],"id":"`+cntr+`"}}`)},
		{"file of messages", post("/v1/messages", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"`+file+`"}}]}]}`)},
		{"file of chat", post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"`+file+`"}}]}]}`)},
		{"file's content", get("/v1/files/" + file + "/content")},
		{"container's files", get("/v1/containers/" + cntr + "/files")},
		{"list of files", get("/v1/files")},
		{"list of files, query", get("/v1/files?limit=1")},
		{"list with a slash", get("/v1/files/")},
	} {
		for _, key := range []string{"key-b", "key-a2"} {
			n := up.requests()
			request := strings.Replace(tt.request, "\r\n", "\r\n"+bearer(key)+"\r\n", 1)
			a := g.dial(t)
			a.send(request)
			m := a.head()
			a.Close()
			switch own := key == "key-a2" && !strings.HasPrefix(tt.name, "list"); {
			case own && (m.status() != 200 || up.requests() == n):
				t.Errorf("%s: its maker is refused: %s %s", tt.name, m.Line, m.get("x-trapgate-error"))
			case !own && (m.status() != 404 && m.status() != 403 || up.requests() != n):
				t.Errorf("%s: another tenant got %s", tt.name, m.Line)
			}
		}
	}
	// Ids of other services stand under such keys too.
	if m := g.do(t, post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"{\"file_id\":\"`+file+`\"}"}],"metadata":{"file_id":"my-own-17"}}`, bearer("key-b"))); m.status() != 200 {
		t.Errorf("a word in a text, or an id of another service: %s %s", m.Line, m.Body)
	}
}

// With a key of ours only listed paths pass, whatever tricks a path plays.
func TestPassthroughWithOurKey(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+", api_key: {env: KEY}}]\nroutes: [{upstreams: [u], passthrough: [\"/v1/files*\", \"/v1/audio/*\"]}]\n", tenantKeys)
	for path, ok := range map[string]bool{
		"/v1/files": true, "/v1/files/x/content?a=b": true, "/v1/audio/speech": true, "/files/x": true,
		"/v1/organization/admin_api_keys": false, "/v1/fine_tuning/jobs": false, "/": false, "/v1/files/../organization": false, "/v1/files/%2e%2e/organization": false, "/v1/files/..;/organization": false,
		"/v1/files/..%2forganization": false, "/v1//organization": false, "/v1/audio/..%5corganization": false, "http://localhost/v1/organization": false, "/v1/batches": false,
	} {
		n := up.requests()
		m := g.do(t, get(path))
		if (m.status() == 200) != ok || (up.requests() > n) != ok {
			t.Errorf("%s: %s, sent %d", path, m.Line, up.requests()-n)
		}
	}
}
