package sharedmemory_test

import (
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/sharedmemory"
)

// BenchmarkNotes is what a guest pays for one call.
func BenchmarkNotes(b *testing.B) {
	dir, s := dirOf(b), kept(b)
	answers(b, dir, always(s))
	c := sharedmemory.Dial(dir)
	defer c.Close()
	if err := c.Apply(b.Context(), store.Changes{Tenant: "t", At: time.Now(), Add: []*record.Record{episode("what is there to find")}}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Notes(b.Context(), scope); err != nil {
			b.Fatal(err)
		}
	}
}
