package share

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"sync"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/sqlite"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// Migration makes the table by which what is sent again is known. Give it to state.Open behind budget.Migration.
var migration = state.Migration{Piece: "share", Steps: []state.Step{state.SQL(`
CREATE TABLE share_batches (sender TEXT PRIMARY KEY, seq INTEGER NOT NULL, day INTEGER NOT NULL) STRICT, WITHOUT ROWID`)}}

// Migrations are those of the state file that Join opens.
var Migrations = []state.Migration{budget.Migration, migration, store.Migration(), sqlite.Migration()}

// A ledger is where this process's budgets write: into the state file when it is the holder, to the holder else. It hands
// over in order, and keeps what the holder has not confirmed.
type ledger struct {
	s      *Sharing
	sender string

	mu     sync.Mutex
	db     *state.DB                 // the holder's own; nil: a guest
	last   map[budget.Key]budget.Sum // what was handed over, Used with what is reserved
	fills  []func(*budget.Batch)     // of a guest, not called yet
	unsent *Batch                    // of a guest, not confirmed yet
	own    map[budget.Key]count      // of a guest, confirmed
	seq    uint64
	pruned int64 // the day on which old usage was removed last; of the file's writer
	wake   chan struct{}
	idle   chan struct{} // closed when nothing is left to send; nil when nobody waits
	closed bool
}

var _ budget.Store = (*ledger)(nil)

func newLedger(s *Sharing) *ledger {
	return &ledger{s: s, sender: rand.Text(), last: map[budget.Key]budget.Sum{}, own: map[budget.Key]count{}, wake: make(chan struct{}, 1)}
}

// Load reads the sums; a guest does so beside the holder.
func (g *ledger) Load(ctx context.Context, now time.Time) (sums []budget.Sum, err error) {
	g.mu.Lock()
	db := g.db
	g.mu.Unlock()
	if db != nil {
		sums, err = budget.NewStore(db).Load(ctx, now)
	} else {
		sums, err = readSums(ctx, g.s.o.Dir, now)
	}
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range sums {
		m.Used, m.Held = m.Used+m.Held, 0
		g.last[m.Key] = m
	}
	return sums, nil
}

// readSums reads another process's state file.
func readSums(ctx context.Context, dir string, now time.Time) (sums []budget.Sum, err error) {
	db, err := state.OpenReader(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the holder is about to make it
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT tenant, per, unit, length, subject, start, used, held FROM budget_sums`)
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m budget.Sum
		if err := rows.Scan(&m.Tenant, &m.Per, &m.Unit, &m.Window, &m.Subject, &m.Start, &m.Used, &m.Held); err != nil {
			return nil, fmt.Errorf("share: %w", err)
		}
		if m.Window > budget.Month {
			continue
		}
		if _, end := m.Window.Bounds(time.Unix(m.Start, 0)); end.After(now) {
			sums = append(sums, m)
		}
	}
	return sums, rows.Err()
}

// Save implements budget.Store.
func (g *ledger) Save(fill func(*budget.Batch)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	if g.db != nil {
		return g.write(fill)
	}
	g.fills = append(g.fills, fill)
	g.poke()
	return nil
}

func (g *ledger) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// write hands a holder's own changes to the file's writer.
func (g *ledger) write(fill func(*budget.Batch)) error {
	var b *Batch
	return g.db.Write(func(tx *state.Tx) error {
		if b == nil { // the transaction may be begun again; the batch is asked for once
			b = g.batch(fill)
		}
		if err := b.put(tx); err != nil {
			return err
		}
		return g.prune(tx, int64(budget.DateOf(time.Now())))
	})
}

// keepDays is how long usage is kept, as package budget does.
const keepDays = 400

// prune removes old usage, once a day.
func (g *ledger) prune(tx *state.Tx, day int64) error {
	if day <= g.pruned {
		return nil
	}
	g.pruned = day
	if _, err := tx.Exec(`DELETE FROM budget_usage WHERE day < ?`, day-keepDays); err != nil {
		return fmt.Errorf("share: %w", err)
	}
	return nil
}

// batch makes differences of what a fill puts in.
func (g *ledger) batch(fills ...func(*budget.Batch)) *Batch {
	var whole budget.Batch
	for _, fill := range fills {
		fill(&whole)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	b := &Batch{}
	for i := range whole.Usage {
		b.Usage = append(b.Usage, usageOf(&whole.Usage[i]))
	}
	for _, m := range whole.Sums {
		m.Used, m.Held = m.Used+m.Held, 0
		was := g.last[m.Key]
		g.last[m.Key] = m
		if was.Start == m.Start {
			m.Used -= was.Used
		}
		if m.Used != 0 {
			b.Sums = append(b.Sums, m)
		}
	}
	if len(g.last) > maxCounts {
		g.forget(time.Now())
	}
	return b
}

func (g *ledger) forget(now time.Time) {
	for k, m := range g.last {
		if _, end := k.Window.Bounds(time.Unix(m.Start, 0)); now.After(end) {
			delete(g.last, k)
			delete(g.own, k)
		}
	}
}

// next returns the batch to send, the same one until it is confirmed; nil: there is none.
func (g *ledger) next() *Batch {
	g.mu.Lock()
	if g.unsent != nil || len(g.fills) == 0 {
		defer g.mu.Unlock()
		return g.unsent
	}
	fills := g.fills
	g.fills = nil
	g.mu.Unlock()
	b := g.batch(fills...) // fill calls into the budgets, which may be calling Save
	if b.empty() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seq++
	b.Sender, b.Seq = g.sender, g.seq
	g.unsent = b
	return b
}

// confirmed notes that a batch is written for good.
func (g *ledger) confirmed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.unsent.Sums {
		c := g.own[m.Key]
		if c.start != m.Start {
			c = count{start: m.Start}
		}
		c.spent += m.Used
		g.own[m.Key] = c
	}
	g.unsent = nil
}

// pending is the batch that was sent and not confirmed.
func (g *ledger) pending() *Batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.unsent
}

// recorded is what the file has of this process's spending, as far as it was a guest's.
func (g *ledger) recorded() map[budget.Key]count {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.own)
}

// emptied tells who waits for it that nothing is left to send.
func (g *ledger) emptied() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.idle != nil && g.unsent == nil && len(g.fills) == 0 {
		close(g.idle)
		g.idle = nil
	}
}

// flush waits until all is confirmed, or in the hands of the file's own writer. Nothing is taken afterwards.
func (g *ledger) flush(ctx context.Context) error {
	g.mu.Lock()
	if g.closed || g.db != nil || g.unsent == nil && len(g.fills) == 0 {
		g.closed = true
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.poke()
	g.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// left is how many batches are not confirmed.
func (g *ledger) left() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.fills)
	if g.unsent != nil {
		n++
	}
	return n
}

// settle writes into the file what a guest has not had confirmed, and writes there from now on.
func (g *ledger) settle(ctx context.Context, db *state.DB) error {
	for b := g.next(); b != nil; b = g.next() {
		if _, err := b.write(ctx, db); err != nil {
			return err
		}
		g.confirmed()
	}
	defer g.emptied()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.db = db
	for _, fill := range g.fills { // came meanwhile
		if err := g.write(fill); err != nil {
			return err
		}
	}
	g.fills = nil
	return nil
}
