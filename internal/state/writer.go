package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A disk that fails is tried again after backoffFirst, then twice that, up to backoffMost.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 10 * time.Second
)

var errClosed = errors.New("state: closed")

// A job is one write that waits for its batch.
type job struct {
	f       func(*Tx) error
	after   func(*conn) error // runs outside the transaction, once everything before it is committed
	done    chan error        // buffered; nil: nobody waits
	patient bool              // waits for a disk that fails, where others are told at once
}

// The writer is the one goroutine that writes.
type writer struct {
	conn      *conn
	path      string
	log       *slog.Logger
	opt       Options
	committed func()

	wake   chan struct{} // the queue is no longer empty
	urgent chan struct{} // somebody waits: do not gather any longer
	done   chan struct{}

	following atomic.Pointer[pageLog] // told of each commit; nil: nobody wants to know

	mu      sync.Mutex
	queue   []job
	spare   []job // the last batch's memory
	running int   // jobs in the batch under way
	closed  bool
	h       Health
	last    error // what Close returns
}

func newWriter(c *conn, path string, opt Options, committed func()) *writer {
	w := &writer{
		conn: c, path: path, log: opt.Log, opt: opt, committed: committed,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go w.run()
	return w
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add queues a job and says whether it was taken.
func (w *writer) add(j job) error {
	w.mu.Lock()
	err := w.admit(&j)
	if err == nil {
		w.queue = append(w.queue, j)
	}
	first, refused := len(w.queue) == 1, w.h.Refused
	w.mu.Unlock()
	switch {
	case err == nil:
		if first {
			nudge(w.wake)
		}
		if j.done != nil {
			nudge(w.urgent)
		}
	case refused&(refused-1) == 0: // once, then ever more seldom
		w.log.Error("a write was thrown away", "err", err, "thrown_away", refused)
	}
	return err
}

func (w *writer) admit(j *job) error {
	switch {
	case w.closed:
		w.h.Refused++
		return errClosed
	case len(w.queue)+w.running >= w.opt.MaxQueued && !j.patient:
		w.h.Refused++
		return fmt.Errorf("state: %d writes wait already", w.opt.MaxQueued)
	}
	return nil
}

// wait queues a job and waits for it.
func (w *writer) wait(ctx context.Context, j job) error {
	j.done = make(chan error, 1)
	if err := w.add(j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("state: waiting for a commit: %w", ctx.Err())
	}
}

func (w *writer) run() {
	defer close(w.done)
	backoff := backoffFirst
	for {
		batch, closing := w.next()
		if len(batch) == 0 {
			return
		}
		pause := w.opt.Gap
		errs, err := w.commit(batch)
		if err != nil {
			if left := w.failed(batch, err); closing {
				w.giveUp(left, err)
				return
			}
			pause, backoff = backoff, min(2*backoff, backoffMost)
		} else {
			w.succeeded(batch, errs)
			backoff = backoffFirst
		}
		select {
		case <-w.opt.After(pause):
		case <-w.urgent:
		}
	}
}

// next waits for jobs and takes all. It returns none once the writer is closed and has nothing left to do.
func (w *writer) next() (batch []job, closing bool) {
	for {
		w.mu.Lock()
		if len(w.queue) > 0 || w.closed {
			batch, w.queue, w.spare = w.queue, w.spare[:0], nil
			w.running, closing = len(batch), w.closed
			w.mu.Unlock()
			return batch, closing
		}
		w.mu.Unlock()
		<-w.wake
	}
}

// commit writes a batch in one transaction. When a job's own function fails, the batch is begun again with a savepoint around
// each, so that one bad write does not undo its neighbours; that costs too much to do it always. errs has who failed.
func (w *writer) commit(batch []job) (errs map[int]error, err error) {
	bg := context.Background()
	err = w.conn.transaction(bg, func(tx *Tx) error {
		for i := range batch {
			if batch[i].f == nil {
				continue
			}
			if err := batch[i].f(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !environmental(err) {
		errs = map[int]error{}
		err = w.conn.transaction(bg, func(tx *Tx) error { return alone(tx, batch, errs) })
	}
	if err != nil {
		return nil, err
	}
	w.committed()
	if log := w.following.Load(); log != nil {
		log.follow()
	}
	for i := range batch {
		if errs[i] == nil && batch[i].after != nil {
			errs = put(errs, i, batch[i].after(w.conn))
		}
	}
	return errs, nil
}

// follow has l collect what is written from now on. It runs outside a transaction, on the writer's goroutine.
func (w *writer) follow(l *pageLog) error {
	l.follow()
	if _, err := l.take(); err != nil {
		return err
	}
	w.following.Store(l)
	return nil
}

func put(m map[int]error, i int, err error) map[int]error {
	if err != nil {
		if m == nil {
			m = map[int]error{}
		}
		m[i] = fmt.Errorf("state: %w", err)
	}
	return m
}

// alone runs each job in a savepoint of its own and notes who failed. A disk that fails ends it.
func alone(tx *Tx, batch []job, errs map[int]error) error {
	clear(errs)
	for i := range batch {
		if batch[i].f == nil {
			continue
		}
		if _, err := tx.Exec("SAVEPOINT job"); err != nil {
			return err
		}
		if err := batch[i].f(tx); err != nil {
			if environmental(err) {
				return err
			}
			errs[i] = err
			if _, err := tx.Exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("RELEASE job"); err != nil {
			return err
		}
	}
	return nil
}

// succeeded gives every job of a committed batch its result, once Health says so too.
func (w *writer) succeeded(batch []job, errs map[int]error) {
	w.mu.Lock()
	since, failing := w.h.Since, w.h.Err != nil
	w.h.Err, w.h.Since = nil, time.Time{}
	w.h.Failed += int64(len(errs))
	w.running = 0
	w.mu.Unlock()
	if failing {
		w.log.Info("state: writing works again", "failing_for", time.Since(since).Round(time.Millisecond))
	}
	for i := range batch {
		if batch[i].done != nil {
			batch[i].done <- errs[i]
		} else if errs[i] != nil {
			w.log.Error("state: a write failed by itself", "err", errs[i])
		}
	}
	clear(batch) // what the functions hold
	w.mu.Lock()
	w.spare = batch[:0]
	w.mu.Unlock()
}

// failed puts back what nobody waits for, in front of the queue, and tells those who wait. It returns how many are left.
func (w *writer) failed(batch []job, err error) int {
	err = explain(w.path, err)
	w.mu.Lock()
	all := append(batch, w.queue...)
	kept := all[:0]
	var told []chan error
	for _, j := range all {
		if j.done != nil && !j.patient {
			told = append(told, j.done)
		} else {
			kept = append(kept, j)
		}
	}
	clear(all[len(kept):])
	w.queue, w.running = kept, 0
	fresh := w.h.Err == nil || w.h.Err.Error() != err.Error()
	if w.h.Err == nil {
		w.h.Since = time.Now()
	}
	w.h.Err = err
	w.mu.Unlock()
	for _, done := range told {
		done <- err
	}
	if fresh {
		w.log.Error("state: cannot write; what waits is kept and tried again", "err", err, "waiting", len(kept))
	}
	return len(kept)
}

// giveUp ends a closing writer whose last try failed.
func (w *writer) giveUp(left int, err error) {
	w.mu.Lock()
	w.last = fmt.Errorf("state: closed with %d writes that could not be committed: %w", left, explain(w.path, err))
	for _, j := range w.queue {
		if j.done != nil {
			j.done <- w.last
		}
	}
	w.queue = nil
	w.mu.Unlock()
}

func (w *writer) health() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.h
	h.Waiting = len(w.queue) + w.running
	return h
}

// close commits what waits and ends the goroutine.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	nudge(w.wake)
	nudge(w.urgent)
	<-w.done
	return w.last
}
