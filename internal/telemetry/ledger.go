package telemetry

import (
	"math"
	"math/bits"
	"sort"
	"sync/atomic"
	"time"
)

// A Ledger holds totals since the start: for the closing summary of `trapgate run` and /debug/state. Tokens are counted for
// every attempt, because that is what a provider bills; estimates are kept apart from what upstreams reported.
type Ledger struct {
	exchanges                    atomic.Int64
	attempts, retries, fallbacks atomic.Int64
	outcomes                     [numOutcomes]atomic.Int64
	upstreamErrors               atomic.Int64
	known, estimated             tokenCounters
	added                        quantiles
	queued, queuedSum, queuedMax atomic.Int64 // exchanges that waited for their turn; nanoseconds
	models                       *table[string, *modelCounters]
	latest                       atomic.Pointer[modelCounters] // of the attempt before
	names                        *bound                        // more than the label's: what only failed shows here too
}

// init makes room for the models' totals.
func (l *Ledger) init() {
	l.names = newBound(maxModels)
	l.models = newTable(maxModels+1, func(name string) *modelCounters { return &modelCounters{name: name} })
}

type tokenCounters struct{ input, output, cached, cacheWrite, reasoning atomic.Int64 }

func (c *tokenCounters) add(u *Usage) {
	c.input.Add(u.Input)
	c.output.Add(u.Output)
	addNonZero(&c.cached, u.CachedInput)
	addNonZero(&c.cacheWrite, u.CacheWrite)
	addNonZero(&c.reasoning, u.Reasoning)
}

func addNonZero(c *atomic.Int64, n int64) {
	if n != 0 {
		c.Add(n)
	}
}

func (c *tokenCounters) totals() Tokens {
	return Tokens{
		Input: c.input.Load(), Output: c.output.Load(), Cached: c.cached.Load(),
		CacheWrite: c.cacheWrite.Load(), Reasoning: c.reasoning.Load(),
	}
}

type modelCounters struct {
	name             string
	attempts, errors atomic.Int64
	known, estimated tokenCounters
}

// attempt counts one attempt.
func (l *Ledger) attempt(model string, a *Answer, estimated, failed bool) {
	l.attempts.Add(1)
	c := l.latest.Load()
	if c == nil || c.name != model {
		c = l.models.get(l.names.admit(model), other)
		l.latest.Store(c)
	}
	c.attempts.Add(1)
	if failed {
		l.upstreamErrors.Add(1)
		c.errors.Add(1)
	}
	switch {
	case a == nil:
	case a.Usage.Known && !estimated:
		l.known.add(&a.Usage)
		c.known.add(&a.Usage)
	case estimated:
		l.estimated.add(&a.Usage)
		c.estimated.add(&a.Usage)
	}
}

func (l *Ledger) exchange(e *ExchangeEnd) {
	if e.Outcome < numOutcomes {
		l.outcomes[e.Outcome].Add(1)
	}
	addNonZero(&l.retries, int64(e.Retries))
	addNonZero(&l.fallbacks, int64(e.Fallbacks))
	l.added.observe(e.Added)
	if e.Queued > 0 {
		l.queued.Add(1)
		l.queuedSum.Add(int64(e.Queued))
		for most := l.queuedMax.Load(); int64(e.Queued) > most && !l.queuedMax.CompareAndSwap(most, int64(e.Queued)); {
			most = l.queuedMax.Load()
		}
	}
	l.exchanges.Add(1) // last: what is counted here is counted everywhere
}

// Tokens are sums; Input contains Cached and CacheWrite, Output contains Reasoning.
type Tokens struct {
	Input      int64 `json:"input"`
	Output     int64 `json:"output"`
	Cached     int64 `json:"cached"`
	CacheWrite int64 `json:"cache_write"`
	Reasoning  int64 `json:"reasoning"`
}

// ModelTotals are the sums of one model.
type ModelTotals struct {
	Model     string `json:"model"`
	Attempts  int64  `json:"attempts"`
	Errors    int64  `json:"errors"`
	Tokens    Tokens `json:"tokens"`
	Estimated Tokens `json:"estimated"`
}

