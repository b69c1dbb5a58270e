package qdrant

import (
	"context"
	"fmt"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
)

// page is how many points one call returns, at most.
const page = 512

// A row is a point that was read.
type row struct {
	id      pointID
	payload payload
	vectors *pb.VectorsOutput
}

// write does the operations in their order, and returns when they are on the server's disk. It is not atomic: what a crash may leave
// is written to be found and mended by who reads it.
func (s *Store) write(ctx context.Context, ops ...*pb.PointsUpdateOperation) error {
	if len(ops) == 0 {
		return nil
	}
	resp, err := call(ctx, s, s.points.UpdateBatch, &pb.UpdateBatchPoints{
		CollectionName: s.o.Collection, Wait: pb.PtrOf(true), Operations: ops,
		// Writers of one shard are put in one order, which "the first wins" needs.
		Ordering: &pb.WriteOrdering{Type: pb.WriteOrderingType_Strong},
	})
	if err != nil {
		return err
	}
	return s.completed(resp)
}

// completed reports operations that a server took and did not finish while we waited: they are not known to be done.
func (s *Store) completed(resp *pb.UpdateBatchResponse) error {
	for _, r := range resp.GetResult() {
		if r.GetStatus() != pb.UpdateStatus_Completed {
			return fmt.Errorf("qdrant: %s: %w: a write is %v\nhint: what was to be learned is tried again; look at its load",
				s.o.Addr, ErrBusy, r.GetStatus())
		}
	}
	return nil
}

func insert(p ...*pb.PointStruct) *pb.PointsUpdateOperation {
	return pb.NewPointsUpdateUpsert(&pb.PointsUpdateOperation_PointStructList{Points: p, UpdateMode: pb.PtrOf(pb.UpdateMode_InsertOnly)})
}

// set changes fields of the points that conditions choose. A point that is not there is none of them.
func set(p payload, conds ...cond) *pb.PointsUpdateOperation {
	return pb.NewPointsUpdateSetPayload(&pb.PointsUpdateOperation_SetPayload{
		Payload: p, PointsSelector: pb.NewPointsSelectorFilter(all(conds...)),
	})
}

func remove(conds ...cond) *pb.PointsUpdateOperation {
	return pb.NewPointsUpdateDeletePoints(&pb.PointsUpdateOperation_DeletePoints{Points: pb.NewPointsSelectorFilter(all(conds...))})
}

// removeIDs deletes points in parts that a call can carry.
func (s *Store) removeIDs(ctx context.Context, ids []pointID) error {
	for len(ids) > 0 {
		n := min(len(ids), page)
		if err := s.write(ctx, remove(points(ids[:n]...))); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// scroll yields the points of a filter in the order of their IDs, until yield returns false.
func (s *Store) scroll(ctx context.Context, f *pb.Filter, with *pb.WithPayloadSelector, yield func(row) bool) error {
	q := &pb.ScrollPoints{CollectionName: s.o.Collection, Filter: f, Limit: pb.PtrOf(uint32(page)), WithPayload: with}
	for {
		resp, err := call(ctx, s, s.points.Scroll, q)
		if err != nil {
			return err
		}
		for _, p := range resp.GetResult() {
			if !yield(row{id: pointID(p.GetId().GetUuid()), payload: p.GetPayload(), vectors: p.GetVectors()}) {
				return nil
			}
		}
		if q.Offset = resp.GetNextPageOffset(); q.Offset == nil {
			return nil
		}
	}
}

// records yields the records of a filter that scope sees; none is the scope of an operator.
func (s *Store) records(ctx context.Context, conds []cond, sees func(*record.Record) bool, yield func(*record.Record) bool) error {
	var bad error
	err := s.scroll(ctx, all(conds...), shown, func(r row) bool {
		rec, err := recordOf(r.payload)
		if err != nil {
			bad = err
			return false
		}
		return !sees(rec) || yield(rec)
	})
	if bad != nil {
		return bad
	}
	return err
}

// shown is the payload of a record without what only the server needs.
var shown = pb.NewWithPayloadExclude(fTerms, fBands, fSpace, fOrder, fBytes, fLength)

// sorted returns at most limit points in the order of a field; those without it are left out.
func (s *Store) sorted(ctx context.Context, f *pb.Filter, by *pb.OrderBy, limit int) ([]row, error) {
	resp, err := call(ctx, s, s.points.Scroll, &pb.ScrollPoints{
		CollectionName: s.o.Collection, Filter: f, OrderBy: by, Limit: pb.PtrOf(uint32(limit)), WithPayload: shown,
	})
	rows := make([]row, 0, len(resp.GetResult()))
	for _, p := range resp.GetResult() {
		rows = append(rows, row{id: pointID(p.GetId().GetUuid()), payload: p.GetPayload()})
	}
	return rows, err
}

func (s *Store) count(ctx context.Context, conds ...cond) (int, error) {
	resp, err := call(ctx, s, s.points.Count, &pb.CountPoints{
		CollectionName: s.o.Collection, Filter: all(conds...), Exact: pb.PtrOf(true),
	})
	return int(resp.GetResult().GetCount()), err
}

// mostFacets bounds how many different values a facet returns.
const mostFacets = 1 << 20

// facet counts points by the values of an indexed field.
func (s *Store) facet(ctx context.Context, field string, conds ...cond) ([]*pb.FacetHit, error) {
	resp, err := call(ctx, s, s.points.Facet, &pb.FacetCounts{
		CollectionName: s.o.Collection, Key: field, Filter: all(conds...), Exact: pb.PtrOf(true), Limit: pb.PtrOf(uint64(mostFacets)),
	})
	return resp.GetHits(), err
}
