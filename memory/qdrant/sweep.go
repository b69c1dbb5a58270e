package qdrant

import (
	"cmp"
	"context"
	"slices"
	"time"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Sweep removes what has expired, old tombstones, notes of sessions that are not used, and what is over the caps. Two that sweep at the
// same time may take a little more than one.
func (s *Store) Sweep(ctx context.Context, caps store.Caps) (swept store.Swept, err error) {
	if err := s.Ready(ctx); err != nil {
		return swept, err
	}
	if caps.Now.IsZero() {
		caps.Now = s.o.Now()
	}
	expired := []cond{ofType(typeRecord), until(fExpires, caps.Now)}
	if swept.Expired, err = s.count(ctx, expired...); err != nil {
		return swept, err
	}
	defer func() {
		if err == nil {
			err = s.sweepAliases(ctx)
		}
	}()
	err = s.write(ctx, remove(expired...), remove(ofType(typeTomb), until(fAt, caps.Now.Add(-tombsKept))))
	if err != nil {
		return swept, err
	}
	if caps.Notes > 0 {
		if swept.Notes, err = s.sweepNotes(ctx, caps.Now.Add(-caps.Notes)); err != nil {
			return swept, err
		}
	}
	for _, by := range [...]struct {
		field string
		most  int
	}{{fSpace, caps.Space}, {fTenant, caps.Tenant}} {
		if by.most <= 0 {
			continue
		}
		groups, err := s.facet(ctx, by.field, ofType(typeRecord))
		if err != nil {
			return swept, err
		}
		for _, g := range groups {
			over := int(g.GetCount()) - by.most
			own := pb.NewMatchKeyword(by.field, g.GetValue().GetStringValue())
			n, err := s.shed(ctx, caps.Now, own, func(gone int, _ int64) bool { return gone < over })
			if swept.Capped += n; err != nil {
				return swept, err
			}
		}
	}
	if caps.Bytes > 0 {
		total, err := s.bytes(ctx)
		if err != nil {
			return swept, err
		}
		n, err := s.shed(ctx, caps.Now, ofType(typeRecord), func(_ int, freed int64) bool { return total-freed > caps.Bytes })
		if swept.Capped += n; err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// shed removes records that a condition chooses, the least worth first, as long as more says so of how many and how many bytes are
// gone.
func (s *Store) shed(ctx context.Context, now time.Time, c cond, more func(gone int, freed int64) bool) (int, error) {
	if !more(0, 0) {
		return 0, nil
	}
	type candidate struct {
		id    pointID
		worth float64
		bytes int64
		said  time.Time
	}
	var list []candidate
	with := pb.NewWithPayloadInclude(fID, fKind, fTrust, fImportance, fSaid, fClosed, fBytes)
	err := s.scroll(ctx, all(ofType(typeRecord), c), with, func(r row) bool {
		rec, err := recordOf(r.payload)
		if err != nil {
			rec = &record.Record{} // no record of ours: worth nothing
		}
		list = append(list, candidate{r.id, store.Worth(rec, now), r.payload.getInt(fBytes), rec.Said})
		return true
	})
	if err != nil {
		return 0, err
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.worth, b.worth), a.said.Compare(b.said), cmp.Compare(a.id, b.id))
	})
	var gone []pointID
	var freed int64
	for _, c := range list {
		if !more(len(gone), freed) {
			break
		}
		gone, freed = append(gone, c.id), freed+c.bytes
	}
	return len(gone), s.removeIDs(ctx, gone)
}

// bytes is the sum over all records: each different size and how many have it, in one call.
func (s *Store) bytes(ctx context.Context, conds ...cond) (total int64, err error) {
	sizes, err := s.facet(ctx, fBytes, append(conds, ofType(typeRecord))...)
	for _, size := range sizes {
		total += size.GetValue().GetIntegerValue() * int64(size.GetCount())
	}
	return total, err
}

// sweepNotes removes the notes of sessions of which the last was put before a time.
func (s *Store) sweepNotes(ctx context.Context, before time.Time) (int, error) {
	old := map[record.Scope][]pointID{}
	err := s.scroll(ctx, all(ofType(typeNote), until(fAt, before)), pb.NewWithPayloadInclude(fTenant, fUser, fSession), func(r row) bool {
		scope := scopeOf(r.payload)
		old[scope] = append(old[scope], r.id)
		return true
	})
	if err != nil {
		return 0, err
	}
	var gone []pointID
	for scope, ids := range old {
		own := []cond{ofType(typeNote), is(fTenant, scope.Tenant), is(fUser, scope.User), is(fSession, scope.Session)}
		n, err := s.count(ctx, append(own, after(fAt, before))...)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			gone = append(gone, ids...)
		}
	}
	return len(gone), s.removeIDs(ctx, gone)
}

// Stats counts on the server. Nothing is in memory here.
func (s *Store) Stats(ctx context.Context, tenant string) (st store.Stats, err error) {
	if err := s.Ready(ctx); err != nil {
		return st, err
	}
	var mine []cond
	if tenant != "" {
		mine = []cond{is(fTenant, tenant)}
	}
	with := func(conds ...cond) []cond { return append(slices.Clip(mine), conds...) }
	closed := not(pb.NewIsEmpty(fClosed))
	for _, c := range []struct {
		n     *int
		conds []cond
	}{
		{&st.Episodes, with(ofType(typeRecord), isInt(fKind, int64(record.Episode)))},
		{&st.Facts, with(ofType(typeRecord), isInt(fKind, int64(record.Fact)))},
		{&st.Closed, with(ofType(typeRecord), closed)},
		{&st.Notes, with(ofType(typeNote))},
		{&st.Tombstones, with(ofType(typeTomb))},
		{&st.Vectors, with(ofType(typeRecord), not(pb.NewIsEmpty(fModel)))},
	} {
		if *c.n, err = s.count(ctx, c.conds...); err != nil {
			return st, err
		}
	}
	for field, n := range map[string]*int{fSpace: &st.Spaces, fTenant: &st.Tenants} {
		groups, err := s.facet(ctx, field, with(ofType(typeRecord))...)
		if err != nil {
			return st, err
		}
		*n = len(groups)
	}
	st.Bytes, err = s.bytes(ctx, mine...)
	return st, err
}
