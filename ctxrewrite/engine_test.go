package ctxrewrite

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

func engine(t *testing.T, c Config, s store.Store) *Engine {
	t.Helper()
	e, err := New(c, Options{Store: s, Count: roughly})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func window(n int) Config {
	return Config{Windows: []tokens.Rule{{Model: "*", Tokens: n}}, Reserve: 100}
}

// grow sends a conversation turn by turn and returns the last request, sent, and its plan.
func grow(t *testing.T, e *Engine, k *talk, turns, size int) (out []byte, plan Plan) {
	t.Helper()
	for range turns {
		k.say(len(k.messages), size)
		out, plan = sent(t, e, k.body(), k.session, wire.Chat, history.Strict)
		e.running.Wait()
	}
	return out, plan
}

// A restart, or another replica, goes on with the same bytes: through all epochs there were.
func TestRestart(t *testing.T) {
	s := store.NewMemory(store.Options{})
	e := engine(t, window(3000), s)
	k := &talk{session: "s"}
	out, plan := grow(t, e, k, 100, 60)
	if plan.Epoch < 4 {
		t.Fatalf("%+v", plan)
	}
	again, then := sent(t, engine(t, window(3000), s), k.body(), "s", wire.Chat, history.Strict)
	if !bytes.Equal(out, again) {
		t.Errorf("before %+v, after %+v", plan, then)
	}
}

// Observing changes no byte, stores nothing, and tells what would be.
func TestObserve(t *testing.T) {
	s := store.NewMemory(store.Options{})
	c := window(3000)
	c.Mode = Observe
	k := &talk{session: "s"}
	out, plan := grow(t, engine(t, c, s), k, 60, 60)
	if !bytes.Equal(out, k.body()) || !plan.Observed || plan.Epoch == 0 || plan.To >= plan.From {
		t.Errorf("%+v", plan)
	}
	if all, _ := s.Sessions(t.Context(), ""); len(all) > 0 {
		t.Errorf("stored: %+v", all)
	}
}

// What may not be left out fills the window: no epochs any more, counted once, and what is over the window is cut all the same.
func TestBreaker(t *testing.T) {
	e := engine(t, window(3000), nil)
	k := &talk{session: "s"}
	k.messages = append(k.messages, `{"role":"assistant","content":"Yes?"}`,
		`{"role":"developer","content":"`+strings.Repeat("House rule. ", 640)+`"}`, `{"role":"user","content":"Begin."}`)
	for range 60 {
		k.say(len(k.messages), 40)
		_, plan := sent(t, e, k.body(), "s", wire.Chat, history.OpenAI)
		e.running.Wait()
		t.Logf("%+v", plan)
		if plan.Action != TooLarge && plan.To > 2900 {
			t.Fatalf("%+v", plan)
		}
	}
	if n := e.Counts().Broken; n != 1 {
		t.Errorf("broken %d times", n)
	}
}

// A newest turn that does not fit is cut inside its largest result, the same in each later request, and fits.
func TestCutInside(t *testing.T) {
	e := engine(t, window(4000), nil)
	lines := strings.Repeat(`line of a log that nobody reads\n`, 1500) + `error: disk full at /dev/sda1\n` + strings.Repeat(`more of it\n`, 1500)
	body := []byte(`{"model":"m","messages":[` + opening + `,{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"cat","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"c1","content":"` + lines + `"}]}`)
	out, plan := sent(t, e, body, "s", wire.Chat, history.OpenAI)
	if !plan.Cut || plan.Action != Rewrite || tokens.Estimate(out) > 3900 {
		t.Fatalf("%+v: %d tokens", plan, tokens.Estimate(out))
	}
	for _, want := range []string{"error: disk full at /dev/sda1", "line of a log", "more of it", "ctx:", `"tool_call_id":"c1"`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%q is not there", want)
		}
	}
	next := append(bytes.Clone(body[:len(body)-2]), `,{"role":"assistant","content":"Full."},{"role":"user","content":"Clean up."}]}`...)
	later, _ := sent(t, e, next, "s", wire.Chat, history.OpenAI)
	if n := len(out) - 2; !bytes.Equal(later[:n], out[:n]) {
		t.Error("the next request has other bytes in front")
	}
}

// An upstream that refuses for length teaches the window, and the next try is short enough.
func TestTooLong(t *testing.T) {
	e := engine(t, Config{Reserve: 100}, nil)
	k := &talk{session: "s"}
	for range 60 {
		k.say(len(k.messages), 60)
	}
	body := k.body()
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	var call wire.Edits
	r := &Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "unheard-of", Profile: history.Plain}
	plan := e.Fit(r)
	if call.Len() > 0 || plan.Why != "window unknown" {
		t.Fatalf("%+v", plan)
	}
	if e.TooLong(r, &plan, 400, []byte(`{"error":{"message":"temperature is wrong","code":"invalid_value"}}`)) {
		t.Error("another refusal counts")
	}
	if !e.TooLong(r, &plan, 400, []byte(`{"error":{"message":"This model's maximum context length is 2000 tokens. However, your messages resulted in 9000 tokens.","code":"context_length_exceeded"}}`)) {
		t.Fatal("not understood")
	}
	r.Again = true
	if plan = e.Fit(r); plan.Action != Rewrite || plan.To > 1900 || plan.Window != 2000 {
		t.Errorf("%+v", plan)
	}
}

