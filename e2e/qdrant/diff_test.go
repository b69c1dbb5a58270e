//go:build e2e

package qdrant

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
)

// A dice draws points and questions.
type dice struct{ *rand.Rand }

const collection = "both"

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }

func (d dice) id() *pb.PointId {
	b := make([]byte, 16)
	b[0], b[15] = byte(d.IntN(8)*32), byte(d.IntN(8))
	x := hex.EncodeToString(b)
	return pb.NewIDUUID(x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:])
}

func (d dice) time() time.Time { return epoch.Add(time.Duration(d.IntN(20)) * time.Millisecond) }

func (d dice) words() string { return d.one("", "a", "b", "ä\x00", "*", "a b") }

func (d dice) payload() map[string]*pb.Value {
	p := map[string]*pb.Value{"tenant": pb.NewValueString(d.one("t1", "t2", "t1 ")), "number": pb.NewValueInt(int64(d.IntN(6)) - 2)}
	if d.IntN(2) == 0 {
		p["word"] = pb.NewValueString(d.words())
	}
	if d.IntN(2) == 0 {
		p["at"] = pb.NewValueString(d.time().Format("2006-01-02T15:04:05.000Z"))
	}
	if d.IntN(2) == 0 {
		p["list"] = pb.NewValueFromList()
		for range d.IntN(4) {
			p["list"] = pb.NewValueFromList(append(p["list"].GetListValue().GetValues(), pb.NewValueInt(int64(d.IntN(5))))...)
		}
	}
	if d.IntN(3) == 0 {
		p["names"] = pb.NewValueFromList(pb.NewValueString(d.words()), pb.NewValueString(d.words()))
	}
	if d.IntN(4) == 0 {
		p["big"] = pb.NewValueInt(math.MaxInt64 - int64(d.IntN(3)))
	}
	return p
}

func (d dice) sparse() ([]uint32, []float32) {
	dims := []uint32{1, 5, 9, math.MaxUint32 - 1}
	d.Shuffle(len(dims), func(i, j int) { dims[i], dims[j] = dims[j], dims[i] })
	dims = dims[:1+d.IntN(3)]
	slices.Sort(dims)
	var values []float32
	for range dims {
		values = append(values, float32(1+d.IntN(8))/2)
	}
	return dims, values
}

func (d dice) dense() []float32 {
	v := make([]float32, 4)
	for i := range v {
		v[i] = float32(d.IntN(17)-8) / 8
	}
	v[d.IntN(4)] = 1
	return v
}

func (d dice) vectors() *pb.Vectors {
	m := map[string]*pb.Vector{}
	if d.IntN(4) > 0 {
		m["words"] = pb.NewVectorSparse(d.sparse())
	}
	if d.IntN(3) > 0 {
		m["dense"] = pb.NewVectorDense(d.dense())
	}
	return pb.NewVectorsMap(m)
}

func (d dice) condition(depth int) *pb.Condition {
	at := func() *timestamppb.Timestamp { return timestamppb.New(d.time()) }
	switch d.IntN(10) {
	case 0:
		return pb.NewMatchKeyword(d.one("tenant", "word", "names"), d.one("t1", "a", "b", "", "ä\x00"))
	case 1:
		return pb.NewMatchInt(d.one("number", "list", "big"), []int64{0, 1, 2, math.MaxInt64 - 1}[d.IntN(4)])
	case 2:
		return pb.NewMatchInts(d.one("number", "list"), int64(d.IntN(4)), int64(d.IntN(4)))
	case 3:
		return pb.NewMatchKeywords(d.one("word", "names"), d.words(), d.words())
	case 4:
		return pb.NewDatetimeRange("at", &pb.DatetimeRange{Gt: at(), Lte: timestamppb.New(epoch.Add(15 * time.Millisecond))})
	case 5:
		return pb.NewDatetimeRange("at", &pb.DatetimeRange{Lt: at()})
	case 6:
		return pb.NewRange(d.one("number", "list"), &pb.Range{Gte: pb.PtrOf(float64(d.IntN(4) - 1)), Lte: pb.PtrOf(float64(d.IntN(6)))})
	case 7:
		return pb.NewIsEmpty(d.one("at", "list", "word", "nothing"))
	case 8:
		return pb.NewHasID(d.id(), d.id(), d.id())
	}
	if depth == 0 {
		return pb.NewIsEmpty("at")
	}
	return pb.NewFilterAsCondition(d.filter(depth - 1))
}

