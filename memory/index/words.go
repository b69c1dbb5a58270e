package index

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"golang.org/x/text/unicode/norm"
)

// longestWord is where a word is cut, in bytes: what is longer is a blob, of which the beginning is enough to find it by.
const longestWord = 48

// words calls yield with each word of a text in lower case and without accents: a run of letters and digits, in which an apostrophe
// may stand, or, where a script puts no spaces between words, each pair of characters next to each other. The word is only valid
// during the call.
func words(text string, yield func(word []byte)) {
	if !ascii(text) {
		text = norm.NFKD.String(text)
	}
	var w splitter
	w.yield = yield
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
				w.add(rune(c))
			case c >= 'A' && c <= 'Z':
				w.add(rune(c + 'a' - 'A'))
			case c == '\'':
				w.quote()
			default:
				w.end()
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		switch {
		case r == '’':
			w.quote()
		case unicode.Is(unicode.Mn, r): // an accent that NFKD took off its letter
		case unspaced(r):
			w.pair(r)
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			w.add(unicode.ToLower(r))
		default:
			w.end()
		}
	}
	w.end()
}

// A splitter collects the characters of a word.
type splitter struct {
	word  [longestWord + utf8.UTFMax]byte
	n     int
	last  rune // of a script without spaces; 0 outside of it
	alone bool // last has been in no pair yet
	yield func([]byte)
}

func (w *splitter) add(r rune) {
	if w.last != 0 {
		w.end()
	}
	if w.n < longestWord {
		w.n += utf8.EncodeRune(w.word[w.n:], r)
	}
}

// quote leaves an apostrophe within a word out: the word goes on. At its beginning there is none yet.
func (w *splitter) quote() {
	if w.n > 0 && w.last == 0 && w.n < longestWord {
		w.word[w.n] = '\''
		w.n++
	}
}

func (w *splitter) pair(r rune) {
	if w.last == 0 {
		w.end()
		w.last, w.alone = r, true
		return
	}
	w.n = utf8.EncodeRune(w.word[:], w.last)
	w.n += utf8.EncodeRune(w.word[w.n:], r)
	w.yield(w.word[:w.n])
	w.n, w.last, w.alone = 0, r, false
}

func (w *splitter) end() {
	if w.last != 0 {
		if w.alone {
			w.n = utf8.EncodeRune(w.word[:], w.last)
			w.yield(w.word[:w.n])
		}
		w.n, w.last = 0, 0
		return
	}
	word := w.word[:w.n]
	w.n = 0
	for _, tail := range [...]string{"'s", "'"} {
		if n := len(word) - len(tail); n >= 0 && string(word[n:]) == tail {
			word = word[:n]
		}
	}
	if len(word) > 0 {
		w.yield(word)
	}
}

func unspaced(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer,
		unicode.Myanmar)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// A lexeme is what a word is to the index.
type lexeme struct {
	term   string // it is indexed under; "": it says nothing
	traits traits
	number uint32 // of the term, where that still has it; under Index.mu
}

// A stemmer remembers what words are. It is safe for concurrent use.
type stemmer struct {
	mu    sync.RWMutex
	words map[string]*lexeme
}

// remembered bounds a stemmer. What people write has fewer words than that, but for numbers and names.
const remembered = 1 << 15

// of is what a word is. The stemmer must be read-locked, and still is when it returns.
func (s *stemmer) of(word []byte) *lexeme {
	if l := s.words[string(word)]; l != nil {
		return l
	}
	w := string(word)
	l := &lexeme{term: stem(w), traits: traitsOf[w]}
	if w[0] >= '0' && w[0] <= '9' {
		l.traits |= number
	}
	s.mu.RUnlock()
	s.mu.Lock()
	if s.words == nil || len(s.words) >= remembered {
		s.words = make(map[string]*lexeme, 256)
	}
	s.words[w] = l
	s.mu.Unlock()
	s.mu.RLock()
	return l
}

// term is what a word is indexed under.
func (s *stemmer) term(word string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.of([]byte(word)).term
}

// clear makes it forget words, which may be of a text that was deleted.
func (s *stemmer) clear() {
	s.mu.Lock()
	s.words = nil
	s.mu.Unlock()
}

// stem is what a word is indexed under, "" for one that says nothing: Porter's second English stemmer, after irregular forms are
// put in their base form. Words of other alphabets stay as they are; likeness of letters finds their forms.
func stem(word string) string {
	if stops[word] {
		return ""
	}
	word = strings.ReplaceAll(word, "'", "")
	if base, ok := irregular[word]; ok {
		word = base
	}
	if len(word) < 3 || !ascii(word) || word[0] <= '9' {
		return word
	}
	env := snowballstem.NewEnv(word)
	english.Stem(env)
	return env.Current()
}
