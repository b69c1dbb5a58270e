package telemetry

import "strings"

// A kind of metric.
type metricKind uint8

const (
	counter metricKind = iota
	gauge
	histogram
)

var kindNames = [...]string{"counter", "gauge", "histogram"}

// A metricDef is one metric under its OpenTelemetry name; the Prometheus name follows from it.
type metricDef struct {
	name   string
	kind   metricKind
	unit   string // UCUM, as OTLP wants it
	labels []string
	help   string
	bounds []float64 // upper bounds of a histogram's buckets, in unit
}

// Label keys; the same in OTLP, with underscores for dots in Prometheus.
const (
	keyOperation = "gen_ai.operation.name"
	keyProvider  = "gen_ai.provider.name"
	keyModel     = "gen_ai.request.model"
	keyTokenType = "gen_ai.token.type"
	keyErrorType = "error.type"
	keyUpstream  = "trapgate.upstream"
	keyDialect   = "trapgate.dialect"
	keyOutcome   = "trapgate.outcome"
	keyPiece     = "trapgate.piece"
	keyState     = "trapgate.state"
	keyResult    = "trapgate.result"
	keyPool      = "trapgate.pool"
	keyClass     = "trapgate.class"
	keyTenant    = "trapgate.tenant"
	keyReason    = "trapgate.reason"
	keyStatus    = "trapgate.status"
	keyBucket    = "trapgate.bucket"
	keyLimit     = "trapgate.limit"
	keySource    = "trapgate.source"
	keyKind      = "trapgate.kind"
	keyMemory    = "trapgate.memory.operation"
	keyVersion   = "service.version"
	keyGo        = "process.runtime.version"
)

// durationBounds are the convention's buckets: 10 ms to 81.92 s, doubling.
var durationBounds = doubling(0.01, 14)

// tokenBounds are the convention's buckets: powers of four.
var tokenBounds = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}

// chunkBounds suit the gap between two chunks: 0.5 ms to 8.2 s, doubling.
var chunkBounds = doubling(0.0005, 15)

// addedBounds suit what a proxy adds: 10 us to 20 s (a queue may hold an exchange that long), doubling.
var addedBounds = doubling(0.00001, 22)

func doubling(from float64, n int) []float64 {
	b := make([]float64, n)
	for i := range b {
		b[i] = from
		from *= 2
	}
	return b
}

var genAILabels = []string{keyOperation, keyProvider, keyModel, keyUpstream}

// The metrics. README.md lists the same table, which a test checks.
var (
	defOperation = metricDef{
		"gen_ai.client.operation.duration", histogram, "s", append(genAILabels[:4:4], keyErrorType),
		"Duration of one attempt at an upstream, until its last byte.", durationBounds,
	}
	defUsage = metricDef{
		"gen_ai.client.token.usage", histogram, "{token}", append(genAILabels[:4:4], keyTokenType),
		"Tokens of one attempt, as the upstream reported them.", tokenBounds,
	}
	defFirstChunk = metricDef{
		"gen_ai.client.operation.time_to_first_chunk", histogram, "s", genAILabels,
		"Time from sending a streaming request to its first output chunk.", durationBounds,
	}
	defPerChunk = metricDef{
		"gen_ai.client.operation.time_per_output_chunk", histogram, "s", genAILabels,
		"Time between two output chunks of a stream.", chunkBounds,
	}
	defAdded = metricDef{
		"trapgate.added.duration", histogram, "s",
		[]string{keyPiece},
		"Time that a piece added to an exchange up to the head of its answer; piece \"total\" is all of it.", addedBounds,
	}
	defExchanges = metricDef{
		"trapgate.exchanges", counter, "{exchange}",
		[]string{keyDialect, keyOutcome},
		"Exchanges that have ended.", nil,
	}
	defInFlight = metricDef{
		"trapgate.inflight", gauge, "{exchange}", nil,
		"Exchanges under way.", nil,
	}
	defCached = metricDef{
		"trapgate.tokens.cached", counter, "{token}",
		[]string{keyModel, keyUpstream},
		"Input tokens that upstreams reported as served from their prompt cache.", nil,
	}
	defRetries = metricDef{
		"trapgate.retries", counter, "{attempt}",
		[]string{keyDialect},
		"Attempts that repeated a failed one at the same upstream.", nil,
	}
	defFallbacks = metricDef{
		"trapgate.fallbacks", counter, "{attempt}",
		[]string{keyDialect},
		"Attempts that went to the next upstream after a failed one.", nil,
	}
	defCancellations = metricDef{
		"trapgate.cancellations", counter, "{exchange}",
		[]string{keyState},
		"Exchanges whose agent left before the end, by what they were doing.", nil,
	}
	defUpstreamErrors = metricDef{
		"trapgate.upstream.errors", counter, "{attempt}",
		[]string{keyUpstream, keyErrorType},
		"Attempts that failed at an upstream.", nil,
	}
	defTruncated = metricDef{
		"trapgate.streams.truncated", counter, "{exchange}",
		[]string{keyDialect},
		"Streams that ended without their dialect's terminal event.", nil,
	}
	defReloads = metricDef{
		"trapgate.config.reloads", counter, "{reload}",
		[]string{keyResult},
		"Changes of the configuration file that were taken (ok) or refused (error).", nil,
	}
	defConfigValid = metricDef{
		"trapgate.config.valid", gauge, "1", nil,
		"1 while the configuration file is the one in force, 0 after a refused change.", nil,
	}
	defTraceDropped = metricDef{
		"trapgate.trace.dropped", counter, "{span}", nil,
		"Spans dropped because the export queue was full.", nil,
	}
	defLogDropped = metricDef{
		"trapgate.log.dropped", counter, "{line}", nil,
		"Log lines dropped because nobody read them.", nil,
	}
	defBuild = metricDef{
		"trapgate.build.info", gauge, "1",
		[]string{keyVersion, keyGo},
		"1; the labels say which build runs.", nil,
	}
)