func (d dice) filter(depth int) *pb.Filter {
	f := &pb.Filter{}
	for range d.IntN(3) {
		f.Must = append(f.Must, d.condition(depth))
	}
	for range d.IntN(3) {
		f.Should = append(f.Should, d.condition(depth))
	}
	for range d.IntN(2) {
		f.MustNot = append(f.MustNot, d.condition(depth))
	}
	return f
}

func (d dice) operation() *pb.PointsUpdateOperation {
	switch d.IntN(8) {
	case 0:
		return pb.NewPointsUpdateSetPayload(&pb.PointsUpdateOperation_SetPayload{
			Payload: d.payload(), PointsSelector: pb.NewPointsSelectorFilter(d.filter(1)),
		})
	case 1:
		return pb.NewPointsUpdateDeletePoints(&pb.PointsUpdateOperation_DeletePoints{
			Points: pb.NewPointsSelectorFilter(&pb.Filter{Must: []*pb.Condition{d.condition(1), d.condition(1), d.condition(1)}}),
		})
	case 2:
		return pb.NewPointsUpdateUpdateVectors(&pb.PointsUpdateOperation_UpdateVectors{Points: []*pb.PointVectors{{
			Id: d.id(), Vectors: pb.NewVectorsMap(map[string]*pb.Vector{"dense": pb.NewVectorDense(d.dense())}),
		}}})
	}
	op := &pb.PointsUpdateOperation_PointStructList{UpdateMode: pb.PtrOf(pb.UpdateMode_InsertOnly)}
	if d.IntN(3) == 0 {
		op.UpdateMode = nil
	}
	ids := map[string]bool{} // what an ID twice in one operation means is not said
	for range 1 + d.IntN(4) {
		if id := d.id(); !ids[id.GetUuid()] {
			ids[id.GetUuid()] = true
			op.Points = append(op.Points, &pb.PointStruct{Id: id, Payload: d.payload(), Vectors: d.vectors()})
		}
	}
	return pb.NewPointsUpdateUpsert(op)
}

// TestEngines does the same random operations to both engines and asks them the same random questions.
func TestEngines(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	t.Logf("seed %d", seed)
	both := []qdranttest.Engine{edgeEngine(t), qdranttest.NewMemory()}
	for _, e := range both {
		prepare(t, e)
	}
	asked := 0
	for range 400 {
		op := d.operation()
		first, second := both[0].Update(collection, op), both[1].Update(collection, op)
		if (first == nil) != (second == nil) {
			t.Fatalf("%v: %v and %v", op, first, second)
		}
		for range 4 {
			compare(t, d, both[0], both[1])
			asked++
		}
	}
	t.Logf("%d questions", asked)
}

func prepare(t *testing.T, e qdranttest.Engine) {
	t.Helper()
	err := e.Create(&pb.CreateCollection{
		CollectionName:      collection,
		VectorsConfig:       pb.NewVectorsConfigMap(map[string]*pb.VectorParams{"dense": {Size: 4, Distance: pb.Distance_Dot}}),
		SparseVectorsConfig: pb.NewSparseVectorsConfig(map[string]*pb.SparseVectorParams{"words": {}}),
		HnswConfig:          &pb.HnswConfigDiff{M: pb.PtrOf(uint64(0)), PayloadM: pb.PtrOf(uint64(16))},
	})
	if err != nil {
		t.Fatal(err)
	}
	for field, kind := range map[string]pb.FieldType{
		"tenant": pb.FieldType_FieldTypeKeyword, "word": pb.FieldType_FieldTypeKeyword, "names": pb.FieldType_FieldTypeKeyword,
		"number": pb.FieldType_FieldTypeInteger, "list": pb.FieldType_FieldTypeInteger, "at": pb.FieldType_FieldTypeDatetime,
	} {
		q := &pb.CreateFieldIndexCollection{CollectionName: collection, FieldName: field, FieldType: kind.Enum()}
		if field == "tenant" {
			q.FieldIndexParams = pb.NewPayloadIndexParamsKeyword(&pb.KeywordIndexParams{IsTenant: pb.PtrOf(true)})
		}
		if err := e.Index(q); err != nil {
			t.Fatal(err)
		}
	}
}

