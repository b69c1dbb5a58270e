package schedule

import (
	"bytes"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
)

const asks = `"include_usage":true`

// Usage is asked for when a stream's agent did not, and kept from it; all else it sees as it was sent.
func TestUsageIsAskedFor(t *testing.T) {
	usageNull := strings.ReplaceAll(string(streamed("", "a").Body), `}]}`, `}],"usage":null}`)
	for _, tt := range []struct {
		name   string
		c      call
		asks   bool
		answer filtertest.Answer
		want   string
	}{
		{"a stream", call{}, true, streamed(stdUsage, "a", "b"), string(kept(streamed(stdUsage, "a", "b")))},
		{"with null in each chunk", call{}, true, filtertest.Answer{Stream: true, Body: []byte(usageNull)}, string(streamed("", "a").Body)},
		{"that asks itself", call{body: `,"stream_options":{"include_usage":true}`}, true, streamed(stdUsage, "a"), string(streamed(stdUsage, "a").Body)},
		{"that asks for another option", call{body: `,"stream_options":{"other":1}`}, true, streamed(stdUsage, "a"), string(kept(streamed(stdUsage, "a")))},
		{"a document", call{unary: true}, false, document(1, 1), string(document(1, 1).Body)},
		{"an error", call{}, true, failure(404, "no"), string(failure(404, "no").Body)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBench(t, oneSlot())
				c := tt.c
				c.answers = []filtertest.Answer{tt.answer}
				r := b.run(c)
				if got := bytes.Contains(r.Sent[0], []byte(asks)); got != tt.asks || string(r.Body) != tt.want || r.Requests != 1 {
					t.Errorf("asked %t: %s\nthe agent got\n%s\nwant\n%s", got, r.Sent[0], r.Body, tt.want)
				}
				b.idle()
			})
		})
	}
}

// An upstream that refuses the question gets the request once more without, and is not asked again once that has worked.
func TestUsageIsRefused(t *testing.T) {
	for _, status := range []int{400, 422} {
		in(t, func(t *testing.T) {
			b := newBench(t, oneSlot())
			plain := streamed("", strings.Repeat("x", 40))
			r := b.run(call{attempts: 1, answers: []filtertest.Answer{failure(status, "stream_options"), plain}})
			if r.Status != 200 || r.Requests != 2 || bytes.Contains(r.Sent[1], []byte(asks)) || !bytes.Equal(r.Body, plain.Body) {
				t.Errorf("status %d, %d requests: %s", r.Status, r.Requests, r.Body)
			}
			b.idle()
			if got := b.attained(); got < 35 || got > 60 { // estimated
				t.Errorf("charged %d", got)
			}
			r = b.run(call{attempts: 1, answers: []filtertest.Answer{plain}})
			if r.Requests != 1 || bytes.Contains(r.Sent[0], []byte(asks)) {
				t.Errorf("asked again: %s", r.Sent)
			}
			if got := b.f.State().NoUsage; len(got) != 1 || got[0] != (NoUsageState{"memory", "m"}) {
				t.Errorf("state: %v", got)
			}
			r = b.run(call{attempts: 1, memory: filtertest.Memory{Upstreams: []string{"other"}}, answers: []filtertest.Answer{streamed(stdUsage, "a")}})
			if !bytes.Contains(r.Sent[0], []byte(asks)) {
				t.Error("another upstream is not asked")
			}
		})
	}
}

// A request that is bad by itself proves nothing.
func TestBadRequestIsNotRemembered(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		r := b.run(call{answers: []filtertest.Answer{failure(400, "one"), failure(400, "two")}})
		if r.Status != 400 || r.Requests != 2 || !bytes.Contains(r.Body, []byte("two")) {
			t.Errorf("status %d, %d requests: %s", r.Status, r.Requests, r.Body)
		}
		r = b.run(call{answers: []filtertest.Answer{streamed(stdUsage, "a")}})
		if !bytes.Contains(r.Sent[0], []byte(asks)) {
			t.Error("not asked any more")
		}
		r = b.run(call{unary: true, answers: []filtertest.Answer{failure(400, "bad")}})
		if r.Requests != 1 {
			t.Errorf("%d requests for a document, to which nothing was added", r.Requests)
		}
		b.idle()
	})
}

// Legacy completions need to be asked too.
func TestUsageOfCompletions(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		seen := chunk(`{"id":"c","object":"text_completion","choices":[{"index":0,"text":"hi","finish_reason":"stop"}]}`)
		usage := chunk(`{"id":"c","object":"text_completion","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":7,"total_tokens":47}}`)
		const done = "data: [DONE]\n\n"
		r := b.run(call{dialect: wire.Completions, answers: []filtertest.Answer{{Stream: true, Body: []byte(seen + usage + done)}}})
		if !bytes.Contains(r.Sent[0], []byte(asks)) || string(r.Body) != seen+done {
			t.Errorf("sent %s, the agent got\n%s", r.Sent[0], r.Body)
		}
		b.idle()
		if got := b.attained(); got != 40+2*7 {
			t.Errorf("charged %d", got)
		}
	})
}

// Other dialects report usage unasked.
func TestOtherDialectsAreNotEdited(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		for _, d := range []wire.Dialect{wire.Responses, wire.Messages} {
			r := b.run(call{dialect: d, answers: []filtertest.Answer{{Stream: true, Body: []byte("event: error\ndata: {\"type\":\"error\"}\n\n")}}})
			if bytes.Contains(r.Sent[0], []byte(asks)) {
				t.Errorf("%s: %s", d, r.Sent[0])
			}
		}
		b.idle()
	})
}
