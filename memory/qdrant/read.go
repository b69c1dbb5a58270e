package qdrant

import (
	"bytes"
	"cmp"
	"context"
	"math/bits"
	"slices"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Get returns those of the records that the scope sees.
func (s *Store) Get(ctx context.Context, scope record.Scope, ids []record.ID) (found []*record.Record, err error) {
	if !scope.Valid() || len(ids) == 0 {
		return nil, nil
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	at := make([]pointID, len(ids))
	for i, id := range ids {
		at[i] = recordPoint(scope.Tenant, id)
	}
	for part := range slices.Chunk(at, page) {
		err := s.records(ctx, append(seen(scope), points(part...)), scope.Sees, func(r *record.Record) bool {
			found = append(found, r)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Has reports for each ID whether a record, a tombstone or an alias stands under it.
func (s *Store) Has(ctx context.Context, tenant string, ids []record.ID) ([]bool, error) {
	has := make([]bool, len(ids))
	if len(ids) == 0 {
		return has, nil
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	var at []pointID
	for _, id := range ids {
		at = append(at, recordPoint(tenant, id), s.tombOfID(tenant, id), aliasPoint(tenant, id))
	}
	stand, err := s.standing(ctx, at)
	if err != nil {
		return nil, err
	}
	for i := range ids {
		has[i] = stand[at[3*i]] != nil || stand[at[3*i+1]] != nil || stand[at[3*i+2]] != nil
	}
	return has, nil
}

// Near looks records up by parts of their SimHashes; for a distance over seven bits it compares all of the scope.
func (s *Store) Near(ctx context.Context, scope record.Scope, k record.Kind, sim uint64, most int) (id record.ID, ok bool, err error) {
	if !scope.Valid() {
		return record.ID{}, false, nil
	}
	if err := s.Ready(ctx); err != nil {
		return record.ID{}, false, err
	}
	conds := append(append(seen(scope), isInt(fKind, int64(k))), current(s.o.Now())...)
	if keys := bandsFor(sim, most); keys != nil {
		conds = append(conds, pb.NewMatchInts(fBands, keys...))
	}
	err = s.records(ctx, conds, scope.Sees, func(r *record.Record) bool {
		if bits.OnesCount64(r.Sim^sim) <= most {
			id, ok = r.ID, true
		}
		return !ok
	})
	return id, ok, err
}

// Facts returns facts that are current. Those that another takes the place of, and that a crash left open, it closes.
func (s *Store) Facts(ctx context.Context, scope record.Scope, subject, predicate string) ([]*record.Record, error) {
	if !scope.Valid() {
		return nil, nil
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	now := s.o.Now()
	conds := append(append(seen(scope), isInt(fKind, int64(record.Fact))), current(now)...)
	if subject != "" {
		conds = append(conds, is(fSubject, subject))
	}
	if predicate != "" {
		conds = append(conds, is(fPredicate, predicate))
	}
	rows, err := s.rows(ctx, conds)
	if err != nil {
		return nil, err
	}
	found, left, err := decode(rows)
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		// Readers mend what they see; that the server has it too can wait for the next reader.
		_ = s.write(ctx, left...)
	}
	found = slices.DeleteFunc(found, func(r *record.Record) bool { return !scope.Sees(r) || !r.Current(now) })
	slices.SortStableFunc(found, func(a, b *record.Record) int {
		return cmp.Or(b.Said.Compare(a.Said), b.Created.Compare(a.Created), cmp.Compare(b.Seq, a.Seq))
	})
	return found, nil
}

func (s *Store) rows(ctx context.Context, conds []cond) (rows []row, err error) {
	err = s.scroll(ctx, all(conds...), shown, func(r row) bool {
		rows = append(rows, r)
		return true
	})
	return rows, err
}

// decode reads records, and closes those that another of them says it took the place of: writes are in that order, and a crash may
// have come between. The operations do the same on the server.
func decode(rows []row) (found []*record.Record, mend []*pb.PointsUpdateOperation, err error) {
	byID := make(map[record.ID]*record.Record, len(rows))
	for _, row := range rows {
		r, err := recordOf(row.payload)
		if err != nil {
			return nil, nil, err
		}
		byID[r.ID] = r
		found = append(found, r)
	}
	for i, row := range rows {
		by := found[i]
		for _, c := range closesOf(row.payload) {
			if old := byID[c.ID]; old != nil && old.Closed.IsZero() && old.Scope.Tenant == by.Scope.Tenant {
				closeBy(old, by, c)
				mend = append(mend, closing(by.Scope.Tenant, c, by.Created))
			}
		}
	}
	return found, mend, nil
}

// closeBy ends a fact as the record that took its place says.
func closeBy(old, by *record.Record, c store.Closing) {
	old.Closed, old.SupersededBy = by.Created, by.ID
	if !c.To.IsZero() {
		old.To = c.To
	}
}

// List returns records in the order of their IDs. The server sorts by the first 53 bits; records that have these in common are read
// together and sorted here.
func (s *Store) List(ctx context.Context, f store.Filter, after record.ID, limit int) ([]*record.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	now := s.o.Now()
	conds := chosen(&f, now)
	var list []*record.Record
	take := func(rows []row) error {
		found, _, err := decode(rows)
		found = slices.DeleteFunc(found, func(r *record.Record) bool { return compare(r.ID, after) <= 0 || !f.Match(r, now) })
		slices.SortFunc(found, func(a, b *record.Record) int {
			return cmp.Or(compare(a.ID, b.ID), cmp.Compare(a.Scope.Tenant, b.Scope.Tenant))
		})
		list = append(list, found...)
		return err
	}
	group := func(order int64) error {
		rows, err := s.rows(ctx, append(slices.Clip(conds), isInt(fOrder, order)))
		if err != nil {
			return err
		}
		return take(rows)
	}
	if err := group(orderOf(after)); err != nil {
		return nil, err
	}
	for from := orderOf(after) + 1; len(list) < limit; {
		rows, err := s.sorted(ctx, all(conds...), &pb.OrderBy{Key: fOrder, StartFrom: pb.NewStartFromInt(from)}, page)
		if err != nil {
			return nil, err
		}
		if len(rows) < page {
			if err := take(rows); err != nil {
				return nil, err
			}
			break
		}
		last := orderAt(rows[len(rows)-1])
		rows = slices.DeleteFunc(rows, func(r row) bool { return orderAt(r) == last })
		if err := take(rows); err != nil {
			return nil, err
		}
		if err := group(last); err != nil {
			return nil, err
		}
		from = last + 1
	}
	return list[:min(len(list), limit)], nil
}

func orderAt(r row) int64 { return orderOf(r.payload.getID(fID)) }

// Bare returns current records without a vector of the model, what was said last first.
func (s *Store) Bare(ctx context.Context, tenant, model string, limit int) ([]*record.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	now := s.o.Now()
	conds := append(chosen(&store.Filter{Tenant: tenant, Current: true}, now), not(is(fModel, model)))
	rows, err := s.sorted(ctx, all(conds...), &pb.OrderBy{Key: fSaid, Direction: pb.PtrOf(pb.Direction_Desc)}, limit)
	if err != nil {
		return nil, err
	}
	found, _, err := decode(rows)
	return slices.DeleteFunc(found, func(r *record.Record) bool { return !r.Current(now) }), err
}

func compare(a, b record.ID) int { return bytes.Compare(a[:], b[:]) }
