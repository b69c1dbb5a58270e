package sse

import (
	"bytes"
	"fmt"
	"testing"
)

// frame220 is the size of a usual chat completion chunk.
func frame220(end string) []byte {
	b := []byte(`data: {"id":"chatcmpl-1234567890","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]`)
	b = append(b, bytes.Repeat([]byte(" "), 220-len(b)-1-2*len(end))...)
	return append(append(append(b, '}'), end...), end...)
}

func BenchmarkParser(b *testing.B) {
	named := append([]byte("event: response.output_text.delta\n"), frame220("\n")...)
	for _, c := range []struct {
		name   string
		frame  []byte
		events int // in a chunk
	}{
		{"lf/1", frame220("\n"), 1},
		{"lf/16", frame220("\n"), 16},
		{"crlf/16", frame220("\r\n"), 16},
		{"cr/16", frame220("\r"), 16},
		{"named/16", named, 16},
		{"comment/16", []byte(": keep-alive\n\n"), 16},
		{"64KiB/1", append(append([]byte("data: "), bytes.Repeat([]byte("x"), 64<<10)...), "\n\n"...), 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			chunk := bytes.Repeat(c.frame, c.events)
			var p Parser
			b.ReportAllocs()
			b.SetBytes(int64(len(c.frame)))
			for n := 0; n < b.N; n += c.events {
				p.Feed(chunk)
				got := 0
				for e, ok := p.Next(); ok; e, ok = p.Next() {
					got += len(e.Raw)
				}
				if got != len(chunk) {
					b.Fatalf("got %d of %d bytes", got, len(chunk))
				}
			}
		})
	}
}

// BenchmarkPieces must cost the same for each byte at every size: no rescans.
func BenchmarkPieces(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 14, 1 << 20} {
		b.Run(fmt.Sprintf("%dB-by-5", size), func(b *testing.B) {
			frame := append(append([]byte("data: "), bytes.Repeat([]byte("x"), size)...), "\n\n"...)
			var p Parser
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				seen := 0
				for i := 0; i < len(frame); i += 5 {
					p.Feed(frame[i:min(i+5, len(frame))])
					for _, ok := p.Next(); ok; _, ok = p.Next() {
						seen++
					}
				}
				if seen != 1 {
					b.Fatal(seen)
				}
			}
		})
	}
}
