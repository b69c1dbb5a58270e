package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// walkRows are how many rows one query of a walk reads.
const walkRows = 512

// List implements store.Store. Of all tenants, where records of two tenants have the same ID, it may return more than the limit, so
// that none of them is passed over.
func (s *Store) List(ctx context.Context, f store.Filter, after record.ID, limit int) (all []*record.Record, err error) {
	tenants := []string{f.Tenant}
	if f.Tenant == "" {
		tenants = nil
		if err := s.read(ctx, `SELECT name FROM memory_tenants`, nil, func(rows *sql.Rows) error {
			tenants = append(tenants, "")
			return rows.Scan(&tenants[len(tenants)-1])
		}); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	for _, tenant := range tenants {
		n := 0
		err := s.walk(ctx, tenant, f.User, after, false, func(r *record.Record) bool {
			if f.Match(r, now) {
				all = append(all, r)
				n++
			}
			return n < limit
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, byID)
	end := min(limit, len(all))
	for end > 0 && end < len(all) && all[end].ID == all[end-1].ID {
		end++
	}
	return all[:end], nil
}

func byID(a, b *record.Record) int { return slices.Compare(a.ID[:], b.ID[:]) }

// walk yields the records of a tenant, or of one user of it, in the order of their IDs; those that are damaged, with no more than ID,
// tenant and user, only if they are asked for. Rows with their texts are never sorted by SQLite, which might write them to a temporary
// file.
func (s *Store) walk(ctx context.Context, tenant, user string, after record.ID, damaged bool, yield func(*record.Record) bool) error {
	query := `SELECT ` + columns + source + `WHERE r.tenant = (SELECT id FROM memory_tenants WHERE name = ?) AND r.id > ?
		ORDER BY r.tenant, r.id LIMIT ?`
	args := []any{tenant}
	if user != "" {
		query = `SELECT ` + columns + source + `WHERE r.n IN (SELECT n FROM memory_records WHERE space =
			(SELECT id FROM memory_spaces WHERE tenant = (SELECT id FROM memory_tenants WHERE name = ?) AND user = ? AND session = '')
			AND id > ? ORDER BY id LIMIT ?)`
		args = append(args, user)
	}
	from := after[:]
	if after == (record.ID{}) {
		from = []byte{} // the zero ID is after nothing
	}
	for {
		var page []*record.Record
		var last record.ID
		count := 0
		err := s.read(ctx, query, append(slices.Clone(args), from, walkRows), s.passing(func(rows *sql.Rows) error {
			count++
			r, _, err := scan(rows)
			if err == nil || damaged && errors.Is(err, errBody) {
				page = append(page, r)
			}
			if r != nil && slices.Compare(last[:], r.ID[:]) < 0 {
				last = r.ID
			}
			return err
		}))
		if err != nil {
			return err
		}
		slices.SortFunc(page, byID)
		for _, r := range page {
			if !yield(r) {
				return nil
			}
		}
		if count < walkRows {
			return nil
		}
		from = last[:]
	}
}

// Facts implements store.Store.
func (s *Store) Facts(ctx context.Context, of record.Scope, subject, predicate string) (all []*record.Record, err error) {
	if !of.Valid() {
		return nil, nil
	}
	now, in := time.Now(), of.Space()
	asked := func(r *record.Record) bool {
		return (subject == "" || r.Subject == subject) && (predicate == "" || r.Predicate == predicate)
	}
	var rowOf []int64
	err = s.read(ctx, `SELECT `+columns+source+`WHERE r.n IN (SELECT n FROM memory_records WHERE kind = 2 AND closed = 0 AND space =
		(SELECT id FROM memory_spaces WHERE tenant = (SELECT id FROM memory_tenants WHERE name = ?) AND user = ? AND session = ?))`,
		[]any{in.Tenant, in.User, in.Session}, s.passing(func(rows *sql.Rows) error {
			r, n, err := scan(rows)
			if err == nil && of.Sees(r) && r.Current(now) && asked(r) {
				all, rowOf = append(all, r), append(rowOf, n)
			}
			return err
		}))
	newest(all, rowOf)
	return all, err
}

// newest sorts by when it was said, what came last first; of what was said at the same time, by rows.
func newest(all []*record.Record, rowOf []int64) {
	place := make(map[*record.Record]int64, len(all))
	for i, r := range all {
		place[r] = rowOf[i]
	}
	slices.SortFunc(all, func(a, b *record.Record) int {
		if c := b.Said.Compare(a.Said); c != 0 {
			return c
		}
		return int(place[b] - place[a])
	})
}

// Bare implements store.Store.
func (s *Store) Bare(ctx context.Context, tenant, model string, limit int) (all []*record.Record, err error) {
	var models []int64
	err = s.read(ctx, `SELECT 0 UNION ALL SELECT id FROM memory_models WHERE name != ?`, []any{model}, func(rows *sql.Rows) error {
		models = append(models, 0)
		return rows.Scan(&models[len(models)-1])
	})
	if err != nil {
		return nil, err
	}
	var rowOf []int64
	now := time.Now()
	for _, m := range models {
		err := s.read(ctx, `SELECT `+columns+source+`WHERE r.n IN (SELECT n FROM memory_records WHERE tenant =
			(SELECT id FROM memory_tenants WHERE name = ?) AND model = ? AND closed = 0 ORDER BY n DESC LIMIT ?)`,
			[]any{tenant, m, limit}, s.passing(func(rows *sql.Rows) error {
				r, n, err := scan(rows)
				if err == nil && r.Current(now) {
					all, rowOf = append(all, r), append(rowOf, n)
				}
				return err
			}))
		if err != nil {
			return nil, err
		}
	}
	newest(all, rowOf)
	return all[:min(limit, len(all))], nil
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context, tenant string) (n store.Stats, err error) {
	err = s.read(ctx, `SELECT coalesce(sum(episodes), 0), coalesce(sum(facts), 0), coalesce(sum(closed), 0), coalesce(sum(vectors), 0),
		coalesce(sum(bytes), 0), count(*), count(DISTINCT tenant) FROM memory_spaces s JOIN memory_tenants t ON t.id = s.tenant
		WHERE ?1 = '' OR t.name = ?1`, []any{tenant}, func(rows *sql.Rows) error {
		return rows.Scan(&n.Episodes, &n.Facts, &n.Closed, &n.Vectors, &n.Bytes, &n.Spaces, &n.Tenants)
	})
	if err != nil {
		return n, err
	}
	err = s.read(ctx, `SELECT (SELECT count(*) FROM memory_notes n JOIN memory_sessions s ON s.id = n.session
		JOIN memory_tenants t ON t.id = s.tenant WHERE ?1 = '' OR t.name = ?1),
		(SELECT count(*) FROM memory_tombstones d JOIN memory_tenants t ON t.id = d.tenant WHERE ?1 = '' OR t.name = ?1)`,
		[]any{tenant}, func(rows *sql.Rows) error { return rows.Scan(&n.Notes, &n.Tombstones) })
	x := &s.spaces
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range x.known.Keys() {
		if e, _ := x.known.Peek(name); e.bytes > 0 && (tenant == "" || name.Tenant == tenant) {
			n.Loaded++
			n.IndexBytes += e.bytes
		}
	}
	return n, err
}
