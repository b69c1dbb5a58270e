package budget

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/trapgate/trapgate/internal/state"
)

// A Store keeps what was spent.
type Store interface {
	// Load returns the sums of the windows that have not ended.
	Load(ctx context.Context, now time.Time) ([]Sum, error)
	// Save returns at once. It calls fill later, once, from a goroutine of its own, and writes what that puts in; not before
	// the Save before has called its own. An error says that it was not taken and fill is not called.
	Save(fill func(*Batch)) error
}

// A Batch is what changed since the last one. Sums replace what is stored for their key; rows are added to it.
type Batch struct {
	Sums  []Sum
	Usage []Row
}

// nowhere is the store of those who want none.
type nowhere struct{}

func (nowhere) Load(context.Context, time.Time) ([]Sum, error) { return nil, nil }
func (nowhere) Save(fill func(*Batch)) error                   { fill(&Batch{}); return nil }

// Migration makes the tables; give it to state.Open.
var Migration = state.Migration{Piece: "budget", Steps: []state.Step{state.SQL(`
CREATE TABLE budget_sums (
	tenant TEXT NOT NULL, per INTEGER NOT NULL, unit INTEGER NOT NULL, length INTEGER NOT NULL, subject TEXT NOT NULL,
	start INTEGER NOT NULL, used INTEGER NOT NULL, held INTEGER NOT NULL,
	PRIMARY KEY (tenant, per, unit, length, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget_usage (
	day INTEGER NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, upstream TEXT NOT NULL,
	requests INTEGER NOT NULL, attempts INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, written INTEGER NOT NULL,
	output INTEGER NOT NULL, estimated INTEGER NOT NULL, unpriced INTEGER NOT NULL, money INTEGER NOT NULL, saved INTEGER NOT NULL,
	aborted INTEGER NOT NULL, errors INTEGER NOT NULL,
	PRIMARY KEY (day, tenant, agent, model, upstream)
) STRICT, WITHOUT ROWID`)}}

// keepDays is how long rows of usage are kept: a year and the month that it is compared with.
const keepDays = 400

// StateStore keeps sums and usage in the state file.
//
// What it guarantees: a reservation is handed to the file's writer before Reserve returns, and a settlement before Settle
// does. It is committed at once when the writer was idle, else within state.Options.Gap (10 ms) and the time of a commit. A
// kill -9 takes what was not committed, so at each kill a hard budget can be passed by at most what was reserved or
// settled in those milliseconds; whatever was reserved before counts as spent. state.DB.Flush waits until all is
// committed. A power loss takes the last second. On a full disk the sums in memory go on to hold.
type StateStore struct {
	db     *state.DB
	pruned Date // of the writer's goroutine
}

// NewStore uses a state file that was opened with Migration.
func NewStore(db *state.DB) *StateStore { return &StateStore{db: db} }

var _ Store = (*StateStore)(nil)

// Load reads the sums, and has what is too old removed.
func (s *StateStore) Load(ctx context.Context, now time.Time) ([]Sum, error) {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT tenant, per, unit, length, subject, start, used, held FROM budget_sums`)
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	defer rows.Close()
	var sums []Sum
	for rows.Next() {
		var m Sum
		if err := rows.Scan(&m.Tenant, &m.Per, &m.Unit, &m.Window, &m.Subject, &m.Start, &m.Used, &m.Held); err != nil {
			return nil, fmt.Errorf("budget: %w", err)
		}
		if int(m.Per) >= len(perNames) || int(m.Unit) >= len(unitNames) || int(m.Window) >= len(windowNames) {
			return nil, fmt.Errorf("budget: a stored sum is unknown: per %d, unit %d, window %d", m.Per, m.Unit, m.Window)
		}
		if _, end := m.Window.bounds(m.Start); end > now.Unix() {
			sums = append(sums, m)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	return sums, s.db.Write(func(tx *state.Tx) error { return prune(tx, now) })
}

// Save queues one write.
func (s *StateStore) Save(fill func(*Batch)) error {
	var batch *Batch
	return s.db.Write(func(tx *state.Tx) error {
		if batch == nil { // the transaction may be begun again; the batch is asked for once
			batch = &Batch{}
			fill(batch)
		}
		if err := batch.put(tx); err != nil {
			return err
		}
		return s.tidy(tx, batch)
	})
}

// tidy prunes when the first row of another day is written.
func (s *StateStore) tidy(tx *state.Tx, batch *Batch) error {
	day := s.pruned
	for i := range batch.Usage {
		day = max(day, batch.Usage[i].Day)
	}
	if day == s.pruned {
		return nil
	}
	s.pruned = day
	return prune(tx, day.start())
}

func (b *Batch) put(tx *state.Tx) error {
	for i := range b.Sums {
		s := &b.Sums[i]
		if _, err := tx.Exec(`INSERT INTO budget_sums VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET start = excluded.start, used = excluded.used, held = excluded.held`,
			s.Tenant, int(s.Per), int(s.Unit), int(s.Window), s.Subject, s.Start, s.Used, s.Held); err != nil {
			return fmt.Errorf("budget: %w", err)
		}
	}
	for i := range b.Usage {
		r := &b.Usage[i]
		if _, err := tx.Exec(`INSERT INTO budget_usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, attempts = attempts + excluded.attempts,
			input = input + excluded.input, cached = cached + excluded.cached, written = written + excluded.written,
			output = output + excluded.output, estimated = estimated + excluded.estimated, unpriced = unpriced + excluded.unpriced,
			money = money + excluded.money, saved = saved + excluded.saved, aborted = aborted + excluded.aborted, errors = errors + excluded.errors`,
			int64(r.Day), r.Tenant, r.Agent, r.Model, r.Upstream, r.Requests, r.Attempts, r.Input, r.Cached, r.Written,
			r.Output, r.Estimated, r.Unpriced, int64(r.Money), int64(r.Saved), r.Aborted, r.Errors); err != nil {
			return fmt.Errorf("budget: %w", err)
		}
	}
	return nil
}

// prune removes rows of usage that are too old, and sums of windows that ended long enough ago for any clock to be right.
func prune(tx *state.Tx, now time.Time) error {
	if _, err := tx.Exec(`DELETE FROM budget_usage WHERE day < ?`, int64(DateOf(now))-keepDays); err != nil {
		return fmt.Errorf("budget: %w", err)
	}
	if _, err := tx.Exec(`DELETE FROM budget_sums WHERE start < ?`, now.AddDate(0, -2, 0).Unix()); err != nil {
		return fmt.Errorf("budget: %w", err)
	}
	return nil
}

// A querier is a *sql.DB.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

var _ querier = (*sql.DB)(nil)
