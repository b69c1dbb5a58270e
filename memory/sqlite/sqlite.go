package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Options say how to keep memories.
type Options struct {
	// Key names what was forgotten: at least 16 secret bytes that stay with the data directory. With another key, what was forgotten
	// may be learned again.
	Key []byte
	// IndexBytes bound the indexes that are kept in memory, with their records; 0: DefaultIndexBytes. One is kept in any case.
	IndexBytes int64
	Log        *slog.Logger // nil: nothing is logged
}

// DefaultIndexBytes bound the indexes when Options do not.
const DefaultIndexBytes = 256 << 20

// A Store keeps memories in a state file. It implements store.Store.
type Store struct {
	db   *state.DB
	key  []byte
	log  *slog.Logger
	most int64

	life  context.Context // ends with Close
	end   context.CancelFunc
	work  sync.WaitGroup // what runs in the background
	stmts sync.Map       // of the readers: text to *sql.Stmt

	spaces spaces
}

var _ store.Store = (*Store)(nil)

// New uses a state file that was opened with Migration, and begins to load the indexes of the spaces that were written to last. The
// file stays the caller's, who closes it after the Store.
func New(db *state.DB, opt Options) (*Store, error) {
	if len(opt.Key) < 16 {
		return nil, errors.New("memory: the key for what was forgotten has fewer than 16 bytes")
	}
	s := &Store{db: db, key: append([]byte{}, opt.Key...), log: opt.Log, most: opt.IndexBytes}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.most == 0 {
		s.most = DefaultIndexBytes
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.spaces.init()
	s.work.Go(s.preload)
	s.resume()
	return s, nil
}

// Close waits for what is under way. Nothing may be called after it.
func (s *Store) Close() error {
	s.end()
	s.work.Wait()
	s.stmts.Range(func(_, stmt any) bool {
		stmt.(*sql.Stmt).Close()
		return true
	})
	s.stmts.Clear()
	return nil
}

// errNone is returned by row when there is none.
var errNone = sql.ErrNoRows

// row reads one row inside a transaction, or returns errNone.
func row(tx *state.Tx, query string, args []any, into ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), errNone)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Err()
}

// numbers reads a column of numbers inside a transaction.
func numbers(tx *state.Tx, query string, args ...any) (all []int64, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// read asks the readers; the text should be a constant, because it stays prepared.
func (s *Store) read(ctx context.Context, query string, args []any, each func(*sql.Rows) error) error {
	stmt, ok := s.stmts.Load(query)
	if !ok {
		fresh, err := s.db.Reader().PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		if stmt, ok = s.stmts.LoadOrStore(query, fresh); ok {
			fresh.Close()
		}
	}
	rows, err := stmt.(*sql.Stmt).QueryContext(ctx, args...)
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}

// commit runs f in a transaction, as state.WriteSync, and after it follow, even if ctx ends before: then the error is ctx's, and it
// may have happened.
func (s *Store) commit(ctx context.Context, f func(*state.Tx) error, follow func()) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	done := make(chan error, 1)
	s.work.Go(func() {
		err := s.db.WriteSync(context.Background(), f)
		if err == nil {
			follow()
		}
		done <- err
	})
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("memory: waiting for a commit: %w", ctx.Err())
	}
}

// scrub overwrites what is left of it in the file.
func (s *Store) scrub(ctx context.Context) error {
	if err := s.db.Scrub(ctx); err != nil {
		return fmt.Errorf("memory: it is forgotten, but the state file may still have some of it: %w", err)
	}
	return nil
}

// The columns that make a record, and where they come from.
const (
	columns = `r.n, r.id, r.body, t.name, s.user, s.session`
	source  = ` FROM memory_records r JOIN memory_spaces s ON s.id = r.space JOIN memory_tenants t ON t.id = r.tenant `
)

// scan reads the columns of a record. One whose body is damaged has its ID, tenant and user.
func scan(rows *sql.Rows) (r *record.Record, n int64, err error) {
	var id, body sql.RawBytes
	r = new(record.Record)
	var session string
	if err := rows.Scan(&n, &id, &body, &r.Scope.Tenant, &r.Scope.User, &session); err != nil {
		return nil, 0, err
	}
	if len(id) != len(r.ID) {
		return nil, 0, errBody
	}
	copy(r.ID[:], id)
	known := *r
	if err := unpack(r, body); err != nil {
		return &known, n, err
	}
	return r, n, nil
}

// passing lets a reading pass over rows that are damaged, and log it.
func (s *Store) passing(each func(*sql.Rows) error) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		err := each(rows)
		if errors.Is(err, errBody) {
			s.log.Error("memory: a damaged row of the state file is passed over", "err", err)
			return nil
		}
		return err
	}
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, of record.Scope, ids []record.ID) (all []*record.Record, err error) {
	if !of.Valid() {
		return nil, nil
	}
	for _, id := range ids {
		r, err := s.get(ctx, of.Tenant, id)
		if err != nil {
			return nil, err
		}
		if r != nil && of.Sees(r) {
			all = append(all, r)
		}
	}
	return all, nil
}

// get returns a record of a tenant, or nil.
func (s *Store) get(ctx context.Context, tenant string, id record.ID) (r *record.Record, err error) {
	err = s.read(ctx, `SELECT `+columns+source+`WHERE r.tenant = (SELECT id FROM memory_tenants WHERE name = ?) AND r.id = ?`,
		[]any{tenant, id[:]}, s.passing(func(rows *sql.Rows) error {
			got, _, err := scan(rows)
			if err == nil {
				r = got
			}
			return err
		}))
	return r, err
}

// Has implements store.Store.
func (s *Store) Has(ctx context.Context, tenant string, ids []record.ID) ([]bool, error) {
	has := make([]bool, len(ids))
	for i, id := range ids {
		t := s.ofID(tenant, id)
		err := s.read(ctx, `SELECT EXISTS (SELECT 1 FROM memory_records WHERE tenant = (SELECT id FROM memory_tenants WHERE name = ?1)
			AND id = ?2) OR EXISTS (SELECT 1 FROM memory_tombstones WHERE name = ?3) OR EXISTS (SELECT 1 FROM memory_aliases a
			JOIN memory_records r ON r.n = a.record WHERE a.id = ?2 AND r.tenant = (SELECT id FROM memory_tenants WHERE name = ?1))`,
			[]any{tenant, id[:], t[:]}, func(rows *sql.Rows) error { return rows.Scan(&has[i]) })
		if err != nil {
			return nil, err
		}
	}
	return has, nil
}
