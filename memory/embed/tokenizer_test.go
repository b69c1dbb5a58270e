package embed

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

func read(t testing.TB, raw []byte) *tokenizer {
	t.Helper()
	k, err := readTokenizer(raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (t *tokenizer) texts(text string) (out []string) {
	for _, id := range t.tokens(nil, text) {
		out = append(out, string(t.words.token(id)))
	}
	return out
}

func TestWordPiece(t *testing.T) {
	k := read(t, wordPieceFile(t, "[UNK]", "un", "##aff", "##able", "##a", "##ffable", "unaffablex", "run", "##ning", ",", "3"))
	for text, want := range map[string]string{
		"unaffable":                    "un ##aff ##able", // the longest first, although ##a ##ffable would do too
		"UNAFFABLE running, 3":         "un ##aff ##able run ##ning , 3",
		"runnings":                     "", // its end is unknown, so the word is
		"running":                      "run ##ning",
		"un" + strings.Repeat("a", 98): "un" + strings.Repeat(" ##a", 98),
		"un" + strings.Repeat("a", 99): "", // longer than a word may be
		"run\x00ning\u200b\ufffd":      "run ##ning",
	} {
		if got := strings.Join(k.texts(text), " "); got != want {
			t.Errorf("%.40q: %q, not %q", text, got, want)
		}
	}
}

func TestUnigram(t *testing.T) {
	k := read(t, unigramFile(t, false, "<unk>", 0, "▁", -3, "▁new", -2, "▁york", -2.5, "▁newyork", -4.4,
		"s", -1.5, "▁n", -1, "ew", -4.5, "é", -4))
	for text, want := range map[string]string{
		"new york": "▁new ▁york",
		"newyork":  "▁newyork",
		"news":     "▁new s", // -3.5 is more than -7 of ▁n ew s
		"new  s":   "▁new ▁ s",
		"newé":     "▁new é",
		"new日s":    "▁new s", // what is no token adds nothing
		"":         "",
		"日":        "▁",
	} {
		if got := strings.Join(k.texts(text), " "); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
	bytes := read(t, unigramFile(t, true, "<unk>", 0, "▁", -3, "<0xE6>", -9, "<0x97>", -9, "<0xA5>", -9))
	if got := strings.Join(bytes.texts("日本"), " "); got != "▁ <0xE6> <0x97> <0xA5> <0xE6>" {
		t.Errorf("bytes: %q", got)
	}
	long := strings.Repeat("s", 3*maxWord+1)
	if got := k.texts(long); len(got) != len(long)+1 {
		t.Errorf("a word of %d is %d tokens", len(long), len(got))
	}
}

// TestUnigramIsBest compares with all ways to cut a short word.
func TestUnigramIsBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]{1,3}`), 1, 8, rapid.ID[string]).Draw(t, "tokens")
		v := &vocabulary{}
		for _, token := range tokens {
			v.add(token, -float32(rapid.IntRange(1, 40).Draw(t, token))/4)
		}
		if err := v.build(); err != nil {
			t.Fatal(err)
		}
		u := &unigram{vocabulary: v, unknownScore: v.lowest() - unknownPenalty}
		word := rapid.StringMatching(`[ab]{1,9}`).Draw(t, "word")
		var best func(rest string) float32
		best = func(rest string) float32 {
			if rest == "" {
				return 0
			}
			top := u.unknownScore + best(rest[1:])
			for i, token := range tokens {
				if strings.HasPrefix(rest, token) {
					top = max(top, v.scores[i]+best(rest[len(token):]))
				}
			}
			return top
		}
		var score float32
		covered := 0
		for _, id := range u.split(nil, word) {
			score += v.scores[id]
			covered += len(v.token(id))
		}
		score += u.unknownScore * float32(len(word)-covered)
		if want := best(word); score != want {
			t.Fatalf("%q is cut at %v, the best is %v", word, score, want)
		}
	})
}

func TestVocabulary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.SliceOfNDistinct(rapid.String(), 1, 50, rapid.ID[string]).Draw(t, "tokens")
		v := &vocabulary{}
		for _, token := range tokens {
			v.add(token, 0)
		}
		if err := v.build(); err != nil {
			t.Fatal(err)
		}
		for i, token := range tokens {
			if got := v.id(token); got != int32(i) || string(v.token(got)) != token {
				t.Fatalf("%q is %d, not %d", token, got, i)
			}
		}
		if other := rapid.String().Draw(t, "other"); v.id(other) != int32(slices.Index(tokens, other)) {
			t.Fatalf("%q is %d", other, v.id(other))
		}
	})
}

func TestNormalizers(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{`null`, " Aé", " Aé"},
		{`{"type":"BertNormalizer","lowercase":true}`, "ÀB\tc\u00ad漢x", "ab c 漢 x"},
		{`{"type":"BertNormalizer","lowercase":true,"strip_accents":false}`, "ÀB", "àb"},
		{`{"type":"BertNormalizer","lowercase":false,"handle_chinese_chars":false}`, "ÀB漢", "ÀB漢"},
		{`{"type":"Lowercase"}`, "ÀB", "àb"},
		{`{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"NFC"}]}`, "éà", "ea"},
		{`{"type":"NFKC"}`, "ﬁ①", "fi1"},
		{`{"type":"Prepend","prepend":"▁"}`, "a", "▁a"},
		{`{"type":"Strip","strip_left":false,"strip_right":true}`, " a ", " a"},
		{`{"type":"Replace","pattern":{"String":" "},"content":"▁"}`, "a b", "a▁b"},
		{`{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"$0"}`, "a   b", "a$0b"},
		{`{"type":"Precompiled","precompiled_charsmap":"` + smallCharsmap() + `"}`, "xaby a", "xAy a"},
	} {
		f, err := readNormalizer(gjson.Parse(c.kind), 0)
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
		} else if got := f(c.text); got != c.want {
			t.Errorf("%s: %q, not %q", c.kind, got, c.want)
		}
	}
	deep := strings.Repeat(`{"type":"Sequence","normalizers":[`, 20) + strings.Repeat(`]}`, 20)
	for _, kind := range []string{
		deep, `{"type":"Replace","pattern":{"Regex":"("}}`, `{"type":"Replace","pattern":{"String":""}}`,
		`{"type":"Precompiled","precompiled_charsmap":"%"}`, `{"type":"Precompiled","precompiled_charsmap":"/////w=="}`,
	} {
		if _, err := readNormalizer(gjson.Parse(kind), 0); err == nil {
			t.Errorf("%.60s is read", kind)
		}
	}
}

// smallCharsmap writes "A" for "ab": a double array of three steps, each offset 16 apart.
func smallCharsmap() string {
	units := make([]uint32, 256)
	const leaf = 1 << 8
	units[0] = 1 << 10                            // the children of the root are at 1 ^ label
	units[1^'a'] = 'a' | (1^'a'^128)<<10          // those of a at 128 ^ label; the unit stands at 1^'a'
	units[128^'b'] = 'b' | leaf | (128^'b'^5)<<10 // its value is at 5
	units[5] = 1 << 31                            // place 0 of the text
	raw := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
	for _, u := range units {
		raw = binary.LittleEndian.AppendUint32(raw, u)
	}
	return base64.StdEncoding.EncodeToString(append(raw, "A\x00"...))
}

func TestCutters(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{`null`, "a b", "a b"},
		{`{"type":"BertPreTokenizer"}`, " it's  $5.\u00a0ok—so ", "it|'|s|$|5|.|ok|—|so"},
		{`{"type":"WhitespaceSplit"}`, "\ta,b  c\n", "a,b|c"},
		{`{"type":"Whitespace"}`, "a_1,,b  é!", "a_1|,,|b|é|!"},
		{`{"type":"Punctuation"}`, "a, b!", "a|,| b|!"},
		{`{"type":"Digits","individual_digits":true}`, "a12b", "a|1|2|b"},
		{`{"type":"Digits","individual_digits":false}`, "a12b", "a|12|b"},
		{`{"type":"Metaspace","prepend_scheme":"always"}`, "a bc  d", "▁a|▁bc|▁|▁d"},
		{`{"type":"Metaspace","prepend_scheme":"never"}`, "a bc", "a|▁bc"},
		{`{"type":"Metaspace","prepend_scheme":"always","split":false}`, "a bc", "▁a▁bc"},
		{`{"type":"Metaspace","add_prefix_space":false}`, "a", "a"},
		{`{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Punctuation"}]}`, "a, b", "a|,|b"},
	} {
		f, err := readCutter(gjson.Parse(c.kind), 0)
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		var got []string
		f(c.text, func(word string) { got = append(got, word) })
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s: %q, not %q", c.kind, s, c.want)
		}
	}
	if _, err := readCutter(gjson.Parse(`{"type":"Punctuation","behavior":"Removed"}`), 0); err == nil {
		t.Error("another behaviour is read")
	}
}