// LedgerTotals is a copy of a Ledger. Durations are nanoseconds in JSON.
type LedgerTotals struct {
	Exchanges      int64            `json:"exchanges"`
	Attempts       int64            `json:"attempts"`
	Retries        int64            `json:"retries"`
	Fallbacks      int64            `json:"fallbacks"`
	UpstreamErrors int64            `json:"upstream_errors"` // attempts that failed
	Errors         int64            `json:"errors"`          // exchanges that ended as error, refused or failed
	Cancelled      int64            `json:"cancelled"`
	Truncated      int64            `json:"truncated"`
	Outcomes       map[string]int64 `json:"outcomes"`
	Tokens         Tokens           `json:"tokens"`    // as reported
	Estimated      Tokens           `json:"estimated"` // counted by us where nothing was reported
	AddedSum       time.Duration    `json:"added_sum"`
	AddedP50       time.Duration    `json:"added_p50"` // within 7 %
	AddedP99       time.Duration    `json:"added_p99"` // within 7 %
	Queued         int64            `json:"queued"`    // exchanges that waited for their turn
	QueuedSum      time.Duration    `json:"queued_sum"`
	QueuedMax      time.Duration    `json:"queued_max"`
	Models         []ModelTotals    `json:"models"` // most attempts first
}

// Totals returns a copy. Counts are read one by one: under load they may be a moment apart.
func (l *Ledger) Totals() LedgerTotals {
	t := LedgerTotals{
		Exchanges: l.exchanges.Load(), Attempts: l.attempts.Load(), Retries: l.retries.Load(),
		Fallbacks: l.fallbacks.Load(), UpstreamErrors: l.upstreamErrors.Load(),
		Cancelled: l.outcomes[OutcomeAgentGone].Load(), Truncated: l.outcomes[OutcomeTruncated].Load(),
		Errors: l.outcomes[OutcomeError].Load() + l.outcomes[OutcomeRefused].Load() + l.outcomes[OutcomeFailed].Load(),
		Tokens: l.known.totals(), Estimated: l.estimated.totals(),
		Outcomes: make(map[string]int64, numOutcomes), Models: []ModelTotals{},
	}
	for o := range numOutcomes {
		if n := l.outcomes[o].Load(); n > 0 {
			t.Outcomes[o.String()] = n
		}
	}
	t.AddedSum, t.AddedP50, t.AddedP99 = l.added.sumOf(), l.added.quantile(0.50), l.added.quantile(0.99)
	t.Queued, t.QueuedSum, t.QueuedMax = l.queued.Load(), time.Duration(l.queuedSum.Load()), time.Duration(l.queuedMax.Load())
	if l.models == nil {
		return t
	}
	for name, c := range *l.models.m.Load() {
		t.Models = append(t.Models, ModelTotals{name, c.attempts.Load(), c.errors.Load(), c.known.totals(), c.estimated.totals()})
	}
	sort.Slice(t.Models, func(i, j int) bool {
		a, b := &t.Models[i], &t.Models[j]
		return a.Attempts > b.Attempts || a.Attempts == b.Attempts && a.Model < b.Model
	})
	return t
}

// quantiles counts durations in buckets of a fixed relative width: eight to each power of two of nanoseconds.
type quantiles struct {
	sum     atomic.Int64
	buckets [40 * 8]atomic.Uint32
}

func (q *quantiles) observe(d time.Duration) {
	d = max(d, 0)
	q.sum.Add(int64(d))
	q.buckets[bucketOf(uint64(d))].Add(1)
}

// bucketOf keeps the highest set bit and the three bits after it.
func bucketOf(n uint64) int {
	if n < 8 {
		return int(n)
	}
	exp := bits.Len64(n) - 4
	return min(exp*8+8+int(n>>exp&7), 40*8-1)
}

// middle is the value that stands for a bucket.
func middle(i int) float64 {
	if i < 8 {
		return float64(i)
	}
	exp := (i - 8) / 8
	low := float64(uint64(8+(i-8)%8) << exp)
	return low + float64(uint64(1)<<exp-1)/2
}

func (q *quantiles) sumOf() time.Duration { return time.Duration(q.sum.Load()) }

func (q *quantiles) quantile(p float64) time.Duration {
	var counts [40 * 8]uint64
	var total uint64
	for i := range q.buckets {
		counts[i] = uint64(q.buckets[i].Load())
		total += counts[i]
	}
	if total == 0 {
		return 0
	}
	rank := uint64(math.Ceil(p * float64(total)))
	for i, n := range counts {
		if rank <= n {
			return time.Duration(middle(i))
		}
		rank -= n
	}
	return 0
}
