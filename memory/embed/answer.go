package embed

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"
)

// maxDimensions of a vector that is believed; the largest models have 8,192.
const maxDimensions = 1 << 16

// readAnswer reads the answer of /v1/embeddings to n texts: data[] with embedding, as numbers or as little-endian float32 in base64,
// in the order of index where that is given. The vectors are its own copies, as long as they came.
func readAnswer(raw []byte, n int) ([][]float32, error) {
	if !gjson.ValidBytes(raw) {
		return nil, errors.New("the answer is no JSON")
	}
	answer := gjson.ParseBytes(raw)
	data := answer.Get("data")
	if !data.IsArray() {
		if m := message(answer); m != "" { // some send errors with status 200
			return nil, errors.New("the answer has no data: " + m)
		}
		return nil, errors.New("the answer has no data")
	}
	vectors := make([][]float32, n)
	var err error
	count := 0
	data.ForEach(func(_, item gjson.Result) bool {
		place := count
		count++
		if index := item.Get("index"); index.Type == gjson.Number {
			place = int(index.Int())
		}
		switch {
		case count > n:
		case place < 0 || place >= n:
			err = fmt.Errorf("an embedding has the index %d, of %d texts", place, n)
		case vectors[place] != nil:
			err = fmt.Errorf("two embeddings have the index %d", place)
		default:
			vectors[place], err = readVector(item.Get("embedding"))
		}
		return err == nil
	})
	if err == nil && count != n {
		err = fmt.Errorf("%d embeddings for %d texts", count, n)
	}
	if err != nil {
		return nil, err
	}
	return vectors, nil
}

func readVector(r gjson.Result) (v []float32, err error) {
	switch {
	case r.Type == gjson.String:
		v, err = readBase64(r.Str)
	case r.IsArray():
		v, err = readNumbers(strings.TrimSpace(r.Raw[1 : len(r.Raw)-1]))
	default:
		err = errors.New("an embedding is neither numbers nor base64")
	}
	switch {
	case err != nil:
	case len(v) == 0:
		err = errors.New("an embedding is empty")
	case len(v) > maxDimensions:
		err = fmt.Errorf("an embedding has %d dimensions", len(v))
	default:
		err = finite(v)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// readNumbers reads what stands inside an array of valid JSON. A walk over the array's values would take a few times as long.
func readNumbers(list string) ([]float32, error) {
	if list == "" {
		return nil, nil
	}
	v := make([]float32, 0, strings.Count(list, ",")+1)
	for more := true; more; {
		var one string
		one, list, more = strings.Cut(list, ",")
		one = strings.TrimSpace(one)
		if one != "" && one[0] != '-' && (one[0] < '0' || one[0] > '9') { // ParseFloat takes more than JSON has
			return nil, errors.New("an embedding holds what is no number")
		}
		x, err := strconv.ParseFloat(one, 32)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, errors.New("an embedding holds what is no number")
		}
		v = append(v, float32(x)) // out of range: infinite, which is refused as such
	}
	return v, nil
}

func readBase64(s string) ([]float32, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		if raw, err = base64.RawStdEncoding.DecodeString(s); err != nil {
			return nil, errors.New("an embedding is no base64")
		}
	}
	if len(raw)%4 != 0 {
		return nil, fmt.Errorf("an embedding has %d bytes, which are no float32", len(raw))
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v, nil
}

func finite(v []float32) error {
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return errors.New("an embedding holds what is no finite number")
		}
	}
	return nil
}

// unit gives a vector the length 1, in place; one of no direction is nil.
func unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return nil
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range v {
		v[i] = float32(float64(x) * scale)
	}
	return v
}

// A Refused is an answer that is no success.
type Refused struct {
	Status  int
	Message string // the API's own, shortened; never what it repeats of the request
}

func (r *Refused) Error() string {
	if r.Message == "" {
		return fmt.Sprintf("refused with status %d", r.Status)
	}
	return fmt.Sprintf("refused with status %d: %s", r.Status, r.Message)
}

var (
	long = regexp.MustCompile(`(?i)too (?:long|large|big|many)|maximum (?:context|input|sequence|batch|allowed)|max(?:imum)?[ _]` +
		`(?:context|input|sequence|batch|client|model|tokens)|exceed|context (?:length|size|window)|must have (?:less|fewer)|at most`)
	many = regexp.MustCompile(`(?i)too many (?:input|text|item|embed)|(?:allowed|client) batch|batch size \d|array too long|` +
		`at most \d+ (?:input|text|item)`)
	wait = regexp.MustCompile(`(?i)\brate|quota|per (?:minute|day|second)|concurren`)
)

// TooLarge says whether less would have been taken: fewer texts, or a shorter one.
func (r *Refused) TooLarge() bool {
	switch r.Status {
	case 413:
		return true
	case 400, 422, 500: // llama.cpp's server says 500 to an input larger than its batch
		return long.MatchString(r.Message) && !wait.MatchString(r.Message)
	}
	return false
}

// OfTexts says whether the same texts would be refused again.
func (r *Refused) OfTexts() bool { return r.Status == 400 || r.Status == 413 || r.Status == 422 }

// tooMany says whether it is their number that was too large.
func (r *Refused) tooMany() bool { return many.MatchString(r.Message) }

func refusal(status int, raw []byte) *Refused {
	r := &Refused{Status: status}
	if gjson.ValidBytes(raw) {
		r.Message = message(gjson.ParseBytes(raw))
	}
	return r
}

// message is what an API says of an error, where APIs say it. A body of another form may repeat the request, so it is not quoted.
func message(answer gjson.Result) string {
	for _, path := range []string{"error.message", "message", "error", "detail", "detail.0.msg"} {
		if m := answer.Get(path); m.Type == gjson.String && m.Str != "" {
			return short(m.Str)
		}
	}
	return ""
}

// short is at most 200 bytes of a text, in one line.
func short(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), most)], ""))
	return strings.TrimSpace(s)
}
