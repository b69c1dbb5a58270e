package ratelimit

import "time"

// A flow is what a leaf of the tree orders: the waiting calls of one program (within one class; within one agent under Fair).
type flow struct {
	key  flowKey
	prog *program
	leaf *node
	acct *account // the tenant's
	last *account // the agent's that called last

	rank    int // of its class, under Priority
	tickets heap[Ticket]
	posMain int // in its order
	posAged int // in queue.aged
	level   int // an order's own
	bytes   int64
	cost    int64 // estimated, of tickets
	running int
	guess   guess
}

type flowKey struct{ class, tenant, agent, program string }

func (f *flow) head() *Ticket { return f.tickets.min() }

// headAt is when the flow's first call came.
func (f *flow) headAt() time.Time { return f.tickets.items[0].enq }

func ticketBefore(a, b *Ticket) bool {
	if !a.enq.Equal(b.enq) {
		return a.enq.Before(b.enq)
	}
	return a.seq < b.seq
}

func ticketPlace(t *Ticket) *int { return &t.posFlow }

// A program is all calls of one task of a tenant, whatever class or agent they carry.
type program struct {
	key      programKey
	attained int64         // cost charged, settled or not
	arrived  time.Time     // its first call
	seq      uint64        // order of arrival, for equal times
	waited   time.Duration // of all its calls that were dispatched
	calls    int           // dispatched
	open     int           // tickets that wait or run
	flows    []*flow

	link link[program] // of tree.idle
}

type programKey struct{ tenant, name string }

// An account counts what a tenant or an agent of it has, over all classes. Caps look at it, operators do.
type account struct {
	name     string
	attained int64
	queued   int
	inflight int
	bytes    int64
	flows    int
	agents   map[string]*account
}
