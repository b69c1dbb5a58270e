package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// An openRun is one run of the open loop: a pacer writes requests when they are due, on the connection that came free
// last, as clients' pools do; each connection's goroutine reads the answers.
type openRun struct {
	addr string

	mu   sync.Mutex
	free []*lane
	all  []*lane
	out  sample
	err  error
	wg   sync.WaitGroup
}

// A lane is one connection of the open loop.
type lane struct {
	*conn
	req *small
	due chan time.Time
}

// More requests under way than this are a side that does not answer at all.
const maxLanes = 2000

// openLoop sends small requests at a fixed rate whatever the answers do, and times each from the moment it was due.
func openLoop(addr string, rate int, d time.Duration) (sample, error) {
	o := &openRun{addr: addr}
	n := int(d.Seconds() * float64(rate))
	done := make(chan error, 1)
	go func() { done <- o.pace(n, time.Second/time.Duration(rate)) }()
	err := <-done
	for _, l := range o.all {
		close(l.due)
		if err != nil {
			_ = l.Close()
		}
	}
	o.wg.Wait()
	for _, l := range o.all {
		_ = l.Close()
	}
	if err == nil {
		err = o.err
	}
	if err != nil {
		return nil, err
	}
	return o.out[len(o.out)/20:], nil // the first ones warm the connections up
}

// pace runs on a thread of its own that sleeps by the system's high-resolution clock: Go's timers may be a millisecond late.
func (o *openRun) pace(n int, gap time.Duration) error {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its timer slack with it
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	start := time.Now().Add(5 * time.Millisecond)
	for i := range n {
		due := start.Add(time.Duration(i) * gap)
		if wait := time.Until(due); wait > 0 {
			ts := unix.NsecToTimespec(int64(wait))
			for unix.Nanosleep(&ts, &ts) == unix.EINTR {
			}
		}
		l, err := o.take()
		if err != nil {
			return err
		}
		l.due <- due
		if err := l.send(l.req.next()); err != nil {
			return err
		}
	}
	return nil
}

func (o *openRun) take() (*lane, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return nil, o.err
	}
	if n := len(o.free); n > 0 {
		l := o.free[n-1]
		o.free = o.free[:n-1]
		return l, nil
	}
	if len(o.all) == maxLanes {
		return nil, fmt.Errorf("bench: %d requests are under way: %s cannot hold the rate", maxLanes, o.addr)
	}
	c, err := dial(o.addr, nil)
	if err != nil {
		return nil, err
	}
	l := &lane{conn: c, due: make(chan time.Time, 1), req: newSmall(o.addr, "", seed())}
	o.all = append(o.all, l)
	o.wg.Add(1)
	go o.read(l)
	return l, nil
}

func (o *openRun) read(l *lane) {
	defer o.wg.Done()
	for due := range l.due {
		length, err := l.head()
		if err == nil {
			err = l.discard(length)
		}
		took := time.Since(due)
		o.mu.Lock()
		if err != nil {
			if o.err == nil {
				o.err = err
			}
			o.mu.Unlock()
			return
		}
		o.out.add(took)
		o.free = append(o.free, l)
		o.mu.Unlock()
	}
}
