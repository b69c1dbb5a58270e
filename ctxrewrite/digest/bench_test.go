package digest_test

import (
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// BenchmarkExtend digests some 110k tokens of tool-calling dialogue at once, as the first epoch at a 128k window would.
func BenchmarkExtend(b *testing.B) {
	s := loadSession(b)
	v := chatView(b, s.Raw)
	defer v.Release()
	to, n := 0, 0
	for to < len(v.Msgs) && n < 110_000 {
		n += tokens.Estimate(v.Raw(v.Msgs[to].Span))
		to++
	}
	opt := digest.ForWindow(131072)
	b.SetBytes(int64(v.Msgs[to-1].Span.End - v.Msgs[0].Span.Start))
	b.ReportAllocs()
	for b.Loop() {
		digest.Extend(nil, v, 0, to, task, &opt)
	}
}
