package embed

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// An api answers as an embeddings API does: a text's vector is its length and its first byte.
type api struct {
	mostTexts, mostBytes int // of a request, of a text; 0: any
	swapped              bool
	requests             []request
	tenants              []string
}

func (a *api) post(_ context.Context, tenant string, body []byte) (int, []byte, error) {
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return 0, nil, err
	}
	a.requests, a.tenants = append(a.requests, q), append(a.tenants, tenant)
	if a.mostTexts > 0 && len(q.Input) > a.mostTexts {
		return 422, fmt.Appendf(nil, `{"error":"batch size %d > maximum allowed batch size %d"}`, len(q.Input), a.mostTexts), nil
	}
	var data []string
	for i, text := range q.Input {
		if a.mostBytes > 0 && len(text) > a.mostBytes {
			return 400, []byte(`{"error":{"message":"This model's maximum context length is 8 tokens"}}`), nil
		}
		v := fmt.Sprintf("[%d,%d]", len(text), text[0])
		if q.EncodingFormat == "base64" {
			v = fmt.Sprintf("%q", coded(float32(len(text)), float32(text[0])))
		}
		data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, i, v))
	}
	if a.swapped {
		data[0], data[len(data)-1] = data[len(data)-1], data[0]
	}
	return 200, []byte(`{"object":"list","data":[` + strings.Join(data, ",") + `],"usage":{"prompt_tokens":1}}`), nil
}

