package telemetry

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// exerciseQueue makes every metric of the scheduler have a series.
func exerciseQueue(t *Telemetry) *Queue {
	q := t.Queue()
	q.Wait("gpu", "default", WaitGranted, 0)
	q.Wait("gpu", "default", WaitGranted, 3*time.Second)
	q.Wait("gpu", "batch", WaitCancelled, time.Second)
	q.Dispatch("gpu", 3*time.Microsecond)
	q.Settled("gpu", 600, 100, 0)
	q.Settled("gpu", 100, 130, 45)
	q.Promoted("gpu")
	q.Rejected("gpu", "queue_full")
	q.Refused("gpu", 429)
	q.Held("gpu", 50*time.Millisecond, true)
	q.State(func() QueueState {
		return QueueState{Pools: []QueuePool{{
			Name: "gpu", Classes: []QueueClass{{"default", 4, 2}, {"batch", 1, 0}}, Reserved: 1234, Debt: 2.5, Lag: 77,
			Buckets: []QueueBucket{{"tokens", -20}}, Limits: []QueueLimit{{"config", "concurrency", 8}, {"effective", "concurrency", 6}},
			Tenants: []QueueTenant{{"a", 500, 0.9}, {"b", 600, 1.1}, {"idle", 3, 0}}, Jain: 0.99,
		}}}
	})
	return q
}

func TestQueueExposition(t *testing.T) {
	tel := newTest(t, Options{})
	exerciseQueue(tel)
	out := exposition(t, tel)
	for _, want := range []string{
		`trapgate_queue_wait_seconds_count{trapgate_class="default",trapgate_outcome="granted",trapgate_pool="gpu"} 2`,
		`trapgate_queue_wait_seconds_bucket{trapgate_class="default",trapgate_outcome="granted",trapgate_pool="gpu",le="0.001"} 1`,
		`trapgate_queue_wait_seconds_sum{trapgate_class="batch",trapgate_outcome="cancelled",trapgate_pool="gpu"} 1`,
		`trapgate_queue_dispatch_seconds_bucket{trapgate_pool="gpu",le="4e-06"} 1`,
		`trapgate_queue_estimate_error_sum{trapgate_pool="gpu",trapgate_result="over"} 500`,
		`trapgate_queue_estimate_error_sum{trapgate_pool="gpu",trapgate_result="under"} 30`,
		`trapgate_queue_overshoot_total{trapgate_pool="gpu"} 45`,
		`trapgate_queue_promoted_total{trapgate_pool="gpu"} 1`,
		`trapgate_queue_rejected_total{trapgate_pool="gpu",trapgate_reason="queue_full"} 1`,
		`trapgate_queue_upstream_refused_total{trapgate_pool="gpu",trapgate_status="429"} 1`,
		`trapgate_queue_held_seconds_count{trapgate_pool="gpu",trapgate_result="hit"} 1`,
		`trapgate_queue_queued{trapgate_class="default",trapgate_pool="gpu"} 4`,
		`trapgate_queue_inflight{trapgate_class="default",trapgate_pool="gpu"} 2`,
		`trapgate_queue_reserved{trapgate_pool="gpu"} 1234`,
		`trapgate_queue_debt_seconds{trapgate_pool="gpu"} 2.5`,
		`trapgate_queue_lag{trapgate_pool="gpu"} 77`,
		`trapgate_queue_bucket_level{trapgate_bucket="tokens",trapgate_pool="gpu"} -20`,
		`trapgate_queue_limit{trapgate_limit="concurrency",trapgate_pool="gpu",trapgate_source="effective"} 6`,
		`trapgate_queue_attained{trapgate_pool="gpu",trapgate_tenant="b"} 600`,
		`trapgate_queue_share{trapgate_pool="gpu",trapgate_tenant="b"} 1.1`,
		`trapgate_queue_jain{trapgate_pool="gpu"} 0.99`,
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(out, `trapgate_queue_share{trapgate_pool="gpu",trapgate_tenant="idle"}`) {
		t.Error("a tenant that did not wait has a share")
	}
	if t.Failed() {
		t.Log(out)
	}
}

// Names from outside fill no label: what is beyond a bound is added up.
func TestQueueLabelsAreBounded(t *testing.T) {
	tel := newTest(t, Options{})
	q := tel.Queue()
	var pools []QueuePool
	for i := range 300 {
		name := fmt.Sprintf("pool-%d", i)
		q.Wait(name, fmt.Sprintf("class-%d", i), WaitGranted, 0)
		q.Rejected(name, fmt.Sprintf("reason-%d", i))
		p := QueuePool{Name: name, Reserved: 1, Classes: []QueueClass{{"class-0", 1, 0}}, Debt: float64(i)}
		if i == 0 {
			for j := range 200 {
				p.Tenants = append(p.Tenants, QueueTenant{fmt.Sprintf("tenant-%d", j), 10, 1})
			}
		}
		pools = append(pools, p)
	}
	q.State(func() QueueState { return QueueState{Pools: pools} })
	for range 2 { // the second look finds the same
		out := exposition(t, tel)
		for _, want := range []string{
			fmt.Sprintf(`trapgate_queue_reserved{trapgate_pool="other"} %d`, 300-maxQueuePools),
			fmt.Sprintf(`trapgate_queue_queued{trapgate_class="class-0",trapgate_pool="other"} %d`, 300-maxQueuePools),
			fmt.Sprintf(`trapgate_queue_attained{trapgate_pool="pool-0",trapgate_tenant="other"} %d`, 10*(200-maxQueueTenants)),
			`trapgate_queue_debt_seconds{trapgate_pool="other"} 299`,
		} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("missing: %s", want)
			}
		}
		if n := strings.Count(out, "trapgate_queue_share{"); n != maxQueueTenants {
			t.Errorf("%d shares", n)
		}
		if n := strings.Count(out, "trapgate_queue_wait_seconds_count{"); n > maxQueuePools+1 {
			t.Errorf("%d series of waits", n)
		}
	}
}

// A nil Queue counts nothing, and without one there is no series.
func TestNoQueue(t *testing.T) {
	var q *Queue
	q.Wait("p", "c", WaitGranted, 0)
	q.Dispatch("p", 0)
	q.Settled("p", 1, 1, 1)
	q.Promoted("p")
	q.Rejected("p", "r")
	q.Refused("p", 429)
	q.Held("p", 0, false)
	q.State(nil)
	if out := exposition(t, newTest(t, Options{})); strings.Contains(out, "trapgate_queue") {
		t.Error(out)
	}
}

func BenchmarkQueueWait(b *testing.B) {
	q := newTest(b, Options{}).Queue()
	b.ReportAllocs()
	for b.Loop() {
		q.Wait("gpu", "default", WaitGranted, 0)
	}
}
