package history_test

import (
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/history/historytest"
	"github.com/trapgate/trapgate/internal/wire"
)

// long are the recorded session of about 2,500 messages, and a worst case: results that stand nowhere near their calls.
func long(b *testing.B) map[string]*wire.View {
	out := map[string]*wire.View{
		"apart": view(b, wire.Chat, short(wire.Chat, "u c1 u"+strings.Repeat(" c2 r2", 60)+strings.Repeat(" u r1", 1250))),
		"other": view(b, wire.Chat, short(wire.Chat, "u"+strings.Repeat(" c2 r2", 64)+strings.Repeat(" u r1", 1250))),
	}
	for _, n := range historytest.Recorded(b) {
		if v := view(b, n.Dialect, string(n.Body)); len(v.Msgs) > 2000 {
			out[n.Dialect.String()] = v
		}
	}
	return out
}

func BenchmarkUnits(b *testing.B) {
	for name, v := range long(b) {
		b.Run(name, func(b *testing.B) {
			var dst []history.Unit
			b.ReportAllocs()
			for b.Loop() {
				dst = history.Units(dst[:0], v)
			}
			b.ReportMetric(float64(len(v.Msgs)), "messages")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, v := range long(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				history.Check(v, history.Strict)
			}
		})
	}
}