func coded(x ...float32) string {
	var raw []byte
	for _, f := range x {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// vector is what an api's vector of a text is at length 1.
func vector(text string) []float32 {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return unit([]float32{float32(len(text)), float32(text[0])})
}

func remote(t testing.TB, post Post, o Options) *Remote {
	t.Helper()
	o.Model = "small"
	r, err := NewRemote(post, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRemote(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := &api{mostTexts: rapid.IntRange(0, 5).Draw(rt, "most"), swapped: rapid.Bool().Draw(rt, "swapped")}
		o := Options{Base64: rapid.Bool().Draw(rt, "base64")}
		o.Texts, o.Bytes = rapid.IntRange(0, 9).Draw(rt, "batch"), rapid.IntRange(0, 40).Draw(rt, "bytes")
		r := remote(t, a.post, o)
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-z ]{0,20}`), 0, 30).Draw(rt, "texts")
		vectors, err := r.Embed(context.Background(), "t1", texts)
		if err != nil || len(vectors) != len(texts) {
			rt.Fatalf("%d vectors, %v", len(vectors), err)
		}
		for i, text := range texts {
			if !near(vectors[i], vector(text)) {
				rt.Fatalf("%q: %v, not %v", text, vectors[i], vector(text))
			}
		}
		for i, q := range a.requests {
			if a.tenants[i] != "t1" || q.Model != "small" || (q.EncodingFormat != "") != o.Base64 || o.Texts > 0 && len(q.Input) > o.Texts {
				rt.Fatalf("%+v for %s", q, a.tenants[i])
			}
			if size := len(strings.Join(q.Input, "")); o.Bytes > 0 && size > o.Bytes && len(q.Input) > 1 {
				rt.Fatalf("%d bytes in a request of %d texts", size, len(q.Input))
			}
		}
	})
}

// TestRemoteLearns holds that a limit on texts is run into once, not with every batch.
func TestRemoteLearns(t *testing.T) {
	a := &api{mostTexts: 8}
	r := remote(t, a.post, Options{Texts: 32})
	texts := strings.Split(strings.Repeat("a b c d ", 16)+"e", " ")
	if _, err := r.Embed(context.Background(), "", texts); err != nil {
		t.Fatal(err)
	}
	// The first batch is asked for as 32, 16, 8, 8, 16, 8, 8; the other 33 texts as 8, 8, 8, 8, 1.
	if len(a.requests) != 12 {
		t.Errorf("%d requests", len(a.requests))
	}
}

func TestRemoteShortens(t *testing.T) {
	a := &api{mostBytes: 10}
	r := remote(t, a.post, Options{})
	texts := []string{"short", strings.Repeat("ä", 9), "short too"}
	v, err := r.Embed(context.Background(), "", texts)
	if err != nil || !near(v[0], vector(texts[0])) || !near(v[1], vector("ääää")) || !near(v[2], vector(texts[2])) {
		t.Errorf("%v, %v", v, err)
	}
	if r.most.Load() != DefaultTexts {
		t.Errorf("one long text made batches %d long", r.most.Load())
	}
	_, err = r.Embed(context.Background(), "", []string{strings.Repeat("x", 1000)})
	var refused *Refused
	if !errors.As(err, &refused) || refused.Status != 400 {
		t.Errorf("a text that stays too long: %v", err)
	}
}

func TestRemoteReads(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"numbers", `{"data":[{"embedding":[3,4.0e0]},{"embedding":[0,-2]}]}`, ""},
		{"base64", `{"data":[{"embedding":"` + coded(3, 4) + `"},{"embedding":"` + strings.TrimRight(coded(0, -2), "=") + `"}]}`, ""},
		{"another order", `{"data":[{"index":1,"embedding":[0,-2]},{"index":0,"embedding":[3,4]}],"x":1}`, ""},
		{"no JSON", `{"data":[`, "no JSON"},
		{"no data", `{"object":"list"}`, "no data"},
		{"an error with status 200", `{"error":{"message":"model\nnot loaded"}}`, "has no data: model not loaded"},
		{"too few", `{"data":[{"embedding":[3,4]}]}`, "1 embeddings for 2 texts"},
		{"too many", `{"data":[{"embedding":[3,4]},{"embedding":[3,4]},{"embedding":[3,4]}]}`, "3 embeddings for 2 texts"},
		{"twice", `{"data":[{"index":0,"embedding":[3,4]},{"index":0,"embedding":[3,4]}]}`, "two embeddings have the index 0"},
		{"beyond", `{"data":[{"index":0,"embedding":[3,4]},{"index":2,"embedding":[3,4]}]}`, "the index 2"},
		{"of another length", `{"data":[{"embedding":[3,4]},{"embedding":[3,4,5]}]}`, "a vector has 3 dimensions, not 2"},
		{"empty", `{"data":[{"embedding":[]},{"embedding":[3,4]}]}`, "empty"},
		{"null", `{"data":[{"embedding":null},{"embedding":[3,4]}]}`, "neither"},
		{"a hole", `{"data":[{"embedding":[3,null]},{"embedding":[3,4]}]}`, "no number"},
		{"infinite", `{"data":[{"embedding":[3,1e300]},{"embedding":[3,4]}]}`, "no finite number"},
		{"not a number", `{"data":[{"embedding":"` + coded(3, float32(math.NaN())) + `"},{"embedding":[3,4]}]}`, "no finite number"},
		{"odd bytes", `{"data":[{"embedding":"AAA="},{"embedding":[3,4]}]}`, "no float32"},
		{"no base64", `{"data":[{"embedding":"%%%%"},{"embedding":[3,4]}]}`, "no base64"},
	} {
		r := remote(t, func(context.Context, string, []byte) (int, []byte, error) { return 200, []byte(c.answer), nil }, Options{})
		v, err := r.Embed(context.Background(), "", []string{"a", "b"})
		switch {
		case c.want == "" && (err != nil || !near(v[0], []float32{.6, .8}) || !near(v[1], []float32{0, -1})):
			t.Errorf("%s: %v, %v", c.name, v, err)
		case c.want != "" && (err == nil || v != nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, %v", c.name, v, err)
		}
	}
}

func TestRemoteKeepsDimensions(t *testing.T) {
	n := 3
	post := func(_ context.Context, _ string, body []byte) (int, []byte, error) {
		if !strings.Contains(string(body), `"dimensions":3`) {
			return 400, []byte(`{"error":{"message":"dimensions"}}`), nil
		}
		return 200, []byte(`{"data":[{"embedding":[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + `]}]}`), nil
	}
	r := remote(t, post, Options{Dimensions: 3})
	if _, err := r.Embed(context.Background(), "", []string{"a"}); err != nil || r.Model() != "small/3" {
		t.Errorf("%v, %s", err, r.Model())
	}
	n = 4
	if _, err := r.Embed(context.Background(), "", []string{"a"}); err == nil || !strings.Contains(err.Error(), "4 dimensions, not 3") {
		t.Errorf("the model changed: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		status       int
		body, says   string
		large, count bool
	}{
		{401, `{"error":{"message":"Incorrect API key"}}`, "status 401: Incorrect API key", false, false},
		{413, `<html>`, "status 413", true, false},
		{400, `{"error":{"message":"'$.input' is invalid: array too long"}}`, "array too long", true, true},
		{400, `{"message":"This model's maximum context length is 8192 tokens, however you requested 9000"}`, "maximum context", true, false},
		{422, `{"error":"batch size 33 > maximum allowed batch size 32"}`, "batch size 33", true, true},
		{422, `{"detail":[{"msg":"value is too long","input":"my password"}]}`, "status 422: value is too long", true, false},
		{500, `{"error":{"message":"input is too large to process. increase the physical batch size"}}`, "too large", true, false},
		{500, `{"error":{"message":"out of memory"}}`, "out of memory", false, false},
		{400, `{"error":{"message":"too many requests per minute"}}`, "too many", false, false},
		{429, `{"error":{"message":"Rate limit exceeded: too many tokens"}}`, "Rate limit", false, false},
		{400, `{"detail":{"input":"my password"}}`, "status 400", false, false},
		{503, ``, "status 503", false, false},
		{400, `{"error":{"message":"` + strings.Repeat("x", 5000) + `"}}`, "xxx", false, false},
	} {
		r := refusal(c.status, []byte(c.body))
		if s := r.Error(); !strings.Contains(s, c.says) || strings.Contains(s, "password") || len(s) > 240 {
			t.Errorf("%d %s: %q", c.status, c.body, s)
		}
		if r.TooLarge() != c.large || c.large && r.tooMany() != c.count {
			t.Errorf("%d %s: too large %v, too many %v", c.status, c.body, r.TooLarge(), r.tooMany())
		}
	}
}

func TestRemoteEnds(t *testing.T) {
	gone := errors.New("gone")
	calls := 0
	r := remote(t, func(ctx context.Context, _ string, _ []byte) (int, []byte, error) {
		calls++
		return 0, nil, gone
	}, Options{Texts: 1})
	if v, err := r.Embed(context.Background(), "", []string{"a", "b"}); !errors.Is(err, gone) || v != nil || calls != 1 {
		t.Errorf("%v, %v after %d calls", v, err, calls)
	}
	v, err := r.Embed(context.Background(), "", []string{"", " \n"})
	if err != nil || len(v) != 2 || v[0] != nil || v[1] != nil || calls != 1 {
		t.Errorf("no words: %v, %v after %d calls", v, err, calls)
	}
	for _, o := range []Options{{}, {Model: "m", Texts: -1}} {
		if _, err := NewRemote(func(context.Context, string, []byte) (int, []byte, error) { return 0, nil, nil }, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"data":[{"index":1,"embedding":[0,-2]},{"index":0,"embedding":[3,4]}]}`), uint8(2))
	f.Add([]byte(`{"data":[{"embedding":"`+coded(3, 4)+`"}]}`), uint8(1))
	f.Add([]byte(`{"error":{"message":"no"}}`), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, n uint8) {
		refusal(400, raw).TooLarge()
		vectors, err := readAnswer(raw, int(n))
		if err != nil {
			return
		}
		if len(vectors) != int(n) {
			t.Fatalf("%d vectors for %d texts", len(vectors), n)
		}
		for _, v := range vectors {
			if len(v) == 0 || finite(v) != nil {
				t.Fatalf("%v", v)
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	v := make([]float32, 1536)
	for i := range v {
		v[i] = float32(math.Sin(float64(i))) / 30
	}
	numbers, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	for name, e := range map[string]string{"numbers": string(numbers), "base64": fmt.Sprintf("%q", coded(v...))} {
		answer := []byte(`{"data":[{"index":0,"embedding":` + e + `}]}`)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readAnswer(answer, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
