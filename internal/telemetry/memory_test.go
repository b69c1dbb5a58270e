package telemetry

import (
	"strings"
	"testing"
	"time"
)

// TestMemory: each count has its own metric, read when somebody looks.
func TestMemory(t *testing.T) {
	tel := newTest(t, Options{})
	if out := exposition(t, tel); strings.Contains(out, "trapgate_memory") {
		t.Error("metrics of a piece that is off")
	}
	n := MemoryCounts{
		Recalls: 1, Hits: 2, Notes: 3, Tokens: 4, Abstained: 5, Late: 6, DenseLate: 7, DenseFailed: 8, Queue: 9, Refused: 10, Failed: 11,
		Closed: 12, Merged: 13, Forgotten: 14, Swept: 15, Junk: 16, Failures: 17, Redacted: 22,
		Learned: map[string]int64{"episode": 18, "fact": 19}, Dropped: map[string]int64{"ack": 20, "secret-only": 21},
	}
	m := tel.Memory(func() MemoryCounts { return n })
	for operation, d := range map[string]time.Duration{MemoryRecall: 700 * time.Microsecond, MemoryLearn: 5 * time.Microsecond, "unheard of": time.Second} {
		m.Took(operation, d)
	}
	for range 2 { // the second look finds the same
		out := exposition(t, tel)
		for _, want := range []string{
			"# TYPE trapgate_memory_recalls_total counter", "# TYPE trapgate_memory_queue gauge",
			"trapgate_memory_recalls_total 1", "trapgate_memory_hits_total 2", "trapgate_memory_notes_total 3", "trapgate_memory_tokens_total 4",
			"trapgate_memory_abstained_total 5", "trapgate_memory_late_total 6", "trapgate_memory_dense_late_total 7",
			"trapgate_memory_dense_failed_total 8", "trapgate_memory_queue 9", "trapgate_memory_refused_total 10", "trapgate_memory_failed_total 11",
			"trapgate_memory_closed_total 12", "trapgate_memory_merged_total 13", "trapgate_memory_forgotten_total 14",
			"trapgate_memory_swept_total 15", "trapgate_memory_junk_total 16", "trapgate_memory_failures_total 17", "trapgate_memory_redacted_total 22",
			`trapgate_memory_learned_total{trapgate_kind="episode"} 18`, `trapgate_memory_learned_total{trapgate_kind="fact"} 19`,
			`trapgate_memory_dropped_total{trapgate_reason="ack"} 20`, `trapgate_memory_dropped_total{trapgate_reason="secret-only"} 21`,
			`trapgate_memory_duration_seconds_count{trapgate_memory_operation="recall"} 1`,
			`trapgate_memory_duration_seconds_bucket{trapgate_memory_operation="recall",le="0.000512"} 0`,
			`trapgate_memory_duration_seconds_bucket{trapgate_memory_operation="recall",le="0.001024"} 1`,
			`trapgate_memory_duration_seconds_count{trapgate_memory_operation="learn"} 1`,
			`trapgate_memory_duration_seconds_count{trapgate_memory_operation="commit"} 0`,
		} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("missing: %s", want)
			}
		}
	}
	n.Recalls++
	if out := exposition(t, tel); !strings.Contains(out, "trapgate_memory_recalls_total 2\n") {
		t.Error("a count stands still")
	}
}

// TestMemorySpans: what memory did is a span of the exchange, and no event.
func TestMemorySpans(t *testing.T) {
	tel, exp := traced(t, Options{})
	ex := tel.Begin(ExchangeStart{Start: ms(0), ID: "r", Method: "POST", Target: "/v1/chat/completions", Route: chatRoute})
	Trail(ex, ms(9), "recall", "search_memory", []Attr{{"duration_us", int64(4000)}, {"hits", int64(3)}})
	Trail(ex, ms(10), "recall", "upsert_memory", []Attr{{"messages", int64(2)}})
	Trail(ex, ms(11), "recall", "memory_busy", []Attr{})
	ex.End(ExchangeEnd{At: ms(12), Status: 200, Outcome: OutcomeOK})
	spans := exp.GetSpans()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	search, upsert, server := spans[0], spans[1], spans[2]
	if search.Name != "search_memory" || !search.StartTime.Equal(ms(5)) || !search.EndTime.Equal(ms(9)) || search.Parent.SpanID() != server.SpanContext.SpanID() {
		t.Errorf("%+v", search)
	}
	if upsert.Name != "upsert_memory" || !upsert.StartTime.Equal(ms(10)) || !upsert.EndTime.Equal(ms(10)) {
		t.Errorf("%+v", upsert)
	}
	attrs := map[string]string{}
	for _, a := range search.Attributes {
		attrs[string(a.Key)] = a.Value.String()
	}
	if len(attrs) != 2 || attrs["gen_ai.operation.name"] != "search_memory" || attrs["trapgate.memory.hits"] != "3" {
		t.Errorf("%v", attrs)
	}
	if len(server.Events) != 1 || server.Events[0].Name != "recall.memory_busy" {
		t.Errorf("%+v", server.Events)
	}
}
