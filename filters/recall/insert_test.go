package recall

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/internal/wire"
)

// A note stands at the end of the user's message, as text of the same message, and nothing else is another byte.
func TestInsert(t *testing.T) {
	t.Parallel()
	const said = "note \"1\"\n- <ü>"
	const text = `\n\nnote \"1\"\n- <ü>`
	for _, c := range []struct {
		name       string
		d          wire.Dialect
		body, with string // what comes before the insertion, and what is inserted
		rest       string
	}{
		{"chat, string", wire.Chat, `{"messages":[{"role":"user","content":"hi`, text, `"}],"model":"m"}`},
		{"chat, string with a quote", wire.Chat, `{"messages":[{"role":"user","content":"a \\\" \\\\`, text, `"}],"model":"m"}`},
		{"chat, content before role", wire.Chat, `{"messages":[{"content":"hi`, text, `","role":"user"}]}`},
		{"chat, one block", wire.Chat, `{"messages":[{"role":"user","content":[{"type":"text","text":"h]},i`, text, `", "x":[1,{"y":2}]}]}]}`},
		{"chat, one element that is a string", wire.Chat, `{"messages":[{"role":"user","content":["hi`, text, `"]}]}`},
		{"chat, image behind", wire.Chat, `{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}, {"type":"image_url","image_url":{"url":"u"}} `, `,{"type":"text","text":"` + text[4:] + `"}`, `]}]}`},
		{"chat, image before", wire.Chat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u,v"}},{"type":"text","text":"hi"}`, `,{"type":"text","text":"` + text[4:] + `"}`, `]}]}`},
		{"chat, system text behind", wire.Chat, `{"messages":[{"role":"user","content":"hi`, text, `"},{"role":"system","content":"now"}]}`},
		{"messages, one block with a cache mark", wire.Messages, `{"messages":[{"role":"user","content":[{"cache_control":{"type":"ephemeral"},"type":"text","text":"hi`, text, `"}]}]}`},
		{"messages, behind results", wire.Messages, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"out"},{"type":"text","text":"hi"}`, `,{"type":"text","text":"` + text[4:] + `"}`, `]}]}`},
		{"responses, the input", wire.Responses, `{"input":"hi`, text, `"}`},
		{"responses, string", wire.Responses, `{"input":[{"role":"user","content":"hi`, text, `"}]}`},
		{"responses, one block", wire.Responses, `{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi`, text, `"}]}]}`},
		{"responses, two blocks", wire.Responses, `{"input":[{"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_text","text":"you"}`, `,{"type":"input_text","text":"` + text[4:] + `"}`, `]}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, says(said), c.d)
			out := r.send(c.body + c.rest)
			if diff := cmp.Diff(c.body+c.with+c.rest, out.sent); diff != "" {
				t.Error(diff)
			}
			if out.note != "hits=2; tokens=7" {
				t.Errorf("header %q", out.note)
			}
		})
	}
}

// Nothing is put where no user asks, or where it could not stand.
func TestNoPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    wire.Dialect
		body string
	}{
		"chat, result":            {wire.Chat, `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"out"}]}`},
		"chat, begun answer":      {wire.Chat, `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"The"}]}`},
		"chat, image only":        {wire.Chat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]}`},
		"chat, empty":             {wire.Chat, `{"messages":[{"role":"user","content":""}]}`},
		"chat, null":              {wire.Chat, `{"messages":[{"role":"user","content":null}]}`},
		"chat, object":            {wire.Chat, `{"messages":[{"role":"user","content":{"text":"hi"}}]}`},
		"chat, system only":       {wire.Chat, `{"messages":[{"role":"system","content":"hi"}]}`},
		"messages, results only":  {wire.Messages, `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"out"}]}]}]}`},
		"messages, reminder only": {wire.Messages, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"out"},{"type":"text","text":"<system-reminder>\nmind it\n</system-reminder>"}]}]}`},
		"responses, output":       {wire.Responses, `{"input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"out"}]}`},
		"responses, nothing":      {wire.Responses, `{"input":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			e := says("note")
			out := newRig(t, e, c.d).send(c.body)
			if out.sent != c.body || len(e.asked) > 0 || out.note != "" {
				t.Errorf("asked %d times, header %q, sent\n%s", len(e.asked), out.note, out.sent)
			}
		})
	}
}

// Another filter's edit is never broken into: what it replaces, it has.
func TestOthersEdits(t *testing.T) {
	t.Parallel()
	body := []byte(request(wire.Chat, false, user(`"hello"`)))
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	c := v.Msgs[0].Content
	for name, span := range map[string]wire.Span{"content": c, "message": v.Msgs[0].Span, "end": {Start: c.End - 3, End: c.End}} {
		var e wire.Edits
		e.Replace(span, []byte("x"))
		if at, ok := placeOf(v, &e, 0); ok {
			t.Errorf("%s: a place at %d inside %v", name, at.at, span)
		}
	}
	var e wire.Edits
	e.Replace(wire.Span{Start: c.Start + 1, End: c.End - 1}, []byte("HELLO"))
	at, ok := placeOf(v, &e, 0)
	if !ok {
		t.Fatal("behind a replaced text there is a place")
	}
	at.insert(v.Dialect, &e, escape("note"))
	if out, err := wire.Apply(nil, body, &e, nil); err != nil || !strings.Contains(string(out), `"HELLO\n\nnote"`) {
		t.Errorf("%s, %v", out, err)
	}
}

// FuzzInsert puts a note into every message of any body: what comes out is JSON that reads as before, with the note behind the message's
// own words, and the place does not depend on what else is in the array.
func FuzzInsert(f *testing.F) {
	for _, d := range dialects {
		for _, how := range forms {
			f.Add(byte(d), request(d, false, user(content(d, how, "hi")), model(d, "yes"), user(content(d, how, "a\"\\\u00fc"))), "note\n\"")
		}
	}
	f.Add(byte(wire.Responses), `{"input":"x"}`, "n")
	f.Add(byte(wire.Chat), `{"messages":[{"role":"user","content":["a",{"type":"x","y":["]","}"]},"b"]}]}`, "\xff\x00")
	f.Fuzz(func(t *testing.T, d byte, body, note string) {
		dialect := wire.Dialect(d)
		v, err := wire.Acquire(dialect, []byte(body), wire.Limits{})
		if err != nil {
			return
		}
		defer v.Release()
		for i := range v.Msgs {
			var e wire.Edits
			at, ok := placeOf(v, &e, i)
			if !ok {
				continue
			}
			before := texts(nil, v, v.Msgs[i].Text)
			at.insert(dialect, &e, escape(note))
			out, err := wire.Apply(nil, v.Body, &e, nil)
			if err != nil || !json.Valid(out) || len(out) <= len(body) {
				t.Fatalf("%v\n%s", err, out)
			}
			if rest := out[:at.at]; string(rest) != body[:at.at] || !strings.HasSuffix(string(out), body[at.at:]) {
				t.Fatalf("more than an insertion:\n%s\n%s", body, out)
			}
			w, err := wire.Acquire(dialect, out, wire.Limits{})
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			m := &w.Msgs[i]
			all := texts(nil, w, m.Text)
			want := strings.ToValidUTF8(note, "\uFFFD")
			got := ""
			if len(all) > 0 {
				got = all[len(all)-1]
			}
			if n := len(w.Msgs); n != len(v.Msgs) || len(note) > 0 && len(note) < maxText && len(body) < maxText/2 && !endsWith(got, want) {
				t.Errorf("%d messages; the note does not end %q in\n%s", n, got, out)
			}
			if len(all) < len(before) {
				t.Errorf("texts are gone: %q, %q", before, all)
			}
			w.Release()
		}
	})
}

// endsWith compares up to how invalid bytes are written: one mark for each, or for a run of them.
func endsWith(text, end string) bool {
	squeeze := func(s string) string {
		for strings.Contains(s, "\uFFFD\uFFFD") {
			s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
		}
		return s
	}
	return strings.HasSuffix(squeeze(text), squeeze(end))
}
