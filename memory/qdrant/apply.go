package qdrant

import (
	"context"
	"fmt"
	"slices"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Apply writes in an order in which a crash leaves nothing wrong: all new records in one operation, each with the IDs of the facts
// that it takes the place of, so that readers know of a closing that was not reached (see mend); then closings, vectors and uses,
// which can be done again. When a tombstone came while it wrote, what it wrote goes.
func (s *Store) Apply(ctx context.Context, c store.Changes) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	s.forget.RLock()
	defer s.forget.RUnlock()
	for range 3 {
		a, err := s.plan(ctx, &c)
		if err != nil {
			return err
		}
		if err = s.write(ctx, a.ops...); err == nil {
			return s.recheck(ctx, a)
		}
		if code(err) != codes.NotFound { // a record went between our look and the writing of its vector
			return err
		}
	}
	return fmt.Errorf("qdrant: what is changed goes away meanwhile, three times in a row")
}

// A plan is what an Apply does.
type plan struct {
	c       *store.Changes
	stand   map[pointID]payload // what stood before
	adds    []*record.Record
	aliases []store.Alias
	ops     []*pb.PointsUpdateOperation
}

func (s *Store) plan(ctx context.Context, c *store.Changes) (*plan, error) {
	a := &plan{c: c}
	var err error
	if a.stand, err = s.standing(ctx, s.concerned(c)); err != nil {
		return nil, err
	}
	s.planTombs(a)
	s.planAdds(a)
	s.planAliases(a)
	for _, cl := range c.Close {
		s.planClose(a, cl)
	}
	err = s.planVectors(a)
	s.planUses(a)
	return a, err
}

// concerned are the points on which it depends what is done.
func (s *Store) concerned(c *store.Changes) (ids []pointID) {
	for _, id := range c.Bury {
		ids = append(ids, recordPoint(c.Tenant, id), s.tombOfID(c.Tenant, id))
	}
	for _, r := range c.Add {
		ids = append(append(ids, recordPoint(c.Tenant, r.ID), aliasPoint(c.Tenant, r.ID), s.pointed(r)), s.tombs(r)...)
	}
	for _, x := range c.Alias {
		ids = append(ids, recordPoint(c.Tenant, x.ID), recordPoint(c.Tenant, x.Of))
	}
	for _, cl := range c.Close {
		ids = append(ids, recordPoint(c.Tenant, cl.ID), recordPoint(c.Tenant, cl.By))
	}
	for _, v := range c.Vectors {
		ids = append(ids, recordPoint(c.Tenant, v.ID))
	}
	for _, id := range c.Used {
		ids = append(ids, recordPoint(c.Tenant, id))
	}
	return ids
}

// tombs are where tombstones of a record may stand: its own, its text's, and those of its sources.
func (s *Store) tombs(r *record.Record) []pointID {
	ids := append(s.tombsOfText(r.Scope, record.TextKey(r.Text)), s.tombOfID(r.Scope.Tenant, r.ID))
	for _, source := range r.Sources {
		ids = append(ids, s.tombOfID(r.Scope.Tenant, source))
	}
	return ids
}

// pointed is where the tombstone of the record would stand that took the place of one.
func (s *Store) pointed(r *record.Record) pointID { return s.tombOfID(r.Scope.Tenant, r.SupersededBy) }

