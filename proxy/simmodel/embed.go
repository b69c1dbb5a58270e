package simmodel

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// embed answers /embeddings. Texts that share words and letter groups get similar vectors, so that search works on them.
func (c *conversation) embed() {
	body, err := readBody(c.r)
	if err != nil {
		c.fail(bad("", "The request body could not be read: %v", err))
		return
	}
	var e struct {
		Model      string          `json:"model"`
		Input      json.RawMessage `json:"input"`
		Format     string          `json:"encoding_format"`
		Dimensions int             `json:"dimensions"`
	}
	if err := decodeBody(body, &e); err != nil {
		c.fail(err)
		return
	}
	texts, ok := embedInputs(e.Input)
	switch {
	case e.Model == "":
		c.fail(bad("model", "you must provide a model parameter"))
		return
	case !ok || e.Dimensions < 0 || e.Dimensions > 8192:
		c.fail(bad("input", "'input' must be a string, an array of strings or of tokens, and 'dimensions' at most 8192."))
		return
	}
	if e.Dimensions == 0 {
		e.Dimensions = 256
	}
	q := &request{dialect: embeddings, body: body, model: e.Model, hash: hash64(body)}
	for _, t := range texts {
		q.prompt += max(1, tokens(len(t)))
	}
	q.nth = c.m.occurrence(q.hash)
	c.m.stats.requests.Add(1)
	c.m.stats.inFlight.Add(1)
	defer c.m.stats.inFlight.Add(-1)
	c.key, c.start = credential(c.r), c.m.clock.Now()
	var fail *apiError
	if c.f, fail = c.m.faultsFor(c.r.Header.Get("x-sim-fault"), "", q); fail == nil {
		if c.struck(q) {
			return
		}
		fail = c.admit(q)
	}
	if fail != nil {
		c.fail(fail)
		return
	}
	at := c.start.Add(time.Duration(c.m.opt.Overhead) + c.m.eng.cost(q.prompt, c.m.opt.PrefillRate))
	if c.m.clock.Wait(c.r.Context(), at) != nil {
		c.m.stats.abandoned.Add(1)
		return
	}
	c.m.stats.prompt.Add(int64(q.prompt))
	c.m.stats.completed.Add(1)
	c.answerHeaders()
	c.writeBody(embedBody(e.Model, e.Format, texts, e.Dimensions, q.prompt))
}

func embedInputs(raw json.RawMessage) ([]string, bool) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, true
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many, len(many) > 0
	}
	var ids []int
	if json.Unmarshal(raw, &ids) == nil {
		return []string{fmt.Sprint(ids)}, len(ids) > 0
	}
	var lists [][]int
	if json.Unmarshal(raw, &lists) != nil {
		return nil, false
	}
	for _, l := range lists {
		many = append(many, fmt.Sprint(l))
	}
	return many, len(many) > 0
}

func embedBody(model, format string, texts []string, dim, prompt int) []byte {
	b := []byte(`{"object":"list","data":[`)
	for i, t := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendInt(append(b, `{"object":"embedding","index":`...), i), `,"embedding":`...)
		v := Embed(t, dim)
		if format == "base64" {
			raw := make([]byte, 0, 4*dim)
			for _, x := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			b = append(appendQuoted(b, base64.StdEncoding.EncodeToString(raw)), '}')
			continue
		}
		b = append(b, '[')
		for j, x := range v {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
		}
		b = append(b, `]}`...)
	}
	b = append(appendQuoted(append(b, `],"model":`...), model), `,"usage":{"prompt_tokens":`...)
	b = appendInt(append(appendInt(b, prompt), `,"total_tokens":`...), prompt)
	return append(b, `}}`...)
}

// Embed is the model's embedding of a text: words and their letter triples hashed to signed dimensions, unit length.
func Embed(text string, dim int) []float32 {
	v := make([]float32, dim)
	add := func(s string, w float32) {
		h := mix(hash64([]byte(s)))
		if h>>63 == 1 {
			w = -w
		}
		v[h%uint64(dim)] += w
	}
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		add(word, 1)
		for i := 0; i+3 <= len(word); i++ {
			add(word[i:i+3], 0.4)
		}
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		v[0], sum = 1, 1
	}
	n := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= n
	}
	return v
}
