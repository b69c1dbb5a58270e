package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func scopeOf(user string) record.Scope { return record.Scope{Tenant: "acme", User: user, Session: "s"} }

func forgetOf(r *record.Record) store.Forget {
	return store.Forget{Filter: store.Filter{Tenant: r.Scope.Tenant}, IDs: []record.ID{r.ID}, At: time.Now()}
}

func (s *Store) loadedNow(name record.Space) bool {
	s.spaces.mu.Lock()
	defer s.spaces.mu.Unlock()
	return s.spaces.known.Contains(name)
}

// forgetIndexes lets all of them be loaded anew.
func (s *Store) forgetIndexes() {
	s.spaces.mu.Lock()
	defer s.spaces.mu.Unlock()
	s.spaces.known.Purge()
}

func TestALoadOutlivesTheSearchThatBeganIt(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir(), Options{})
	all := diary(rand.New(rand.NewPCG(1, 2)), "u", 0, 100)
	apply(t, s, all)
	s.forgetIndexes()
	for range loadsAtOnce { // no load can begin
		s.spaces.loads <- struct{}{}
	}
	q := &store.Query{Text: all[7].Text, Now: all[7].Said, Limit: 1}
	ctx, cancel := context.WithTimeout(bg, 5*time.Millisecond)
	defer cancel()
	if _, err := s.Search(ctx, all[0].Scope, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a search whose index is not loaded: %v", err)
	}
	if _, _, err := s.Near(ctx, all[0].Scope, record.Episode, 1, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("near: %v", err)
	}
	late := diary(rand.New(rand.NewPCG(5, 6)), "u", 100, 3) // comes while it loads
	apply(t, s, late)
	if _, err := s.Forget(ctx, forgetOf(all[9])); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("forget after the deadline: %v", err)
	}
	for range loadsAtOnce {
		<-s.spaces.loads
	}
	hits, err := s.Search(bg, all[0].Scope, q)
	if err != nil || len(hits) != 1 || hits[0].Record.ID != all[7].ID {
		t.Fatalf("the next search: %+v %v", hits, err)
	}
	hits, err = s.Search(bg, all[0].Scope, &store.Query{Text: late[2].Text, Now: late[2].Said, Limit: 1})
	if err != nil || len(hits) != 1 || hits[0].Record.ID != late[2].ID {
		t.Errorf("what came while it loaded: %+v %v", hits, err)
	}
}

