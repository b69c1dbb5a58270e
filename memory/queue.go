package memory

import (
	"sync"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A job is one thing for the worker: a turn to learn, a note to store, or records that were told.
type job struct {
	turn  *Turn
	note  *store.Note
	used  []record.ID
	scope record.Scope
	bytes int
}

// A queue holds jobs in their order, bounded. Its lock is held for an append only.
type queue struct {
	mu        sync.Mutex
	jobs      []job
	turns     int // that wait
	bytes     int
	maxTurns  int
	maxBytes  int
	busy      bool // a batch was taken and is not done
	closed    bool
	idle      []chan struct{} // who waits until nothing is left
	something chan struct{}
}

func (q *queue) init(turns, bytes int) {
	q.maxTurns, q.maxBytes = turns, bytes
	q.something = make(chan struct{}, 1)
}

// put appends a job, unless the queue is full or closed. Small jobs that recalls leave are bounded by four times the turns.
func (q *queue) put(j job) bool {
	q.mu.Lock()
	full := q.closed || q.bytes+j.bytes > q.maxBytes || len(q.jobs) >= 5*q.maxTurns || j.turn != nil && q.turns >= q.maxTurns
	if !full {
		q.jobs = append(q.jobs, j)
		q.bytes += j.bytes
		if j.turn != nil {
			q.turns++
		}
	}
	q.mu.Unlock()
	if !full {
		q.wake()
	}
	return !full
}

func (q *queue) wake() {
	select {
	case q.something <- struct{}{}:
	default:
	}
}

// take returns the jobs in front, until they hold about as many bytes as one batch should; none when nothing waits.
func (q *queue) take(bytes int) []job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for sum := 0; n < len(q.jobs) && sum < bytes && n < maxBatch; n++ {
		sum += q.jobs[n].bytes
	}
	batch := q.jobs[:n:n]
	if q.jobs = q.jobs[n:]; len(q.jobs) == 0 {
		q.jobs = nil
	}
	for i := range batch {
		q.bytes -= batch[i].bytes
		if batch[i].turn != nil {
			q.turns--
		}
	}
	q.busy = n > 0
	return batch
}

// takeNotes returns the notes that wait, in front of everything else.
func (q *queue) takeNotes() (notes []job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.jobs[:0:0]
	for i := range q.jobs {
		if q.jobs[i].note != nil {
			notes = append(notes, q.jobs[i])
			q.bytes -= q.jobs[i].bytes
		} else {
			rest = append(rest, q.jobs[i])
		}
	}
	q.jobs = rest
	return notes
}

// done says that the batch was dealt with.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	if len(q.jobs) > 0 {
		return
	}
	for _, c := range q.idle {
		close(c)
	}
	q.idle = nil
}

// drained returns a channel that is closed once nothing waits or is at work.
func (q *queue) drained() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := make(chan struct{})
	if len(q.jobs) == 0 && !q.busy {
		close(c)
	} else {
		q.idle = append(q.idle, c)
	}
	return c
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.turns
}
