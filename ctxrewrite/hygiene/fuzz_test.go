package hygiene

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// Two system texts that may be anything, valid JSON strings: what is sent reads as it should, and no line is lost.
func FuzzFix(f *testing.F) {
	for _, s := range [][2]string{
		{`a\ntime 12:00\nb`, `a\ntime 12:01\nb`}, {`\\n 1\n\u00e9 2`, `\\n 2\n\u00e9 2`}, {`\ud83d\ude00 7`, `\ud83d\ude00 8`}, {`1`, `2`}, {`1\\`, `2\\`}, {``, `1`}, {`\"1\"`, `\"2\"`},
	} {
		f.Add(s[0], s[1], byte(0))
		f.Add(s[0], s[1], byte(5))
	}
	f.Fuzz(func(t *testing.T, a, b string, kind byte) {
		d := dialects[kind%3]
		h := New(Options{})
		for i, raw := range []string{a, b, a, b} {
			text := body(d, "SYSTEM", i+1)
			text = strings.Replace(text, "SYSTEM", raw, 1)
			if !json.Valid([]byte(text)) {
				return
			}
			v, err := wire.Acquire(d, []byte(text), wire.Limits{})
			if err != nil {
				return
			}
			v.Release()
			fix(t, h, d, text, func(r *Request) {
				r.Settings = Settings{CacheKey: true, Breakpoints: true, Volatile: VolatileMove}
				if kind&4 != 0 {
					r.Profile = history.OpenAI
				}
				sc := new(scan)
				sc.read(r.View)
				at := int32(0)
				for _, s := range sc.segs {
					if s.at.Start < at || s.at.End < s.at.Start {
						t.Fatalf("segments are out of order: %+v", sc.segs)
					}
					if at = s.at.End; !json.Valid(append(append([]byte{'"'}, s.at.Of(r.View.Body)...), '"')) {
						t.Fatalf("no content of its own: %q", s.at.Of(r.View.Body))
					}
				}
			})
		}
	})
}
