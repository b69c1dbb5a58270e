package schedule

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/ratelimit"
)

// watched is a bench with metrics.
func watched(t *testing.T, s Settings) (*bench, func() string) {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	q := tel.Queue()
	b := &bench{TB: t, set: s, engine: ratelimit.New(s.Engine, ratelimit.Options{Observer: Observe(q)})}
	b.f = New(Options{Engine: b.engine, Metrics: q})
	if err := b.f.Configure(s); err != nil {
		t.Fatal(err)
	}
	return b, func() string {
		w := httptest.NewRecorder()
		tel.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
}

func shows(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w+"\n") {
			t.Errorf("missing: %s", w)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "trapgate_queue") && !strings.Contains(line, "_bucket{") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}

// What happens to calls is counted under its pool and class.
func TestMetrics(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Engine.Queue.Calls = 1
		b, page := watched(t, s)
		b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
		free := b.occupy("memory")
		time.AfterFunc(2*time.Second, free)
		b.run(call{unary: true, answers: []filtertest.Answer{document(40, 700)}})
		free = b.occupy("memory")
		b.wait("other")
		b.run(call{unary: true})
		synctest.Wait() // whoever moves a pool may still tell what happened
		shows(t, page(),
			`trapgate_queue_wait_seconds_count{trapgate_class="default",trapgate_outcome="granted",trapgate_pool="memory"} 2`,
			`trapgate_queue_wait_seconds_sum{trapgate_class="default",trapgate_outcome="granted",trapgate_pool="memory"} 2`,
			`trapgate_queue_rejected_total{trapgate_pool="memory",trapgate_reason="queue_full"} 1`,
			`trapgate_queue_queued{trapgate_class="default",trapgate_pool="memory"} 1`,
			`trapgate_queue_inflight{trapgate_class="default",trapgate_pool="memory"} 1`,
			`trapgate_queue_limit{trapgate_limit="concurrency",trapgate_pool="memory",trapgate_source="effective"} 1`,
			`trapgate_queue_estimate_error_count{trapgate_pool="memory",trapgate_result="over"} 1`,
			`trapgate_queue_estimate_error_count{trapgate_pool="memory",trapgate_result="under"} 1`,
		)
		b.unwait()
		free()
		b.run(call{unary: true, answers: []filtertest.Answer{failure(429, "slow down")}})
		shows(t, page(), `trapgate_queue_upstream_refused_total{trapgate_pool="memory",trapgate_status="429"} 1`)
		b.idle()
	})
}

// Shares are of what tenants got that waited all the time, between two looks.
func TestShares(t *testing.T) {
	for _, tt := range []struct {
		policy ratelimit.Policy
		jain   func(float64) bool
	}{
		{ratelimit.Fair, func(j float64) bool { return j > 0.99 }},
		{ratelimit.FIFO, func(j float64) bool { return j == 0 }}, // it knows no tenants
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Engine.Policy = tt.policy
				b, _ := watched(t, s)
				b.f.QueueState()
				stop := time.Now().Add(200 * time.Second)
				for _, tenant := range []string{"a", "a", "a", "b", "b", "b"} {
					go func() {
						for time.Now().Before(stop) {
							b.run(call{unary: true, who: who{Identity: filters.Identity{Tenant: tenant}}, answers: []filtertest.Answer{document(10, 100)}, inner: []filters.Filter{busy{time.Second}}})
						}
					}()
				}
				time.Sleep(50*time.Second + time.Millisecond)
				b.f.QueueState()
				time.Sleep(100 * time.Second)
				q := b.f.QueueState().Pools[0]
				if !tt.jain(q.Jain) {
					t.Errorf("%+v", q)
				}
				if again := b.f.QueueState().Pools[0]; fmt.Sprint(again.Tenants) != fmt.Sprint(q.Tenants) {
					t.Errorf("a second reader sees %+v, the first saw %+v", again.Tenants, q.Tenants)
				}
				time.Sleep(100 * time.Second)
				synctest.Wait()
				b.idle()
			})
		})
	}
}

// State shows the engine's and the filter's own.
func TestState(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Budgets = tenantBudget(requestsEachHour(5))
		b := newBench(t, s)
		b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
		st := b.f.State()
		if len(st.Pools) != 1 || st.Pools[0].Attained != 54 || len(st.Budgets) != 1 || st.Budgets[0].Used != 1 || st.Holding != 0 {
			t.Errorf("%+v", st)
		}
	})
}
