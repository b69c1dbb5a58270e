package lease

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Options are a Client's. Zero durations take the defaults.
type Options struct {
	Holder  string        // unique for each start of the process; default random
	Sidecar string        // the same for each start of one whose Resource.Used lasts; default none
	Delta   time.Duration // the renewal interval; default 1 s
	TTL     time.Duration // of a lease; default 5 x Delta
	Grace   time.Duration // how long after that the store keeps a static share for a holder that vanished; default 6 x TTL
	Timeout time.Duration // of one exchange; default Delta / 2
	Clock   Clock         // default the machine's
	// Failed is told why an exchange failed, on the client's goroutine. May be nil.
	Failed func(error)
}

// A Client renews the leases of one process with one store. Run does the work; without it every lease stays empty.
type Client struct {
	store Store
	o     Options
	wake  chan struct{}

	mu     sync.Mutex
	leases []*Lease
}

// New makes a client of store.
func New(store Store, o Options) *Client {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Delta, time.Second)
	o.Delta = max(o.Delta, time.Millisecond)
	def(&o.TTL, 5*o.Delta)
	o.TTL = max(o.TTL, o.Delta)
	def(&o.Grace, 6*o.TTL)
	def(&o.Timeout, o.Delta/2)
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Holder == "" {
		o.Holder = rand.Text()
	}
	return &Client{store: store, o: o, wake: make(chan struct{}, 1)}
}

// Add begins to share r. The lease is empty until its first call was refused, or r.Demands wanted something, and the store
// answered.
func (c *Client) Add(r Resource) (*Lease, error) {
	if err := r.fill(); err != nil {
		return nil, err
	}
	l := &Lease{c: c, r: r}
	l.lapsed = true
	if r.Kind != Budget { // else its window says
		l.key = r.Key
	}
	l.floor.Store(1<<63 - 1)
	l.active = c.o.Clock.Now()
	l.look(l.active)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.leases {
		if other.r.Key == r.Key {
			return nil, fmt.Errorf("%w %q: is there already", errResource, r.Key)
		}
	}
	c.leases = append(c.leases, l)
	c.poke()
	return l, nil
}

// Remove gives back what l holds and ends it. What is in flight or settled later is no longer reported.
func (c *Client) Remove(l *Lease) {
	l.mu.Lock()
	l.leaving = true
	l.mu.Unlock()
	c.poke()
}

func (c *Client) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run renews leases until ctx is done, then gives everything back and returns ctx's error. It must run once.
func (c *Client) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		now := c.o.Clock.Now()
		batch, next := c.due(now)
		if len(batch) > 0 {
			c.exchange(ctx, batch, now)
			continue
		}
		var t Timer
		if !next.IsZero() {
			t = c.o.Clock.AfterFunc(max(next.Sub(now), time.Microsecond), c.poke)
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
		}
		if t != nil {
			t.Stop()
		}
	}
	c.end()
	return ctx.Err()
}

// due are the leases whose report is due, and when the next one is.
func (c *Client) due(now time.Time) (batch []*Lease, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.leases {
		switch at := l.due(); {
		case !at.After(now) && len(batch) < maxReports:
			batch = append(batch, l)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return batch, next
}

// exchange is one round trip for all leases in batch.
func (c *Client) exchange(ctx context.Context, batch []*Lease, now time.Time) {
	reports, waiting := make([]Report, len(batch)), make([]pending, len(batch))
	for i, l := range batch {
		reports[i], waiting[i] = l.report(now)
	}
	ctx, cancel := c.limit(ctx)
	grants, err := c.store.Exchange(ctx, reports)
	cancel()
	if err == nil && len(grants) != len(reports) {
		err = fmt.Errorf("%w: %d grants for %d reports", ErrStore, len(grants), len(reports))
	}
	if err != nil && c.o.Failed != nil {
		c.o.Failed(err)
	}
	now = c.o.Clock.Now()
	for i := range waiting {
		var s Share
		var changed bool
		if err != nil {
			s, changed = waiting[i].failed(now)
		} else {
			s, changed = waiting[i].granted(&reports[i], grants[i])
		}
		if f := batch[i].r.Changed; changed && f != nil && !reports[i].Leave {
			f(s)
		}
		if reports[i].Leave {
			c.drop(batch[i])
		}
	}
}

// limit ends ctx after the timeout, by the client's clock. A store can act on a deadline that it sees, so the machine's
// clock gives one.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.o.Clock == (systemClock{}) {
		return context.WithTimeout(ctx, c.o.Timeout)
	}
	ctx, cancel := context.WithCancel(ctx)
	t := c.o.Clock.AfterFunc(c.o.Timeout, cancel)
	return ctx, func() {
		t.Stop()
		cancel()
	}
}

func (c *Client) drop(l *Lease) {
	l.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases = slices.DeleteFunc(c.leases, func(o *Lease) bool { return o == l })
}

// end gives everything back, in one exchange that is tried once.
func (c *Client) end() {
	c.mu.Lock()
	batch := slices.Clone(c.leases)
	c.mu.Unlock()
	for _, l := range batch {
		l.mu.Lock()
		l.leaving = true
		l.mu.Unlock()
	}
	for len(batch) > 0 {
		n := min(len(batch), maxReports)
		c.exchange(context.Background(), batch[:n], c.o.Clock.Now())
		batch = batch[n:]
	}
}
