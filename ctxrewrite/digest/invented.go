package digest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// invented is a tool or command that summary says was used, and that stands neither in the messages [from, to) of v, nor among the
// declared tools, nor in d. What came of calls ("all tests passed") is not judged, nor are names that no call is claimed of.
func (d *Digest) invented(summary string, v *wire.View, from, to int) string {
	s := source{text: squashed(d.text)}
	for i := max(from, 0); i < min(to, len(v.Msgs)); i++ {
		s.text = append(append(s.text, '\n'), squashed(v.Raw(v.Msgs[i].Span))...)
	}
	for i := range v.Tools {
		s.text = append(append(s.text, '\n'), squashed(inside(v.Tools[i].Name.Of(v.Body)))...)
	}
	for line := range strings.Lines(summary) {
		for _, sentence := range strings.Split(line, ". ") {
			if name := s.inventedIn(sentence); name != "" {
				return name
			}
		}
	}
	return ""
}

// squashed is escaped content in lower case with blanks for line breaks, also for those of JSON inside a JSON string.
func squashed(raw []byte) []byte {
	raw = bytes.ToLower(raw)
	for _, escape := range []string{`\n`, `\t`, `\r`} {
		raw = bytes.ReplaceAll(raw, []byte(escape), []byte(" "))
	}
	return raw
}

// A source is text that a summary may have its names from.
type source struct{ text []byte }

// has reports whether a word, or a part of one that is long enough to tell, stands in the source.
func (s *source) has(word string) bool {
	w := bytes.ToLower([]byte(word))
	for at := 0; ; {
		k := bytes.Index(s.text[at:], w)
		if k < 0 {
			return false
		}
		from, to := at+k, at+k+len(w)
		if len(w) >= 5 || (from == 0 || !nameByte(s.text[from-1])) && (to == len(s.text) || !nameByte(s.text[to])) {
			return true
		}
		at = from + 1
	}
}

// inventedIn looks at what stands between backquotes in a sentence that claims a call, and at the words behind the claims.
func (s *source) inventedIn(sentence string) string {
	parts := strings.Split(sentence, "`")
	claimed := slices.ContainsFunc(wordsOf(sentence), func(w string) bool { w = strings.ToLower(w); return claims[w] && !weakClaims[w] || toolWords[w] })
	for i, p := range parts {
		name := ""
		if quoted := i%2 == 1 && i < len(parts)-1; !quoted {
			name = s.behindClaims(wordsOf(p))
		} else if claimed {
			name = s.quoted(wordsOf(p))
		}
		if name != "" {
			return name
		}
	}
	return ""
}

var (
	weakClaims    = set("via with through")
	toolWords     = set("tool tools function functions command commands")
	betweenClaims = set("the a an it named then also again shell bash")
)

// wordsOf are the words of a text without the punctuation around them.
func wordsOf(text string) (words []string) {
	for _, f := range strings.Fields(text) {
		if w := strings.Trim(f, `.,:;!?"'*()[]{}`); w != "" {
			words = append(words, w)
		}
	}
	return words
}

// quoted judges what stands between backquotes: a name, or a command with its arguments.
func (s *source) quoted(words []string) string {
	switch {
	case len(words) == 0:
	case len(words) == 1:
		if name, _, _ := strings.Cut(words[0], "("); identifier(name) && !s.has(name) {
			return name
		}
	case programs[words[0]] || slices.ContainsFunc(words[1:], option):
		return s.command(words)
	}
	return ""
}

// behindClaims judges the words that follow "ran", "with the tool" and the like.
func (s *source) behindClaims(words []string) string {
	behind := false
	for i, w := range words {
		switch low := strings.ToLower(w); {
		case claims[low] || toolWords[low]:
			behind = true
		case behind && betweenClaims[low]:
		case behind:
			behind = false
			n := i + 1
			for n < len(words) && option(words[n]) {
				n++
			}
			if name, _, _ := strings.Cut(w, "("); identifier(name) && !hyphened(name) && tab[name[0]]&upper == 0 && !s.has(name) {
				return name
			}
			if n > i+1 || plainPrograms[w] {
				if c := s.command(words[i:n]); c != "" {
					return c
				}
			}
		}
	}
	return ""
}

// command is the command when a word of it is not in the source.
func (s *source) command(words []string) string {
	for _, w := range words {
		if !s.has(w) {
			return strings.Join(words, " ")
		}
	}
	return ""
}

func option(w string) bool {
	return len(w) > 1 && w[0] == '-' && (w[1] == '-' || tab[w[1]]&(lower|upper) != 0)
}

// hyphened reports whether a name has hyphens only, as words of English may.
func hyphened(name string) bool {
	return strings.Contains(name, "-") && !strings.ContainsAny(name, "_.")
}

// identifier reports whether a word looks like the name of a tool: parts joined by _, - or dots, or camelCase; not a file.
func identifier(w string) bool {
	if len(w) < 4 || extension([]byte(w)) || tab[w[0]]&(lower|upper) == 0 {
		return false
	}
	joined := false
	for i := range len(w) {
		t := tab[w[i]]
		switch {
		case w[i] == '_' || w[i] == '-' || w[i] == '.':
			joined = joined || i >= 2 && i+2 < len(w)
		case t&(lower|upper|digit) == 0:
			return false
		case t&upper != 0 && i > 0 && tab[w[i-1]]&lower != 0:
			joined = joined || tab[w[0]]&lower != 0
		}
	}
	return joined
}

// plainPrograms are those whose names are no words of English and that a claim may name without options; programs are all.
var (
	plainPrograms = set("rm curl wget sudo git docker kubectl npm npx pip chmod chown ssh scp psql mysql terraform helm systemctl apt-get pytest")
	programs      = set(`rm curl wget sudo git docker kubectl npm npx pip chmod chown ssh scp psql mysql terraform helm systemctl apt-get pytest
		go make python python3 node bash sh cat ls cp mv sed awk grep find kill dd cargo mvn gradle yarn apt brew aws gcloud az`)
)
