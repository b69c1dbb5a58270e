package lease

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// Whatever a peer sends, the store answers with a line of JSON, and every grant is sane.
func FuzzServe(f *testing.F) {
	good, err := json.Marshal(request{[]Report{{
		Key: "k", Kind: Rate, Limit: 100, Per: time.Minute, Sidecars: 2, Delta: 1e9, TTL: 5e9, Life: 1e12, Holder: "h", Seq: 1, Ask: 10,
		Demands: []Demand{{"t", 1, 5}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, []byte(`"kind":1`), []byte(`"kind":2`)))
	f.Add(bytes.ReplaceAll(good, []byte(`"kind":1`), []byte(`"kind":3`)))
	f.Add([]byte(`{"reports":[{}]}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, line []byte) {
		now := time.Unix(1_700_000_000, 0)
		m := NewMemory(func() time.Time { return now })
		for range 2 {
			answer, _ := serve(context.Background(), line, m)
			var res response
			if err := json.Unmarshal(answer, &res); err != nil || bytes.ContainsRune(answer, '\n') {
				t.Fatalf("%v: %q", err, answer)
			}
			for _, g := range res.Grants {
				if g.Amount < 0 || g.Share < 0 || math.IsNaN(g.Share) || g.Retry < 0 {
					t.Fatalf("%+v", g)
				}
			}
			now = now.Add(time.Second)
		}
	})
}

func FuzzParseGrant(f *testing.F) {
	f.Add("1.5\n10\n2.5\n100\n0\n1\n2")
	f.Add("g\n-1\nNaN\n1e300\n0")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseGrant(strings.Split(text, "\n"))
		if err == nil && (math.IsNaN(g.Share) || len(g.Tenants) != strings.Count(text, "\n")-4) {
			t.Fatalf("%+v of %q", g, text)
		}
	})
}
