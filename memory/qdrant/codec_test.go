package qdrant

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// anyText is also what is no UTF-8.
var anyText = rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	rapid.SampledFrom([]string{"", "\x00", rawMark, rawMark + "YQ==", "\xff", "a\xff"}))

var anyTime = rapid.OneOf(rapid.Just(time.Time{}), rapid.Map(rapid.Int64Range(-1<<40, 1<<42), time.UnixMilli))

var anyID = rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) record.ID { return record.ID(b) })

func TestRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(of string) string { return anyText.Draw(t, of) }
		at := func(of string) time.Time { return anyTime.Draw(t, of) }
		r := &record.Record{
			ID: anyID.Draw(t, "id"), Private: rapid.Bool().Draw(t, "private"), Single: rapid.Bool().Draw(t, "single"),
			Scope: record.Scope{Tenant: text("tenant"), User: text("user"), Agent: text("agent"), Session: text("session")},
			Kind:  record.Fact, Role: record.Tool, Origin: record.Told, Trust: record.Low,
			Speaker: text("speaker"), Text: text("text"), Handle: text("handle"),
			Subject: text("subject"), Predicate: text("predicate"), Object: text("object"),
			Seq: rapid.Int64().Draw(t, "seq"), Said: at("said"), From: at("from"), To: at("to"), Created: at("created"), Closed: at("closed"),
			Expires: at("expires"), Used: at("used"), SupersededBy: anyID.Draw(t, "by"), Sources: rapid.SliceOf(anyID).Draw(t, "sources"),
			Importance: rapid.Float32().Draw(t, "importance"), Uses: rapid.Int32().Draw(t, "uses"), Sim: rapid.Uint64().Draw(t, "sim"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "times") {
			r.Times = append(r.Times, record.Interval{From: at("time from"), To: at("time to")})
		}
		r.Text64 = record.TextKey(r.Text)
		closes := []store.Closing{{ID: anyID.Draw(t, "closes"), To: at("closes to"), By: r.ID}}
		raw, err := proto.Marshal(&pb.PointStruct{Payload: recordPayload(r, closes)})
		if err != nil {
			t.Fatal(err)
		}
		p := &pb.PointStruct{}
		if err := proto.Unmarshal(raw, p); err != nil {
			t.Fatal(err)
		}
		got, err := recordOf(p.GetPayload())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); d != "" {
			t.Fatalf("(-put +got):\n%s", d)
		}
		if d := cmp.Diff(closes, closesOf(p.GetPayload()), cmpopts.EquateApproxTime(0)); d != "" {
			t.Fatalf("closes (-put +got):\n%s", d)
		}
	})
}

// FuzzPayload says that whatever stands in a collection, reading it ends in a record or an error.
func FuzzPayload(f *testing.F) {
	raw, err := proto.Marshal(&pb.PointStruct{Payload: recordPayload(fact(episode(alice, "I live in Berlin."), "lives_in", "Berlin"), nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := &pb.PointStruct{}
		if proto.Unmarshal(raw, p) != nil {
			return
		}
		r, err := recordOf(p.GetPayload())
		if (r == nil) == (err == nil) {
			t.Errorf("%v and %v", r, err)
		}
		closesOf(p.GetPayload())
		noteOf(p.GetPayload())
		scopeOf(p.GetPayload())
		without(p.GetPayload(), []string{"x"})
	})
}

// TestNamesDiffer says that two points have one ID only when they are the same.
func TestNamesDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(anyText).Draw(t, "a"), rapid.SliceOf(anyText).Draw(t, "b")
		if same := slices.Equal(a, b); (name(nil, a...) == name(nil, b...)) != same {
			t.Fatalf("%q and %q", a, b)
		}
		if name([]byte("k"), a...) == name(nil, a...) || name([]byte("k"), a...) == name([]byte("l"), a...) {
			t.Fatalf("%q is named the same under another key", a)
		}
	})
}

// TestBands says that two hashes within a distance have a band in common.
func TestBands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sim, bits := rapid.Uint64().Draw(t, "sim"), rapid.IntRange(0, 7).Draw(t, "bits")
		other := sim
		for range bits {
			other ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		}
		stored := bandsOf(other)
		if !slices.ContainsFunc(bandsFor(sim, bits), func(key int64) bool { return slices.Contains(stored, key) }) {
			t.Fatalf("%x is not looked up by %x within %d bits", other, sim, bits)
		}
	})
	if bandsFor(1, 8) != nil || orderOf(record.ID{0: 255, 1: 255, 6: 255, 7: 255}) >= 1<<53 || orderOf(record.ID{0: 255}) < math.MaxUint32 {
		t.Error("too wide")
	}
}

func TestSpans(t *testing.T) {
	for _, c := range []struct {
		seqs []int64
		want [][2]int64
	}{
		{nil, nil},
		{[]int64{5}, [][2]int64{{3, 7}}},
		{[]int64{20, 5, 9, 5}, [][2]int64{{3, 11}, {18, 22}}},
		{[]int64{5, 10}, [][2]int64{{3, 12}}},
		{[]int64{5, 11}, [][2]int64{{3, 7}, {9, 13}}},
	} {
		if got := spansOf(slices.Clone(c.seqs)); !slices.Equal(got, c.want) {
			t.Errorf("spans of %v: %v, want %v", c.seqs, got, c.want)
		}
	}
}
