package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/admin"
)

// With memory.extract a model reads what was said, behind all agents and at the expense of the program; what it finds is told in another
// conversation, and can be taken back.
func TestMemoryExtraction(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"alone": "", "with schedule": "schedule: {}\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const list = `[{"op":"ADD","fact":{"subject":"user","predicate":"plays","object":"theremin"},"quote":"the theremin every evening"}]`
			up := newFake(t, func(c *upConn, m *message) bool {
				text := "Fine."
				if strings.Contains(m.Body, "Now write the array") {
					text = list
				}
				raw, _ := json.Marshal(text)
				return c.say(sized("200 OK", "Content-Type: application/json\r\n",
					`{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":`+string(raw)+`},"finish_reason":"stop"}],`+
						`"usage":{"prompt_tokens":7,"completion_tokens":2}}`))
			})
			g := remembering(t, up, "memory: {scope: {user: {header: x-user}}, extract: {model: reader, every: 5}}\n"+more, in(t.TempDir()))
			if m := g.do(t, says("ada", "one", "The neighbours suffer since I handle the theremin every evening.")); m.status() != 200 {
				t.Fatal(m.Line)
			}
			e := g.memory.Load().engine
			found := func() []*record.Record {
				facts, err := e.List(context.Background(), store.Filter{Origin: record.Extracted, Current: true}, record.ID{}, 9)
				if err != nil {
					t.Fatal(err)
				}
				return facts
			}
			eventually(t, "a fact that the model found", func() bool { return len(found()) == 1 })
			if last := up.last(); !strings.Contains(last.Body, `"model":"reader"`) || last.get("authorization") != "Bearer one" {
				t.Errorf("%q\n%s", last.Fields, last.Body)
			}
			const question = "Which instrument do the neighbours know me for?"
			if sent, _ := g.asks(t, up, "ada", "two", question); !strings.Contains(sent.Body, "plays theremin") {
				t.Errorf("not told: %s", sent.Body)
			}
			fact := found()[0]
			for _, want := range []int{http.StatusOK, http.StatusBadRequest} { // the second time there is nothing to take back
				w := httptest.NewRecorder()
				g.serveMemory(w, httptest.NewRequest(http.MethodPost, admin.MemoryPath+"/"+fact.ID.String()+"/undo", http.NoBody))
				if w.Code != want || len(found()) != 0 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			if sent, _ := g.asks(t, up, "ada", "three", question); strings.Contains(sent.Body, "plays theremin") {
				t.Errorf("told after it was taken back: %s", sent.Body)
			}
		})
	}
}
