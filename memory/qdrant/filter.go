package qdrant

import (
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A cond is a condition of a filter.
type cond = *pb.Condition

func all(conds ...cond) *pb.Filter { return &pb.Filter{Must: conds} }

// either holds when one of the conditions does.
func either(conds ...cond) cond { return pb.NewFilterAsCondition(&pb.Filter{Should: conds}) }

func both(conds ...cond) cond { return pb.NewFilterAsCondition(&pb.Filter{Must: conds}) }

func not(c cond) cond { return pb.NewFilterAsCondition(&pb.Filter{MustNot: []cond{c}}) }

func is(field, value string) cond { return pb.NewMatchKeyword(field, word(value)) }

func isInt(field string, n int64) cond { return pb.NewMatchInt(field, n) }

func after(field string, t time.Time) cond {
	return pb.NewDatetimeRange(field, &pb.DatetimeRange{Gt: timestamppb.New(t)})
}

// until holds for what is not after t.
func until(field string, t time.Time) cond {
	return pb.NewDatetimeRange(field, &pb.DatetimeRange{Lte: timestamppb.New(t)})
}

func points(ids ...pointID) cond {
	list := make([]*pb.PointId, len(ids))
	for i, id := range ids {
		list[i] = id.proto()
	}
	return pb.NewHasID(list...)
}

// ofType and the other conditions below are what memory's own words mean to the server.
func ofType(t string) cond { return pb.NewMatchKeyword(fType, t) }

// seen is record.Scope.Sees, as conditions on records. The scope must be valid.
func seen(s record.Scope) []cond {
	conds := []cond{is(fTenant, s.Tenant), ofType(typeRecord), is(fUser, s.User)}
	if s.User == "" {
		return append(conds, is(fSession, s.Session))
	}
	public := isInt(fPrivate, 0)
	if s.Session == "" {
		return append(conds, public)
	}
	return append(conds, either(public, is(fSession, s.Session)))
}

// within are the records of a space: what statistics are counted over.
func within(s record.Space) []cond {
	return []cond{is(fTenant, s.Tenant), ofType(typeRecord), is(fSpace, spaceName(s))}
}

func unexpired(now time.Time) cond {
	return not(until(fExpires, now))
}

// current is record.Record.Current.
func current(now time.Time) []cond {
	return []cond{pb.NewIsEmpty(fClosed), unexpired(now), not(until(fTo, now))}
}

// chosen is store.Filter.Match.
func chosen(f *store.Filter, now time.Time) []cond {
	conds := []cond{ofType(typeRecord)}
	for _, part := range [...]struct{ field, value string }{
		{fTenant, f.Tenant}, {fUser, f.User}, {fAgent, f.Agent}, {fSession, f.Session},
	} {
		if part.value != "" {
			conds = append(conds, is(part.field, part.value))
		}
	}
	if f.Kind != 0 {
		conds = append(conds, isInt(fKind, int64(f.Kind)))
	}
	if f.Origin != 0 {
		conds = append(conds, isInt(fOrigin, int64(f.Origin)))
	}
	if f.Current {
		conds = append(conds, current(now)...)
	}
	if !f.Since.IsZero() {
		conds = append(conds, pb.NewDatetimeRange(fSaid, &pb.DatetimeRange{Gte: timestamppb.New(f.Since)}))
	}
	if !f.Until.IsZero() {
		conds = append(conds, pb.NewDatetimeRange(fSaid, &pb.DatetimeRange{Lt: timestamppb.New(f.Until)}))
	}
	return conds
}
