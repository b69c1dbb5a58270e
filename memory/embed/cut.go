package embed

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// A cutter cuts a text into words and gives them to emit, in their order.
type cutter func(text string, emit func(word string))

// readCutter reads the pre-tokenizer of a tokenizer.json.
func readCutter(r gjson.Result, depth int) (cutter, error) {
	if depth > maxNested {
		return nil, errors.New("pre-tokenizers are nested too deep")
	}
	switch kind := r.Get("type").Str; kind {
	case "":
		return func(s string, emit func(string)) { emit(s) }, nil
	case "Sequence":
		return readCutters(r.Get("pretokenizers"), depth)
	case "BertPreTokenizer":
		return byClass(func(c rune) class {
			switch {
			case unicode.IsSpace(c):
				return space
			case punctuation(c):
				return alone
			}
			return 0
		}), nil
	case "Punctuation":
		if b := r.Get("behavior").Str; b != "" && b != "Isolated" {
			return nil, fmt.Errorf("the behaviour %.40q of punctuation is not known", b)
		}
		return byClass(func(c rune) class {
			if punctuation(c) {
				return alone
			}
			return 0
		}), nil
	case "WhitespaceSplit":
		return byClass(func(c rune) class {
			if unicode.IsSpace(c) {
				return space
			}
			return 0
		}), nil
	case "Whitespace":
		return byClass(func(c rune) class {
			switch {
			case unicode.IsSpace(c):
				return space
			case c == '_' || unicode.In(c, unicode.L, unicode.M, unicode.Nd, unicode.Pc):
				return 0
			}
			return other
		}), nil
	case "Digits":
		one := r.Get("individual_digits").Bool()
		return byClass(func(c rune) class {
			switch {
			case !unicode.IsNumber(c):
				return 0
			case one:
				return alone
			}
			return other
		}), nil
	case "Metaspace":
		return readMetaspace(r), nil
	default:
		return nil, fmt.Errorf("the pre-tokenizer %.40q is not known", kind)
	}
}

func readCutters(list gjson.Result, depth int) (cutter, error) {
	all, err := readCutter(gjson.Result{}, depth)
	list.ForEach(func(_, one gjson.Result) bool {
		var next cutter
		if next, err = readCutter(one, depth+1); err != nil {
			return false
		}
		before := all
		all = func(s string, emit func(string)) { before(s, func(word string) { next(word, emit) }) }
		return true
	})
	return all, err
}

// A class is how a character stands to its neighbours: those of the same class make a word.
type class uint8

const (
	space class = iota + 1 // belongs to no word
	alone                  // is a word
	other
)

func byClass(of func(rune) class) cutter {
	return func(s string, emit func(string)) {
		begin, last := 0, class(0)
		for i, c := range s {
			k := of(c)
			if i > begin && (k != last || k == alone) {
				emit(s[begin:i])
				begin = i
			}
			if last = k; k == space {
				begin = i + utf8.RuneLen(c)
				if c == utf8.RuneError { // of one byte, it may be
					_, n := utf8.DecodeRuneInString(s[i:])
					begin = i + n
				}
			}
		}
		if begin < len(s) {
			emit(s[begin:])
		}
	}
}

// punctuation is what BERT takes for it: also the ASCII symbols.
func punctuation(c rune) bool {
	if c < utf8.RuneSelf {
		return c >= '!' && c <= '/' || c >= ':' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
	}
	return unicode.IsPunct(c)
}

// readMetaspace reads SentencePiece's way: a space is a character of the word that it begins.
func readMetaspace(r gjson.Result) cutter {
	mark := r.Get("replacement").Str
	if mark == "" {
		mark = "▁"
	}
	scheme, split := r.Get("prepend_scheme").Str, !r.Get("split").Exists() || r.Get("split").Bool()
	// Files from before prepend_scheme say add_prefix_space. Of "first" it is taken that each word may be the first.
	prepend := scheme == "always" || scheme == "first"
	if old := r.Get("add_prefix_space"); scheme == "" {
		prepend = !old.Exists() || old.Bool()
	}
	return func(s string, emit func(string)) {
		s = strings.ReplaceAll(s, " ", mark)
		if prepend && !strings.HasPrefix(s, mark) {
			s = mark + s
		}
		for split {
			next := strings.Index(s[min(len(s), len(mark)):], mark)
			if !strings.HasPrefix(s, mark) {
				next = strings.Index(s, mark)
			} else if next >= 0 {
				next += len(mark)
			}
			if next < 0 {
				break
			}
			emit(s[:next])
			s = s[next:]
		}
		if s != "" {
			emit(s)
		}
	}
}
