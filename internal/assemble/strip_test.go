package assemble_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/wire"
)

// strip passes a stream through a stripper and returns what the agent sees. It checks that frames say what their bytes say.
func strip(t testing.TB, stream []byte, piece int) string {
	t.Helper()
	var u assemble.UsageStripper
	var p sse.Parser
	var out []byte
	emit := func(f assemble.Frame) error {
		var check sse.Parser
		check.Feed(f.Raw)
		e, ok := check.Next()
		if !ok { // its last byte may be half of a line's end
			e, ok = check.Finish()
		}
		if !ok || !bytes.Equal(e.Data, f.Data) || !bytes.Equal(e.Name, f.Name) {
			t.Errorf("frame %q says %q, not %q", f.Raw, e.Data, f.Data)
		}
		out = append(out, f.Raw...)
		return nil
	}
	if piece == 0 {
		piece = len(stream)
	}
	for len(stream) > 0 {
		n := min(piece, len(stream))
		chunk := bytes.Clone(stream[:n])
		stream = stream[n:]
		p.Feed(chunk)
		for e, ok := p.Next(); ok; e, ok = p.Next() {
			if err := u.Event(assemble.Frame{Raw: e.Raw, Name: e.Name, Data: e.Data}, emit); err != nil {
				t.Fatal(err)
			}
		}
		for i := range chunk {
			chunk[i] = '#'
		}
	}
	if err := u.End(emit); err != nil {
		t.Fatal(err)
	}
	return string(append(out, p.Rest()...))
}

func TestUsageStripper(t *testing.T) {
	const (
		finish = `{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"system_fingerprint":"b7-x"}`
		usage  = `{"choices":[],"system_fingerprint":"b7-x","usage":{"n":1},"timings":{"t":1.50}}`
	)
	for _, c := range []struct{ name, in, want string }{
		{"untouched", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n: hi\n\ndata: [DONE]\n\n", "="},
		{"usage chunk", "data: {\"choices\":[],\"usage\":{\"n\":1}}\n\ndata: [DONE]\n\n", "data: [DONE]\n\n"},
		{"usage chunk, usage first", "data: {\"usage\":{\"n\":1},\"choices\":[ ]}\n\n", ""},
		{"no choices, no usage", "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n", "="},
		{"null, last", "data: {\"choices\":[{}],\"usage\":null}\n\n", "data: {\"choices\":[{}]}\n\n"},
		{"null, first", "data: {\"usage\":null, \"choices\":[{}]}\n\n", "data: {\"choices\":[{}]}\n\n"},
		{"null, between, with blanks", "data: { \"a\" : 1 , \"usage\" : null , \"choices\":[{}] }\n\n", "data: { \"a\" : 1  , \"choices\":[{}] }\n\n"},
		{"null, alone", "data: {\"usage\":null}\n\n", "data: {}\n\n"},
		{"null and no choices", "data: {\"choices\":[],\"usage\":null}\n\n", "data: {\"choices\":[]}\n\n"},
		{"usage beside choices", "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"n\":{\"usage\":1}}}\n\n", "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"},
		{"usage inside", "data: {\"choices\":[{\"usage\":null}],\"x\":{\"usage\":null}}\n\n", "="},
		{"frames of all kinds", "id: 1\r\ndata:{\"usage\":null,\r\nretry: 7\r\ndata:\"choices\":[{}]}\r\n: c\r\n\r\n", "id: 1\r\ndata:{\"choices\":[{}]}\r\nretry: 7\r\n: c\r\n\r\n"},
		{"cr", "event: x\rdata: {\"a\":1,\"usage\":null}\r\r", "event: x\rdata: {\"a\":1}\r\r"},
		{"not JSON", "data: {\"choices\":[],\"usage\":{\n\n", "="},
		{"an error", "data: {\"error\":{\"message\":\"x\",\"usage\":null}}\n\n", "="},
		{"llama.cpp", "data: " + finish + "\n\ndata: " + usage + "\n\ndata: [DONE]\n\n", "data: " + finish[:len(finish)-1] + `,"timings":{"t":1.50}}` + "\n\ndata: [DONE]\n\n"},
		{"llama.cpp, cut before its usage", "data: " + finish + "\n\n", "="},
		{"llama.cpp, an error instead", "data: " + finish + "\n\ndata: {\"error\":{}}\n\n", "="},
		{"llama.cpp, a comment between", "data: " + finish + "\n\n: hi\n\ndata: " + usage + "\n\n", ": hi\n\ndata: " + finish[:len(finish)-1] + `,"timings":{"t":1.50}}` + "\n\n"},
		{
			"llama.cpp, two choices", "data: " + finish + "\n\ndata: " + usage + "\n\ndata: {\"choices\":[{}]}\n\ndata: " + finish + "\n\ndata: " + usage + "\n\n",
			"data: " + finish[:len(finish)-1] + `,"timings":{"t":1.50}}` + "\n\ndata: {\"choices\":[{}]}\n\ndata: " + finish[:len(finish)-1] + `,"timings":{"t":1.50}}` + "\n\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if want == "=" {
				want = c.in
			}
			for _, piece := range []int{0, 1, 7} {
				if got := strip(t, []byte(c.in), piece); got != want {
					t.Errorf("pieces of %d:\ngot  %q\nwant %q", piece, got, want)
				}
			}
		})
	}
}

// An agent that did not ask sees of the simulated model, byte for byte, what it sees when nobody asks.
func TestUsageStripperBytes(t *testing.T) {
	const body = `{"model":"m","stream":true,%s"messages":[{"role":"user","content":"x [[sim: think hm & say I look. & call bash {\"command\":\"a\"}]]"}],` + chatBash
	for _, fault := range []string{"", "extra_fields", "crlf", "cr", "nospace", "multi_data", "usage_on_last", "no_finish_key", "bom"} {
		request := strings.TrimSuffix(body, ",") + "}"
		v := view(t, wire.Chat, fmt.Sprintf(request, ""))
		var e wire.Edits
		if !assemble.AskUsage(v, &e) {
			t.Fatal("not asked")
		}
		asking, err := wire.Apply(nil, v.Body, nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		plain := ask(t, 3, "/v1/chat/completions", string(v.Body), fault).Body.String()
		asked := ask(t, 3, "/v1/chat/completions", string(asking), fault).Body.Bytes()
		v.Release()
		if !bytes.Contains(asked, []byte("prompt_tokens")) || strings.Contains(plain, "prompt_tokens") {
			t.Fatalf("%s: usage: %s", fault, asked)
		}
		if got, want := same(strip(t, asked, 13)), same(plain); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", fault, got, want)
		}
	}
}

func TestUsageStripperStops(t *testing.T) {
	broken := errors.New("broken")
	var u assemble.UsageStripper
	err := u.Event(assemble.Frame{Raw: []byte("data: {}\n\n"), Data: []byte("{}")}, func(assemble.Frame) error { return broken })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}
