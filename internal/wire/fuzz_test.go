package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzView(f *testing.F) {
	for _, s := range seeds {
		f.Add(byte(s.d), s.body)
	}
	for _, s := range corpus(f) {
		if len(s.body) < 5000 {
			f.Add(byte(s.d), s.body)
		}
	}
	for _, b := range []string{`{"a":1e5,"b":[true,false,null,-0.1]}`, "{\"a\":\"\xff\"}", `{"a":"\ud800\u0041"}`, `{"messages":[{"role":"user","content":[{"text":"x"}]}]}`} {
		f.Add(byte(Chat), []byte(b))
	}
	f.Fuzz(func(t *testing.T, d byte, body []byte) {
		if d > byte(Embeddings) {
			return
		}
		v, err := Acquire(Dialect(d), body, Limits{})
		valid := json.Valid(body) && plainUTF8(body)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Offset < 0 || se.Offset > len(body) || se.Msg == "" {
				t.Fatalf("error %#v", err)
			}
			if _, isObject := parse(body); !valid || !isObject {
				return
			}
			dup, depth := refDuplicates(body)
			if se.Code == CodeDuplicateKey && dup || se.Code == CodeTooDeep && depth > 512 {
				return
			}
			t.Fatalf("%v, but encoding/json takes it\n%s", err, body)
		}
		if !valid {
			t.Fatalf("accepted what encoding/json refuses\n%s", body)
		}
		// Keys beside ASCII letters fold in encoding/json as well; with a duplicate left inside nobody's business the two
		// still agree on what is read, because those places are not read.
		want, ok := refRead(Dialect(d), body)
		if !ok {
			t.Fatal("not an object")
		}
		if got := viewReading(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n%s", cmp.Diff(want, got, sameReading), body)
		}
		v.ChainFrom(1, 0, nil)
		v.SystemHash()
		v.ToolsHash()
		v.Release()
	})
}