// compare asks one question of each kind.
func compare(t *testing.T, d dice, a, b qdranttest.Engine) {
	t.Helper()
	f := d.filter(2)
	same := func(what string, x, y fmt.Stringer, err1, err2 error) {
		t.Helper()
		if err1 != nil || err2 != nil || x.String() != y.String() {
			t.Fatalf("%s by %v\nengine: %v %v\nhere:   %v %v", what, f, x, err1, y, err2)
		}
	}
	scroll := &pb.ScrollPoints{
		CollectionName: collection, Filter: f, Limit: pb.PtrOf(uint32(1 + d.IntN(40))), WithPayload: pb.NewWithPayload(true),
		WithVectors: pb.NewWithVectorsInclude("dense"),
	}
	switch d.IntN(3) {
	case 0:
		scroll.Offset = d.id()
	case 1:
		scroll.WithPayload = pb.NewWithPayloadExclude("at", "list")
	}
	r1, err1 := a.Scroll(scroll)
	r2, err2 := b.Scroll(scroll)
	same("scroll", text(r1), text(r2), err1, err2)

	n1, err1 := a.Count(&pb.CountPoints{CollectionName: collection, Filter: f, Exact: pb.PtrOf(true)})
	n2, err2 := b.Count(&pb.CountPoints{CollectionName: collection, Filter: f, Exact: pb.PtrOf(true)})
	same("count", plain(n1), plain(n2), err1, err2)

	key := d.one("tenant", "word", "names", "number", "list")
	facet := &pb.FacetCounts{CollectionName: collection, Filter: f, Key: key, Exact: pb.PtrOf(true), Limit: pb.PtrOf(uint64(100))}
	f1, err1 := a.Facet(facet)
	f2, err2 := b.Facet(facet)
	same("facet", facets(f1), facets(f2), err1, err2)

	by := &pb.OrderBy{Key: d.one("number", "at"), Direction: d.direction()}
	if by.GetKey() == "number" && d.IntN(2) == 0 {
		by.StartFrom = pb.NewStartFromInt(int64(d.IntN(4)) - 1)
	}
	order := &pb.ScrollPoints{
		CollectionName: collection, Filter: f, OrderBy: by, Limit: pb.PtrOf(uint32(100)), WithPayload: pb.NewWithPayload(true),
	}
	r1, err1 = a.Scroll(order)
	r2, err2 = b.Scroll(order)
	same(fmt.Sprintf("order %v", by), values(r1, by.GetKey()), values(r2, by.GetKey()), err1, err2)

	q := &pb.QueryPoints{CollectionName: collection, Filter: f, Limit: pb.PtrOf(uint64(100))}
	q.Using, q.Query = pb.PtrOf("words"), pb.NewQuerySparse(d.sparse())
	if d.IntN(2) == 0 {
		q.Using, q.Query = pb.PtrOf("dense"), pb.NewQueryDense(d.dense())
	}
	h1, err1 := a.Query(q)
	h2, err2 := b.Query(q)
	same(fmt.Sprintf("query %v", q.GetQuery()), hits(h1), hits(h2), err1, err2)
}

func (d dice) direction() *pb.Direction {
	if d.IntN(2) == 0 {
		return pb.Direction_Asc.Enum()
	}
	return pb.Direction_Desc.Enum()
}

type words string

func (w words) String() string { return string(w) }

func plain(n uint64) words { return words(fmt.Sprint(n)) }

// text is a page without times that it took.
func text(r *pb.ScrollResponse) words {
	var all words
	for _, p := range r.GetResult() {
		b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(&pb.RetrievedPoint{Id: p.GetId(), Payload: p.GetPayload()})
		all += words(fmt.Sprintf("%x %v\n", b, p.GetVectors().GetVectors().GetVectors()["dense"].GetDense().GetData()))
	}
	return all + words(r.GetNextPageOffset().GetUuid())
}

// facets are sorted, because those that are as frequent come in any order.
func facets(list []*pb.FacetHit) words {
	var all []string
	for _, h := range list {
		all = append(all, fmt.Sprintf("%q %d: %d", h.GetValue().GetStringValue(), h.GetValue().GetIntegerValue(), h.GetCount()))
	}
	slices.Sort(all)
	return words(fmt.Sprint(all))
}

// values are what a page is sorted by, and, apart, what is in it: what is equal comes in any order.
func values(r *pb.ScrollResponse, field string) words {
	var order, ids []string
	for _, p := range r.GetResult() {
		v := p.GetPayload()[field]
		order = append(order, fmt.Sprint(v.GetIntegerValue(), v.GetStringValue()))
		ids = append(ids, p.GetId().GetUuid())
	}
	slices.Sort(ids)
	return words(fmt.Sprint(order, ids))
}

// hits are scores to four digits, and, apart, what was found.
func hits(list []*pb.ScoredPoint) words {
	var scores, ids []string
	for _, h := range list {
		scores = append(scores, fmt.Sprintf("%.4f", h.GetScore()+0)) // no -0
		ids = append(ids, h.GetId().GetUuid())
	}
	slices.Sort(ids)
	return words(fmt.Sprint(scores, ids))
}
