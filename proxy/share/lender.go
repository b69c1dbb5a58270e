package share

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// A lender gives hard budgets what they may spend: by itself while nobody shares, from leases afterwards. It is called with a
// tenant's sums locked, and waits for nobody.
type lender struct {
	s *Sharing

	mu     sync.Mutex
	counts map[budget.Key]*count // while alone: what is spent; afterwards what was
	byBase map[string]*count     // the same by the keys of leases
	shared bool
	loans  map[budget.Key]*loan
	waits  map[string]chan struct{} // by tenant: closed when one of its leases has changed
	gone   lease.Counters           // of leases that were ended; Held is 0
}

// A count is what is spent and reserved in one window, and the limit when it was last asked for.
type count struct{ start, spent, limit int64 }

// A loan is the lease of one budget of one subject.
type loan struct {
	key     budget.Key
	lease   *lease.Lease // nil: it is not there yet
	limit   int64
	owed    int64        // taken while there was none
	asked   bool         // something was refused that the store has not answered for
	start   atomic.Int64 // of the window that the lease is in
	offline atomic.Int64 // since when the store is away, Unix ns; 0: it is not
}

var _ budget.Lender = (*lender)(nil)

func newLender(s *Sharing) *lender {
	return &lender{
		s: s, counts: map[budget.Key]*count{}, byBase: map[string]*count{}, loans: map[budget.Key]*loan{}, waits: map[string]chan struct{}{},
	}
}

// baseKey is the name of a budget's lease. Tenants and subjects come from outside and may be long, and a store's operator need
// not read them.
func baseKey(k budget.Key) string {
	h := sha256.Sum256([]byte(k.Tenant + "\x00" + k.Subject))
	return fmt.Sprintf("budget/%s/%s/%s/%s", k.Per, k.Unit, k.Window, base64.RawURLEncoding.EncodeToString(h[:18]))
}

// load takes over what the state file says is spent. Whoever has just become the holder has counted nothing by itself.
func (l *lender) load(sums []budget.Sum) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.counts)
	clear(l.byBase)
	for _, s := range sums {
		l.count(s.Key, s.Start).spent = s.Used + s.Held
	}
}

// spent is what was spent in a window before leases were taken.
func (l *lender) spent(base string, start int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.byBase[base]; c != nil && c.start == start {
		return c.spent
	}
	return 0
}

// count finds the count of a window. A clock that went back stays in the later one.
func (l *lender) count(k budget.Key, start int64) *count {
	c := l.counts[k]
	if c == nil {
		l.sweep(time.Now())
		k.Tenant, k.Subject = strings.Clone(k.Tenant), strings.Clone(k.Subject)
		c = &count{start: start}
		l.counts[k], l.byBase[baseKey(k)] = c, c
	}
	if start > c.start {
		c.start, c.spent = start, 0
	}
	return c
}

// maxCounts bounds the counts that are kept of windows that are over.
const maxCounts = 1 << 16

func (l *lender) sweep(now time.Time) {
	if len(l.counts) < maxCounts {
		return
	}
	for k, c := range l.counts {
		if _, end := k.Window.Bounds(time.Unix(c.start, 0)); now.After(end) {
			delete(l.counts, k)
			delete(l.byBase, baseKey(k))
		}
	}
}

// begin ends being alone: from here on everything is leased.
func (l *lender) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shared = true
}

// Take implements budget.Lender.
func (l *lender) Take(k budget.Key, start, limit, n int64, must bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.shared {
		c := l.count(k, start)
		c.limit = limit
		if !must && c.spent+n > limit {
			return false
		}
		c.spent += n
		return true
	}
	ln := l.loan(k, limit)
	if ln.lease == nil {
		if must {
			ln.owed += n
		}
		ln.asked = ln.asked || !must
		return must
	}
	now := time.Now()
	if at := time.Unix(start, 0); now.Before(at) {
		now = at
	}
	if must {
		ln.lease.TryTake(now, 0) // begins the window
		if start == ln.start.Load() {
			ln.lease.Take(n) // else the window is over, and nobody asks any more
		}
		return true
	}
	return l.try(ln, now, start, n)
}

// try takes what is there. What is not leased yet is asked for; what the store cannot have is not, because as long as that
// is wanted nothing smaller would come.
func (l *lender) try(ln *loan, now time.Time, start, n int64) bool {
	_, end := ln.key.Window.Bounds(now)
	if wait := ln.lease.When(now, n); wait > 0 && !now.Add(wait).Before(end) && !l.awaits(ln, now) && now.Unix() < end.Unix() && start == ln.start.Load() {
		if ln.lease.Waive(n) {
			ln.asked = false
		}
		return false
	}
	if ln.lease.TryTake(now, n) {
		if start == ln.start.Load() {
			return true
		}
		ln.lease.Put(n) // another window has begun: the sum will find out
		return false
	}
	ln.asked = true
	return false
}

