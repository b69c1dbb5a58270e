package ctxrewrite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// A cut never stands between the two escapes of one character.
func TestCutKeepsPairs(t *testing.T) {
	for k := range 24 {
		text := strings.Repeat("x", k) + strings.Repeat(`\ud83d\ude00`, 6000)
		for _, m := range []string{
			`{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"cat","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"` + text + `"}`,
			`{"role":"assistant","content":"Yes?"},{"role":"user","content":"` + text + `"}`,
		} {
			e := engine(t, window(4000), nil)
			out, plan := sent(t, e, []byte(`{"model":"m","messages":[`+opening+`,`+m+`]}`), "s", wire.Chat, history.OpenAI)
			if !plan.Cut {
				t.Fatalf("%+v", plan)
			}
			var v any
			if err := json.Unmarshal(out, &v); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsRune(fmt.Sprint(v), '\uFFFD') { // what half a pair becomes
				t.Errorf("after %d letters a pair is split: %s", k, out)
			}
		}
	}
}

// The task may have no content, in any way in which that can be said; what is no text is not written over.
func TestTaskWithoutText(t *testing.T) {
	calls := ""
	for i := range 30 {
		calls += fmt.Sprintf(`,{"role":"assistant","content":"","tool_calls":[{"id":"c%d","type":"function","function":{"name":"cat","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c%d","content":"%s"}`,
			i, i, strings.Repeat("word ", 120))
	}
	for _, c := range []struct {
		task    string
		carries bool
	}{
		{`{"role":"user"}`, true},
		{`{"role":"user","content":null}`, true},
		{`{"role":"user","content":""}`, true},
		{`{"role":"user","content":[]}`, true},
		{`{"role":"user","content":[ ]}`, true},
		{`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}`, true},
		{`{"role":"user","content":{"a":1}}`, false},
		{`{"role":"user","content":5}`, false},
	} {
		e := engine(t, window(3000), nil)
		out, plan := sent(t, e, []byte(`{"model":"m","messages":[{"role":"system","content":"Be kind."},`+c.task+calls+`]}`), "s", wire.Chat, history.OpenAI)
		if !json.Valid(out) || (plan.Epoch > 0) != c.carries {
			t.Errorf("%s: %+v\n%.300s", c.task, plan, out)
		}
		if !c.carries && !bytes.Contains(out, []byte(c.task)) {
			t.Errorf("%s is gone: %.300s", c.task, out)
		}
	}
}

// What a provider counts is held against what was sent, also where that is not what would have been.
func TestUsedOfWhatWasSent(t *testing.T) {
	big := []byte(`{"model":"m","messages":[` + opening + `,{"role":"assistant","content":"Yes?"},{"role":"developer","content":"` +
		strings.Repeat("House rule. ", 2000) + `"},{"role":"user","content":"Begin."}]}`)
	k := &talk{session: "s"}
	for range 40 {
		k.say(len(k.messages), 100)
	}
	for _, c := range []struct {
		name string
		mode Mode
		body []byte
	}{{"observed", Observe, k.body()}, {"too large", On, big}, {"rewritten", On, k.body()}} {
		config := window(3000)
		config.Mode = c.mode
		e := engine(t, config, nil)
		out, plan := sent(t, e, c.body, "s", wire.Chat, history.OpenAI)
		if plan.Action == None {
			t.Fatalf("%s: %+v", c.name, plan)
		}
		v, err := wire.Acquire(wire.Chat, c.body, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		r := &Request{View: v, Tenant: "t", Session: "s", Upstream: "u", Model: "m"}
		for range 20 {
			e.Used(r, &plan, roughly(string(out)))
		}
		if f := e.sessions.taught(r).Factor(&e.calibration, "u", "m"); f < 0.9 || f > 1.1 {
			t.Errorf("%s: a provider that counts as we do teaches a factor of %.2f: %+v", c.name, f, plan)
		}
		v.Release()
	}
}

// Where a few large results fill the window, epochs follow each other soon, and each is worth it.
func TestSmallWindowIsNoLoop(t *testing.T) {
	e := engine(t, window(8000), nil)
	k := &talk{session: "s"}
	for range 60 {
		k.say(len(k.messages), 900)
		if _, plan := sent(t, e, k.body(), "s", wire.Chat, history.OpenAI); plan.Action == TooLarge || plan.To > 7900 {
			t.Fatalf("%+v", plan)
		}
		e.running.Wait()
	}
	if c := e.Counts(); c.Broken != 0 || c.Epochs < 5 {
		t.Errorf("%+v", c)
	}
}
