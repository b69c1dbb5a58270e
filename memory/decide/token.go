package decide

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a word, a number, a mark, or a single character of a script that writes no spaces. norm is what rules compare: lower
// case, contractions taken apart ("I'm" is "i", "am", both with the span of the whole).
type token struct {
	norm       string
	start, end int // bytes in the text
	mark       bool
	upper      bool // begins with a capital
	adverb     bool // may stand between the words of a pattern: set by markWords
	is         sorts
}

// sorts are the lists of words that rules ask for at every token.
type sorts uint8

const (
	isAdverb sorts = 1 << iota
	isConjunction
	isHedge
	isOpener // or a label
	isFiction
	isFirst // of a pattern
	isLoose // the first of a pattern that is no capture
)

// markWords looks up once what is asked of every token again and again.
func markWords(toks []token, lex *lexicon) {
	for i := range toks {
		t := &toks[i]
		t.is = lex.sorts[t.norm]
		t.adverb = t.is&isAdverb != 0 && !t.mark
	}
}

// tokenize appends the tokens of text[from:to].
func tokenize(out []token, text string, from, to int) []token {
	for i := from; i < to; {
		r, n := utf8.DecodeRuneInString(text[i:to])
		switch {
		case unicode.IsSpace(r) || r == utf8.RuneError:
			i += n
		case single(r):
			out = append(out, token{norm: text[i : i+n], start: i, end: i + n})
			i += n
		case wordRune(r):
			end := wordEnd(text, i, to)
			out = appendWord(out, text, i, end)
			i = end
		default:
			out = append(out, token{norm: text[i : i+n], start: i, end: i + n, mark: true})
			i += n
		}
	}
	return out
}

func single(r rune) bool {
	return r >= 0x3040 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// wordEnd goes on over marks that stand inside words: rock'n'roll, e-mail, 3.14, a@b.com, and/or, C++, C#.
func wordEnd(text string, i, to int) int {
	for i < to {
		if c := text[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			i++
			continue
		}
		if text[i] == ' ' {
			return i
		}
		r, n := utf8.DecodeRuneInString(text[i:to])
		switch {
		case single(r):
			return i
		case wordRune(r):
			i += n
			continue
		case strings.ContainsRune("'’`-.@/:+#&%", r) && i+n < to:
			next, _ := utf8.DecodeRuneInString(text[i+n : to])
			if wordRune(next) && !single(next) && r != ':' || r == ':' && digitAround(text, i, to) {
				i += n
				continue
			}
		}
		if strings.HasPrefix(text[i:to], "++") {
			return i + 2
		}
		if r == '#' || r == '%' {
			return i + 1
		}
		return i
	}
	return i
}

func digitAround(text string, i, to int) bool {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return i > 0 && digit(text[i-1]) && i+1 < to && digit(text[i+1])
}

func appendWord(out []token, text string, from, end int) []token {
	raw := text[from:end]
	norm := strings.ToLower(raw)
	if strings.ContainsRune(norm, '’') {
		norm = strings.ReplaceAll(norm, "’", "'")
	}
	first, _ := utf8.DecodeRuneInString(raw)
	t := token{norm: norm, start: from, end: end, upper: unicode.IsUpper(first)}
	if wide, ok := tables().contractions[norm]; ok {
		for w := range strings.FieldsSeq(wide) {
			t.norm = w
			out = append(out, t)
		}
		return out
	}
	if head, tail, ok := strings.Cut(norm, "'"); ok && head != "" {
		switch {
		case tail == "s": // a genitive, or "is": two tokens, and the rules say which
			cut := from + strings.IndexAny(raw, "'’")
			out = append(out, token{norm: head, start: from, end: cut, upper: t.upper})
			return append(out, token{norm: "'s", start: cut, end: end})
		case len([]rune(head)) <= 2 || head == "quell" || head == "dell" || head == "nell" || head == "all": // l'eau, j'ai, m'appelle, un'altra
			cut := from + strings.IndexAny(raw, "'’")
			out = append(out, token{norm: head + "'", start: from, end: cut, upper: t.upper})
			_, n := utf8.DecodeRuneInString(raw[cut-from:])
			return appendWord(out, text, cut+n, end)
		}
	}
	return append(out, t)
}

// sentences cuts text[from:to], which is text of the user's own, into sentences.
func sentences(text string, from, to int, visit func(start, end int)) {
	start := from
	for i := from; i < to; {
		r, n := utf8.DecodeRuneInString(text[i:to])
		i += n
		switch r {
		case '\n':
		case '.', '!', '?', '…':
			if i < to && !isSpaceAt(text, i) && text[i] != '"' && text[i] != ')' && text[i] != '\'' || r == '.' && abbreviated(text, start, i-n) {
				continue
			}
			for i < to && strings.IndexByte(".!?\"')", text[i]) >= 0 {
				i++
			}
		case '。', '！', '？':
		default:
			continue
		}
		if strings.TrimSpace(text[start:i]) != "" {
			visit(start, i)
		}
		start = i
	}
	if strings.TrimSpace(text[start:to]) != "" {
		visit(start, to)
	}
}

func isSpaceAt(text string, i int) bool {
	r, _ := utf8.DecodeRuneInString(text[i:])
	return unicode.IsSpace(r)
}

func abbreviated(text string, start, dot int) bool {
	at := strings.LastIndexAny(text[start:dot], " \t\n(") + 1 + start
	word := strings.ToLower(text[at:dot])
	if word == "no" && !(dot+2 < len(text) && text[dot+2] >= '0' && text[dot+2] <= '9') {
		return false // "No." is an answer
	}
	if tables().abbreviations[word] {
		return true
	}
	digits := word != "" && len(word) <= 2 // "am 3. Mai"
	for i := 0; i < len(word); i++ {
		digits = digits && word[i] >= '0' && word[i] <= '9'
	}
	if !digits || dot+2 >= len(text) {
		return false
	}
	next := strings.ToLower(text[dot+1 : min(dot+6, len(text))])
	for m := range strings.FieldsSeq("jan feb mär mar apr mai jun jul aug sep okt nov dez") {
		if strings.HasPrefix(strings.TrimLeft(next, " "), m) {
			return true
		}
	}
	return false
}