// recorded is what of each lease's use own has.
func recorded(own map[budget.Key]count) map[string]int64 {
	bases := make(map[string]int64, len(own))
	for k, c := range own {
		if c.spent > 0 {
			bases[baseKey(k)+"@"+strconv.FormatInt(c.start, 10)] = c.spent
		}
	}
	return bases
}

// awaits reports whether the store has just gone away: what is left to this process alone is known once the lease has run out.
func (l *lender) awaits(ln *loan, now time.Time) bool {
	since := ln.offline.Load()
	return since != 0 && now.Sub(time.Unix(0, since)) < 2*l.s.o.ttl()
}

// Give implements budget.Lender.
func (l *lender) Give(k budget.Key, start, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.shared {
		if c := l.count(k, start); c.start == start {
			c.spent = max(c.spent-n, 0)
		}
		return
	}
	ln := l.loans[k]
	if c := l.counts[k]; ln == nil && c != nil && c.limit > 0 {
		ln = l.loan(k, c.limit) // reserved while alone: it was told to the store as spent
	}
	switch {
	case ln == nil:
	case ln.lease == nil:
		ln.owed -= n
	case start == ln.start.Load():
		ln.lease.Put(n)
	}
}

// loan finds the lease of a budget, or adds it.
func (l *lender) loan(k budget.Key, limit int64) *loan {
	ln := l.loans[k]
	if ln == nil {
		k.Tenant, k.Subject = strings.Clone(k.Tenant), strings.Clone(k.Subject)
		ln = &loan{key: k, limit: limit}
		l.prune(time.Now())
		l.loans[k] = ln
	}
	if ln.lease != nil && ln.limit != limit && limit > 0 {
		if err := ln.lease.Resize(limit); err != nil { // another configuration
			l.s.o.Log.Error("share: a budget's limit", "error", err)
		}
		ln.limit = limit
	}
	if ln.lease == nil && limit > 0 {
		ln.limit = limit
		l.add(ln)
	}
	return ln
}

// add leases a budget. While the lease before is being given back it fails, and the next one to ask tries again.
func (l *lender) add(ln *loan) {
	r := lease.Resource{
		Key: baseKey(ln.key), Kind: lease.Budget, Limit: ln.limit, Sidecars: l.s.o.budgets(),
		Window: func(t time.Time) (string, time.Time) {
			start, end := ln.key.Window.Bounds(t)
			ln.start.Store(start.Unix())
			return strconv.FormatInt(start.Unix(), 10), end
		},
		Changed: func(s lease.Share) { l.changed(ln, s) },
	}
	if l.s.o.global() { // a holder's store begins with it
		start, _ := ln.key.Window.Bounds(time.Now())
		if c := l.byBase[r.Key]; c != nil && start.Unix() == c.start {
			r.Used = c.spent
		}
	}
	added, err := l.s.client.Add(r)
	if err != nil {
		l.s.soon(func() { l.wake(ln.key.Tenant) })
		return
	}
	ln.lease = added
	switch owed := ln.owed; {
	case owed > 0:
		added.Take(owed)
	case owed < 0:
		added.Put(-owed)
	}
	ln.owed = 0
}

// maxLoans bounds the leases; those of windows that are over and hold nothing go first.
const maxLoans = 1 << 15

func (l *lender) prune(now time.Time) {
	if len(l.loans) < maxLoans {
		return
	}
	for k, ln := range l.loans {
		if _, end := k.Window.Bounds(time.Unix(ln.start.Load(), 0)); ln.lease != nil && now.After(end) {
			l.gone.Add(ln.lease.Counters())
			l.gone.Held = 0
			l.s.client.Remove(ln.lease)
			delete(l.loans, k)
		}
	}
}

// changed is called on the client's goroutine when units came in, or the store went or came.
func (l *lender) changed(ln *loan, s lease.Share) {
	switch {
	case !s.Fallback:
		ln.offline.Store(0)
	case ln.offline.Load() == 0:
		ln.offline.Store(time.Now().UnixNano())
	}
	l.mu.Lock()
	if s.Amount > 0 {
		ln.asked = false
	}
	l.mu.Unlock()
	l.wake(ln.key.Tenant)
}

// wake lets those of a tenant who were refused something try again.
func (l *lender) wake(tenant string) {
	l.mu.Lock()
	if c := l.waits[tenant]; c != nil {
		close(c)
		delete(l.waits, tenant)
	}
	l.mu.Unlock()
	l.s.freed(tenant)
}

// pending returns what is closed when the store has answered for something that a tenant was refused; nil when it was refused
// nothing that the store could give.
func (l *lender) pending(tenant string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := false
	for k, ln := range l.loans {
		if k.Tenant == tenant && (ln.asked || ln.lease == nil) {
			asked = true
			break
		}
	}
	if !asked {
		return nil
	}
	c := l.waits[tenant]
	if c == nil {
		c = make(chan struct{})
		l.waits[tenant] = c
	}
	return c
}
