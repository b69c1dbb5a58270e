package telemetry

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of the labels that come from the configuration (classes), from it and from agents (pools), or from outside (tenants).
const (
	maxQueuePools   = 64
	maxQueueClasses = 16
	maxQueueTenants = 64
	maxQueueReasons = 16
	maxQueueSeries  = 2048
)

// Outcomes of a wait.
const (
	WaitGranted   = "granted"
	WaitExpired   = "expired"   // the agent's time was over, or the host stopped
	WaitCancelled = "cancelled" // the agent left
)

// A Queue is the metrics of the scheduler. A nil Queue counts nothing.
type Queue struct {
	pools, classes, tenants, reasons *bound

	wait     *table[waitKey, prometheus.Observer]
	dispatch *table[string, prometheus.Observer]
	estimate *table[estimateKey, prometheus.Observer]
	held     *table[heldKey, prometheus.Observer]
	promoted *table[string, prometheus.Counter]
	over     *table[string, prometheus.Counter]
	rejected *table[rejectKey, prometheus.Counter]
	refused  *table[refuseKey, prometheus.Counter]

	latest atomic.Pointer[latestWait] // most grants are of the same kind as the one before
	state  atomic.Pointer[func() QueueState]
}

type (
	waitKey     struct{ pool, class, outcome string }
	estimateKey struct{ pool, result string }
	heldKey     struct{ pool, result string }
	rejectKey   struct{ pool, reason string }
	refuseKey   struct{ pool, status string }
	latestWait  struct {
		key waitKey
		obs prometheus.Observer
	}
)

// Queue makes the metrics of the scheduler, once for a Telemetry: without a scheduler there are none.
func (t *Telemetry) Queue() *Queue {
	m := t.metrics
	q := &Queue{
		pools: newBound(maxQueuePools), classes: newBound(maxQueueClasses),
		tenants: newBound(maxQueueTenants), reasons: newBound(maxQueueReasons),
	}
	wait, dispatch, estimate, held := m.histogram(&defQueueWait), m.histogram(&defQueueDispatch), m.histogram(&defQueueEstimate), m.histogram(&defQueueHeld)
	promoted, over, rejected, refused := m.counter(&defQueuePromoted), m.counter(&defQueueOvershoot), m.counter(&defQueueRejected), m.counter(&defQueueRefused)
	q.wait = newTable(maxQueueSeries, func(k waitKey) prometheus.Observer { return wait.WithLabelValues(k.pool, k.class, k.outcome) })
	q.dispatch = newTable(maxQueuePools+2, func(pool string) prometheus.Observer { return dispatch.WithLabelValues(pool) })
	q.estimate = newTable(maxQueueSeries, func(k estimateKey) prometheus.Observer { return estimate.WithLabelValues(k.pool, k.result) })
	q.held = newTable(maxQueueSeries, func(k heldKey) prometheus.Observer { return held.WithLabelValues(k.pool, k.result) })
	q.promoted = newTable(maxQueuePools+2, func(pool string) prometheus.Counter { return promoted.WithLabelValues(pool) })
	q.over = newTable(maxQueuePools+2, func(pool string) prometheus.Counter { return over.WithLabelValues(pool) })
	q.rejected = newTable(maxQueueSeries, func(k rejectKey) prometheus.Counter { return rejected.WithLabelValues(k.pool, k.reason) })
	q.refused = newTable(maxQueueSeries, func(k refuseKey) prometheus.Counter { return refused.WithLabelValues(k.pool, k.status) })
	m.reg.MustRegister((*queueGauges)(q))
	return q
}

// Wait counts a call that waited for d (0: there was room) and how that ended.
func (q *Queue) Wait(pool, class, outcome string, d time.Duration) {
	if q == nil {
		return
	}
	k := waitKey{pool, class, outcome}
	if l := q.latest.Load(); l != nil && l.key == k {
		l.obs.Observe(d.Seconds())
		return
	}
	admitted := waitKey{q.pools.admit(pool), q.classes.admit(class), outcome}
	o := q.wait.get(admitted, waitKey{other, other, outcome})
	if admitted == k { // else every name beyond the bound would pass for the latest
		q.latest.Store(&latestWait{admitted, o})
	}
	o.Observe(d.Seconds())
}

// Dispatch counts one decision of the scheduler.
func (q *Queue) Dispatch(pool string, d time.Duration) {
	if q != nil {
		q.dispatch.get(q.pools.admit(pool), other).Observe(d.Seconds())
	}
}

// Settled counts a call that has ended: by how many output tokens its reservation was off, and what it used beyond what was
// reserved, input and output together.
func (q *Queue) Settled(pool string, reserved, used, overshoot int64) {
	if q == nil {
		return
	}
	p := q.pools.admit(pool)
	k := estimateKey{p, "over"}
	off := reserved - used
	if off < 0 {
		k.result, off = "under", -off
	}
	q.estimate.get(k, estimateKey{other, k.result}).Observe(float64(off))
	if overshoot > 0 {
		q.over.get(p, other).Add(float64(overshoot))
	}
}

// Promoted counts a call that the starvation bound has chosen.
func (q *Queue) Promoted(pool string) {
	if q != nil {
		q.promoted.get(q.pools.admit(pool), other).Inc()
	}
}

// Rejected counts a call that got no place. The reason is one of a few.
func (q *Queue) Rejected(pool, reason string) {
	if q != nil {
		q.rejected.get(rejectKey{q.pools.admit(pool), q.reasons.admit(reason)}, rejectKey{other, other}).Inc()
	}
}

// Refused counts an answer by which an upstream asked for less: 429, 529 or 503.
func (q *Queue) Refused(pool string, status int) {
	if q != nil {
		k := refuseKey{q.pools.admit(pool), strconv.Itoa(status)}
		q.refused.get(k, refuseKey{other, k.status}).Inc()
	}
}

// Held counts a slot that was kept idle for d, for a program that came back (hit) or did not.
func (q *Queue) Held(pool string, d time.Duration, hit bool) {
	if q == nil {
		return
	}
	k := heldKey{q.pools.admit(pool), "miss"}
	if hit {
		k.result = "hit"
	}
	q.held.get(k, heldKey{other, k.result}).Observe(d.Seconds())
}
