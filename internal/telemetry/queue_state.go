package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
)

// A QueueState is what is asked of the scheduler when somebody looks at the metrics.
type QueueState struct{ Pools []QueuePool }

// A QueuePool is one pool at that moment.
type QueuePool struct {
	Name     string
	Classes  []QueueClass
	Reserved int64 // cost charged and not settled
	Debt     float64
	Lag      float64
	Buckets  []QueueBucket
	Limits   []QueueLimit
	Tenants  []QueueTenant
	Jain     float64 // of the tenants that waited all the time since the last look; 0: fewer than two
}

// A QueueClass is one class of a pool.
type QueueClass struct {
	Name             string
	Queued, Inflight int
}

// A QueueBucket is a rate limit: what may be sent at once, below 0 in debt.
type QueueBucket struct {
	Name  string
	Level float64
}

// A QueueLimit is what one source knows of one limit. The source "effective" is what is in force.
type QueueLimit struct {
	Source, What string
	Value        float64
}

// A QueueTenant is one tenant of a pool.
type QueueTenant struct {
	Name     string
	Attained int64
	Share    float64 // of what it was due since the last look; 0: it did not wait all the time
}

// State sets what is asked when somebody looks. It is called on the goroutine of whoever looks.
func (q *Queue) State(f func() QueueState) {
	if q != nil {
		q.state.Store(&f)
	}
}

// queueGauges shows the state as gauges. It computes nothing until somebody looks.
type queueGauges Queue

var _ prometheus.Collector = (*queueGauges)(nil)

// desc describes a gauge for a collector.
func (d *metricDef) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.promName(), d.help, d.promLabels(), nil)
}

var (
	descQueueQueued   = defQueueQueued.desc()
	descQueueInflight = defQueueInflight.desc()
	descQueueReserved = defQueueReserved.desc()
	descQueueDebt     = defQueueDebt.desc()
	descQueueLag      = defQueueLag.desc()
	descQueueBucket   = defQueueBucket.desc()
	descQueueLimit    = defQueueLimit.desc()
	descQueueJain     = defQueueJain.desc()
	descQueueAttained = defQueueAttained.desc()
	descQueueShare    = defQueueShare.desc()
)

// Describe implements prometheus.Collector.
func (*queueGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descQueueQueued, descQueueInflight, descQueueReserved, descQueueDebt, descQueueLag,
		descQueueBucket, descQueueLimit, descQueueJain, descQueueAttained, descQueueShare,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *queueGauges) Collect(ch chan<- prometheus.Metric) {
	f := g.state.Load()
	if f == nil {
		return
	}
	s := newSums(ch)
	for _, p := range (*f)().Pools {
		s.pool((*Queue)(g), &p)
	}
	s.send()
}

// sums add up what shares a set of labels, because everything beyond a bound is "other".
type sums struct {
	ch   chan<- prometheus.Metric
	list []*sum
	by   map[sumKey]*sum
}

type sumKey struct {
	desc   *prometheus.Desc
	labels [3]string
}

type sum struct {
	sumKey
	n     int
	value float64
	kind  prometheus.ValueType
}

func newSums(ch chan<- prometheus.Metric) *sums { return &sums{ch: ch, by: map[sumKey]*sum{}} }

// add adds a value; what cannot be added up keeps the worst, which is the one furthest from 0 for all that use it.
func (s *sums) add(d *prometheus.Desc, adds bool, value float64, labels ...string) *sum {
	k := sumKey{desc: d}
	copy(k.labels[:], labels)
	e := s.by[k]
	switch {
	case e == nil:
		e = &sum{sumKey: k, n: len(labels), value: value, kind: prometheus.GaugeValue}
		s.by[k] = e
		s.list = append(s.list, e)
	case adds:
		e.value += value
	case value > e.value:
		e.value = value
	}
	return e
}

// count adds to what only ever grows.
func (s *sums) count(d *prometheus.Desc, value float64, labels ...string) {
	s.add(d, true, value, labels...).kind = prometheus.CounterValue
}

func (s *sums) send() {
	for _, e := range s.list {
		s.ch <- prometheus.MustNewConstMetric(e.desc, e.kind, e.value, e.labels[:e.n]...)
	}
}

func (s *sums) pool(q *Queue, p *QueuePool) {
	name := q.pools.admit(p.Name)
	for _, c := range p.Classes {
		class := q.classes.admit(c.Name)
		s.add(descQueueQueued, true, float64(c.Queued), name, class)
		s.add(descQueueInflight, true, float64(c.Inflight), name, class)
	}
	s.add(descQueueReserved, true, float64(p.Reserved), name)
	s.add(descQueueDebt, false, p.Debt, name)
	s.add(descQueueLag, false, p.Lag, name)
	for _, b := range p.Buckets {
		s.add(descQueueBucket, true, b.Level, name, b.Name)
	}
	for _, l := range p.Limits {
		s.add(descQueueLimit, true, l.Value, name, l.What, l.Source)
	}
	for _, t := range p.Tenants {
		tenant := q.tenants.admit(t.Name)
		s.add(descQueueAttained, true, float64(t.Attained), name, tenant)
		if t.Share > 0 && tenant != other { // shares of several make no sum
			s.add(descQueueShare, false, t.Share, name, tenant)
		}
	}
	if p.Jain > 0 {
		s.add(descQueueJain, false, p.Jain, name)
	}
}
