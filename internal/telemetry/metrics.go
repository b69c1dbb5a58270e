package telemetry

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/trapgate/trapgate/internal/wire"
)

// Bounds of the labels. Upstreams and pieces come from the configuration and the code; models and error types come from
// outside.
const (
	maxModels    = 100
	maxUpstreams = 64
	maxProviders = 16
	maxErrors    = 48
	maxPieces    = 32
	maxSeries    = 1024 // sets of labels of the GenAI histograms
)

// metrics holds the series. The instruments are client_golang's, because a resolved series costs 30 ns where one of the OTel
// SDK costs 270; OTLP reads them through the bridge of otlp.go under their OpenTelemetry names.
type metrics struct {
	reg *prometheus.Registry // ours: exported over OTLP too
	run *prometheus.Registry // of the Go runtime and the process: /metrics only

	models, upstreams, providers, errs, pieces *bound

	attempts *table[attemptKey, *attemptSeries]
	latest   atomic.Pointer[attemptSeries] // most attempts are of the same kind as the one before
	failures *table[failureKey, *failureSeries]
	added    *table[string, prometheus.Histogram]

	addedTotal prometheus.Histogram // of added

	operation, usage, first, perChunk, addedVec *prometheus.HistogramVec
	cached, upstreamErrors, reloads             *prometheus.CounterVec

	exchanges              [6][numOutcomes]prometheus.Counter
	retries, fallbacks     [6]prometheus.Counter
	truncated              [6]prometheus.Counter
	cancellations          [numStates]prometheus.Counter
	reloadOK, reloadFailed prometheus.Counter
	configBad              atomic.Bool
}

// An attemptKey names the series of attempts that succeeded, or got as far as a stream.
type attemptKey struct{ operation, provider, model, upstream string }

type attemptSeries struct {
	key                                      attemptKey
	duration, input, output, first, perChunk prometheus.Observer
	cached                                   prometheus.Counter
}

// A failureKey names the series of attempts that failed.
type failureKey struct {
	attemptKey
	err string
}

type failureSeries struct {
	duration prometheus.Observer // nil without an operation
	errors   prometheus.Counter  // nil when it was not the upstream's fault
}

func newMetrics(version string, inflight, traceDropped, logDropped func() float64) *metrics {
	m := &metrics{
		reg: prometheus.NewRegistry(), run: prometheus.NewRegistry(),
		models: newBound(maxModels), upstreams: newBound(maxUpstreams), providers: newBound(maxProviders),
		errs: newBound(maxErrors), pieces: newBound(maxPieces),
	}
	m.run.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.operation, m.usage = m.histogram(&defOperation), m.histogram(&defUsage)
	m.first, m.perChunk = m.histogram(&defFirstChunk), m.histogram(&defPerChunk)
	m.addedVec = m.histogram(&defAdded)
	m.cached, m.upstreamErrors, m.reloads = m.counter(&defCached), m.counter(&defUpstreamErrors), m.counter(&defReloads)
	m.fixed()
	m.attempts = newTable(maxSeries, m.newAttempt)
	m.failures = newTable(maxSeries, m.newFailure)
	m.added = newTable(maxPieces+2, func(piece string) prometheus.Histogram {
		return m.addedVec.WithLabelValues(piece).(prometheus.Histogram)
	})
	m.addedTotal = m.added.get(m.pieces.admit("total"), other)
	m.function(&defInFlight, inflight)
	m.function(&defTraceDropped, traceDropped)
	m.function(&defLogDropped, logDropped)
	m.function(&defConfigValid, func() float64 {
		if m.configBad.Load() {
			return 0
		}
		return 1
	})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: defBuild.promName(), Help: defBuild.help}, defBuild.promLabels())
	m.reg.MustRegister(build)
	build.WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// fixed resolves the series whose labels are all known now.
func (m *metrics) fixed() {
	exchanges, retries, fallbacks := m.counter(&defExchanges), m.counter(&defRetries), m.counter(&defFallbacks)
	truncated, cancellations := m.counter(&defTruncated), m.counter(&defCancellations)
	for d := range m.exchanges {
		name := wire.Dialect(d).String()
		for o := range numOutcomes {
			m.exchanges[d][o] = exchanges.WithLabelValues(name, o.String())
		}
		m.retries[d], m.fallbacks[d] = retries.WithLabelValues(name), fallbacks.WithLabelValues(name)
		m.truncated[d] = truncated.WithLabelValues(name)
	}
	for s := range numStates {
		m.cancellations[s] = cancellations.WithLabelValues(s.String())
	}
	m.reloadOK, m.reloadFailed = m.reloads.WithLabelValues("ok"), m.reloads.WithLabelValues("error")
}

