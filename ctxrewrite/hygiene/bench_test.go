package hygiene

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

func bigPrompt(clock string) string {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "%d. Keep to the rule that stands here, and to `file_%d.go` as well: it is about a hundred bytes.\n", i, i)
	}
	return "It is " + clock + ".\n" + b.String()
}

func benchRequest(b testing.TB, clock string, turns int) *Request {
	v := view(b, wire.Chat, body(wire.Chat, bigPrompt(clock), turns))
	return &Request{View: v, Exchange: new(wire.Edits), Call: new(wire.Edits), Out: new(wire.Edits), Tenant: "t", Session: "s", Agent: "a", Profile: history.Strict}
}

func BenchmarkKnown(b *testing.B) {
	h, r := New(Options{}), benchRequest(b, "12:00", 50)
	h.Fix(r)
	b.ReportAllocs()
	for b.Loop() {
		h.Fix(r)
	}
}

// Each request of a conversation of 200 messages has another clock.
func BenchmarkStamped(b *testing.B) {
	for _, s := range []Settings{{}, moving} {
		b.Run(fmt.Sprint(s.Volatile), func(b *testing.B) {
			h := New(Options{})
			var all []*Request
			for i := range 50 {
				r := benchRequest(b, clock(i), i+1)
				r.Settings = s
				all = append(all, r)
			}
			for _, r := range all {
				h.Fix(r)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				r := all[40+i%10]
				r.Out.Reset()
				h.Fix(r)
				i++
			}
		})
	}
}

func TestNothingToDoIsCheap(t *testing.T) {
	h, r := New(Options{}), benchRequest(t, "12:00", 3)
	h.Fix(r)
	if n := testing.AllocsPerRun(100, func() { h.Fix(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