// TestIndexesFollowRows loads and drops indexes while records come and go; what is found must be what there is.
func TestIndexesFollowRows(t *testing.T) {
	t.Parallel()
	s, db := open(t, t.TempDir(), Options{IndexBytes: 1 << 16}) // room for one or two
	users := []string{"a", "b", "c", ""}
	var all sync.WaitGroup
	var mu sync.Mutex
	stands, gone := map[record.ID]*record.Record{}, map[record.ID]*record.Record{}
	for n, user := range users {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(n), 1))
			var own []*record.Record
			for i := range 15 {
				of := scopeOf(user)
				r := &record.Record{
					Scope: of, Kind: record.Episode, Role: record.User, Said: time.Now(), Seq: int64(i),
					Text: fmt.Sprintf("entry %d of %q: %s", i, user, said(rnd)),
				}
				r.ID = record.EpisodeID(of, r.Role, r.Text)
				own = append(own, r)
				apply(t, s, []*record.Record{r})
				if rnd.IntN(4) == 0 {
					which := rnd.IntN(len(own))
					if _, err := s.Forget(bg, forgetOf(own[which])); err != nil {
						t.Error(err)
					}
					mu.Lock()
					gone[own[which].ID] = own[which]
					mu.Unlock()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range own {
				if gone[r.ID] == nil {
					stands[r.ID] = r
				}
			}
		})
		all.Go(func() {
			for i := range 25 {
				other := users[(n+i)%len(users)]
				if _, err := s.Search(bg, scopeOf(other), &store.Query{Text: "entry", Now: time.Now(), Limit: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	find := func(r *record.Record) bool {
		hits, err := s.Search(bg, r.Scope, &store.Query{Text: r.Text, Now: time.Now(), Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			if h.Record.ID == r.ID {
				return true
			}
		}
		return false
	}
	for _, user := range users { // by space, because there is room for few
		for _, r := range stands {
			if r.Scope.User == user && !find(r) {
				t.Errorf("%q stands and is not found", r.Text)
			}
		}
		for _, r := range gone {
			if r.Scope.User == user && find(r) {
				t.Errorf("%q was forgotten and is found", r.Text)
			}
		}
	}
	st, err := s.Stats(bg, "")
	if err != nil || st.Loaded >= len(users) || st.IndexBytes > 1<<17 {
		t.Errorf("%d indexes of %d bytes are kept, %v", st.Loaded, st.IndexBytes, err)
	}
	sound(t, db)
}

func TestPreload(t *testing.T) {
	dir := t.TempDir()
	s, db := open(t, dir, Options{})
	for _, user := range []string{"old", "new"} {
		apply(t, s, diary(rand.New(rand.NewPCG(1, 2)), user, 0, 30))
	}
	s.Close()
	db.Close()
	s, _ = open(t, dir, Options{})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if s.loadedNow(record.Space{Tenant: "acme", User: "new"}) && s.loadedNow(record.Space{Tenant: "acme", User: "old"}) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what was written last is not loaded at the start")
		}
	}
}

// TestTheClockGoesBack applies, reads and sweeps with times that run backwards.
func TestTheClockGoesBack(t *testing.T) {
	s, db := open(t, t.TempDir(), Options{})
	all := diary(rand.New(rand.NewPCG(1, 2)), "u", 0, 20)
	now := time.Now()
	for i, r := range all {
		at := now.Add(-time.Duration(i) * 1000 * time.Hour)
		r.Said, r.Created, r.Expires = at, at, time.Time{}
		if err := s.Apply(bg, store.Changes{Tenant: "acme", At: at, Add: []*record.Record{r}, Used: []record.ID{all[0].ID}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutNote(bg, r.Scope, store.Note{Chain: uint64(i), Text: "note", At: at}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sweep(bg, store.Caps{Now: at, Space: 100, Notes: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	forget := forgetOf(all[3])
	forget.At = now.Add(-1e6 * time.Hour)
	if _, err := s.Forget(bg, forget); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(bg, store.Filter{}, record.ID{}, 100)
	if err != nil || len(list) != len(all)-1 {
		t.Errorf("%d of %d are there, %v", len(list), len(all)-1, err)
	}
	apply(t, s, all[3:4])
	if got, err := s.Get(bg, all[3].Scope, []record.ID{all[3].ID}); err != nil || len(got) > 0 {
		t.Errorf("forgotten at a time long ago, and learned again: %v", err)
	}
	sound(t, db)
}

func TestKeys(t *testing.T) {
	_, db := open(t, t.TempDir(), Options{})
	if _, err := New(db, Options{Key: []byte("short")}); err == nil {
		t.Error("a short key is taken")
	}
	a, b := &Store{key: key}, &Store{key: []byte("the key of another directory")}
	id := record.NewID()
	if a.ofID("t", id) == b.ofID("t", id) || a.ofID("t", id) == a.ofID("u", id) {
		t.Error("tombstones tell what was forgotten without the key, or to another tenant")
	}
	seen := map[tombstone]bool{}
	for _, in := range []record.Space{
		{Tenant: "t"}, {Tenant: "t", User: "u"}, {Tenant: "t", Session: "u"}, {Tenant: "tu"}, {Tenant: "t", User: "uu"},
	} {
		seen[a.ofText(in, "text")] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d tombstones of 5 spaces", len(seen))
	}
}

// TestADamagedRow overwrites the body of one record: the others are there, and it can be forgotten.
func TestADamagedRow(t *testing.T) {
	s, db := open(t, t.TempDir(), Options{})
	all := diary(rand.New(rand.NewPCG(1, 2)), "u", 0, 20)
	apply(t, s, all)
	err := db.WriteSync(bg, func(tx *state.Tx) error {
		_, err := tx.Exec(`UPDATE memory_records SET body = zeroblob(length(body)) WHERE id IN (?, ?)`, all[3].ID[:], all[4].ID[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.forgetIndexes()
	hits, err := s.Search(bg, all[5].Scope, &store.Query{Text: all[5].Text, Now: all[5].Said, Limit: 30})
	if err != nil || len(hits) == 0 || hits[0].Record.ID != all[5].ID {
		t.Errorf("search: %+v %v", hits, err)
	}
	if list, err := s.List(bg, store.Filter{}, record.ID{}, 100); err != nil || len(list) != len(all)-2 {
		t.Errorf("list: %d %v", len(list), err)
	}
	if err := s.Apply(bg, store.Changes{Tenant: "acme", Used: []record.ID{all[3].ID, all[5].ID}, At: time.Now()}); err != nil {
		t.Error(err)
	}
	if _, err := s.Sweep(bg, store.Caps{Now: time.Now().Add(1e5 * time.Hour)}); err != nil {
		t.Error(err)
	}
	if receipt, err := s.Forget(bg, forgetOf(all[3])); err != nil || receipt.Records != 1 {
		t.Errorf("forget by id: %+v %v", receipt, err)
	}
	what := store.Forget{Filter: store.Filter{Tenant: "acme", User: "u"}, All: true, At: time.Now()}
	if receipt, err := s.Forget(bg, what); err != nil || receipt.Records != 1 || !receipt.Verified {
		t.Errorf("forget all: %+v %v", receipt, err)
	}
	sound(t, db)
}
