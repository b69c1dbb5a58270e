package wire

import "testing"

// A small whole answer, metered by a meter that comes new with each exchange and by one that is kept.
func BenchmarkMeterBody(b *testing.B) {
	body := []byte(`{"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1795344779,"model":"gpt-4.1","choices":[{"index":0,"message":{"role":"assistant","content":"Paris is the capital of France."},"finish_reason":"stop"}],"usage":{"prompt_tokens":31,"completion_tokens":8,"total_tokens":39,"prompt_tokens_details":{"cached_tokens":0}}}`)
	b.Run("new", func(b *testing.B) {
		m := new(Meter)
		b.ReportAllocs()
		for b.Loop() {
			*m = Meter{}
			m.Reset(Chat)
			m.Body(body)
		}
	})
	b.Run("kept", func(b *testing.B) {
		m := new(Meter)
		b.ReportAllocs()
		for b.Loop() {
			m.Reset(Chat)
			m.Body(body)
		}
	})
}
