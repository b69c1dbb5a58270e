package sqlite

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

var times = rapid.Custom(func(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "zero") {
		return time.Time{}
	}
	return time.UnixMilli(rapid.Int64Range(-1<<45, 1<<45).Draw(t, "ms")).UTC()
})

var idGen = rapid.Custom(func(t *rapid.T) (id record.ID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return id
})

var records = rapid.Custom(func(t *rapid.T) *record.Record {
	text, date := rapid.String(), times
	r := &record.Record{
		Private: rapid.Bool().Draw(t, "private"), Kind: record.Kind(rapid.Byte().Draw(t, "kind")),
		Role:   record.Role(rapid.Byte().Draw(t, "role")),
		Origin: record.Origin(rapid.Byte().Draw(t, "origin")), Trust: record.Trust(rapid.Byte().Draw(t, "trust")),
		Speaker: text.Draw(t, "speaker"), Text: text.Draw(t, "text"), Handle: text.Draw(t, "handle"), Subject: text.Draw(t, "subject"),
		Predicate: text.Draw(t, "predicate"), Object: text.Draw(t, "object"), Single: rapid.Bool().Draw(t, "single"),
		Seq: rapid.Int64().Draw(t, "seq"), Said: date.Draw(t, "said"), From: date.Draw(t, "from"), To: date.Draw(t, "to"),
		Created: date.Draw(t, "created"), Closed: date.Draw(t, "closed"), Expires: date.Draw(t, "expires"),
		Sources: rapid.SliceOf(idGen).Draw(t, "sources"), SupersededBy: idGen.Draw(t, "by"),
		Importance: rapid.Float32Range(0, 1).Draw(t, "importance"), Uses: rapid.Int32().Draw(t, "uses"), Used: date.Draw(t, "used"),
		Text64: rapid.Uint64().Draw(t, "key"), Sim: rapid.Uint64().Draw(t, "sim"),
	}
	r.Scope.Agent, r.Scope.Session = text.Draw(t, "agent"), text.Draw(t, "session")
	for range rapid.IntRange(0, 3).Draw(t, "times") {
		r.Times = append(r.Times, record.Interval{From: date.Draw(t, "from"), To: date.Draw(t, "to")})
	}
	return r
})

func TestBody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := records.Draw(t, "record")
		body := pack(r)
		got := new(record.Record)
		if err := unpack(got, body); err != nil {
			t.Fatal(err)
		}
		clear(body) // it shares nothing
		if d := cmp.Diff(r, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("(-want +got)\n%s", d)
		}
		n := store.Note{Chain: rapid.Uint64().Draw(t, "chain"), Text: r.Text, Records: r.Sources, Tokens: int(r.Uses), At: r.Said}
		note, err := unpackNote(int64(n.Chain), packNote(&n))
		if d := cmp.Diff(n, note, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Fatalf("%v (-want +got)\n%s", err, d)
		}
	})
}

func TestUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SliceOf(rapid.Float32Range(-1, 1)).Draw(t, "unit")
		got := unpackUnit(packUnit(unit))
		if len(got) != len(unit) {
			t.Fatalf("%d numbers of %d", len(got), len(unit))
		}
		for i := range unit {
			if d := got[i] - unit[i]; d > 2e-5 || d < -2e-5 {
				t.Fatalf("%v came back as %v", unit[i], got[i])
			}
		}
	})
}

// FuzzBody reads what may be damaged: no panic, no more memory than the body is worth, and what is read is written alike.
func FuzzBody(f *testing.F) {
	f.Add(pack(&record.Record{Text: "said", Sources: make([]record.ID, 2), Times: make([]record.Interval, 1)}))
	f.Add(packNote(&store.Note{Text: "note", Records: make([]record.ID, 2)}))
	f.Add([]byte{bodyVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := unpackNote(1, b); err == nil {
			if again, err := unpackNote(1, packNote(&n)); err != nil || !cmp.Equal(n, again) {
				t.Errorf("%+v became %+v, %v", n, again, err)
			}
		}
		r := new(record.Record)
		if unpack(r, b) != nil {
			return
		}
		body := pack(r)
		again := new(record.Record)
		if err := unpack(again, body); err != nil || !bytes.Equal(pack(again), body) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}
