package digest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// The same conversation gives the same bytes, and cutting an epoch in two loses no rule and no code.
func TestDeterministicAndSplit(t *testing.T) {
	s := loadSession(t)
	n := 500
	a, b := chatView(t, s.Raw[:n]), chatView(t, s.Raw)
	defer a.Release()
	defer b.Release()
	opt := digest.ForWindow(131072)
	one, off1 := digest.Extend(nil, a, 0, n, task, &opt)
	two, off2 := digest.Extend(nil, b, 0, n, task, &opt)
	if !bytes.Equal(one.Text(), two.Text()) || len(off1) != len(off2) {
		t.Fatal("two runs differ")
	}
	for i := range off1 {
		if off1[i].Handle != off2[i].Handle || !bytes.Equal(off1[i].Content, off2[i].Content) {
			t.Fatalf("offload %d differs", i)
		}
	}
	for cut := 2; cut < n; cut += 41 {
		d, _ := digest.Extend(nil, a, 0, cut, task, &opt)
		d, _ = digest.Extend(d, a, cut, n, task, &opt)
		text := plain(t, d)
		for _, p := range s.Pins {
			if p.Message < n && !strings.Contains(text, p.Text) {
				t.Errorf("cut at %d: lost %s", cut, p.Text)
			}
		}
		for _, p := range s.IDs {
			if p.Message < n && !strings.Contains(text, p.Code) {
				t.Errorf("cut at %d: lost %s", cut, p.Code)
			}
		}
	}
}

// What stands in the ledger stands there after later epochs, in its order.
func TestFactsAreAppendOnly(t *testing.T) {
	s := loadSession(t)
	v := chatView(t, s.Raw)
	defer v.Release()
	opt := digest.ForWindow(131072)
	var d *digest.Digest
	var before []string
	for from := 0; from < 800; from += 100 {
		d, _ = digest.Extend(d, v, from, from+100, task, &opt)
		var now []string
		for _, part := range d.Sections() {
			if part.Name == "facts" {
				for _, l := range strings.Split(part.Text, "\n") {
					if strings.Contains(l, "ZQ-") {
						now = append(now, l)
					}
				}
			}
		}
		if len(now) < len(before) || strings.Join(now[:len(before)], "\n") != strings.Join(before, "\n") {
			t.Fatalf("at %d the ledger changed:\n%q\n%q", from, before, now)
		}
		before = now
	}
	if len(before) == 0 {
		t.Error("no facts")
	}
}

