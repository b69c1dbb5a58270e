package qdrant

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// PutNote inserts a note that the server takes only if there is none yet, and reads what stands.
func (s *Store) PutNote(ctx context.Context, scope record.Scope, n store.Note) (stands store.Note, err error) {
	if !scope.Valid() {
		return n, nil
	}
	if err := s.Ready(ctx); err != nil {
		return store.Note{}, err
	}
	at := notePoint(scope, n.Chain)
	// Twice, because a Forget in another process may look for notes between our look for tombstones and our writing.
	for range 2 {
		tombs, err := s.buried(ctx, scope.Tenant, n.Records)
		if err != nil {
			return store.Note{}, err
		}
		if tombs {
			n.Text, n.Records, n.Tokens = "", nil, 0
		}
		op := insert(&pb.PointStruct{Id: at.proto(), Payload: s.notePayload(scope, n), Vectors: pb.NewVectorsMap(nil)})
		if err := s.write(ctx, op); err != nil {
			return store.Note{}, err
		}
		if stands, err = s.noteAt(ctx, at); err != nil || len(stands.Records) == 0 {
			return stands, err
		}
		if tombs, err = s.buried(ctx, scope.Tenant, stands.Records); err != nil || !tombs {
			return stands, err
		}
		if err := s.removeIDs(ctx, []pointID{at}); err != nil {
			return store.Note{}, err
		}
	}
	return stands, nil
}

// buried reports whether a tombstone of one of the records stands.
func (s *Store) buried(ctx context.Context, tenant string, records []record.ID) (bool, error) {
	ids := make([]pointID, len(records))
	for i, id := range records {
		ids[i] = s.tombOfID(tenant, id)
	}
	stand, err := s.standing(ctx, ids)
	return len(stand) > 0, err
}

func (s *Store) notePayload(scope record.Scope, n store.Note) payload {
	p := payload{
		fType: pb.NewValueString(typeNote), fTenant: pb.NewValueString(word(scope.Tenant)), fUser: pb.NewValueString(word(scope.User)),
		fSession: pb.NewValueString(word(scope.Session)), fChain: pb.NewValueInt(int64(n.Chain)), fAt: instant(n.At),
		fPut: pb.NewValueInt(s.o.Now().UnixNano()),
	}
	p.str(fText, n.Text)
	p.int(fTokens, int64(n.Tokens))
	p.ids(fRecords, n.Records)
	return p
}

func noteOf(p payload) store.Note {
	return store.Note{
		Chain: uint64(p.getInt(fChain)), Text: p.getStr(fText), Records: p.getIDs(fRecords), Tokens: int(p.getInt(fTokens)), At: p.getTime(fAt),
	}
}

func (s *Store) noteAt(ctx context.Context, at pointID) (n store.Note, err error) {
	found := false
	err = s.scroll(ctx, all(ofType(typeNote), points(at)), pb.NewWithPayload(true), func(r row) bool {
		n, found = noteOf(r.payload), true
		return false
	})
	if err == nil && !found {
		err = fmt.Errorf("qdrant: a note that was put is gone: it was forgotten meanwhile")
	}
	return n, err
}

// Notes returns the notes of a session in the order in which they were put, by the clocks of who put them.
func (s *Store) Notes(ctx context.Context, scope record.Scope) (notes []store.Note, err error) {
	if !scope.Valid() {
		return nil, nil
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	var rows []row
	conds := []cond{is(fTenant, scope.Tenant), ofType(typeNote), is(fUser, scope.User), is(fSession, scope.Session)}
	err = s.scroll(ctx, all(conds...), pb.NewWithPayload(true), func(r row) bool {
		rows = append(rows, r)
		return true
	})
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.payload.getInt(fPut), b.payload.getInt(fPut)) })
	for _, r := range rows {
		if scopeOf(r.payload) == (record.Scope{Tenant: scope.Tenant, User: scope.User, Session: scope.Session}) {
			notes = append(notes, noteOf(r.payload))
		}
	}
	return notes, err
}

// scopeOf is whose a point is, without the agent.
func scopeOf(p payload) record.Scope {
	return record.Scope{Tenant: p.getStr(fTenant), User: p.getStr(fUser), Session: p.getStr(fSession)}
}
