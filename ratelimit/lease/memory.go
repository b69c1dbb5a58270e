package lease

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Memory is a store in this process: the twin of Redis, for tests, and for processes on one machine that reach it with Remote.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	records map[string]*kept
	sweep   time.Time
	made    int
}

type kept struct {
	record
	ends time.Time
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store. now is its clock.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, records: map[string]*kept{}}
}

// Exchange never fails but on a report that makes no sense, or when ctx is done.
func (m *Memory) Exchange(ctx context.Context, reports []Report) ([]Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if err := check(reports); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.expire(now)
	at := float64(now.UnixMicro()) / 1e6
	grants := make([]Grant, len(reports))
	for i := range reports {
		p := &reports[i]
		k := m.records[p.Key]
		if k == nil || !now.Before(k.ends) {
			m.made++
			k = &kept{record: *newRecord(fmt.Sprintf("%.6f-%d", at, m.made), at)}
			m.records[p.Key] = k
		}
		grants[i] = k.exchange(p, at)
		k.ends = now.Add(p.Life)
	}
	return grants, nil
}

// expire drops what nobody has reported for its Life, at most once a minute of exchanges.
func (m *Memory) expire(now time.Time) {
	if now.Before(m.sweep) {
		return
	}
	m.sweep = now.Add(time.Minute)
	for key, k := range m.records {
		if !now.Before(k.ends) {
			delete(m.records, key)
		}
	}
}

// Forget drops everything, as a Redis without persistence does when it restarts.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.records)
}

// Bounds of one report: what passes is exact in a double, and cannot fill a store.
const (
	maxUnits   = 1 << 50
	maxDemands = 256
	maxName    = 256 // bytes
	maxReports = 1024
)

// check refuses what no client of this package sends.
func check(reports []Report) error {
	if len(reports) > maxReports {
		return fmt.Errorf("%w: %d reports at once", ErrStore, len(reports))
	}
	for i := range reports {
		p := &reports[i]
		if err := p.check(); err != nil {
			return fmt.Errorf("%w: report %d: %w", ErrStore, i, err)
		}
	}
	return nil
}

func (p *Report) check() error {
	switch {
	case p.Kind != Rate && p.Kind != Budget && p.Kind != Slots:
		return fmt.Errorf("unknown %v", p.Kind)
	case p.Key == "" || len(p.Key) > maxName || p.Holder == "" || len(p.Holder) > maxName || len(p.Gen) > maxName || len(p.Sidecar) > maxName:
		return fmt.Errorf("key, holder, gen or sidecar is empty or too long")
	case p.Sidecars < 1 || p.Sidecars > 1<<20:
		return fmt.Errorf("sidecars must be at least 1 (got %d)", p.Sidecars)
	case p.Delta < time.Millisecond || p.TTL < p.Delta || p.Grace < 0 || p.Life < p.TTL || p.Kind == Rate && p.Per <= 0:
		return fmt.Errorf("durations do not fit: delta %v, ttl %v, grace %v, life %v, per %v", p.Delta, p.TTL, p.Grace, p.Life, p.Per)
	case p.Seq > maxUnits:
		return fmt.Errorf("seq is too large")
	case len(p.Demands) > maxDemands:
		return fmt.Errorf("%d demands", len(p.Demands))
	}
	for _, n := range []int64{p.Limit, p.Depth, p.Held, p.Ask, p.Need, p.Back, p.Prior, p.Known, p.Was, p.Alone} {
		if n < 0 || n > maxUnits {
			return fmt.Errorf("amount out of range: %d", n)
		}
	}
	if p.Used < -maxUnits || p.Used > maxUnits {
		return fmt.Errorf("amount out of range: %d", p.Used)
	}
	for _, d := range p.Demands {
		if !(d.Weight > 0) || d.Weight > 1e9 || d.Amount < 0 || d.Amount > maxUnits || len(d.Tenant) > maxName {
			return fmt.Errorf("bad demand of tenant %.64q: weight %v, amount %d", d.Tenant, d.Weight, d.Amount)
		}
	}
	return nil
}
