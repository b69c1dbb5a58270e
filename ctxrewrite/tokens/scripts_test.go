package tokens

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
)

// common are the scripts, by their languages, whose estimates are bounded above too.
const common = " english german french portuguese swedish polish czech hungarian romanian turkish vietnamese finnish russian ukrainian bulgarian " +
	"serbian greek hebrew arabic persian hindi marathi thai chinese traditional japanese korean "

// TestEstimateOfSentences has ordinary sentences in more than 50 languages and kinds of symbols, raw and escaped.
func TestEstimateOfSentences(t *testing.T) {
	for line := range strings.Lines(read(t, "testdata/sentences.txt")) {
		language, text, _ := strings.Cut(line, "|")
		text = strings.Repeat(text, 20)
		off := 100 * (float64(Estimate([]byte(text)))/float64(Count(text)) - 1)
		as := escaped([]string{text})[0]
		offEscaped := 100 * (float64(Estimate([]byte(as)))/float64(Count(as)) - 1)
		t.Logf("%-12s %+6.1f %%, escaped %+6.1f %%", language, off, offEscaped)
		most := 50.0
		if strings.Contains(common, " "+language+" ") {
			most = 30
		}
		if off < -8 || off > most {
			t.Errorf("%s: %+.1f %% off", language, off)
		}
		// A body is counted as it stands, and upstreams count what escapes stand for, which is always less.
		if offEscaped < -13 || offEscaped > most {
			t.Errorf("%s, escaped: %+.1f %% off", language, offEscaped)
		}
	}
}

// TestEstimateOfRareScripts has random words of the letters of scripts without samples: nothing is much too low.
func TestEstimateOfRareScripts(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, script := range []string{
		"Syriac", "Thaana", "Nko", "Samaritan", "Oriya", "Tibetan", "Ethiopic", "Cherokee", "Canadian_Aboriginal", "Ogham", "Runic", "Tagalog", "Mongolian",
		"Limbu", "Tai_Le", "Buginese", "Balinese", "Sundanese", "Ol_Chiki", "Glagolitic", "Coptic", "Tifinagh", "Bopomofo", "Yi", "Lisu", "Vai",
		"Javanese", "Cham", "Meetei_Mayek", "Linear_B", "Gothic", "Deseret", "Cuneiform", "Egyptian_Hieroglyphs", "Adlam", "Brahmi",
	} {
		var letters []rune
		for _, x := range unicode.Scripts[script].R16 {
			for c := rune(x.Lo); c <= rune(x.Hi); c += rune(x.Stride) {
				letters = append(letters, c)
			}
		}
		for _, x := range unicode.Scripts[script].R32 {
			for c := rune(x.Lo); c <= rune(x.Hi); c += rune(x.Stride) {
				letters = append(letters, c)
			}
		}
		var b strings.Builder
		for range 300 {
			for range 2 + r.IntN(8) {
				b.WriteRune(letters[r.IntN(len(letters))])
			}
			b.WriteByte(' ')
		}
		text := b.String()
		off := 100 * (float64(Estimate([]byte(text)))/float64(Count(text)) - 1)
		t.Logf("%-20s %+6.1f %%", script, off)
		if off < -5 || off > 75 {
			t.Errorf("%s: %+.1f %% off", script, off)
		}
	}
}

func TestEstimateOfMarks(t *testing.T) {
	for i := range marks {
		for j := range marks {
			if one := Count(marks[i:i+1]+marks[j:j+1]) == 1; one == apart(marks[i], marks[j]) {
				t.Errorf("%c%c: apart is %v", marks[i], marks[j], !one)
			}
		}
	}
	r := rand.New(rand.NewPCG(9, 10))
	var b strings.Builder
	for range 20_000 {
		b.WriteByte(marks[r.IntN(len(marks))])
	}
	for _, text := range []string{b.String(), quoted([]string{b.String()})[0]} {
		off := 100 * (float64(Estimate([]byte(text)))/float64(Count(text)) - 1)
		t.Logf("random marks %+.1f %%", off)
		if off < -5 || off > 10 {
			t.Errorf("random marks: %+.1f %% off", off)
		}
	}
}
