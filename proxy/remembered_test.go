package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trapgate/trapgate/proxy/admin"
)

// overAdmin asks the admin port.
func overAdmin(tb testing.TB, g *gateway, method, path, token, body string) (int, string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, g.admin.URL()+path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// The admin port does all that the command does, for those who have the token.
func TestMemoryByAdmin(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	dir := t.TempDir()
	g := remembering(t, up, byHeader, in(dir), func(o *gatewayOptions) { o.flags.Admin = "127.0.0.1:0" })
	token, err := admin.ReadToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string, want int) string {
		t.Helper()
		status, answer := overAdmin(t, g, method, path, token, body)
		if status != want {
			t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
		return answer
	}
	who := "tenant=acme&user=ada"
	var page memoryPage
	if err := json.Unmarshal([]byte(ask("POST", "/memory?"+who, `{"text":"My locker has the number 1742."}`, 200)), &page); err != nil || len(page.Records) == 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	id := page.Records[0].ID.String()
	var found struct{ Hits []memoryHit }
	if err := json.Unmarshal([]byte(ask("GET", "/memory/search?"+who+"&q=locker+number", "", 200)), &found); err != nil || len(found.Hits) == 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	if h := found.Hits[0]; h.Score <= 0 || len(h.Legs) == 0 || h.Record.Tenant != "acme" {
		t.Errorf("%+v", h)
	}
	for _, other := range []string{"tenant=acme&user=bob", "tenant=umbra&user=ada"} {
		if s := ask("GET", "/memory/search?"+other+"&q=locker+number", "", 200); strings.Contains(s, "1742") {
			t.Errorf("%s finds %s", other, s)
		}
	}
	for path, want := range map[string]string{
		"/memory?kind=episode": "1742", "/memory/" + id: "1742", "/memory/stats": `"episodes":`, "/memory/audit": `"secrets":0`, "/memory/export": "1742",
	} {
		if s := ask("GET", path, "", 200); !strings.Contains(s, want) {
			t.Errorf("%s: %s", path, s)
		}
	}
	for _, x := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/memory/search?" + who, "", 400},
		{"GET", "/memory/search?tenant=acme&q=x", "", 400}, // of nobody
		{"GET", "/memory?limit=0", "", 400},
		{"GET", "/memory?since=yesterday", "", 400},
		{"GET", "/memory/mem_x", "", 400},
		{"DELETE", "/memory/mem_aaaaaaaaaaaaaaaaaaaaaaaaaa", "", 404},
		{"POST", "/memory/forget?tenant=acme", "{}", 400},
		{"POST", "/memory/forget?tenant=acme", "{", 400},
		{"POST", "/memory/import?tenant=acme", "[{]", 400},
		{"PUT", "/memory", "", 405},
	} {
		ask(x.method, x.path, x.body, x.want)
	}
	if status, _ := overAdmin(t, g, "DELETE", "/memory/"+id, "wrong", ""); status != 401 {
		t.Errorf("without the token: %d", status)
	}
	var r memoryReceipt
	if err := json.Unmarshal([]byte(ask("DELETE", "/memory/"+id, "", 200)), &r); err != nil || r.Records == 0 || !r.Verified {
		t.Errorf("%+v, %v", r, err)
	}
	if s := ask("GET", "/memory/export?tenant=acme", "", 200); strings.Contains(s, "1742") {
		t.Errorf("after it was forgotten: %s", s)
	}
	if s := ask("GET", "/debug/state", "", 200); !strings.Contains(s, `"memory":`) {
		t.Error("the state says nothing of memory")
	}
	if s := ask("GET", "/metrics", "", 200); !strings.Contains(s, "trapgate_memory_forgotten_total") {
		t.Error("there are no metrics of memory")
	}
}

// Without a memory section nothing is there, and nothing is made.
func TestMemoryOff(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	dir := t.TempDir()
	g := remembering(t, up, "", in(dir), func(o *gatewayOptions) { o.flags.Admin = "127.0.0.1:0" })
	token, err := admin.ReadToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	if status, s := overAdmin(t, g, "GET", "/memory", token, ""); status != 404 || !strings.Contains(s, "hint: memory") {
		t.Errorf("%d %s", status, s)
	}
	if m := g.do(t, says("ada", "one", "Remember that I live in Ghent.")); m.has("x-trapgate-memory") || g.sharing != nil {
		t.Errorf("%q", m.get("x-trapgate-memory"))
	}
}

// What is remembered, and each question, is embedded at the upstream that is named, with its key and nobody else's.
func TestMemoryEmbeds(t *testing.T) {
	t.Parallel()
	var texts atomic.Int64
	vectors := newFake(t, func(c *upConn, m *message) bool {
		var q struct {
			Model string
			Input []string
		}
		if err := json.Unmarshal([]byte(m.Body), &q); err != nil || q.Model != "minilm" || m.has("authorization") || !strings.Contains(m.Line, "/v1/embeddings") {
			t.Errorf("%s\n%s\n%s", m.Line, m.Fields, m.Body)
		}
		texts.Add(int64(len(q.Input)))
		var data []string
		for i := range q.Input {
			data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[0.6,0.8,0]}`, i))
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", `{"object":"list","data":[`+strings.Join(data, ",")+`],"model":"minilm","usage":{"prompt_tokens":3,"total_tokens":3}}`))
	})
	up := newFake(t, saysPlainly)
	g := open(t, "upstreams:\n  - {name: u, base_url: "+up.url()+"/v1, credential: agent, models: [m]}\n"+
		"  - {name: v, base_url: "+vectors.url()+"/v1, credential: none, models: [minilm]}\n"+
		"memory: {scope: {user: {name: ada}}, embed: {upstream: v, model: minilm}}\n")
	g.do(t, says("", "one", "The boat lies at the third pier behind the lighthouse."))
	g.settled(t)
	eventually(t, "what was said is embedded", func() bool { return texts.Load() > 0 })
	before := texts.Load()
	if sent, answer := g.asks(t, up, "", "two", "Where does the boat lie?"); !told(sent) {
		t.Errorf("%q: %s", answer.get("x-trapgate-memory"), sent.Body)
	}
	eventually(t, "the question is embedded", func() bool { return texts.Load() > before })
}

// The command asks in this process what it asks a running one by HTTP: an answer that is cut is an error there too.
func TestDirect(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			w.Header().Set("X-A", "b")
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, "all of it")
		case "/cut":
			io.WriteString(w, "half of")
			panic(http.ErrAbortHandler)
		}
	})
	client := http.Client{Transport: direct{h}, Timeout: longest}
	for path, want := range map[string]struct {
		status int
		body   string
		cut    bool
	}{"/good": {418, "all of it", false}, "/cut": {200, "half of", true}, "/nothing": {200, "", false}} {
		resp, err := client.Get("http://x" + (&url.URL{Path: path}).String())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want.status || string(raw) != want.body || (err != nil) != want.cut {
			t.Errorf("%s: %d %q %v", path, resp.StatusCode, raw, err)
		}
	}
}