func FuzzTokenizer(f *testing.F) {
	f.Add(wordPieceFile(f, small...), "Cats, dogs & cafés 猫")
	f.Add(unigramFile(f, true, "<unk>", 0, "▁a", -1, "b", -2), "ab \xff日b")
	f.Add([]byte(`{"normalizer":{"type":"Precompiled","precompiled_charsmap":"`+smallCharsmap()+`"},`+
		`"model":{"type":"Unigram","vocab":[["a",-1]]}}`), "ab")
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		k, err := readTokenizer(raw)
		if err != nil {
			return
		}
		for _, id := range k.tokens(nil, text[:min(len(text), 1<<10)]) {
			if id < 0 || int(id) >= k.words.len() {
				t.Fatalf("there is no token %d", id)
			}
		}
	})
}

func BenchmarkStatic(b *testing.B) {
	m := open(b, map[string][]byte{
		"tokenizer.json":    wordPieceFile(b, small...),
		"model.safetensors": safetensors(b, map[string]part{"embeddings": {"F32", []int{8, 256}, make([]byte, 8*256*4)}}),
	})
	b.ReportAllocs()
	for b.Loop() {
		m.embed("Cats and dogs. The cat, a dog, the cafés: cats, dogs, cats and dogs again; a cat. Dogs?")
	}
}
