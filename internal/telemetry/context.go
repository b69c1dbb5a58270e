package telemetry

import "github.com/prometheus/client_golang/prometheus"

// ContextCounts are what context rewriting has done since the process began.
type ContextCounts struct {
	Requests  int64 `json:"requests"`  // looked at, with a known window
	Rewritten int64 `json:"rewritten"` // sent other than they came
	Removed   int64 `json:"removed"`   // tokens left out of them
	Epochs    int64 `json:"epochs"`    // swapped in
	InPath    int64 `json:"in_path"`   // of them made while a request waited
	Cuts      int64 `json:"cuts"`      // requests in which a text was newly cut inside
	Broken    int64 `json:"broken"`    // conversations whose epochs were stopped
	Learnt    int64 `json:"learnt"`    // windows learnt from refusals
	TooLarge  int64 `json:"too_large"` // requests that nothing more could be left out of
	Observed  int64 `json:"observed"`  // requests that observing left alone and that would have been rewritten
	Saving    int64 `json:"saving"`    // tokens that they would have been shorter by
	Failures  int64 `json:"failures"`  // requests that went out as they came because something failed inside

	Volatile     int64 `json:"volatile"`      // requests with a line of the system text that had changed
	VolatileCost int64 `json:"volatile_cost"` // tokens that could not be read from the provider's cache for that
	Moved        int64 `json:"moved"`         // requests in which such lines were moved to the end
	Breakpoints  int64 `json:"breakpoints"`   // cache_control marks added
	CacheKeys    int64 `json:"cache_keys"`    // requests that a prompt_cache_key was added to
}

// The metrics of context rewriting; they exist once Telemetry.Contexts has been called.
var (
	defContextRequests = metricDef{
		"trapgate.context.requests", counter, "{request}", nil,
		"Requests that context rewriting looked at, as their model's window is known.", nil,
	}
	defContextRewritten = metricDef{
		"trapgate.context.rewritten", counter, "{request}", nil,
		"Requests that were sent other than they came.", nil,
	}
	defContextObserved = metricDef{
		"trapgate.context.observed", counter, "{request}", nil,
		"Requests that would have been rewritten, if observing did not leave them alone.", nil,
	}
	defContextSaving = metricDef{
		"trapgate.context.tokens.observed", counter, "{token}", nil,
		"Estimated tokens that those would have been shorter by.", nil,
	}
	defContextTooLarge = metricDef{
		"trapgate.context.too_large", counter, "{request}", nil,
		"Requests over the window that nothing more could be left out of; sent as they came.", nil,
	}
	defContextFailures = metricDef{
		"trapgate.context.failures", counter, "{request}", nil,
		"Requests that were sent as they came because something failed inside.", nil,
	}
	defContextRemoved = metricDef{
		"trapgate.context.tokens.removed", counter, "{token}", nil,
		"Estimated tokens that rewriting left out of requests.", nil,
	}
	defContextEpochs = metricDef{
		"trapgate.context.epochs", counter, "{epoch}", nil,
		"Epochs swapped in.", nil,
	}
	defContextInPath = metricDef{
		"trapgate.context.epochs.in_path", counter, "{epoch}", nil,
		"Epochs that were made while a request waited, because none was ready.", nil,
	}
	defContextCuts = metricDef{
		"trapgate.context.cuts", counter, "{request}", nil,
		"Requests in which a text of the newest turns was newly cut inside.", nil,
	}
	defContextBroken = metricDef{
		"trapgate.context.broken", counter, "{session}", nil,
		"Conversations whose epochs were stopped because they could not win.", nil,
	}
	defContextLearnt = metricDef{
		"trapgate.context.windows.learnt", counter, "{window}", nil,
		"Windows of models learnt from refusals.", nil,
	}
	defContextVolatile = metricDef{
		"trapgate.context.volatile", counter, "{request}", nil,
		"Requests with a line of the system text that had changed since the session's request before.", nil,
	}
	defContextVolatileCost = metricDef{
		"trapgate.context.tokens.volatile", counter, "{token}", nil,
		"Estimated tokens that the provider could not read from its prompt cache for such lines.", nil,
	}
	defContextMoved = metricDef{
		"trapgate.context.volatile.moved", counter, "{request}", nil,
		"Requests in which such lines were moved to the end of the newest message.", nil,
	}
	defContextBreakpoints = metricDef{
		"trapgate.context.breakpoints", counter, "{mark}", nil,
		"Marks for the provider's prompt cache (cache_control) that were added.", nil,
	}
	defContextCacheKeys = metricDef{
		"trapgate.context.cache_keys", counter, "{request}", nil,
		"Requests that a prompt_cache_key was added to.", nil,
	}
)

// contextCounters are the metrics with what they show.
var contextCounters = []struct {
	desc  *prometheus.Desc
	value func(*ContextCounts) int64
}{
	{defContextRequests.desc(), func(n *ContextCounts) int64 { return n.Requests }},
	{defContextRewritten.desc(), func(n *ContextCounts) int64 { return n.Rewritten }},
	{defContextObserved.desc(), func(n *ContextCounts) int64 { return n.Observed }},
	{defContextSaving.desc(), func(n *ContextCounts) int64 { return n.Saving }},
	{defContextTooLarge.desc(), func(n *ContextCounts) int64 { return n.TooLarge }},
	{defContextFailures.desc(), func(n *ContextCounts) int64 { return n.Failures }},
	{defContextRemoved.desc(), func(n *ContextCounts) int64 { return n.Removed }},
	{defContextEpochs.desc(), func(n *ContextCounts) int64 { return n.Epochs }},
	{defContextInPath.desc(), func(n *ContextCounts) int64 { return n.InPath }},
	{defContextCuts.desc(), func(n *ContextCounts) int64 { return n.Cuts }},
	{defContextBroken.desc(), func(n *ContextCounts) int64 { return n.Broken }},
	{defContextLearnt.desc(), func(n *ContextCounts) int64 { return n.Learnt }},
	{defContextVolatile.desc(), func(n *ContextCounts) int64 { return n.Volatile }},
	{defContextVolatileCost.desc(), func(n *ContextCounts) int64 { return n.VolatileCost }},
	{defContextMoved.desc(), func(n *ContextCounts) int64 { return n.Moved }},
	{defContextBreakpoints.desc(), func(n *ContextCounts) int64 { return n.Breakpoints }},
	{defContextCacheKeys.desc(), func(n *ContextCounts) int64 { return n.CacheKeys }},
}

// contexts shows the counts when somebody looks.
type contexts func() ContextCounts

var _ prometheus.Collector = contexts(nil)

// Contexts makes the metrics of context rewriting, once for a Telemetry. f is called when somebody looks, on the goroutine of
// whoever does.
func (t *Telemetry) Contexts(f func() ContextCounts) { t.metrics.reg.MustRegister(contexts(f)) }

// Describe implements prometheus.Collector.
func (contexts) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range contextCounters {
		ch <- c.desc
	}
}

// Collect implements prometheus.Collector.
func (f contexts) Collect(ch chan<- prometheus.Metric) {
	n := f()
	for _, c := range contextCounters {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.value(&n)))
	}
}
