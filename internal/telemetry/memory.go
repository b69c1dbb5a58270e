package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MemoryCounts are what memory has done since the process began.
type MemoryCounts struct {
	Recalls   int64 `json:"recalls"`   // messages at which it was asked what to tell
	Hits      int64 `json:"hits"`      // records told
	Notes     int64 `json:"notes"`     // notes put into requests, or, observing, that would have been
	Tokens    int64 `json:"tokens"`    // of them
	Abstained int64 `json:"abstained"` // messages at which something was found and nothing worth telling
	Late      int64 `json:"late"`      // messages at which the deadline left no time to look

	DenseLate   int64 `json:"dense_late"`   // questions whose embedding came too late: only words were compared
	DenseFailed int64 `json:"dense_failed"` // the same, for an error

	Learned   map[string]int64 `json:"learned,omitempty"` // records by kind
	Dropped   map[string]int64 `json:"dropped,omitempty"` // messages and records that were not kept, by reason
	Queue     int64            `json:"queue"`             // exchanges that wait to be learned from
	Refused   int64            `json:"refused"`           // exchanges that found that queue full
	Failed    int64            `json:"failed"`            // exchanges whose records could not be stored
	Closed    int64            `json:"closed"`            // facts superseded or taken back
	Merged    int64            `json:"merged"`            // near duplicates, which were not kept twice
	Redacted  int64            `json:"redacted"`          // secrets cut out of what was kept
	Forgotten int64            `json:"forgotten"`         // records forgotten because somebody asked
	Swept     int64            `json:"swept"`             // records that expired, or were over a cap
	Junk      int64            `json:"junk"`              // records that audits found and that should not be there
	Failures  int64            `json:"failures"`          // requests that got no note because something failed inside
}

// Operations of memory whose time is measured.
const (
	MemoryRecall = "recall" // to find what to tell, while a request waits
	MemoryLearn  = "learn"  // to take what is new, while an exchange ends
	MemoryCommit = "commit" // to decide and store, beside the path
)

// memoryBounds suit what memory takes: 1 us to 8 s, doubling.
var memoryBounds = doubling(0.000001, 24)

// The metrics of memory; they exist once Telemetry.Memory has been called.
var (
	defMemoryRecalls = metricDef{
		"trapgate.memory.recalls", counter, "{request}", nil,
		"Messages at which memory was asked what to tell.", nil,
	}
	defMemoryHits = metricDef{
		"trapgate.memory.hits", counter, "{record}", nil,
		"Records told.", nil,
	}
	defMemoryNotes = metricDef{
		"trapgate.memory.notes", counter, "{note}", nil,
		"Notes put into requests, or, while observing, that would have been.", nil,
	}
	defMemoryTokens = metricDef{
		"trapgate.memory.tokens", counter, "{token}", nil,
		"Estimated tokens of those notes.", nil,
	}
	defMemoryAbstained = metricDef{
		"trapgate.memory.abstained", counter, "{request}", nil,
		"Messages at which something was found and nothing was worth telling.", nil,
	}
	defMemoryLate = metricDef{
		"trapgate.memory.late", counter, "{request}", nil,
		"Messages at which the deadline left no time to look.", nil,
	}
	defMemoryDenseLate = metricDef{
		"trapgate.memory.dense.late", counter, "{request}", nil,
		"Questions whose embedding came too late: only words were compared.", nil,
	}
	defMemoryDenseFailed = metricDef{
		"trapgate.memory.dense.failed", counter, "{request}", nil,
		"Questions whose embedding failed: only words were compared.", nil,
	}
	defMemoryLearned = metricDef{
		"trapgate.memory.learned", counter, "{record}",
		[]string{keyKind},
		"Records stored, by kind.", nil,
	}
	defMemoryDropped = metricDef{
		"trapgate.memory.dropped", counter, "{message}",
		[]string{keyReason},
		"Messages and records that were not kept, by reason.", nil,
	}
	defMemoryQueue = metricDef{
		"trapgate.memory.queue", gauge, "{exchange}", nil,
		"Exchanges that wait to be learned from.", nil,
	}
	defMemoryRefused = metricDef{
		"trapgate.memory.refused", counter, "{exchange}", nil,
		"Exchanges that found that queue full, and were not learned from.", nil,
	}
	defMemoryFailed = metricDef{
		"trapgate.memory.failed", counter, "{exchange}", nil,
		"Exchanges whose records could not be stored.", nil,
	}
	defMemoryClosed = metricDef{
		"trapgate.memory.closed", counter, "{record}", nil,
		"Facts superseded or taken back.", nil,
	}
	defMemoryMerged = metricDef{
		"trapgate.memory.merged", counter, "{record}", nil,
		"Near duplicates, which were not kept twice.", nil,
	}
	defMemoryRedacted = metricDef{
		"trapgate.memory.redacted", counter, "{secret}", nil,
		"Secrets cut out of what was kept.", nil,
	}
	defMemoryForgotten = metricDef{
		"trapgate.memory.forgotten", counter, "{record}", nil,
		"Records forgotten because somebody asked.", nil,
	}
	defMemorySwept = metricDef{
		"trapgate.memory.swept", counter, "{record}", nil,
		"Records that expired or were over a cap.", nil,
	}
	defMemoryJunk = metricDef{
		"trapgate.memory.junk", counter, "{record}", nil,
		"Records that audits found and that should not be there.", nil,
	}
	defMemoryFailures = metricDef{
		"trapgate.memory.failures", counter, "{request}", nil,
		"Requests that got no note because something failed inside.", nil,
	}
	defMemoryDuration = metricDef{
		"trapgate.memory.duration", histogram, "s",
		[]string{keyMemory},
		"Time that memory took: recall while a request waits, learn while an exchange ends, commit beside the path.", memoryBounds,
	}
)

