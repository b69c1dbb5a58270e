package budget

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds on what names that agents choose can cost. Above them a sum is shared by all further names, so that nobody escapes
// a budget by making up another one.
const (
	maxTenants  = 16384
	maxSubjects = 4096 // sums of one tenant, and rows of usage between two writes
	otherName   = "~other"
)

// Options of Budgets.
type Options struct {
	Now func() time.Time // nil: time.Now

	// Freed is told that a tenant may have room again, after Reserve refused it something: an amount that was reserved came
	// back or was spent, or a limit was raised. That a window has ended is not told: Exceeded.Reset says when. It is called without locks held.
	Freed func(tenant string)

	// Lender gives what hard budgets may spend; nil: their limits, to this process alone. It is called with the tenant's
	// sums locked, so it must not call back.
	Lender Lender
}

// Budgets are the sums of all tenants. Safe for concurrent use.
type Budgets struct {
	opt   Options
	store Store

	mu    sync.RWMutex
	swept int64
	cfg   *Config
	plans map[string]*plan
	books map[string]*book

	saved   func(*Batch) // fill, bound once
	dirtyMu sync.Mutex
	dirty   []*book // with something to save
	spare   []*book // room for dirty
}

// A book holds the sums of one tenant, under one lock: an exchange belongs to one tenant.
type book struct {
	b      *Budgets
	tenant string

	mu        sync.Mutex
	cfg       *Config
	plan      *plan // nil: nothing is limited
	sums      map[sumKey]*sum
	prices    map[string]*Price      // of the models seen
	rows      map[usageKey]*usageRow // of day
	day       Date
	dirtyRows []*usageRow
	dirty     []*sum
	queued    bool // in Budgets.dirty
	refused   bool // Freed is owed
	swept     int64
	accounts  atomic.Int64 // open
}

// New makes budgets with what the store remembers. What it remembers as reserved is spent: the process that had reserved it
// has ended, and the upstream has billed nobody knows what. A nil store remembers nothing.
func New(ctx context.Context, cfg Config, store Store, opt Options) (*Budgets, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if store == nil {
		store = nowhere{}
	}
	b := &Budgets{opt: opt, store: store, cfg: &cfg, plans: compile(&cfg), books: map[string]*book{}}
	b.saved = b.fill
	sums, err := store.Load(ctx, opt.Now())
	if err != nil {
		return nil, err
	}
	for _, s := range sums {
		bk := b.book(s.Tenant)
		_, end := s.Window.bounds(s.Start)
		bk.sums[sumKey{s.Per, s.Unit, s.Window, s.Subject}] = &sum{
			subject: s.Subject, per: s.Per, unit: s.Unit, window: s.Window, start: s.Start, end: end, used: add(s.Used, s.Held), loaded: true,
		}
	}
	return b, nil
}

// Swap takes another configuration. All sums stay, and so do those of budgets that it lacks, until their window ends.
func (b *Budgets) Swap(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	plans := compile(&cfg)
	b.mu.Lock()
	b.cfg, b.plans = &cfg, plans
	books := make([]*book, 0, len(b.books))
	for _, bk := range b.books {
		books = append(books, bk)
	}
	b.mu.Unlock()
	for _, bk := range books {
		p := b.planOf(plans, bk.tenant)
		bk.mu.Lock()
		bk.cfg, bk.plan = &cfg, p
		clear(bk.prices)
		bk.unlock(true)
	}
	return nil
}

func (b *Budgets) planOf(plans map[string]*plan, tenant string) *plan {
	if p := plans[tenant]; p != nil {
		return p
	}
	return plans[anyTenant]
}