func TestCodingSession(t *testing.T) {
	var s struct{ Messages []json.RawMessage }
	if err := json.Unmarshal(dataFile(t, "swe_agent_marshmallow.json"), &s); err != nil {
		t.Fatal(err)
	}
	var raw []string
	for _, m := range s.Messages {
		raw = append(raw, string(m))
	}
	raw = append(raw, `{"role":"assistant","content":null,"tool_calls":[{"id":"z","type":"function","function":{"name":"bash","arguments":"{\"command\":\"python reproduce2.py\"}"}}]}`,
		`{"role":"tool","tool_call_id":"z","content":"Traceback (most recent call last):\n  File \"reproduce2.py\", line 3\nValueError: bad precision 'q'"}`)
	v := chatView(t, raw)
	defer v.Release()
	opt := digest.ForWindow(65536)
	d, _ := digest.Extend(nil, v, 0, len(v.Msgs), task, &opt)
	text := plain(t, d)
	for _, want := range []string{"src/marshmallow/fields.py", "setup.py", "reproduce.py", "python reproduce.py", "python reproduce2.py FAILED", "pip install -e .[dev]", "ValueError: bad precision 'q'", "open(src/marshmallow/fields.py"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	t.Logf("%d tokens of %d:\n%s", tokens.Count(text), tokens.Count(string(v.Body)), text)
}

func TestFacts(t *testing.T) {
	for _, c := range []struct {
		role, text, want string
		kept             bool
	}{
		{"user", "The vault opens with PX-77-AA91 at noon", "PX-77-AA91", true},
		{"user", "ZK-1234-QQ77 is the key of the red door", "ZK-1234-QQ77 is the key of the red door", true},
		{"user", "Take 9f8e7d6c5b4a for the onyx crate", "9f8e7d6c5b4a for the onyx crate", true},
		{"user", "See https://example.org/a?b=1 and /etc/app/conf.yaml", "https://example.org/a?b=1", true},
		{"user", "See https://example.org/a?b=1 and /etc/app/conf.yaml", "/etc/app/conf.yaml", true},
		{"user", "my mail is eve@example.org", "eve@example.org", true},
		{"user", "my budget is $640 in all", "$640", true},
		{"user", "wait 90 seconds", "90 seconds", true},
		{"assistant", "The ticket number is TCK-2024-XB7.", "TCK-2024-XB7", true},
		{"assistant", "It leaves at 2024-05-15T15:00:00 sharp", "2024-05-15T15", false},
		{"tool", `{"id": "AB-1234-CD56", "n": 5}`, "AB-1234-CD56", false},
		{"tool", `{"id": 5} Note: the code is AB-1234-CD56.`, "code is AB-1234-CD56", true},
		{"tool", `{"note": "The gate code is AB-1234-CD56."}`, "gate code is AB-1234-CD56", true},
		{"tool", "Serial number: AB-1234-CD56", "Serial number: AB-1234-CD56", true},
		{"tool", "id AA-1111-11AA id AA-1111-11AB id AA-1111-11AC id AA-1111-11AD id AA-1111-11AE", "AA-1111", false},
		{"tool", `{"a": "b"} say "AB-1234-CD56" loudly`, "AB-1234-CD56", true},
		{"tool", "saved, ref=AB-1234-CD56", "AB-1234-CD56", true},
		{"tool", `{"id":"AB-1234-CD56"} {'id': 'AB-1234-CD56'}`, "AB-1234-CD56", false},
		{"tool", "created HAT069 for credit_card_4421486 today", "credit_card", false},
	} {
		tn := turn{role: c.role, text: c.text}
		if c.role == "tool" {
			tn = turn{tool: "get", args: "{}", result: c.text}
		}
		v := view(t, wire.Chat, body(wire.Chat, []turn{tn}))
		d, _ := digest.Extend(nil, v, 0, len(v.Msgs), nil, &digest.Options{FactBudget: 2000})
		var facts string
		for _, s := range d.Sections() {
			if s.Name == "facts" {
				facts = s.Text
			}
		}
		if strings.Contains(facts, c.want) != c.kept {
			t.Errorf("%s: %q: kept %v: %q", c.role, c.text, !c.kept, facts)
		}
		v.Release()
	}
}

// Summaries that a model may write: with and without what they must hold, and with claims of calls that never were.
func TestAcceptsSummaries(t *testing.T) {
	b := body(wire.Chat, append([]turn{{role: "user", text: strings.Repeat("much to say here, really. ", 80)}}, talk...))
	b = b[:len(b)-1] + `,"tools":[{"type":"function","function":{"name":"deploy","parameters":{}}},{"type":"function","function":{"name":"run","parameters":{}}}]}`
	v := view(t, wire.Chat, b)
	defer v.Release()
	opt := digest.ForWindow(65536)
	d, _ := digest.Extend(nil, v, 0, len(v.Msgs), nil, &opt)
	good := "- Never push to main; café rules apply.\nThe code is KX-4471-99AB, the ticket QT-8812-77ZZ. We ran run and saw src/app/main.go fail."
	for _, c := range []struct{ name, summary, want string }{
		{"good", good, ""},
		{"empty", " ", "empty"},
		{"id lost", strings.Replace(good, "QT-8812-77ZZ", "QT", 1), "ids and paths"},
		{"false claim", good + " Then called deploy with success.", "deploy was called"},
		{"false claim of an unknown tool", good + " Then called drop_table(x).", "drop_table was called"},
		{"a tool only named", good + " The deploy is still to be done.", ""},
		{"longer than its source", good + strings.Repeat(" and so on", 4000), "its source"},
	} {
		err := d.Accepts(c.summary, []string{"KX-4471-99AB", "QT-8812-77ZZ"}, v, 0, len(v.Msgs))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Text made to be slow is not: half a megabyte of rules, of one list item, of backslashes, of codes.
func TestHostileTextIsBounded(t *testing.T) {
	for name, piece := range map[string]string{
		"rules": "Never open door %d.\n", "item": "a. Never b%d. ", "slashes": `\\\"%d`, "codes": "ref AB-%d-XY12 is the code. ", "pins": "<ctx:pin>%d</ctx:pin>", "blanks": "\n \n %d \t",
	} {
		var b strings.Builder
		b.WriteString("- ")
		for i := 0; b.Len() < 500_000; i++ {
			fmt.Fprintf(&b, piece, i)
		}
		v := view(t, wire.Chat, body(wire.Chat, []turn{{role: "user", text: b.String()}, {tool: "f", args: "{}", result: b.String()}, {role: "assistant", text: b.String()}}))
		opt := digest.ForWindow(32768)
		begin := time.Now()
		d, _ := digest.Extend(nil, v, 0, len(v.Msgs), nil, &opt)
		took := time.Since(begin)
		if plain(t, d); took > 10*time.Second { // quadratic work takes minutes; the race detector is slow
			t.Errorf("%s: %v", name, took)
		}
		t.Logf("%s: %v, %d tokens", name, took, d.Tokens())
		v.Release()
	}
}

// Handles name contents: another byte gives another handle, and older spans are listed in the index.
func TestHandles(t *testing.T) {
	opt := digest.ForWindow(65536)
	var d *digest.Digest
	var all []string
	var index digest.Offload
	for i := range 7 {
		v := view(t, wire.Chat, body(wire.Chat, []turn{{role: "user", text: fmt.Sprint("say ", i)}}))
		var off []digest.Offload
		d, off = digest.Extend(d, v, 0, 1, nil, &opt)
		all = append(all, off[0].Handle)
		if len(off) > 1 {
			index = off[1]
		}
		v.Release()
	}
	text := plain(t, d)
	for i, h := range all {
		if !strings.Contains(text, h) && !strings.Contains(string(index.Content), h) {
			t.Errorf("span %d is not reachable", i)
		}
		for _, o := range all[:i] {
			if o == h {
				t.Error("two spans share a handle")
			}
		}
	}
	if index.Kind != digest.Index || !strings.Contains(text, index.Handle) {
		t.Errorf("index %+v in %s", index, text)
	}
}

func FuzzExtend(f *testing.F) {
	for _, t := range talk {
		f.Add(t.text, t.result, t.args)
	}
	f.Add(`\u003cctx:pin\u003e x`, "Error: \\n \u2028 \x00", `{"a":"\ud83d","b":[1,{"c":"}"}]`)
	f.Add("- Never\n- [ ] do \\", "No such file ZQ-1-2AAAA3 }{", `{"path":"a/b.go\n`)
	opt := digest.ForWindow(65536)
	opt.Protected = []string{"guarded"}
	f.Fuzz(func(t *testing.T, said, result, args string) {
		marker := "Never touch box 77 with HX-5512-AA"
		turns := []turn{
			{role: "user", text: said},
			{role: "assistant", text: said + " because " + result},
			{tool: "get", args: q(args), result: result + "\n" + marker + "\n"},
			{tool: "guarded", args: q(args), result: said},
			{role: "user", text: result},
		}
		for _, dialect := range []wire.Dialect{wire.Chat, wire.Responses, wire.Messages} {
			v, err := wire.Acquire(dialect, []byte(body(dialect, turns)), wire.Limits{})
			if err != nil {
				return
			}
			d, _ := digest.Extend(nil, v, 0, 2, nil, &opt)
			d, _ = digest.Extend(d, v, 2, len(v.Msgs), nil, &opt)
			plain(t, d)
			for _, s := range d.Sections() {
				if s.Name == "rules" && strings.Contains(s.Text, marker) && !strings.Contains(said+result, "Never touch") {
					t.Errorf("a rule of a tool result: %s", s.Text)
				}
			}
			b, err := d.MarshalBinary()
			var r digest.Digest
			if err != nil || r.UnmarshalBinary(b) != nil || !bytes.Equal(r.Text(), d.Text()) {
				t.Errorf("not the same after reading: %v", err)
			}
			v.Release()
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte("\x02{\"Pins\":[{\"Raw\":\"\\\\u00e9\\\"\",\"Rank\":1}],\"Messages\":3}"))
	f.Add([]byte("\x02{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d digest.Digest
		if d.UnmarshalBinary(b) == nil {
			var s string
			if err := json.Unmarshal([]byte(`"`+string(d.Text())+`"`), &s); err != nil {
				t.Errorf("%v: %s", err, d.Text())
			}
		}
	})
}

// Cuts at any place of text with escapes of all kinds give text that is valid in a JSON string.
func TestCutsAreValid(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	bits := []string{`\n`, `\u00e9`, `\ud83d\ude00`, `\\`, `\"`, "é", "😀", " ", "word", `\t`, "Error: x1", "。", "- "}
	for range 300 {
		var raw strings.Builder
		for range rng.IntN(200) {
			raw.WriteString(bits[rng.IntN(len(bits))])
		}
		m := []string{
			`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"` + raw.String() + `"}}]}`,
			`{"role":"tool","tool_call_id":"1","content":"` + raw.String() + `"}`, `{"role":"user","content":"` + raw.String() + `"}`,
		}
		v := chatView(t, m)
		opt := digest.ForWindow(40000 + rng.IntN(100000))
		d, _ := digest.Extend(nil, v, 0, 3, nil, &opt)
		plain(t, d)
		v.Release()
	}
}