// memoryNumbers are the metrics without labels, with what they show.
var memoryNumbers = []struct {
	def   *metricDef
	desc  *prometheus.Desc
	value func(*MemoryCounts) int64
}{
	{&defMemoryRecalls, defMemoryRecalls.desc(), func(n *MemoryCounts) int64 { return n.Recalls }},
	{&defMemoryHits, defMemoryHits.desc(), func(n *MemoryCounts) int64 { return n.Hits }},
	{&defMemoryNotes, defMemoryNotes.desc(), func(n *MemoryCounts) int64 { return n.Notes }},
	{&defMemoryTokens, defMemoryTokens.desc(), func(n *MemoryCounts) int64 { return n.Tokens }},
	{&defMemoryAbstained, defMemoryAbstained.desc(), func(n *MemoryCounts) int64 { return n.Abstained }},
	{&defMemoryLate, defMemoryLate.desc(), func(n *MemoryCounts) int64 { return n.Late }},
	{&defMemoryDenseLate, defMemoryDenseLate.desc(), func(n *MemoryCounts) int64 { return n.DenseLate }},
	{&defMemoryDenseFailed, defMemoryDenseFailed.desc(), func(n *MemoryCounts) int64 { return n.DenseFailed }},
	{&defMemoryQueue, defMemoryQueue.desc(), func(n *MemoryCounts) int64 { return n.Queue }},
	{&defMemoryRefused, defMemoryRefused.desc(), func(n *MemoryCounts) int64 { return n.Refused }},
	{&defMemoryFailed, defMemoryFailed.desc(), func(n *MemoryCounts) int64 { return n.Failed }},
	{&defMemoryClosed, defMemoryClosed.desc(), func(n *MemoryCounts) int64 { return n.Closed }},
	{&defMemoryMerged, defMemoryMerged.desc(), func(n *MemoryCounts) int64 { return n.Merged }},
	{&defMemoryRedacted, defMemoryRedacted.desc(), func(n *MemoryCounts) int64 { return n.Redacted }},
	{&defMemoryForgotten, defMemoryForgotten.desc(), func(n *MemoryCounts) int64 { return n.Forgotten }},
	{&defMemorySwept, defMemorySwept.desc(), func(n *MemoryCounts) int64 { return n.Swept }},
	{&defMemoryJunk, defMemoryJunk.desc(), func(n *MemoryCounts) int64 { return n.Junk }},
	{&defMemoryFailures, defMemoryFailures.desc(), func(n *MemoryCounts) int64 { return n.Failures }},
}

// memoryParts are those with a label.
var memoryParts = []struct {
	desc  *prometheus.Desc
	value func(*MemoryCounts) map[string]int64
}{
	{defMemoryLearned.desc(), func(n *MemoryCounts) map[string]int64 { return n.Learned }},
	{defMemoryDropped.desc(), func(n *MemoryCounts) map[string]int64 { return n.Dropped }},
}

// maxMemoryLabels bounds kinds and reasons; they come from the code.
const maxMemoryLabels = 32

// A Memory is the metrics of memory.
type Memory struct {
	took map[string]prometheus.Observer // by operation
}

// memories shows the counts when somebody looks.
type memories struct {
	labels *bound
	counts func() MemoryCounts
}

var _ prometheus.Collector = (*memories)(nil)

// Memory makes the metrics of memory, once for a Telemetry. f is called when somebody looks, on the goroutine of whoever does.
func (t *Telemetry) Memory(f func() MemoryCounts) *Memory {
	t.metrics.reg.MustRegister(&memories{newBound(maxMemoryLabels), f})
	duration := t.metrics.histogram(&defMemoryDuration)
	m := &Memory{took: map[string]prometheus.Observer{}}
	for _, operation := range [...]string{MemoryRecall, MemoryLearn, MemoryCommit} {
		m.took[operation] = duration.WithLabelValues(operation)
	}
	return m
}

// Took counts how long an operation took. Unknown ones are not counted.
func (m *Memory) Took(operation string, d time.Duration) {
	if o := m.took[operation]; o != nil {
		o.Observe(d.Seconds())
	}
}

// Describe implements prometheus.Collector.
func (*memories) Describe(ch chan<- *prometheus.Desc) {
	for _, x := range memoryNumbers {
		ch <- x.desc
	}
	for _, x := range memoryParts {
		ch <- x.desc
	}
}

// Collect implements prometheus.Collector.
func (c *memories) Collect(ch chan<- prometheus.Metric) {
	n := c.counts()
	for _, x := range memoryNumbers {
		kind := prometheus.CounterValue
		if x.def.kind == gauge {
			kind = prometheus.GaugeValue
		}
		ch <- prometheus.MustNewConstMetric(x.desc, kind, float64(x.value(&n)))
	}
	s := newSums(ch)
	for _, x := range memoryParts {
		for label, count := range x.value(&n) {
			s.count(x.desc, float64(count), c.labels.admit(label))
		}
	}
	s.send()
}
