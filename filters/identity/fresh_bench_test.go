package identity

import (
	"fmt"
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A small conversation that nobody goes on with, new each time: the tables are full and something is forgotten for each.
func BenchmarkFresh(b *testing.B) {
	f := New(Options{})
	x := exchange(b, sdkHeaders...)
	views := make([]*wire.View, 8192)
	for i := range views {
		body := fmt.Sprintf(`{"model":"gpt-4.1","messages":[{"role":"system","content":"You are a helpful assistant that answers briefly."},{"role":"user","content":"Question number %d: what is the capital of France?"}],"temperature":0.2}`, i)
		views[i], _ = wire.Acquire(wire.Chat, []byte(body), wire.Limits{})
		views[i].MessageHash(0, 0)
		views[i].MessageHash(1, 0)
	}
	run := func(v *wire.View) {
		x.Identity, x.View = filters.Identity{}, v
		s, _ := f.Open(b.Context(), x)
		_ = x.RunLater()
		_ = s.(*stream).Head(&filters.ResponseHead{Status: 200})
		s.Close(nil)
	}
	for _, v := range views {
		run(v)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		run(views[i&8191])
		i++
	}
}
