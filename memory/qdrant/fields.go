package qdrant

import (
	pb "github.com/qdrant/go-client/qdrant"
)

// Fields of a payload. Stored: their names never change.
const (
	fType    = "type" // what a point is: typeRecord, typeNote, typeTomb, typeAlias
	fTenant  = "tenant"
	fUser    = "user"
	fAgent   = "agent"
	fSession = "session"
	fSpace   = "space" // hash of the space
	fPrivate = "private"

	fID         = "id"
	fOrder      = "order" // the ID's first 53 bits, which is what the server sorts by without rounding
	fKind       = "kind"
	fRole       = "role"
	fOrigin     = "origin"
	fTrust      = "trust"
	fSpeaker    = "speaker"
	fText       = "text"
	fHandle     = "handle"
	fSubject    = "subject"
	fPredicate  = "predicate"
	fObject     = "object"
	fSingle     = "single"
	fSeq        = "seq"
	fSaid       = "said"
	fFrom       = "from"
	fTo         = "to"
	fCreated    = "created"
	fClosed     = "closed"
	fExpires    = "expires"
	fTimes      = "times" // from, to, from, to
	fSources    = "sources"
	fSuperseded = "superseded_by"
	fCloses     = "closes" // facts that this one takes the place of: it was written before they were closed
	fClosesTo   = "closes_to"
	fImportance = "importance"
	fUses       = "uses"
	fUsed       = "used"
	fKey        = "key"
	fSim        = "sim"
	fBands      = "bands"
	fTerms      = "terms"
	fLength     = "length" // terms, with repetitions
	fModel      = "model"
	fBytes      = "bytes"

	fChain   = "chain"
	fRecords = "records"
	fTokens  = "tokens"
	fAt      = "at"
	fPut     = "put" // when it was written, in nanoseconds
)

// Types of points.
const (
	typeRecord = "record"
	typeNote   = "note"
	typeTomb   = "tomb"
	typeAlias  = "alias" // an episode that the record in fSources stands for
)

// A fieldIndex is an index of a field of payloads.
type fieldIndex struct {
	name   string
	field  pb.FieldType
	schema pb.PayloadSchemaType
}

func keyword(name string) fieldIndex {
	return fieldIndex{name, pb.FieldType_FieldTypeKeyword, pb.PayloadSchemaType_Keyword}
}

func integer(name string) fieldIndex {
	return fieldIndex{name, pb.FieldType_FieldTypeInteger, pb.PayloadSchemaType_Integer}
}

func datetime(name string) fieldIndex {
	return fieldIndex{name, pb.FieldType_FieldTypeDatetime, pb.PayloadSchemaType_Datetime}
}

// fields are the indexes: everything that a filter, a facet or an order names, so that no query reads all points, and so that they
// work where strict mode forbids others.
var fields = []fieldIndex{
	keyword(fTenant), keyword(fType), keyword(fUser), keyword(fAgent), keyword(fSession), keyword(fSpace), integer(fPrivate),
	integer(fOrder), integer(fKind), integer(fOrigin), keyword(fSubject), keyword(fPredicate), integer(fSeq),
	datetime(fSaid), datetime(fTo), datetime(fCreated), datetime(fClosed), datetime(fExpires), datetime(fAt),
	keyword(fSources), keyword(fSuperseded), keyword(fCloses), integer(fKey), integer(fBands), integer(fTerms),
	keyword(fModel), integer(fBytes), integer(fLength), keyword(fRecords),
}

func (f fieldIndex) index(collection string) *pb.CreateFieldIndexCollection {
	q := &pb.CreateFieldIndexCollection{
		CollectionName: collection, Wait: pb.PtrOf(true), FieldName: f.name, FieldType: pb.PtrOf(f.field),
	}
	if f.name == fTenant { // points of one tenant are stored together
		q.FieldIndexParams = pb.NewPayloadIndexParamsKeyword(&pb.KeywordIndexParams{IsTenant: pb.PtrOf(true)})
	}
	return q
}
