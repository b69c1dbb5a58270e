package qdrant

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A talk is a conversation of ../shared/data, and what is asked about it.
type talk struct {
	ID       string
	Sessions []struct {
		At    string `json:"date_time"`
		Turns []struct{ ID, Speaker, Text string }
	}
	QA []struct {
		Question string
		Category int
		Evidence []string
	}
}

// talks reads the dev half, or skips.
func talks(t *testing.T) (all []talk) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "locomo_dev.json"))
	if err != nil {
		t.Skip("SKIP: ../shared/data/locomo_dev.json is missing, so nothing is measured on real conversations")
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// records are the turns, and which ID each has.
func (k *talk) records(t *testing.T) (all []*record.Record, names map[record.ID]string) {
	names = map[record.ID]string{}
	for _, s := range k.Sessions {
		at, err := time.Parse("3:04 pm on 2 January, 2006", s.At)
		if err != nil {
			t.Fatal(err)
		}
		scope := record.Scope{Tenant: "acme", User: k.ID, Session: fmt.Sprint(k.ID, s.At)}
		for i, turn := range s.Turns {
			role := record.User
			if turn.Speaker != k.Sessions[0].Turns[0].Speaker {
				role = record.Assistant
			}
			r := &record.Record{
				ID: record.NewID(), Scope: scope, Kind: record.Episode, Role: role, Trust: record.High, Speaker: turn.Speaker,
				Text: turn.Text, Seq: int64(i), Said: at, Created: at,
			}
			names[r.ID] = turn.ID
			all = append(all, r)
		}
	}
	return all, names
}

// A trial compares the store with an index of everything.
type trial struct {
	*testing.T
	s                                    *Store
	asked, hereAny, wholeAny, same, best int
	took                                 []time.Duration
}

func newTrial(t *testing.T) *trial {
	e := qdranttest.NewMemory()
	srv, err := qdranttest.Start(e, qdranttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return &trial{T: t, s: prepared(t, e, open(t, srv, nil))}
}

func (t *trial) put(records []*record.Record) *index.Index {
	x := index.New(index.Options{})
	for part := range slices.Chunk(records, 200) {
		if err := t.s.Apply(t.Context(), store.Changes{Tenant: "acme", Add: part, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range records {
		x.Put(r)
	}
	return x
}

func best(hits []store.Hit) (ids []record.ID) {
	for _, h := range hits[:min(10, len(hits))] {
		ids = append(ids, h.Record.ID)
	}
	return ids
}

func (t *trial) ask(x *index.Index, scope record.Scope, q *store.Query, evidence func(record.ID) bool) {
	whole := best(x.Search(t.Context(), scope, q))
	began := time.Now()
	hits, err := t.s.Search(t.Context(), scope, q)
	if err != nil {
		t.Fatal(err)
	}
	t.took = append(t.took, time.Since(began))
	here := best(hits)
	t.asked++
	t.hereAny += int(bit(slices.ContainsFunc(here, evidence)))
	t.wholeAny += int(bit(slices.ContainsFunc(whole, evidence)))
	t.best += len(whole)
	for _, id := range whole {
		t.same += int(bit(slices.Contains(here, id)))
	}
}

// judge says what was measured, and fails where too much is missed.
func (t *trial) judge() {
	slices.Sort(t.took)
	percent := func(n, of int) float64 { return 100 * float64(n) / float64(of) }
	overlap := percent(t.same, t.best)
	t.Logf("%d questions: any@10 %.1f here, %.1f by an index of everything; overlap of the best ten %.1f %%; p50 %v, p95 %v",
		t.asked, percent(t.hereAny, t.asked), percent(t.wholeAny, t.asked), overlap, t.took[len(t.took)/2], t.took[len(t.took)*95/100])
	if overlap < 85 || t.hereAny < t.wholeAny*9/10 {
		t.Errorf("the best ten are too different")
	}
}

// TestNearlyTheIndex asks about real conversations.
func TestNearlyTheIndex(t *testing.T) {
	all := talks(t)
	each := 8
	if n := os.Getenv("TRAPGATE_QDRANT_QUESTIONS"); n != "" { // for a whole measurement
		_, _ = fmt.Sscan(n, &each)
	} else {
		all = all[:1]
		all[0].Sessions = all[0].Sessions[:5]
	}
	trial := newTrial(t)
	for _, k := range all {
		records, names := k.records(t)
		x := trial.put(records)
		scope := record.Scope{Tenant: "acme", User: k.ID, Session: "another"}
		for _, qa := range k.QA[:min(each, len(k.QA))] {
			if len(qa.Evidence) > 0 {
				q := &store.Query{Text: qa.Question, Limit: 20, Now: records[len(records)-1].Said}
				trial.ask(x, scope, q, func(id record.ID) bool { return slices.Contains(qa.Evidence, names[id]) })
			}
		}
	}
	trial.judge()
}

// TestNearlyTheIndexAmongDocuments asks for what was said in a few words among documents that say the same words many times.
func TestNearlyTheIndexAmongDocuments(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	words := func(n int) string {
		var all []string
		for range n {
			all = append(all, fmt.Sprintf("word%dx", int(400*d.Float64()*d.Float64()*d.Float64()))) // few are frequent
		}
		return strings.Join(all, " ")
	}
	var records []*record.Record
	for i := range 240 {
		n := 6 + d.IntN(8)
		if i%10 == 0 {
			n = 150
		}
		r := episode(record.Scope{Tenant: "acme", User: "alice", Session: fmt.Sprint("s", i/20)}, words(n))
		r.Seq = int64(i)
		records = append(records, r)
	}
	trial := newTrial(t)
	x := trial.put(records)
	for range 8 {
		target := records[d.IntN(24)*10+1+d.IntN(9)]
		parts := strings.Fields(target.Text)
		slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // longer numbers are rarer
		q := &store.Query{Text: strings.Join(parts[:4], " "), Limit: 20, Now: time.Now()}
		trial.ask(x, alice, q, func(id record.ID) bool { return id == target.ID })
	}
	trial.judge()
}
