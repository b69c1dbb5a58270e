package telemetry

import (
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/internal/wire"
)

// shards spread the list's lock; two cores meet on one of 16 rarely.
const shards = 16

// InFlight lists the exchanges under way. The zero value is ready.
type InFlight struct {
	next   atomic.Uint32
	count  atomic.Int64
	shards [shards]shard
}

type shard struct {
	mu   sync.Mutex
	head *entry
	_    [48]byte // a cache line each
}

// An entry is part of an Exchange. mu guards what changes while a Snapshot may read it.
type entry struct {
	prev, next *entry
	shard      *shard

	mu       sync.Mutex
	id       string
	start    time.Time
	since    time.Time
	dialect  wire.Dialect
	state    State
	filter   string
	tenant   string
	agent    string
	session  string
	program  string
	model    string
	upstream string
	attempt  int

	tokens atomic.Int64
	where  interface{ Where() string }
}

// InFlightInfo is one exchange under way.
type InFlightInfo struct {
	ID       string    `json:"id"`
	Start    time.Time `json:"start"`
	AgeMS    int64     `json:"age_ms"`
	Dialect  string    `json:"dialect"`
	Tenant   string    `json:"tenant,omitempty"`
	Agent    string    `json:"agent,omitempty"`
	Session  string    `json:"session,omitempty"`
	Program  string    `json:"program,omitempty"`
	Model    string    `json:"model,omitempty"`
	Upstream string    `json:"upstream,omitempty"`
	Attempt  int       `json:"attempt"` // how many were begun
	State    string    `json:"state"`
	SinceMS  int64     `json:"since_ms"` // in this state
	Filter   string    `json:"filter,omitempty"`
	Tokens   int64     `json:"tokens"` // output so far
}

// Len returns how many exchanges are under way.
func (f *InFlight) Len() int { return int(f.count.Load()) }

func (f *InFlight) add(e *entry) {
	s := &f.shards[f.next.Add(1)%shards]
	s.mu.Lock()
	e.shard, e.prev, e.next = s, nil, s.head
	if s.head != nil {
		s.head.prev = e
	}
	s.head = e
	s.mu.Unlock()
	f.count.Add(1)
}

// remove takes e out of its list; afterwards no Snapshot reads it.
func (f *InFlight) remove(e *entry) {
	s := e.shard
	s.mu.Lock()
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.prev, e.next, e.shard = nil, nil, nil
	s.mu.Unlock()
	f.count.Add(-1)
}

// Snapshot returns what is in flight, oldest first. Strings are copies: they outlive the exchanges.
func (f *InFlight) Snapshot() []InFlightInfo {
	now := time.Now()
	out := make([]InFlightInfo, 0, f.Len())
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for e := s.head; e != nil; e = e.next {
			out = append(out, e.info(now))
		}
		s.mu.Unlock()
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].Start.Before(out[j].Start) || out[i].Start.Equal(out[j].Start) && out[i].ID < out[j].ID
	})
	return out
}

func (e *entry) info(now time.Time) InFlightInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	filter := e.filter
	if filter == "" && e.where != nil {
		filter = e.where.Where()
	}
	return InFlightInfo{
		ID: strings.Clone(e.id), Start: e.start, AgeMS: now.Sub(e.start).Milliseconds(), Dialect: e.dialect.String(),
		Tenant: strings.Clone(e.tenant), Agent: strings.Clone(e.agent), Session: strings.Clone(e.session),
		Program: strings.Clone(e.program), Model: strings.Clone(e.model), Upstream: strings.Clone(e.upstream),
		Attempt: e.attempt, State: e.state.String(), SinceMS: now.Sub(e.since).Milliseconds(),
		Filter: strings.Clone(filter), Tokens: e.tokens.Load(),
	}
}
