package assemble_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	wire.Strict = true
	goleak.VerifyTestMain(m)
}

// run feeds a stream, cut into pieces of some bytes (0: whole), and returns the body.
func run(d wire.Dialect, stream []byte, piece int) ([]byte, error) {
	var a assemble.Assembler
	a.Reset(d)
	return runWith(&a, stream, piece)
}

func runWith(a *assemble.Assembler, stream []byte, piece int) ([]byte, error) {
	var p sse.Parser
	if piece == 0 {
		piece = len(stream)
	}
	for len(stream) > 0 {
		n := min(piece, len(stream))
		chunk := bytes.Clone(stream[:n])
		stream = stream[n:]
		p.Feed(chunk)
		for e, ok := p.Next(); ok; e, ok = p.Next() {
			if err := a.Event(e.Name, e.Data); err != nil {
				return nil, err
			}
		}
		for i := range chunk { // the assembler must keep nothing
			chunk[i] = '#'
		}
	}
	return a.Body(nil)
}

// tree is JSON with numbers as they are written.
func tree(t testing.TB, b []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		t.Fatalf("not one JSON value: %v: %s", err, b)
	}
	return v
}

// masked replaces what is new in each answer: ids, time stamps and times measured.
func masked(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, old := range v {
			switch k {
			case "id", "call_id", "item_id", "created", "created_at", "completed_at", "timings":
				if old != nil {
					v[k] = "*"
				}
			case "signature", "encrypted_content":
				if text, _ := old.(string); strings.HasPrefix(text, "sim-") { // the id in another dress
					v[k] = "sim-*"
				}
			default:
				v[k] = masked(old)
			}
		}
	case []any:
		for i := range v {
			v[i] = masked(v[i])
		}
	}
	return v
}

// equal fails unless two bodies say the same, but for what is new in each answer.
func equal(t testing.TB, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(masked(tree(t, want)), masked(tree(t, got))); diff != "" {
		t.Errorf("assembled differs (-unary +assembled):\n%s\nunary:     %s\nassembled: %s", diff, want, got)
	}
}

var ids = regexp.MustCompile(`(chatcmpl-|call_)[0-9a-f]+|"created":\d+`)

// same is a stream without what is new in each.
func same(stream string) string { return ids.ReplaceAllString(stream, "*") }
