package tokens

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// TooLong is what an upstream's refusal says of sizes, in tokens; 0 where it does not say.
type TooLong struct {
	Window    int // what the model takes
	Requested int // what the request would have taken, with the answer when the upstream counts that
}

const (
	tooMany      = 1_000_000_000 // no window and no request has this many tokens
	refusalBytes = 1 << 20       // longer bodies are not read
	messageBytes = 4 << 10       // nor more of one message
	refusalDepth = 8
)

// ParseTooLong reads the body of a refusal of a request that is over the model's window: a JSON document of any dialect, one inside
// another's message (as gateways pass them), the frames of an event stream, or plain text. Only 400, 413, 422 and 500 (llama.cpp) can
// be such refusals; for an error event in an answer that began with 200, give 400. It is not ok for all other refusals: limits of rates,
// of bytes, of what may be asked of the answer.
func ParseTooLong(status int, body []byte) (t TooLong, ok bool) {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusInternalServerError:
	default:
		return TooLong{}, false
	}
	if len(body) > refusalBytes {
		return TooLong{}, false
	}
	var r refusal
	r.read(body, 0)
	p := patterns()
	if p.otherLimit.MatchString(r.codes) || p.otherLimit.MatchString(r.messages) {
		return TooLong{}, false
	}
	if !p.code.MatchString(r.codes) && !p.tooLong.MatchString(r.messages) {
		return TooLong{}, false
	}
	t = TooLong{r.window, r.requested}
	if t.Window == 0 {
		t.Window = firstNumber(p.window, r.messages)
	}
	if t.Requested == 0 {
		t.Requested = firstNumber(p.requested, r.messages)
	}
	return t, true
}

// refusal is what a body says: texts, one a line.
type refusal struct {
	codes, messages   string
	window, requested int
}

// read takes in a document, or the data of frames, or else the text itself.
func (r *refusal) read(text []byte, depth int) {
	text = bytes.TrimSpace(text)
	if depth > refusalDepth || len(text) == 0 {
		return
	}
	if text[0] == '{' || text[0] == '[' {
		var v any
		if json.Unmarshal(text, &v) == nil {
			r.walk(v, depth)
			return
		}
	}
	if bytes.HasPrefix(text, []byte("data:")) || bytes.HasPrefix(text, []byte("event:")) {
		for line := range bytes.Lines(text) {
			if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				r.read(data, depth+1)
			}
		}
		return
	}
	r.messages += string(text[:min(len(text), messageBytes)]) + "\n"
}

// walk looks only where errors stand: an echo of the agent's request may hold any words.
func (r *refusal) walk(v any, depth int) {
	if depth > refusalDepth {
		return
	}
	switch v := v.(type) {
	case string:
		r.read([]byte(v), depth+1)
	case []any:
		for _, e := range v {
			r.walk(e, depth+1)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			e := v[key]
			switch strings.ToLower(key) {
			case "code", "type", "status", "reason", "error_type", "__type":
				if s, ok := e.(string); ok {
					r.codes += s + "\n"
				}
			case "error", "errors", "message", "msg", "detail", "details", "error_description", "description", "title", "response",
				"metadata", "raw", "body", "innererror", "inner_error", "cause":
				r.walk(e, depth+1)
			case "n_ctx":
				r.window = number(e)
			case "n_prompt_tokens":
				r.requested = number(e)
			}
		}
	}
}

func number(v any) int {
	if f, ok := v.(float64); ok && f > 0 && f < tooMany {
		return int(f)
	}
	return 0
}

// firstNumber sums the groups of the first pattern that matches with numbers that can be sizes.
func firstNumber(patterns []*regexp.Regexp, text string) int {
	for _, p := range patterns {
		groups := p.FindStringSubmatch(text)
		sum := 0
		for i := 1; i < len(groups); i++ {
			n, err := strconv.Atoi(strings.NewReplacer(",", "", "_", "").Replace(groups[i]))
			if err != nil || n <= 0 || n >= tooMany {
				sum = 0
				break
			}
			sum += n
		}
		if sum > 0 && sum < tooMany {
			return sum
		}
	}
	return 0
}

type refusalPatterns struct {
	code, tooLong, otherLimit *regexp.Regexp
	window, requested         []*regexp.Regexp
}

// patterns are made when the first refusal is read. N stands for a number.
var patterns = sync.OnceValue(func() (p refusalPatterns) {
	compile := func(pattern string) *regexp.Regexp {
		return regexp.MustCompile("(?i)" + strings.ReplaceAll(pattern, "N", `(\d[\d,_]*)`))
	}
	p.code = compile(strings.Join(tooLongCodes, "|"))
	p.tooLong = compile(strings.Join(tooLongWords, "|"))
	p.otherLimit = compile(strings.Join(otherLimitWords, "|"))
	for _, w := range windowWords {
		p.window = append(p.window, compile(w))
	}
	for _, r := range requestedWords {
		p.requested = append(p.requested, compile(r))
	}
	return p
})
