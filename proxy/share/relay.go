package share

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// A relay is the store that the leases of this process come from. It changes when another process becomes the holder.
type relay struct {
	log      *slog.Logger
	patience time.Duration // after which it is said that the store is away

	mu    sync.Mutex
	store lease.Store // nil: nobody is known
	// recorded is what of this process's own spending the file has that the store in charge began with, by the keys of budgets
	// with their windows; gens are the grants that store has made since.
	recorded map[string]int64
	gens     map[string]string
	paused   bool      // the holder is gone, and what its file has of ours is not known yet
	since    time.Time // of the first failure in a row
	said     bool
	last     error
}

var _ lease.Store = (*relay)(nil)

func (r *relay) set(s lease.Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store = s
}

// changed notes that another holder is in charge, or may be.
func (r *relay) changed(recorded map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorded, r.gens, r.paused = recorded, map[string]string{}, false
}

// pause has the store be away until changed is called.
func (r *relay) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
}

// introduce makes reports of budgets fit a holder that has not granted them anything. It began with what the file says is
// spent, ours included, and knows nothing of blocks: what we have beyond the file is to be added, and nothing else.
func (r *relay) introduce(reports []lease.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range reports {
		p := &reports[i]
		if r.gens != nil && p.Kind == lease.Budget && p.Gen != "" && r.gens[p.Key] != p.Gen {
			p.Gen, p.Known, p.Was = "", 0, r.recorded[p.Key]
		}
	}
}

// granted remembers who has granted what.
func (r *relay) granted(reports []lease.Report, grants []lease.Grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gens == nil || len(grants) != len(reports) {
		return
	}
	for i := range reports {
		switch p := &reports[i]; {
		case p.Kind != lease.Budget:
		case p.Leave:
			delete(r.gens, p.Key)
		default:
			r.gens[p.Key] = grants[i].Gen
		}
	}
}

// Exchange asks whoever is in charge.
func (r *relay) Exchange(ctx context.Context, reports []lease.Report) ([]lease.Grant, error) {
	r.mu.Lock()
	s := r.store
	if r.paused {
		s = nil
	}
	r.mu.Unlock()
	if s == nil {
		err := fmt.Errorf("%w: nobody holds the data directory yet", lease.ErrStore)
		r.note(err)
		return nil, err
	}
	r.introduce(reports)
	grants, err := s.Exchange(ctx, reports)
	r.granted(reports, grants)
	r.note(err)
	return grants, err
}

// note says once that the store is away, and that it is back.
func (r *relay) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch r.last = err; {
	case err == nil && r.said:
		r.log.Info("share: the store answers again", "away", now.Sub(r.since).Round(time.Millisecond))
		fallthrough
	case err == nil:
		r.since, r.said = time.Time{}, false
	case r.since.IsZero():
		r.since = now
	case !r.said && now.Sub(r.since) > r.patience:
		r.said = true
		r.log.Warn("share: the store does not answer: this process keeps to its own share of every limit", "error", err)
	}
}

// away is why the store did not answer last; nil when it did.
func (r *relay) away() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// A purse is the holder's store: leases in memory, begun with what the state file says is spent already.
type purse struct {
	memory *lease.Memory
	spent  func(base string, start int64) int64

	mu   sync.Mutex
	seen map[string]struct{} // budgets that were begun, by their keys with the window
}

var _ lease.Store = (*purse)(nil)

func newPurse(memory *lease.Memory, spent func(string, int64) int64) *purse {
	return &purse{memory: memory, spent: spent, seen: map[string]struct{}{}}
}

// maxSeen bounds what is remembered of windows that are over.
const maxSeen = 1 << 16

// Exchange is the memory's. A budget that is asked for the first time is told first what is spent of it.
func (p *purse) Exchange(ctx context.Context, reports []lease.Report) ([]lease.Grant, error) {
	for i := range reports {
		if reports[i].Kind == lease.Budget {
			if err := p.begin(ctx, &reports[i]); err != nil {
				return nil, err
			}
		}
	}
	return p.memory.Exchange(ctx, reports)
}

// begin tells what was spent as one who had heard it of a store that is lost: so it is not added to what those who come back
// from that store know themselves.
func (p *purse) begin(ctx context.Context, r *lease.Report) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.seen[r.Key]; ok {
		return nil
	}
	base, id, ok := cutWindow(r.Key)
	if !ok {
		return nil
	}
	if n := p.spent(base, id); n > 0 {
		ledger := lease.Report{
			Key: r.Key, Kind: r.Kind, Limit: r.Limit, Sidecars: r.Sidecars, Delta: r.Delta, TTL: r.TTL, Grace: r.Grace, Life: r.Life,
			Holder: "ledger", Seq: 1, Gen: "ledger", Known: n, Leave: true,
		}
		if _, err := p.memory.Exchange(ctx, []lease.Report{ledger}); err != nil {
			return err
		}
	}
	if len(p.seen) >= maxSeen {
		p.forget(id)
	}
	p.seen[r.Key] = struct{}{}
	return nil
}

// forget drops what belongs to windows that began before another one that is in use. Begun twice, a budget is told what it
// knows already.
func (p *purse) forget(now int64) {
	for key := range p.seen {
		if _, id, _ := cutWindow(key); id < now {
			delete(p.seen, key)
		}
	}
}

// cutWindow takes the window's begin from a key.
func cutWindow(key string) (base string, start int64, ok bool) {
	i := strings.LastIndexByte(key, '@')
	if i < 0 {
		return key, 0, false
	}
	start, err := strconv.ParseInt(key[i+1:], 10, 64)
	return key[:i], start, err == nil
}
