package embed

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"golang.org/x/text/unicode/norm"
)

// maxNested is how deep sequences of normalizers and pre-tokenizers may be nested.
const maxNested = 8

// readNormalizer reads the normalizer of a tokenizer.json: what is done to a text before it is cut.
func readNormalizer(r gjson.Result, depth int) (func(string) string, error) {
	if depth > maxNested {
		return nil, errors.New("normalizers are nested too deep")
	}
	switch kind := r.Get("type").Str; kind {
	case "":
		return func(s string) string { return s }, nil
	case "Sequence":
		return readNormalizers(r.Get("normalizers"), depth)
	case "BertNormalizer":
		return bertNormalizer(r), nil
	case "Precompiled":
		m, err := readCharsmap(r.Get("precompiled_charsmap").Str)
		if err != nil {
			return nil, err
		}
		return m.normalize, nil
	case "Lowercase":
		return strings.ToLower, nil
	case "StripAccents":
		return func(s string) string { return withoutMarks(s) }, nil
	case "NFC", "NFD", "NFKC", "NFKD":
		return map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}[kind].String, nil
	case "Prepend":
		prefix := r.Get("prepend").Str
		return func(s string) string { return prefix + s }, nil
	case "Strip":
		return strip(r.Get("strip_left").Bool(), r.Get("strip_right").Bool()), nil
	case "Replace":
		return readReplace(r)
	default:
		return nil, fmt.Errorf("the normalizer %.40q is not known", kind)
	}
}

func readNormalizers(list gjson.Result, depth int) (func(string) string, error) {
	var steps []func(string) string
	var err error
	list.ForEach(func(_, one gjson.Result) bool {
		var step func(string) string
		step, err = readNormalizer(one, depth+1)
		steps = append(steps, step)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return func(s string) string {
		for _, step := range steps {
			s = step(s)
		}
		return s
	}, nil
}

func strip(left, right bool) func(string) string {
	return func(s string) string {
		if left {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
		if right {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		}
		return s
	}
}

func readReplace(r gjson.Result) (func(string) string, error) {
	content := r.Get("content").Str
	if exact := r.Get("pattern.String"); exact.Exists() {
		if exact.Str == "" {
			return nil, errors.New("a normalizer replaces nothing")
		}
		return func(s string) string { return strings.ReplaceAll(s, exact.Str, content) }, nil
	}
	pattern, err := regexp.Compile(r.Get("pattern.Regex").Str)
	if err != nil || pattern.String() == "" {
		return nil, fmt.Errorf("a normalizer's pattern %.60q cannot be read", r.Get("pattern.Regex").Str)
	}
	return func(s string) string { return pattern.ReplaceAllLiteralString(s, content) }, nil
}

// bertNormalizer is BERT's: clean, put spaces around Chinese characters, take accents off, lower case.
func bertNormalizer(r gjson.Result) func(string) string {
	on := func(name string) bool { v := r.Get(name); return !v.Exists() || v.Bool() }
	clean, chinese, lower := on("clean_text"), on("handle_chinese_chars"), on("lowercase")
	accents := lower
	if v := r.Get("strip_accents"); v.IsBool() {
		accents = v.Bool()
	}
	return func(s string) string {
		if accents && !ascii(s) {
			s = withoutMarks(s)
		}
		return bertClean(s, clean, chinese, lower)
	}
}

func bertClean(s string, clean, chinese, lower bool) string {
	var b strings.Builder
	b.Grow(len(s) + 8)
	for _, c := range s {
		switch {
		case clean && (c == '\t' || c == '\n' || c == '\r' || unicode.IsSpace(c)):
			b.WriteByte(' ')
		case clean && (c == 0 || c == utf8.RuneError || unicode.In(c, unicode.C)):
		case chinese && han(c):
			b.WriteByte(' ')
			b.WriteRune(c)
			b.WriteByte(' ')
		case lower && 'A' <= c && c <= 'Z':
			b.WriteByte(byte(c) + 'a' - 'A')
		case lower && c >= utf8.RuneSelf:
			b.WriteRune(unicode.ToLower(c))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// han says whether a character is of the CJK ideographs' blocks that BERT names: it writes words without spaces.
func han(c rune) bool {
	return c >= 0x3400 && (c <= 0x4DBF || 0x4E00 <= c && c <= 0x9FFF || 0xF900 <= c && c <= 0xFAFF || 0x20000 <= c && c <= 0x2A6DF ||
		0x2A700 <= c && c <= 0x2CEAF || 0x2F800 <= c && c <= 0x2FA1F)
}

// withoutMarks takes accents off: what is left of a text's canonical decomposition without its marks.
func withoutMarks(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.Is(unicode.Mn, c) {
			return -1
		}
		return c
	}, norm.NFD.String(s))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
