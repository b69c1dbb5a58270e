package embed

import (
	"errors"
	"fmt"
	"math"

	"github.com/tidwall/gjson"
)

// maxTokens of a vocabulary that is believed; the largest of models for all languages have about 500,000.
const maxTokens = 1 << 22

// A tokenizer turns a text into the numbers of its tokens. Nothing is put around them, and what looks like a special token in a text
// is text.
type tokenizer struct {
	normalize func(string) string
	cut       cutter
	model     splitter
	words     *vocabulary
}

// readTokenizer reads a tokenizer.json of the models WordPiece and Unigram. It does not keep the bytes.
func readTokenizer(raw []byte) (*tokenizer, error) {
	if !gjson.ValidBytes(raw) {
		return nil, errors.New("it is no JSON")
	}
	file := gjson.ParseBytes(raw)
	t := &tokenizer{}
	var err error
	if t.normalize, err = readNormalizer(file.Get("normalizer"), 0); err != nil {
		return nil, err
	}
	if t.cut, err = readCutter(file.Get("pre_tokenizer"), 0); err != nil {
		return nil, err
	}
	model := file.Get("model")
	switch kind := model.Get("type").Str; {
	case kind == "WordPiece" || kind == "" && model.Get("max_input_chars_per_word").Exists():
		err = t.readWordPiece(model)
	case kind == "Unigram" || kind == "" && model.Get("vocab").IsArray():
		err = t.readUnigram(model)
	default:
		err = fmt.Errorf("the model %.40q is not known: it is neither WordPiece nor Unigram", kind)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *tokenizer) readWordPiece(model gjson.Result) error {
	var tokens []string
	var err error
	count := int64(0)
	model.Get("vocab").ForEach(func(_, _ gjson.Result) bool { count++; return true })
	if count > maxTokens {
		return errors.New("the vocabulary is too large")
	}
	model.Get("vocab").ForEach(func(token, id gjson.Result) bool {
		n := id.Int()
		if n < 0 || n > 2*count || id.Type != gjson.Number { // a few numbers may be missing
			err = fmt.Errorf("of %d tokens one has the number %d", count, n)
			return false
		}
		for int64(len(tokens)) <= n {
			tokens = append(tokens, "")
		}
		tokens[n] = token.Str
		return true
	})
	if err != nil {
		return err
	}
	v := &vocabulary{}
	for _, token := range tokens {
		v.add(token, 0)
	}
	w := &wordPiece{vocabulary: v, continues: "##", longestWord: 100}
	if p := model.Get("continuing_subword_prefix"); p.Type == gjson.String {
		w.continues = p.Str
	}
	if n := model.Get("max_input_chars_per_word").Int(); n > 0 && n < math.MaxInt32 {
		w.longestWord = int(n)
	}
	t.model, t.words = w, v
	return v.build()
}

func (t *tokenizer) readUnigram(model gjson.Result) error {
	v := &vocabulary{}
	var err error
	model.Get("vocab").ForEach(func(_, entry gjson.Result) bool {
		var pair [2]gjson.Result
		n := 0
		entry.ForEach(func(_, one gjson.Result) bool { // Array would need four times the memory
			if n < len(pair) {
				pair[n] = one
			}
			n++
			return true
		})
		switch {
		case n != 2 || pair[0].Type != gjson.String || pair[1].Type != gjson.Number:
			err = errors.New("an entry of the vocabulary is no token and score")
		case math.Abs(pair[1].Num) > 1e6:
			err = errors.New("a token's score is no logarithm of a probability")
		case v.len() >= maxTokens:
			err = errors.New("the vocabulary is too large")
		default:
			v.add(pair[0].Str, float32(pair[1].Num))
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if err := v.build(); err != nil {
		return err
	}
	u := &unigram{vocabulary: v, unknownScore: v.lowest() - unknownPenalty}
	if model.Get("byte_fallback").Bool() {
		u.bytes = byteTokens(v)
	}
	t.model, t.words = u, v
	return nil
}

// tokens appends the numbers of a text's tokens.
func (t *tokenizer) tokens(ids []int32, text string) []int32 {
	t.cut(t.normalize(text), func(word string) { ids = t.model.split(ids, word) })
	return ids
}
