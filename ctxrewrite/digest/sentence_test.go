package digest

import (
	"slices"
	"testing"
)

func TestSentences(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want []string
	}{
		{``, nil},
		{`One. Two! Three?`, []string{`One.`, `Two!`, `Three?`}},
		{`See example.com and v1.2 now. Next`, []string{`See example.com and v1.2 now.`, `Next`}},
		{`Mr. Smith has No. 5 here. Go.`, []string{`Mr. Smith has No. 5 here.`, `Go.`}},
		{`He said \"Stop.\" Then left.`, []string{`He said \"Stop.\"`, `Then left.`}},
		{`head\n- B one. B two\n2. c`, []string{`head`, `B one.`, `B two`, `c`}},
		{`short line\nnever this`, []string{`short line`, `never this`}},
		{`this line is long enough to have been wrapped by an editor\nand goes on. End`, []string{`this line is long enough to have been wrapped by an editor\nand goes on.`, `End`}},
		{`this line is long enough to have been wrapped by an editor\n\nand ends`, []string{`this line is long enough to have been wrapped by an editor`, `and ends`}},
		{`caf\u00e9 \\n is no break. Ok`, []string{`caf\u00e9 \\n is no break.`, `Ok`}},
		{`一。二`, []string{`一。`, `二`}},
		{`一！？二？」三｡四．五`, []string{`一！？`, `二？」`, `三｡`, `四．`, `五`}},
		{`一\u3002二\uff01三\uFF1F\u300d四`, []string{`一\u3002`, `二\uff01`, `三\uFF1F\u300d`, `四`}},
		{`不要!好的?v1.2.一`, []string{`不要!`, `好的?v1.2.`, `一`}},
		{`एक। दो॥ तीन`, []string{`एक।`, `दो॥`, `तीन`}},
		{`\u090f\u0915\u0964 \u0926\u094b`, []string{`\u090f\u0915\u0964`, `\u0926\u094b`}},
		{`ما هذا؟ نعم۔ لا`, []string{`ما هذا؟`, `نعم۔`, `لا`}},
		{`Well… he said. So… Next\u2026 Then`, []string{`Well… he said.`, `So…`, `Next\u2026`, `Then`}},
		{`naïve “quote” – dash. Ende`, []string{`naïve “quote” – dash.`, `Ende`}},
		{`\n\n  x  \r\n`, []string{`x`}},
	} {
		var got []string
		sentences([]byte(c.raw), func(s sentence) { got = append(got, c.raw[s.From:s.To]) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q\nwant\n%q", c.raw, got, c.want)
		}
	}
}

func TestDistinctive(t *testing.T) {
	for w, want := range map[string]bool{
		"ZQ-0000-65151C40": true, "550e8400-e29b-41d4-a716-446655440000": true, "9f8e7d6c5b4a": true, "1Z999AA10123456784": true, "PX-77-AA91": true,
		"TCK_2024_XB7": true, "AB12/CD34-9": true, "INV-2024-0042": true,
		"credit_card_4421486": false, "mia_li_3668": false, "2024-05-15T15:00:00Z": false, "11:30AM": false, "HAT069": false, "mypy==0.910": false,
		"ad388c7..168a845": false, "3.0.0rc4": false, "python3.9": false, "round-trip": false, "24-hour": false, "GPT-4o": false, "": false,
	} {
		if got := distinctive([]byte(w)); got != want {
			t.Errorf("%s: %v", w, got)
		}
	}
}

func TestPaths(t *testing.T) {
	for w, want := range map[string]bool{
		"src/app/main.go": true, "/etc/hosts": true, "./run": true, "main.go": true, "~/x/notes": true, "tests/test_fields.py": true,
		"and/or": false, "1/2": false, "e.g": false, "3.5": false, "//": false, "http://x.org": false,
	} {
		if got := isPath([]byte(w)); got != want {
			t.Errorf("%s: %v", w, got)
		}
	}
}

func TestKeyArguments(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{`{"path":"a/b.go","line":12,"deep":{"x":[1,"}"]},"ok":true}`, `a/b.go, line=12, deep=…, ok=true`},
		{`{"command":"ls\n-l \"x\""}`, `ls -l \"x\"`},
		{`plain "text"` + "\n" + `here`, `plain \"text\" here`},
		{`{}`, ``},
		{``, ``},
		{`{"a":"unterminated`, ``},
		{`{"a" 5}`, ``},
		{`{"q":"` + "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789" + `"}`, `0123456789 0123456789 0123456789 0123456789…`},
	} {
		if got := string(keyArguments([]byte(c.args), 90)); got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestCuts(t *testing.T) {
	raw := []byte(`ab \u00e9\ud83d\ude00 \\n é😀 end`)
	for n := range len(raw) + 2 {
		h, e := head(raw, n), tail(raw, n)
		if !content(h) || !content(e) || len(h) > n || len(e) > n {
			t.Errorf("%d: %q %q", n, h, e)
		}
	}
	if got := string(oneLine(nil, []byte(`\n a\t\tb\n  c \\n\r\n`))); got != `a b c \\n` {
		t.Errorf("%q", got)
	}
	if got := string(trim([]byte(` \n x\\n \r\n`))); got != `x\\n` {
		t.Errorf("%q", got)
	}
}
