package share

import (
	"path/filepath"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// A State is what /debug/state shows of a Sharing.
type State struct {
	Role   string  `json:"role"`   // holder or guest of the data directory
	Store  string  `json:"store"`  // where leases come from: none, memory, the holder's socket, redis
	Guests int     `json:"guests"` // of a holder
	Unsent int     `json:"unsent"` // batches of a guest that the holder has not confirmed
	Away   string  `json:"away,omitempty"`
	Leases []Lease `json:"leases,omitempty"` // of pools; those of budgets added up
}

// A Lease is one lease, or several added up.
type Lease struct {
	Name     string         `json:"name"`
	Share    float64        `json:"share"` // a minute, at once (slots), or left to spend (budgets)
	Fallback bool           `json:"fallback"`
	Counters lease.Counters `json:"counters"`

	pool, limit string
}

// Roles of a process.
const (
	Holder = "holder"
	Guest  = "guest"
)

// State says what this process is and what it has leased.
func (s *Sharing) State() State {
	s.mu.Lock()
	st := State{Role: Guest, Guests: s.present, Unsent: s.ledger.left()}
	if s.db != nil {
		st.Role = Holder
	}
	s.mu.Unlock()
	switch {
	case !s.active.Load():
		st.Store = "none"
		return st
	case s.o.global():
		st.Store = "redis"
	case st.Role == Holder:
		st.Store = "memory"
	default:
		st.Store = filepath.Join(s.o.Dir, admin.SocketFile)
	}
	if err := s.relay.away(); err != nil {
		st.Away = err.Error()
	}
	st.Leases = s.leases()
	return st
}

// Leases is what telemetry.Telemetry asks for when somebody looks at the metrics: nothing while nobody shares.
func (s *Sharing) Leases() []telemetry.LeaseState {
	var list []telemetry.LeaseState
	for _, l := range s.leases() {
		c := &l.Counters
		list = append(list, telemetry.LeaseState{
			Pool: l.pool, Limit: l.limit, Held: c.Held, Spent: c.Used, Wasted: c.Wasted, Denied: c.Denied, Fallback: c.Fallback, Away: l.Fallback,
		})
	}
	return list
}

func (s *Sharing) leases() (list []Lease) {
	for _, p := range s.pools.all() {
		list = append(list, p.leases()...)
	}
	if b, any := s.lender.lease(); any {
		list = append(list, b)
	}
	return list
}

func (p *pool) leases() (list []Lease) {
	p.mu.Lock()
	part := p.part
	p.mu.Unlock()
	for i := range part {
		if l := part[i].lease; l != nil {
			share := l.Share()
			list = append(list, Lease{p.name + "/" + partNames[i], share.Amount, share.Fallback, l.Counters(), p.name, partNames[i]})
		}
	}
	return list
}

// lease adds the leases of budgets up: whose they are is not for everybody to read.
func (l *lender) lease() (sum Lease, any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum = Lease{Name: "budgets", limit: "budget", Counters: l.gone}
	for _, ln := range l.loans {
		if ln.lease == nil {
			continue
		}
		any = true
		share := ln.lease.Share()
		sum.Share += share.Amount
		sum.Fallback = sum.Fallback || share.Fallback
		sum.Counters.Add(ln.lease.Counters())
	}
	return sum, any
}
