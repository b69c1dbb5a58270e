package qdrant

import (
	"fmt"
	"slices"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// recordPayload is a record as the server keeps it, but for its vectors.
func recordPayload(r *record.Record, closes []store.Closing) payload {
	p := payload{
		fType: pb.NewValueString(typeRecord), fTenant: pb.NewValueString(word(r.Scope.Tenant)),
		fUser: pb.NewValueString(word(r.Scope.User)), fSession: pb.NewValueString(word(r.Scope.Session)),
		fSpace: pb.NewValueString(spaceName(r.Scope.Space())), fPrivate: pb.NewValueInt(bit(r.Private)),
		fID: pb.NewValueString(r.ID.String()), fOrder: pb.NewValueInt(orderOf(r.ID)), fKind: pb.NewValueInt(int64(r.Kind)),
		fSeq: pb.NewValueInt(r.Seq), fCreated: instant(r.Created), fSaid: instant(r.Said),
		fKey: pb.NewValueInt(int64(record.TextKey(r.Text))), fSim: pb.NewValueInt(int64(r.Sim)),
	}
	p.str(fAgent, r.Scope.Agent)
	p.int(fRole, int64(r.Role))
	p.int(fOrigin, int64(r.Origin))
	p.int(fTrust, int64(r.Trust))
	p.str(fSpeaker, r.Speaker)
	p.str(fText, r.Text)
	p.str(fHandle, r.Handle)
	p.str(fSubject, r.Subject)
	p.str(fPredicate, r.Predicate)
	p.str(fObject, r.Object)
	p.int(fSingle, bit(r.Single))
	p.time(fFrom, r.From)
	p.time(fTo, r.To)
	p.time(fClosed, r.Closed)
	p.time(fExpires, r.Expires)
	p.time(fUsed, r.Used)
	p.int(fUses, int64(r.Uses))
	p.ids(fSources, r.Sources)
	if r.SupersededBy != (record.ID{}) {
		p[fSuperseded] = pb.NewValueString(r.SupersededBy.String())
	}
	if r.Importance != 0 {
		p[fImportance] = pb.NewValueDouble(float64(r.Importance))
	}
	if len(r.Times) > 0 {
		var times []*pb.Value
		for _, t := range r.Times {
			times = append(times, instant(t.From), instant(t.To))
		}
		p[fTimes] = pb.NewValueFromList(times...)
	}
	if len(closes) > 0 {
		var to []*pb.Value
		var ids []record.ID
		for _, c := range closes {
			ids, to = append(ids, c.ID), append(to, instant(c.To))
		}
		p.ids(fCloses, ids)
		p[fClosesTo] = pb.NewValueFromList(to...)
	}
	p.ints(fBands, bandsOf(r.Sim))
	p[fBytes] = pb.NewValueInt(int64(sizeOf(r)))
	return p
}

// sizeOf is about what a record takes on the server: its texts, and 512 bytes for the rest and for indexes.
func sizeOf(r *record.Record) int {
	return 512 + len(r.Text) + len(r.Subject) + len(r.Predicate) + len(r.Object) + 4*len(r.Vector)
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// recordOf reads what recordPayload wrote. It has no vector.
func recordOf(p payload) (*record.Record, error) {
	id, err := record.ParseID(p[fID].GetStringValue())
	if err != nil {
		return nil, fmt.Errorf("qdrant: a point that is no record of ours: %w", err)
	}
	r := &record.Record{
		ID:      id,
		Scope:   record.Scope{Tenant: p.getStr(fTenant), User: p.getStr(fUser), Agent: p.getStr(fAgent), Session: p.getStr(fSession)},
		Private: p.getInt(fPrivate) != 0,
		Kind:    record.Kind(p.getInt(fKind)), Role: record.Role(p.getInt(fRole)),
		Origin: record.Origin(p.getInt(fOrigin)), Trust: record.Trust(p.getInt(fTrust)),
		Speaker: p.getStr(fSpeaker), Text: p.getStr(fText), Handle: p.getStr(fHandle),
		Subject: p.getStr(fSubject), Predicate: p.getStr(fPredicate), Object: p.getStr(fObject), Single: p.getInt(fSingle) != 0,
		Seq: p.getInt(fSeq), Said: p.getTime(fSaid), From: p.getTime(fFrom), To: p.getTime(fTo),
		Created: p.getTime(fCreated), Closed: p.getTime(fClosed), Expires: p.getTime(fExpires),
		Sources: p.getIDs(fSources), SupersededBy: p.getID(fSuperseded),
		Importance: float32(p[fImportance].GetDoubleValue()), Uses: int32(p.getInt(fUses)), Used: p.getTime(fUsed),
		Text64: uint64(p.getInt(fKey)), Sim: uint64(p.getInt(fSim)), Model: p.getStr(fModel),
	}
	for pair := range slices.Chunk(p[fTimes].GetListValue().GetValues(), 2) {
		if len(pair) == 2 {
			r.Times = append(r.Times, record.Interval{From: timeOf(pair[0]), To: timeOf(pair[1])})
		}
	}
	return r, nil
}

// closesOf are the facts that a record says it takes the place of.
func closesOf(p payload) (closes []store.Closing) {
	to := p[fClosesTo].GetListValue().GetValues()
	for i, id := range p.getIDs(fCloses) {
		c := store.Closing{ID: id, By: p.getID(fID)}
		if i < len(to) {
			c.To = timeOf(to[i])
		}
		closes = append(closes, c)
	}
	return closes
}

// bandsOf are keys that two SimHashes have one of in common when they differ in few bits: of the four parts of 16 bits when in at
// most three, of the eight of 8 bits when in at most seven.
func bandsOf(sim uint64) (keys []int64) {
	for i := range 4 {
		keys = append(keys, int64(i)<<16|int64(sim>>(16*i)&0xffff))
	}
	for i := range 8 {
		keys = append(keys, int64(16+i)<<16|int64(sim>>(8*i)&0xff))
	}
	return keys
}

// bandsFor are the keys of which one is enough for a distance, or nil if none is.
func bandsFor(sim uint64, bits int) []int64 {
	switch keys := bandsOf(sim); {
	case bits < 4:
		return keys[:4]
	case bits < 8:
		return keys[4:]
	}
	return nil
}
