package wire

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naiveApply is Apply told byte by byte: what is inserted before each byte, and which bytes go.
func naiveApply(body string, exchange, call []splice) (string, bool) {
	inside := func(outer, inner Span) bool {
		if inner.Start == inner.End {
			return outer.Start < inner.Start && inner.Start < outer.End
		}
		return outer.Start <= inner.Start && inner.End <= outer.End
	}
	var left []splice
	for _, e := range exchange {
		if !slices.ContainsFunc(call, func(c splice) bool { return c.replaces() && inside(c.at, e.at) }) {
			left = append(left, e)
		}
	}
	left = append(left, call...)
	for i, a := range left {
		for j, b := range left {
			if i == j {
				continue
			}
			if a.replaces() && b.replaces() && a.at.Start < b.at.End && b.at.Start < a.at.End {
				return "", false
			}
			if a.replaces() && !b.replaces() && inside(a.at, b.at) {
				return "", false
			}
		}
	}
	out := ""
	for i := int32(0); i <= int32(len(body)); i++ {
		gone := false
		for _, s := range left {
			if !s.replaces() && s.at.Start == i {
				out += string(s.with)
			}
		}
		for _, s := range left {
			if s.replaces() && s.at.Start == i {
				out += string(s.with)
			}
			gone = gone || s.replaces() && s.at.Start <= i && i < s.at.End
		}
		if i < int32(len(body)) && !gone {
			out += body[i : i+1]
		}
	}
	return out, true
}

func checkEdits(t interface{ Fatalf(string, ...any) }, body string, exchange, call *Edits) {
	want, ok := naiveApply(body, exchange.list, call.list)
	got, err := Apply(nil, []byte(body), exchange, call)
	switch {
	case !ok && (!errors.Is(err, ErrOverlap) || string(got) != body):
		t.Fatalf("%q, %v; want an overlap: %v %v", got, err, exchange.list, call.list)
	case ok && (err != nil || string(got) != want):
		t.Fatalf("%q, %v; want %q: %v %v", got, err, want, exchange.list, call.list)
	}
}

func TestApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[a-z]{0,20}`).Draw(t, "body")
		draw := func(name string) *Edits {
			var e Edits
			for range rapid.IntRange(0, 5).Draw(t, name) {
				from := rapid.IntRange(0, len(body)).Draw(t, "from")
				to := from + rapid.SampledFrom([]int{0, 0, 1, 3, 9}).Draw(t, "length")
				e.Replace(Span{int32(from), int32(min(to, len(body)))}, []byte(rapid.StringMatching(`[A-Z]{0,3}`).Draw(t, "with")))
			}
			return &e
		}
		checkEdits(t, body, draw("exchange"), draw("call"))
	})
}

func TestApplyEdges(t *testing.T) {
	body := []byte("0123456789")
	if got, err := Apply(nil, body, nil, &Edits{}); err != nil || &got[0] != &body[0] {
		t.Error("without edits the body itself comes back", err)
	}
	var note, epoch Edits
	note.Insert(0, []byte("A"))
	note.Insert(4, []byte("in"))
	note.Insert(8, []byte("B"))
	epoch.Replace(Span{0, 8}, []byte("E"))
	epoch.Insert(8, []byte("C"))
	if got, err := Apply(make([]byte, 3, 99), body, &note, &epoch); err != nil || string(got) != "AEBC89" {
		t.Errorf("%s, %v", got, err)
	}
	var wild Edits
	wild.Replace(Span{5, 99}, nil)
	if got, err := Apply(nil, body, &wild, nil); !errors.Is(err, ErrOverlap) || string(got) != string(body) {
		t.Errorf("%s, %v", got, err)
	}
	Strict = true
	defer func() {
		Strict = false
		if recover() == nil {
			t.Error("Strict did not panic")
		}
	}()
	_, _ = Apply(nil, body, &wild, nil)
}

func FuzzEdits(f *testing.F) {
	f.Add("0123456789", []byte{1, 2, 3, 0, 5, 1}, byte(1))
	f.Fuzz(func(t *testing.T, body string, script []byte, split byte) {
		if len(body) > 64 || len(script) > 40 {
			return
		}
		var layers [2]Edits
		for i := 0; i+1 < len(script); i += 2 {
			from := int(script[i]) % (len(body) + 1)
			to := min(from+int(script[i+1])%8, len(body))
			l := &layers[0]
			if i >= int(split) {
				l = &layers[1]
			}
			l.Replace(Span{int32(from), int32(to)}, script[i:i+2])
		}
		checkEdits(t, body, &layers[0], &layers[1])
	})
}

func TestMemberEdits(t *testing.T) {
	for _, c := range []struct {
		body, want string
		edit       func(e *Edits, v *View)
	}{
		{`{"model":"a","x":1}`, `{"model":"b\"","x":1}`, func(e *Edits, v *View) { e.ReplaceModel(v, `b"`) }},
		{`{"model": null}`, `{"model": "b"}`, func(e *Edits, v *View) { e.ReplaceModel(v, "b") }},
		{`{ }`, `{"model":"b" }`, func(e *Edits, v *View) { e.ReplaceModel(v, "b") }},
		{`{"x":1}`, `{"model":"b","x":1}`, func(e *Edits, v *View) { e.ReplaceModel(v, "b") }},
		{`{"mod\u0065l":"a"}`, `{"mod\u0065l":"b"}`, func(e *Edits, v *View) { e.ReplaceModel(v, "b") }},
		{`{"stream":false}`, `{"stream":true}`, func(e *Edits, v *View) { e.SetStream(v, true) }},
		{`{"x":1}`, `{"stream":true,"x":1}`, func(e *Edits, v *View) { e.SetStream(v, true) }},
		{`{"x":1}`, `{"stream_options":{"include_usage":true},"x":1}`, func(e *Edits, v *View) { e.SetIncludeUsage(v) }},
		{`{"stream_options":null}`, `{"stream_options":{"include_usage":true}}`, func(e *Edits, v *View) { e.SetIncludeUsage(v) }},
		{`{"stream_options":{}}`, `{"stream_options":{"include_usage":true}}`, func(e *Edits, v *View) { e.SetIncludeUsage(v) }},
		{`{"stream_options":{"a":1}}`, `{"stream_options":{"include_usage":true,"a":1}}`, func(e *Edits, v *View) { e.SetIncludeUsage(v) }},
		{`{"stream_options":{"include_usage": false}}`, `{"stream_options":{"include_usage": true}}`, func(e *Edits, v *View) { e.SetIncludeUsage(v) }},
		{`{"model":"a","stream":false}`, `{"stream_options":{"include_usage":true},"model":"b","stream":true}`, func(e *Edits, v *View) {
			e.SetStream(v, true)
			e.SetIncludeUsage(v)
			e.ReplaceModel(v, "b")
		}},
	} {
		v := mustView(t, Chat, c.body)
		var e Edits
		c.edit(&e, v)
		got, err := Apply(nil, v.Body, nil, &e)
		if err != nil || string(got) != c.want || !json.Valid(got) {
			t.Errorf("%s: %s, %v; want %s", c.body, got, err, c.want)
		}
		v.Release()
	}
	v := mustView(t, Chat, `{}`)
	var e Edits
	e.ReplaceModel(v, "m")
	e.SetStream(v, true)
	got, _ := Apply(nil, v.Body, &e, nil)
	if !json.Valid(got) {
		t.Errorf("two new members in an empty object: %s", got)
	}
}

func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		raw := Quote(nil, s)
		var back string
		if err := json.Unmarshal(raw, &back); err != nil || back != s || String(raw) != s {
			t.Fatalf("%q: %s, %q, %v", s, raw, back, err)
		}
		slow, _ := json.Marshal(s)
		if got := Unquote(nil, slow); string(got) != s {
			t.Fatalf("%s: %q", slow, got)
		}
	})
	if got := string(Quote(nil, "a\xffb")); got != "\"a\uFFFDb\"" {
		t.Error(got)
	}
	raw := []byte(`"plain"`)
	if got := Unquote(nil, raw); &got[0] != &raw[1] {
		t.Error("no alias without a backslash")
	}
	for _, bad := range []string{``, `"`, `x`, `12`, `"x`} {
		if Unquote(nil, []byte(bad)) != nil {
			t.Error(bad)
		}
	}
}
