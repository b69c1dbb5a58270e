package qdrant

import (
	"context"
	"slices"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// aliasPoint is where an alias stands.
func aliasPoint(tenant string, id record.ID) pointID {
	return name(nil, "alias", tenant, string(id[:]))
}

func aliasStruct(tenant string, a store.Alias) *pb.PointStruct {
	p := payload{
		fType: pb.NewValueString(typeAlias), fTenant: pb.NewValueString(word(tenant)), fID: pb.NewValueString(a.ID.String()),
		fKey: pb.NewValueInt(int64(a.Text64)),
	}
	p.ids(fSources, []record.ID{a.Of})
	return &pb.PointStruct{Id: aliasPoint(tenant, a.ID).proto(), Payload: p, Vectors: pb.NewVectorsMap(nil)}
}

// planAliases writes those of records that stand, and takes away those of episodes that now have a record.
func (s *Store) planAliases(a *plan) {
	var gone []pointID
	for _, r := range a.adds {
		if at := aliasPoint(a.c.Tenant, r.ID); a.stand[at] != nil {
			gone = append(gone, at)
		}
	}
	if len(gone) > 0 {
		a.ops = append(a.ops, remove(points(gone...)))
	}
	var structs []*pb.PointStruct
	for _, x := range a.c.Alias {
		if a.stand[recordPoint(a.c.Tenant, x.Of)] != nil && a.stand[recordPoint(a.c.Tenant, x.ID)] == nil {
			structs = append(structs, aliasStruct(a.c.Tenant, x))
			a.aliases = append(a.aliases, x)
		}
	}
	if len(structs) > 0 {
		a.ops = append(a.ops, insert(structs...))
	}
}

// recheckAliases buries those whose record was forgotten while they were written.
func (s *Store) recheckAliases(a *plan) (ops []*pb.PointsUpdateOperation) {
	for _, x := range a.aliases {
		if a.stand[s.tombOfID(a.c.Tenant, x.Of)] != nil {
			ops = append(ops, insert(stone(s.tombOfID(a.c.Tenant, x.ID), a.c.Tenant, a.c.At)), remove(points(aliasPoint(a.c.Tenant, x.ID))))
		}
	}
	return ops
}

// aliasesOf returns the aliases of records that go, and the tombstones to put for them.
func (s *Store) aliasesOf(ctx context.Context, tenant string, gone []*record.Record) (at, stones []pointID, err error) {
	spaces := map[string]record.Space{}
	for _, r := range gone {
		spaces[r.ID.String()] = r.Scope.Space()
	}
	for part := range slices.Chunk(gone, page) {
		conds := []cond{is(fTenant, tenant), ofType(typeAlias), pb.NewMatchKeywords(fSources, idTexts(part)...)}
		err = s.scroll(ctx, all(conds...), pb.NewWithPayload(true), func(r row) bool {
			at, stones = append(at, r.id), append(stones, s.tombOfID(tenant, r.payload.getID(fID)))
			for _, id := range r.payload.getIDs(fSources) {
				if space := spaces[id.String()]; space != (record.Space{}) {
					stones = append(stones, s.tombInSpace(space, uint64(r.payload.getInt(fKey))))
				}
			}
			return true
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return at, stones, nil
}

// sweepAliases removes those of records that stand no longer.
func (s *Store) sweepAliases(ctx context.Context) error {
	of := map[pointID]pointID{}
	err := s.scroll(ctx, all(ofType(typeAlias)), pb.NewWithPayloadInclude(fTenant, fSources), func(r row) bool {
		of[r.id] = ""
		for _, id := range r.payload.getIDs(fSources) {
			of[r.id] = recordPoint(r.payload.getStr(fTenant), id)
		}
		return true
	})
	if err != nil {
		return err
	}
	var at, gone []pointID
	for _, record := range of {
		if record != "" {
			at = append(at, record)
		}
	}
	slices.Sort(at)
	stand, err := s.standing(ctx, slices.Compact(at))
	if err != nil {
		return err
	}
	for alias, record := range of {
		if stand[record] == nil {
			gone = append(gone, alias)
		}
	}
	return s.removeIDs(ctx, gone)
}