// Other exchange edits inside what an epoch covers: the epoch is not used, for it was made of other text.
func TestExchangeEdits(t *testing.T) {
	e := engine(t, window(3000), nil)
	k := &talk{session: "s"}
	grow(t, e, k, 50, 60)
	body := k.body()
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	fit := func(note string) (Plan, []byte) {
		var exchange, call wire.Edits
		if note != "" {
			exchange.Insert(v.Texts[v.Msgs[3].Text.From].End-1, []byte(note))
		}
		plan := e.Fit(&Request{View: v, Exchange: &exchange, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Strict})
		e.running.Wait()
		out, err := wire.Apply(nil, body, &exchange, &call)
		if err != nil {
			t.Fatal(err)
		}
		return plan, out
	}
	plain, _ := fit("")
	noted, _ := fit(" A note.")
	if plain.Epoch == 0 || noted.Epoch == plain.Epoch && !noted.Made && noted.To < noted.From {
		t.Errorf("without %+v, with a note %+v", plain, noted)
	}
}

// Epochs read back are what was written, and nothing else is taken for one.
func TestEpochRecords(t *testing.T) {
	e := engine(t, window(3000), nil)
	k := &talk{session: "s"}
	grow(t, e, k, 40, 60)
	ep := newest(e, "s")
	record, err := ep.marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, parent, err := unmarshalEpoch(record)
	if err != nil || parent != ep.parentID() || fmt.Sprint(back.Number, back.Task, back.Cover, back.Chain, back.Notes, back.Tokens, string(back.Text)) !=
		fmt.Sprint(ep.Number, ep.Task, ep.Cover, ep.Chain, ep.Notes, ep.Tokens, string(ep.Text)) {
		t.Errorf("%v: %+v, want %+v", err, back, ep)
	}
	for n := range record {
		if _, _, err := unmarshalEpoch(record[:n]); err == nil && n < len(record) {
			t.Fatalf("%d bytes of %d are an epoch", n, len(record))
		}
	}
}

// An image is not counted by the length of its encoding, so it does not drive anything out.
func TestImages(t *testing.T) {
	e := engine(t, window(20000), nil)
	image := strings.Repeat("QUJD", 200_000)
	body := []byte(`{"model":"m","messages":[` + opening + `,{"role":"assistant","content":"Show me."},{"role":"user","content":[{"type":"text","text":"Here."},{"type":"image_url","image_url":{"url":"data:image/png;base64,` +
		image + `"}}]},{"role":"assistant","content":"A door."},{"role":"user","content":"Open it."}]}`)
	out, plan := sent(t, e, body, "s", wire.Chat, history.OpenAI)
	if !bytes.Equal(out, body) || plan.From > 2500 || plan.From < 1500 {
		t.Errorf("%+v", plan)
	}
}

// A session that goes to two models: what was done for the small window is not done to the large one.
func TestTwoWindows(t *testing.T) {
	e := engine(t, Config{Windows: []tokens.Rule{{Model: "small", Tokens: 3000}, {Model: "large", Tokens: 100_000}}, Reserve: 100}, nil)
	k := &talk{session: "s"}
	for range 80 {
		k.say(len(k.messages), 40)
	}
	for _, model := range []string{"large", "small", "large", "small"} {
		body := k.body()
		v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var call wire.Edits
		plan := e.Fit(&Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: model, Profile: history.Strict})
		if (plan.Action == Rewrite) != (model == "small") || (call.Len() > 0) != (model == "small") {
			t.Errorf("%s: %+v", model, plan)
		}
		v.Release()
		k.say(len(k.messages), 40)
	}
}

// The upstream counts more than was estimated: its word holds, for the attempt behind it and for later requests.
func TestRefusedBelowTheMark(t *testing.T) {
	e := engine(t, window(8000), nil)
	k := &talk{session: "s"}
	for range 60 {
		k.say(len(k.messages), 55)
	}
	v, err := wire.Acquire(wire.Chat, k.body(), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	var call wire.Edits
	r := &Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Strict}
	plan := e.Fit(r)
	if plan.Action != None || plan.From > 6400 {
		t.Fatalf("%+v", plan)
	}
	refusal := fmt.Sprintf(`{"error":{"message":"This model's maximum context length is 8000 tokens. However, your messages resulted in %d tokens.","code":"context_length_exceeded"}}`, 2*plan.From)
	if !e.TooLong(r, &plan, 400, []byte(refusal)) {
		t.Fatal("not understood")
	}
	r.Again = true
	if plan = e.Fit(r); plan.Action != Rewrite || call.Len() == 0 || plan.To > 7900 {
		t.Errorf("%+v", plan)
	}
}