func (m *metrics) histogram(d *metricDef) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.promName(), Help: d.help, Buckets: d.bounds}, d.promLabels())
	m.reg.MustRegister(v)
	return v
}

func (m *metrics) counter(d *metricDef) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.promName(), Help: d.help}, d.promLabels())
	m.reg.MustRegister(v)
	return v
}

func (m *metrics) function(d *metricDef, f func() float64) {
	if d.kind == counter {
		m.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: d.promName(), Help: d.help}, f))
		return
	}
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.promName(), Help: d.help}, f))
}

func (m *metrics) newAttempt(k attemptKey) *attemptSeries {
	return &attemptSeries{
		key:      k,
		duration: m.operation.WithLabelValues(k.operation, k.provider, k.model, k.upstream, ""),
		input:    m.usage.WithLabelValues(k.operation, k.provider, k.model, k.upstream, "input"),
		output:   m.usage.WithLabelValues(k.operation, k.provider, k.model, k.upstream, "output"),
		first:    m.first.WithLabelValues(k.operation, k.provider, k.model, k.upstream),
		perChunk: m.perChunk.WithLabelValues(k.operation, k.provider, k.model, k.upstream),
		cached:   m.cached.WithLabelValues(k.model, k.upstream),
	}
}

func (m *metrics) newFailure(k failureKey) *failureSeries {
	s := &failureSeries{}
	if blamed(k.err) {
		s.errors = m.upstreamErrors.WithLabelValues(k.upstream, k.err)
	}
	if k.operation != "" {
		s.duration = m.operation.WithLabelValues(k.operation, k.provider, k.model, k.upstream, k.err)
	}
	return s
}

// attempt resolves the series of a GenAI attempt. A model's name becomes a label only once an upstream has accepted it:
// otherwise anybody could fill the label with names that do not exist.
func (m *metrics) attempt(operation, provider, model, upstream string, accepted bool) *attemptSeries {
	// What has become a label once stays one, so equal labels lead to the same series.
	if s := m.latest.Load(); s != nil && s.key == (attemptKey{operation, provider, model, upstream}) {
		return s
	}
	k := m.key(operation, provider, model, upstream, accepted)
	s := m.attempts.get(k, attemptKey{other, other, other, other})
	m.latest.Store(s)
	return s
}

func (m *metrics) key(operation, provider, model, upstream string, accepted bool) attemptKey {
	if accepted {
		model = m.models.admit(model)
	} else {
		model = m.models.known(model)
	}
	return attemptKey{operation, m.providers.admit(provider), model, m.upstreams.admit(upstream)}
}

// blamed reports whether an error type is the upstream's fault.
func blamed(errType string) bool {
	return errType != "" && errType != ErrorAgentGone && errType != ErrorShutdown
}

// failure resolves the series of a failed attempt.
func (m *metrics) failure(operation, provider, model, upstream, errType string) *failureSeries {
	k := failureKey{m.key(operation, provider, model, upstream, false), m.errs.admit(errType)}
	return m.failures.get(k, failureKey{attemptKey{other, other, other, other}, other})
}

func (m *metrics) exchange(d wire.Dialect, e *ExchangeEnd) {
	if int(d) >= len(m.exchanges) || e.Outcome >= numOutcomes || e.State >= numStates {
		return
	}
	m.exchanges[d][e.Outcome].Inc()
	if e.Retries > 0 {
		m.retries[d].Add(float64(e.Retries))
	}
	if e.Fallbacks > 0 {
		m.fallbacks[d].Add(float64(e.Fallbacks))
	}
	switch e.Outcome {
	case OutcomeTruncated:
		m.truncated[d].Inc()
	case OutcomeAgentGone:
		m.cancellations[e.State].Inc()
	}
	m.addedTotal.Observe(e.Added.Seconds())
	for i := range e.Pieces {
		m.observeAdded(e.Pieces[i].Name, e.Pieces[i].Dur)
	}
}

func (m *metrics) observeAdded(piece string, d time.Duration) {
	h, ok := (*m.added.m.Load())[piece] // admitted before
	if !ok {
		h = m.added.get(m.pieces.admit(piece), other)
	}
	h.Observe(d.Seconds())
}

// statusType spells a status as error.type wants it, without an allocation for those that occur.
func statusType(status int) string {
	if status >= 400 && status < 600 {
		return statusTypes[status-400]
	}
	return strconv.Itoa(status)
}

var statusTypes = func() (s [200]string) {
	for i := range s {
		s[i] = strconv.Itoa(400 + i)
	}
	return s
}()