// standing returns those of the points that are there, with the few fields that writers look at.
func (s *Store) standing(ctx context.Context, ids []pointID) (map[pointID]payload, error) {
	stand := map[pointID]payload{}
	for part := range slices.Chunk(ids, page) {
		err := s.scroll(ctx, all(points(part...)), pb.NewWithPayloadInclude(fType, fUses, fClosed, fKind), func(r row) bool {
			stand[r.id] = r.payload
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return stand, nil
}

// planTombs leaves those that are asked for, where no record stands.
func (s *Store) planTombs(a *plan) {
	var stones []*pb.PointStruct
	for _, id := range a.c.Bury {
		if at := s.tombOfID(a.c.Tenant, id); a.stand[at] == nil && a.stand[recordPoint(a.c.Tenant, id)] == nil {
			stones = append(stones, stone(at, a.c.Tenant, a.c.At))
			a.stand[at] = payload{}
		}
	}
	if len(stones) > 0 {
		a.ops = append(a.ops, insert(stones...))
	}
}

// stone is a tombstone. It says nothing but whose it is and since when.
func stone(at pointID, tenant string, since time.Time) *pb.PointStruct {
	return &pb.PointStruct{Id: at.proto(), Vectors: pb.NewVectorsMap(nil), Payload: payload{
		fType: pb.NewValueString(typeTomb), fTenant: pb.NewValueString(word(tenant)), fAt: instant(since),
	}}
}

// planAdds also lifts tombstones, before anything else.
func (s *Store) planAdds(a *plan) {
	var lifted []pointID
	for _, id := range a.c.Revive {
		lifted = append(lifted, s.tombOfID(a.c.Tenant, id))
	}
	for _, r := range a.c.Add {
		if slices.Contains(a.c.Revive, r.ID) {
			lifted = append(lifted, s.tombsOfText(r.Scope, record.TextKey(r.Text))...)
		}
	}
	for _, id := range lifted {
		delete(a.stand, id)
	}
	if len(lifted) > 0 {
		a.ops = append(a.ops, remove(ofType(typeTomb), points(lifted...)))
	}
	var structs []*pb.PointStruct
	for _, r := range a.c.Add {
		at := recordPoint(a.c.Tenant, r.ID)
		if a.stand[at] != nil || !r.Scope.Valid() || r.Scope.Tenant != a.c.Tenant || s.anyStands(a, s.tombs(r)) {
			continue
		}
		if a.stand[s.pointed(r)] != nil {
			r.SupersededBy = record.ID{}
		}
		a.stand[at] = payload{}
		a.adds = append(a.adds, r)
	}
	for _, r := range a.adds {
		structs = append(structs, s.recordStruct(r, a.closedBy(r.ID)))
	}
	if len(structs) > 0 {
		a.ops = append(a.ops, insert(structs...))
	}
}

func (s *Store) anyStands(a *plan, ids []pointID) bool {
	return slices.ContainsFunc(ids, func(id pointID) bool { return a.stand[id] != nil })
}

func (a *plan) closedBy(by record.ID) (closes []store.Closing) {
	for _, cl := range a.c.Close {
		if cl.By == by && cl.ID != by {
			closes = append(closes, cl)
		}
	}
	return closes
}

func (s *Store) planClose(a *plan, cl store.Closing) {
	if cl.By != (record.ID{}) && a.stand[recordPoint(a.c.Tenant, cl.By)] == nil {
		return
	}
	if a.stand[recordPoint(a.c.Tenant, cl.ID)] != nil {
		a.ops = append(a.ops, closing(a.c.Tenant, cl, a.c.At))
	}
}

// closing ends a fact that is not closed yet.
func closing(tenant string, cl store.Closing, at time.Time) *pb.PointsUpdateOperation {
	p := payload{}
	p.time(fClosed, at)
	p.time(fTo, cl.To)
	if cl.By != (record.ID{}) {
		p[fSuperseded] = pb.NewValueString(cl.By.String())
	}
	return set(p, is(fTenant, tenant), ofType(typeRecord), points(recordPoint(tenant, cl.ID)), pb.NewIsEmpty(fClosed))
}

func (s *Store) planVectors(a *plan) error {
	for _, v := range a.c.Vectors {
		at := recordPoint(a.c.Tenant, v.ID)
		if a.stand[at] == nil {
			continue
		}
		if err := s.dimsKnown(len(v.Unit)); err != nil {
			return err
		}
		a.ops = append(a.ops,
			pb.NewPointsUpdateUpdateVectors(&pb.PointsUpdateOperation_UpdateVectors{Points: []*pb.PointVectors{{
				Id:      at.proto(),
				Vectors: pb.NewVectorsMap(map[string]*pb.Vector{denseVector(len(v.Unit)): pb.NewVectorDense(v.Unit)}),
			}}}),
			// After the vector: one that is not there is never searched for.
			set(payload{fModel: pb.NewValueString(word(v.Model))}, points(at)))
	}
	return nil
}

func (s *Store) dimsKnown(n int) error {
	if slices.Contains(s.o.Dims, n) {
		return nil
	}
	return fmt.Errorf("qdrant: %w: it has no vector of %d dimensions\nhint: embed with a model of %v, or make a collection for yours",
		ErrSchema, n, s.o.Dims)
}

// planUses counts up from what was read: of two processes that use a record at the same moment one may go uncounted.
func (s *Store) planUses(a *plan) {
	uses := map[pointID]int64{}
	for _, id := range a.c.Used {
		uses[recordPoint(a.c.Tenant, id)]++
	}
	for at, n := range uses {
		if stood := a.stand[at]; stood != nil {
			p := payload{fUses: pb.NewValueInt(stood.getInt(fUses) + n)}
			p.time(fUsed, a.c.At)
			a.ops = append(a.ops, set(p, points(at)))
		}
	}
}

// recheck removes what was added although a tombstone was put meanwhile by another process: its Forget looked before the record came.
func (s *Store) recheck(ctx context.Context, a *plan) error {
	var ids []pointID
	for _, r := range a.adds {
		ids = append(append(ids, s.pointed(r)), s.tombs(r)...)
	}
	for _, x := range a.aliases {
		ids = append(ids, s.tombOfID(a.c.Tenant, x.Of))
	}
	var err error
	if a.stand, err = s.standing(ctx, ids); err != nil || len(a.stand) == 0 {
		return err
	}
	ops := s.recheckAliases(a)
	for _, r := range a.adds {
		at := recordPoint(a.c.Tenant, r.ID)
		switch {
		case s.anyStands(a, s.tombs(r)):
			ops = append(ops, remove(points(at)))
		case a.stand[s.pointed(r)] != nil:
			ops = append(ops, set(payload{fSuperseded: pb.NewValueString("")}, points(at)))
		}
	}
	return s.write(ctx, ops...)
}

// recordStruct is a record as it is written.
func (s *Store) recordStruct(r *record.Record, closes []store.Closing) *pb.PointStruct {
	p := recordPayload(r, closes)
	words, length := termsOf(r.Text)
	grams := gramsOf(r.Text)
	p.ints(fTerms, words.dims())
	p[fLength] = pb.NewValueInt(int64(length))
	vectors := map[string]*pb.Vector{}
	if len(words.indices) > 0 {
		vectors[wordsVector] = pb.NewVectorSparse(words.indices, words.values)
	}
	if len(grams.indices) > 0 {
		vectors[gramsVector] = pb.NewVectorSparse(grams.indices, grams.values)
	}
	if len(r.Vector) > 0 && s.dimsKnown(len(r.Vector)) == nil {
		vectors[denseVector(len(r.Vector))] = pb.NewVectorDense(r.Vector)
		p.str(fModel, r.Model)
	}
	return &pb.PointStruct{Id: recordPoint(r.Scope.Tenant, r.ID).proto(), Payload: p, Vectors: pb.NewVectorsMap(vectors)}
}
