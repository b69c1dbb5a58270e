package tokens

import (
	"bytes"
	"testing"
)

func BenchmarkEstimate(b *testing.B) {
	var text []byte
	for _, k := range corpus(b) {
		for _, d := range k.docs[:min(len(k.docs), 20)] {
			text = append(text, d...)
		}
	}
	text = bytes.Repeat(text, 1+(435<<10)/len(text))[:435<<10]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var sum int
	for b.Loop() {
		sum += Estimate(text)
	}
	if sum == 0 {
		b.Fatal("nothing was counted")
	}
}
