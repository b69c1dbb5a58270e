package index

import (
	"math/bits"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/store"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Hello, World!", "hello world"},
		{"Anna's cats' toys don’t fit", "anna cats toys don't fit"},
		{"user_id=42 src/main.go", "user id 42 src main go"},
		{"Café Zürich naïve", "cafe zurich naive"},
		{"北京烤鸭", "北京 京烤 烤鸭"},
		{"a 鸭 b", "a 鸭 b"},
		{"go北京go", "go 北京 go"},
		{"Привет МИР", "привет мир"},
		{"'quoted' ''", "quoted"},
		{"", ""},
	} {
		var got []string
		words(c.text, func(w []byte) { got = append(got, string(w)) })
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: %q, not %q", c.text, s, c.want)
		}
	}
}

func TestTerms(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"When did they buy the children's bikes?", "buy child bicycl"},
		{"She bought a bike for her child", "buy bicycl child"},
		{"running runs ran", "run run run"},
		{"I'm the one who isn't there", "1"},
	} {
		if got := strings.Join(Terms(c.text), " "); got != c.want {
			t.Errorf("%q: %q, not %q", c.text, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ text, from, to string }{
		{"what happened in May 2023?", "2023-05-01", "2023-06-01"},
		{"on 8 May 2023", "2023-05-08", "2023-05-09"},
		{"on June 3rd, 2022", "2022-06-03", "2022-06-04"},
		{"during 2021", "2021-01-01", "2022-01-01"},
		{"what did we do yesterday", "2026-03-09", "2026-03-10"},
		{"3 weeks ago", "2026-02-14", "2026-02-21"},
		{"may I march on?", "", ""},
		{"room 2023b", "", ""},
	} {
		var raw []string
		words(c.text, func(w []byte) { raw = append(raw, string(w)) })
		got := dates(raw, now)
		if c.from == "" {
			if len(got) != 0 {
				t.Errorf("%q: %v", c.text, got)
			}
			continue
		}
		date := func(day int32) string { return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly) }
		from, to := date(got[0].from), date(got[0].to)
		if len(got) != 1 || from != c.from || to != c.to {
			t.Errorf("%q: %s to %s, not %s to %s", c.text, from, to, c.from, c.to)
		}
	}
}

func TestAsks(t *testing.T) {
	for text, want := range map[string]bool{
		"Really?": true, "Really? [shares a photo]": true, "No. [why?]": false,
		"[": false, "]": false, "Is it? Yes.": false,
	} {
		if asks(text) != want {
			t.Errorf("asks(%q) is %v", text, !want)
		}
	}
}

func TestSimHash(t *testing.T) {
	near := func(a, b string) int { return bits.OnesCount64(SimHash(a) ^ SimHash(b)) }
	long := strings.Repeat("the quick brown fox jumps over a lazy dog while seven wizards brew potions in the tower ", 4)
	if n := near(long, strings.ToUpper(long)+"!!"); n != 0 {
		t.Errorf("case and punctuation change %d bits", n)
	}
	if n := near(long+"indeed", long); n > 8 {
		t.Errorf("a word more changes %d bits", n)
	}
	if n := near(long, "an entirely different statement about database migrations and their rollback"); n < 16 {
		t.Errorf("different texts differ in %d bits", n)
	}
	if SimHash("...") != 0 {
		t.Error("a text without words has a hash")
	}
}

func TestMeanings(t *testing.T) {
	for term, meant := range meanings() {
		for _, m := range meant {
			if m.term == "" || m.term == term || m.how <= 0 || m.how > 1 {
				t.Errorf("%q means %+v", term, m)
			}
		}
	}
	if len(meanings()["instrument"]) < 5 {
		t.Error("the table was not read")
	}
}

func TestWordsAreNeverEmptyOrLong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words(rapid.String().Draw(t, "text"), func(w []byte) {
			if len(w) == 0 || len(w) > longestWord+4 || strings.ContainsAny(string(w), " \n.,") {
				t.Fatalf("word %q", w)
			}
		})
	})
}

func FuzzIndex(f *testing.F) {
	f.Add("I adopted two kittens in May 2023.", "when did I adopt 2 cats?")
	f.Add("北京烤鸭 [x", "[[?]]]'s ’’ on 99 may 2023 days ago")
	f.Fuzz(func(t *testing.T, text, ask string) {
		x := New(Options{})
		r := says(me, 0, text)
		x.Put(r)
		x.Put(says(me, 1, ask))
		for _, h := range x.Search(bg, me, &store.Query{Text: ask, Now: someday, Limit: 5}) {
			if h.Score != h.Score {
				t.Fatal("not a number")
			}
		}
		x.Delete(r.ID)
		if x.Len() > 1 {
			t.Fatal("not deleted")
		}
	})
}