// enter finds or makes the book of a tenant, for an account.
func (b *Budgets) enter(tenant string) *book {
	b.mu.RLock()
	bk := b.books[tenant]
	if bk != nil {
		bk.accounts.Add(1)
	}
	b.mu.RUnlock()
	if bk != nil {
		return bk
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, named := b.plans[tenant]
	if len(b.books) >= maxTenants && !named && !b.sweep() {
		tenant = otherName
	}
	bk = b.book(tenant)
	bk.accounts.Add(1)
	return bk
}

// book is enter for those who hold the lock.
func (b *Budgets) book(tenant string) *book {
	if bk := b.books[tenant]; bk != nil {
		return bk
	}
	tenant = strings.Clone(tenant) // the caller's may be a piece of a request
	bk := &book{
		b: b, tenant: tenant, cfg: b.cfg, plan: b.planOf(b.plans, tenant),
		sums: map[sumKey]*sum{}, prices: map[string]*Price{}, rows: map[usageKey]*usageRow{},
	}
	b.books[tenant] = bk
	return bk
}

// sweep forgets tenants without anything open, unsaved or spent in a window that lasts, and says whether there is room. It looks
// at most once in a second.
func (b *Budgets) sweep() bool {
	now := b.opt.Now().Unix()
	if now == b.swept {
		return false
	}
	b.swept = now
	for name, bk := range b.books {
		bk.mu.Lock()
		idle := bk.accounts.Load() == 0 && !bk.queued && len(bk.dirty) == 0 && len(bk.dirtyRows) == 0
		for _, s := range bk.sums {
			idle = idle && s.over(now)
		}
		bk.mu.Unlock()
		if idle {
			delete(b.books, name)
		}
	}
	return len(b.books) < maxTenants
}

// price finds what a model costs; nil: unknown.
func (bk *book) price(model string) *Price {
	p, known := bk.prices[model]
	if !known {
		p = bk.cfg.PriceOf(model)
		if len(bk.prices) < maxSubjects {
			bk.prices[strings.Clone(model)] = p
		}
	}
	return p
}

// unlock ends an operation: it hands what changed to the store, and tells who waits when an amount came back.
func (bk *book) unlock(freed bool) {
	tell := freed && bk.refused && bk.b.opt.Freed != nil
	if freed {
		bk.refused = false
	}
	save := !bk.queued && (len(bk.dirty) > 0 || len(bk.dirtyRows) > 0)
	bk.queued = bk.queued || save
	bk.mu.Unlock()
	if save {
		bk.b.save(bk)
	}
	if tell {
		bk.b.opt.Freed(bk.tenant)
	}
}

// save asks the store to write, once for all books that change until it does. When the store takes nothing, the next change
// of any of the books asks again.
func (b *Budgets) save(bk *book) {
	b.dirtyMu.Lock()
	b.dirty = append(b.dirty, bk)
	first := len(b.dirty) == 1
	b.dirtyMu.Unlock()
	if !first || b.store.Save(b.saved) == nil {
		return
	}
	for _, bk := range b.takeDirty() {
		bk.mu.Lock()
		bk.queued = false
		bk.mu.Unlock()
	}
}

func (b *Budgets) takeDirty() []*book {
	b.dirtyMu.Lock()
	defer b.dirtyMu.Unlock()
	books := b.dirty
	b.dirty, b.spare = b.spare, nil
	return books
}

// reuse keeps the room of a list that was taken.
func (b *Budgets) reuse(books []*book) {
	clear(books)
	b.dirtyMu.Lock()
	b.spare = books[:0]
	b.dirtyMu.Unlock()
}

// fill gives the store what changed. Sums are whole, usage is what was added since the last time.
func (b *Budgets) fill(batch *Batch) {
	books := b.takeDirty()
	for _, bk := range books {
		bk.mu.Lock()
		bk.queued = false
		for _, s := range bk.dirty {
			s.dirty = false
			batch.Sums = append(batch.Sums, s.export(bk.tenant))
		}
		clear(bk.dirty)
		bk.dirty = bk.dirty[:0]
		for _, r := range bk.dirtyRows {
			k := &r.key
			batch.Usage = append(batch.Usage, Row{Day: r.day, Tenant: bk.tenant, Agent: k.agent, Model: k.model, Upstream: k.upstream, Totals: r.Totals})
			r.dirty, r.Totals = false, Totals{}
		}
		clear(bk.dirtyRows)
		bk.dirtyRows = bk.dirtyRows[:0]
		bk.mu.Unlock()
	}
	b.reuse(books)
}

// A State is one sum beside its limits, for people.
type State struct {
	Sum
	Hard  int64 // 0: none
	Soft  []int64
	Reset time.Time
}

// Snapshot lists the sums of the windows that have not ended, by tenant, budget and subject.
func (b *Budgets) Snapshot() []State {
	now := b.opt.Now().Unix()
	b.mu.RLock()
	books := make([]*book, 0, len(b.books))
	for _, bk := range b.books {
		books = append(books, bk)
	}
	b.mu.RUnlock()
	var all []State
	for _, bk := range books {
		bk.mu.Lock()
		for _, s := range bk.sums {
			if s.end <= now {
				continue
			}
			st := State{Sum: s.export(bk.tenant), Reset: time.Unix(s.end, 0).UTC()}
			if r := bk.plan.rule(s); r != nil {
				st.Hard, st.Soft = r.hard, r.soft
			}
			all = append(all, st)
		}
		bk.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b State) int { return compareKeys(a.Key, b.Key) })
	return all
}
