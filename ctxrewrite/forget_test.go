package ctxrewrite

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/wire"
)

// A text is found wherever it was put: in other case and spacing, in strings inside of strings, and by one of its sentences.
func TestForgottenTexts(t *testing.T) {
	t.Parallel()
	nested := func(text string, depth int) string {
		for range depth {
			b, err := json.Marshal(map[string]string{"text": text})
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		return text
	}
	const secret = "My brother's \"code\" is\nzebra-41 in C:\\new, Zürich. He told me that on Monday. Ok."
	for _, c := range []struct {
		in   string
		want bool
	}{
		{secret, true},
		{strings.ToUpper(secret), true},
		{strings.ReplaceAll(secret, " ", "  \n"), true},
		{nested("before "+secret+" behind", 1), true},
		{nested(secret, 4), true},
		{strings.ReplaceAll(nested(secret, 1), "ü", `\u00fc`), true},
		{"- My brother's code is zebra-41 in C:…", true}, // as a digest quotes it
		{"it says: zürich he told me that on monday", true},
		{"She told me that on Tuesday.", false},
		{"Ok.", false},
		{"zebra-41", false}, // less than seven words are nobody's to know
		{"the lamp, of Bruges and of Ghent", true},
		{"the lamp of Bruges", false},
		{"say: fine!", true},
		{"refined", false},
		{"我的密码是四十一号", true},
	} {
		f := &forgotten{}
		f.add(noteOf([]string{secret, "Fine.", "他说我的密码是四十一"}, []string{"lamp", "Ghent"}))
		if f.says([]byte(c.in)) != c.want {
			t.Errorf("%q: %v", c.in, !c.want)
		}
	}
	if note := noteOf([]string{" .\n"}, nil); note != nil {
		t.Errorf("nothing is %q", note)
	}
}

func FuzzForgotten(f *testing.F) {
	f.Add("He told me. It is \\u00e9 \\n so \\", []byte("f\x05\x01abcdefgh"))
	f.Fuzz(func(t *testing.T, text string, note []byte) {
		g := &forgotten{}
		if len(note) > 0 {
			g.add(note)
		}
		if made := noteOf([]string{text}, nil); made != nil {
			if g.add(made); !g.says([]byte(text)) {
				t.Errorf("%q is not found in itself", text)
			}
		}
		if !json.Valid([]byte(`"` + text + `"`)) {
			return
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := wordsOf([]byte(text)), wordsOf(quoted); !bytes.Equal(a, b) {
			t.Errorf("%q reads as %q, quoted as %q", text, a, b)
		}
	})
}

// What was forgotten is in no later request and not in the store, and another tenant loses nothing.
func TestForget(t *testing.T) {
	const rule = "You must never open box K000004."
	kept := store.NewMemory(store.Options{})
	e := engine(t, window(3000), kept)
	k := &talk{session: "s"}
	out, _ := grow(t, e, k, 80, 60)
	if !bytes.Contains(out, []byte(rule)) || e.sessions.byKey.Len() != 1 {
		t.Fatal("there is nothing to forget")
	}
	if n, err := e.Forget(t.Context(), "other", Forgotten{Texts: []string{rule}}); n != 0 || err != nil {
		t.Error(n, err)
	}
	n, err := e.Forget(t.Context(), "t", Forgotten{Texts: []string{rule}})
	if n == 0 || err != nil {
		t.Fatal(n, err)
	}
	check := func(e *Engine) {
		t.Helper()
		all, err := kept.Epochs(t.Context(), store.Key{Tenant: "t", Session: "s"})
		for _, ep := range all {
			if bytes.Contains(ep, []byte("K000004")) || err != nil {
				t.Errorf("an epoch still has it: %v", err)
			}
		}
		for _, ep := range e.sessions.byKey.Values()[0].epochs {
			if bytes.Contains(ep.Text, []byte("K000004")) {
				t.Error("an epoch in memory still has it")
			}
			if c, err := e.Content(t.Context(), "t", ep.digest.Span()); err == nil && bytes.Contains(c.Body, []byte("K000004")) {
				t.Error("a content still has it")
			}
		}
	}
	check(e)
	if n, err := e.Forget(t.Context(), "t", Forgotten{Texts: []string{rule}}); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
	// The agent still sends it, also to a later process.
	for range 2 {
		out, plan := grow(t, e, k, 3, 60)
		if plan.Action != Rewrite || bytes.Contains(out, []byte("K000004")) || !bytes.Contains(out, []byte("K000006")) {
			t.Errorf("%+v\n%.2000s", plan, out)
		}
		check(e)
		e = engine(t, window(3000), kept)
	}
	if _, err := e.Forget(t.Context(), "t", Forgotten{Sessions: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if all, err := e.Sessions(t.Context(), "t"); len(all) != 0 || err != nil {
		t.Error(all, err)
	}
}

// What notes add counts for the window, unless an epoch leaves them out; and what an epoch left out is told.
func TestNotesCount(t *testing.T) {
	e := engine(t, window(20000), nil)
	k := &talk{session: "s"}
	grow(t, e, k, 20, 40)
	v, err := wire.Acquire(wire.Chat, k.body(), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	chains := v.ChainFrom(0, 0, nil)
	fit := func(notes int) Plan {
		var exchange, call wire.Edits
		for i := range notes {
			exchange.Insert(v.Texts[v.Msgs[1+2*i].Text.From].End-1, []byte(strings.Repeat(" A note of five words.", 20)))
		}
		defer e.running.Wait()
		return e.Fit(&Request{View: v, Exchange: &exchange, Call: &call, Chains: chains, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Strict})
	}
	plain := fit(0)
	for n := range 4 {
		if p := fit(n); p.From < plain.From+n*100 || p.From > plain.From+n*140 || p.To != p.From {
			t.Errorf("%d notes: %+v, without %+v", n, p, plain)
		}
	}
	if all := e.Evicted("t", "s", chains); all != nil {
		t.Error(all)
	}
	e = engine(t, window(3000), nil)
	k = &talk{session: "s"}
	var plan Plan
	_, plan = grow(t, e, k, 50, 60)
	v2, err := wire.Acquire(wire.Chat, k.body(), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v2.Release()
	ep := newest(e, "s")
	all := e.Evicted("t", "s", v2.ChainFrom(0, 0, nil))
	if len(all) < 2 || all[0].From != ep.Task+1 || all[len(all)-1].To > ep.Cover || plan.Epoch == 0 {
		t.Fatalf("%+v, %+v", all, plan)
	}
	for i, x := range all {
		c, err := e.Content(t.Context(), "t", x.Handle)
		if first := v2.Raw(v2.Msgs[x.From].Span); err != nil || !bytes.Contains(c.Body, first) || i > 0 && x.From != all[i-1].To {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if all := e.Evicted("t", "s", chains); all != nil {
		t.Error("another line", all)
	}
	if all := e.Evicted("u", "s", v2.ChainFrom(0, 0, nil)); all != nil {
		t.Error("another tenant", all)
	}
}
