package share

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A Batch is what one process has used since its last one. Sums are differences: Used is by how much what is spent and
// reserved has grown, or shrunk, in the window that begins at Start.
type Batch struct {
	Sender string       `json:"sender"` // unique for each start of a process
	Seq    uint64       `json:"seq"`    // counts Sender's batches from 1
	Sums   []budget.Sum `json:"sums,omitempty"`
	Usage  []usage      `json:"usage,omitempty"`
}

// usage is a budget.Row that can be read again.
type usage struct {
	Day, Money, Saved              int64
	Tenant, Agent, Model, Upstream string
	Requests, Attempts             int64
	Input, Cached, Written, Output int64
	Estimated, Unpriced            int64
	Aborted, Errors                int64
}

func usageOf(r *budget.Row) usage {
	return usage{
		Day: int64(r.Day), Money: int64(r.Money), Saved: int64(r.Saved), Tenant: r.Tenant, Agent: r.Agent, Model: r.Model, Upstream: r.Upstream,
		Requests: r.Requests, Attempts: r.Attempts, Input: r.Input, Cached: r.Cached, Written: r.Written, Output: r.Output,
		Estimated: r.Estimated, Unpriced: r.Unpriced, Aborted: r.Aborted, Errors: r.Errors,
	}
}

func (b *Batch) empty() bool { return len(b.Sums) == 0 && len(b.Usage) == 0 }

// write puts a guest's batch into the file, once however often it comes. known: it was there already.
func (b *Batch) write(ctx context.Context, db *state.DB) (known bool, err error) {
	var before atomic.Bool // the write may still run when ctx has ended
	err = db.WriteSync(ctx, func(tx *state.Tx) error {
		last, err := seqOf(tx, b.Sender)
		if before.Store(err == nil && b.Seq <= last); before.Load() || err != nil {
			return err
		}
		day := int64(budget.DateOf(time.Now()))
		if _, err := tx.Exec(`INSERT INTO share_batches VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, day = excluded.day`,
			b.Sender, int64(b.Seq), day); err != nil {
			return fmt.Errorf("share: %w", err)
		}
		if b.Seq == 1 {
			if _, err := tx.Exec(`DELETE FROM share_batches WHERE day < ?`, day-7); err != nil {
				return fmt.Errorf("share: %w", err)
			}
		}
		return b.put(tx)
	})
	return err == nil && before.Load(), err
}

func seqOf(tx *state.Tx, sender string) (uint64, error) {
	rows, err := tx.Query(`SELECT seq FROM share_batches WHERE sender = ?`, sender)
	if err != nil {
		return 0, fmt.Errorf("share: %w", err)
	}
	defer rows.Close()
	var seq sql.NullInt64
	if rows.Next() {
		if err := rows.Scan(&seq); err != nil {
			return 0, fmt.Errorf("share: %w", err)
		}
	}
	return uint64(seq.Int64), rows.Err()
}

// put adds to what is stored. A window that began later replaces the one that is stored; what belongs to an earlier one is late.
func (b *Batch) put(tx *state.Tx) error {
	for i := range b.Sums {
		m := &b.Sums[i]
		if _, err := tx.Exec(`INSERT INTO budget_sums VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET
			used = CASE WHEN start = excluded.start THEN max(used + held + excluded.used, 0) WHEN start < excluded.start THEN excluded.used ELSE used END,
			held = CASE WHEN start > excluded.start THEN held ELSE 0 END,
			start = max(start, excluded.start)`,
			m.Tenant, int(m.Per), int(m.Unit), int(m.Window), m.Subject, m.Start, m.Used); err != nil {
			return fmt.Errorf("share: %w", err)
		}
	}
	for i := range b.Usage {
		r := &b.Usage[i]
		if _, err := tx.Exec(`INSERT INTO budget_usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, attempts = attempts + excluded.attempts,
			input = input + excluded.input, cached = cached + excluded.cached, written = written + excluded.written,
			output = output + excluded.output, estimated = estimated + excluded.estimated, unpriced = unpriced + excluded.unpriced,
			money = money + excluded.money, saved = saved + excluded.saved, aborted = aborted + excluded.aborted, errors = errors + excluded.errors`,
			r.Day, r.Tenant, r.Agent, r.Model, r.Upstream, r.Requests, r.Attempts, r.Input, r.Cached, r.Written,
			r.Output, r.Estimated, r.Unpriced, r.Money, r.Saved, r.Aborted, r.Errors); err != nil {
			return fmt.Errorf("share: %w", err)
		}
	}
	return nil
}