var allDefs = []*metricDef{
	&defOperation, &defUsage, &defFirstChunk, &defPerChunk,
	&defAdded, &defExchanges, &defInFlight, &defCached, &defRetries, &defFallbacks, &defCancellations,
	&defUpstreamErrors, &defTruncated, &defReloads, &defConfigValid, &defTraceDropped, &defLogDropped, &defBuild,
	&defQueueWait, &defQueueQueued, &defQueueInflight, &defQueueDispatch, &defQueuePromoted, &defQueueRejected, &defQueueHeld,
	&defQueueDebt, &defQueueLag, &defQueueAttained, &defQueueShare, &defQueueJain,
	&defQueueEstimate, &defQueueOvershoot, &defQueueReserved, &defQueueBucket, &defQueueLimit, &defQueueRefused,
	&defLeaseHeld, &defLeaseSpent, &defLeaseWasted, &defLeaseDenied, &defLeaseFallback, &defLeaseAway,
	&defContextRequests, &defContextRewritten, &defContextObserved, &defContextSaving, &defContextTooLarge, &defContextFailures, &defContextRemoved,
	&defContextEpochs, &defContextInPath, &defContextCuts, &defContextBroken, &defContextLearnt,
	&defContextVolatile, &defContextVolatileCost, &defContextMoved, &defContextBreakpoints, &defContextCacheKeys,
	&defMemoryRecalls, &defMemoryHits, &defMemoryNotes, &defMemoryTokens, &defMemoryAbstained, &defMemoryLate, &defMemoryDenseLate,
	&defMemoryDenseFailed, &defMemoryLearned, &defMemoryDropped, &defMemoryQueue, &defMemoryRefused, &defMemoryFailed, &defMemoryClosed,
	&defMemoryMerged, &defMemoryRedacted, &defMemoryForgotten, &defMemorySwept, &defMemoryJunk, &defMemoryFailures, &defMemoryDuration,
}

var underscores = strings.NewReplacer(".", "_")

// promName is the name by OpenTelemetry's rules for Prometheus: underscores, the unit spelt out, counters in _total.
func (d *metricDef) promName() string {
	n := underscores.Replace(d.name)
	if d.unit == "s" {
		n += "_seconds"
	}
	if d.kind == counter {
		n += "_total"
	}
	return n
}

func (d *metricDef) promLabels() []string {
	out := make([]string, len(d.labels))
	for i, l := range d.labels {
		out[i] = underscores.Replace(l)
	}
	return out
}
