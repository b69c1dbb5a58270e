package sqlite

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// raw are the bytes of the state file and of what SQLite keeps beside it.
func raw(t *testing.T, dir string) (all []byte) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(filepath.Join(dir, state.File+suffix))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// forms are how something that was remembered could stand in a file. The first ones do stand there until it is forgotten.
func forms(r *record.Record) (all [][]byte) {
	escaped, _ := json.Marshal(r.Text)
	le, be := binary.LittleEndian, binary.BigEndian
	key := record.TextKey(r.Text)
	return [][]byte{
		[]byte(r.Text), r.ID[:], le.AppendUint64(nil, key), le.AppendUint64(nil, r.Sim),
		be.AppendUint64(nil, key), be.AppendUint64(nil, r.Sim), escaped[1 : len(escaped)-1], []byte(strings.ToLower(r.Text)),
		[]byte(record.Canonical(r.Text)), []byte(r.ID.String()), fmt.Appendf(nil, "%x", r.ID[:]), []byte(r.Text[:20]),
	}
}

const formsThere = 4

// crowd makes a file whose pages are split and merged again and again: rows of many users that come in turn, go, and come.
func crowd(t *testing.T, s *Store, rnd *rand.Rand) (all []*record.Record) {
	t.Helper()
	for round := range 5 {
		var c store.Changes
		for i := range 90 {
			user := fmt.Sprint("user-", rnd.IntN(4))
			of := record.Scope{Tenant: "acme", User: user, Session: "s"}
			r := &record.Record{
				Scope: of, Kind: record.Episode, Role: record.User, Origin: record.Captured, Trust: record.High, Importance: rnd.Float32(),
				Text: fmt.Sprintf("CANARY %08x of \"%s\"\nsings %s", rnd.Uint32(), user, strings.Repeat("a song ", rnd.IntN(90))),
				Said: time.Now().Add(-time.Hour), Created: time.Now(), Seq: int64(round*1000 + i),
			}
			if rnd.IntN(40) == 0 {
				r.Text += strings.Repeat("and a long one, ", 600) // on pages of its own
			}
			r.ID, r.Sim = record.EpisodeID(of, r.Role, r.Text), rnd.Uint64()
			r.Text64 = record.TextKey(r.Text)
			c.Add = append(c.Add, r)
			if rnd.IntN(3) == 0 {
				fact := *r
				fact.ID, fact.Kind, fact.Sources = record.FactID(of, r.ID, "user", "sings", r.Text), record.Fact, []record.ID{r.ID}
				fact.Subject, fact.Predicate, fact.Object = "user", "sings", r.Text[:16]
				c.Add = append(c.Add, &fact)
				c.Close = append(c.Close, store.Closing{ID: fact.ID, To: time.Now(), By: r.ID})
			}
			if rnd.IntN(3) == 0 {
				unit := make([]float32, 64)
				unit[rnd.IntN(64)] = 1
				c.Vectors = append(c.Vectors, store.Vector{ID: r.ID, Model: "m", Unit: unit})
			}
		}
		all = append(all, c.Add...)
		c.Tenant, c.At = "acme", time.Now()
		if err := s.Apply(bg, c); err != nil {
			t.Fatal(err)
		}
		// Some go again, by chance, as a cap takes them: that moves others.
		if _, err := s.Sweep(bg, store.Caps{Space: 75, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		notes(t, s, all)
	}
	return all
}

// notes shows records to their users.
func notes(t *testing.T, s *Store, all []*record.Record) {
	t.Helper()
	for i := 0; i < len(all); i += 7 {
		r := all[i]
		n := store.Note{Chain: uint64(i), Text: "[memory notes]\n" + r.Text, Records: []record.ID{r.ID}, At: time.Now()}
		if _, err := s.PutNote(bg, r.Scope, n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingIsLeftInTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, db := open(t, dir, Options{})
	rnd := rand.New(rand.NewPCG(3, 11)) // without scrub three of them are left
	all := crowd(t, s, rnd)
	if err := db.Checkpoint(bg); err != nil {
		t.Fatal(err)
	}
	before := raw(t, dir)
	found := 0
	var ids []record.ID
	for _, r := range all { // some were swept
		if r.Scope.User != "user-1" && r.Scope.User != "user-2" {
			continue
		}
		if got, err := s.Get(bg, r.Scope, []record.ID{r.ID}); err != nil {
			t.Fatal(err)
		} else if len(got) > 0 && len(r.Text) < 500 { // longer ones are in parts
			found++
			for i, form := range forms(r)[:formsThere] {
				if !bytes.Contains(before, form) {
					t.Fatalf("form %d of what is remembered is not in the file: the test looks for the wrong thing", i)
				}
			}
		}
		if r.Scope.User == "user-2" {
			ids = append(ids, r.ID)
		}
	}
	if found < 60 {
		t.Fatalf("only %d are in the file", found)
	}
	receipt, err := s.Forget(bg, store.Forget{Filter: store.Filter{Tenant: "acme", User: "user-1"}, All: true, At: time.Now()})
	if err != nil || !receipt.Verified || receipt.Records < 30 || receipt.Notes == 0 || receipt.Vectors == 0 {
		t.Fatalf("%+v %v", receipt.Records, err)
	}
	receipt, err = s.Forget(bg, store.Forget{Filter: store.Filter{Tenant: "acme"}, IDs: ids, At: time.Now()})
	if err != nil || !receipt.Verified {
		t.Fatalf("%+v %v", receipt.Records, err)
	}
	after := raw(t, dir)
	for _, r := range all {
		if r.Scope.User != "user-1" && r.Scope.User != "user-2" {
			continue
		}
		for i, form := range forms(r) {
			if bytes.Contains(after, form) {
				t.Errorf("form %d of what was forgotten is in the files: %.60q", i, form)
			}
		}
	}
	if bytes.Contains(after, []byte("user-1")) {
		t.Error("the name of a user of whom all was forgotten is in the files")
	}
	sound(t, db)
	// The others are there as they were.
	list, err := s.List(bg, store.Filter{Tenant: "acme"}, record.ID{}, 10000)
	if err != nil || len(list) < 60 {
		t.Fatalf("%d are left, %v", len(list), err)
	}
	for _, r := range list {
		if r.Scope.User == "user-1" || r.Scope.User == "user-2" || len(r.Text) < 500 && !bytes.Contains(after, []byte(r.Text)) {
			t.Errorf("of the others: %q", r.Text)
		}
	}
}

// sound has SQLite check the file, and compares what is counted with what there is.
func sound(t *testing.T, db *state.DB) {
	t.Helper()
	var verdict string
	if err := db.Reader().QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the file is not sound: %s %v", verdict, err)
	}
	for what, query := range map[string]string{
		"counts": `SELECT count(*) FROM memory_spaces s WHERE
			episodes != (SELECT count(*) FROM memory_records WHERE space = s.id AND kind = 1) OR
			facts != (SELECT count(*) FROM memory_records WHERE space = s.id AND kind = 2) OR
			closed != (SELECT count(*) FROM memory_records WHERE space = s.id AND closed) OR
			vectors != (SELECT count(*) FROM memory_records r JOIN memory_vectors v ON v.record = r.n WHERE space = s.id) OR
			bytes != (SELECT coalesce(sum(length(body)), 0) FROM memory_records WHERE space = s.id) +
				(SELECT coalesce(sum(length(unit)), 0) FROM memory_records r JOIN memory_vectors v ON v.record = r.n WHERE space = s.id)`,
		"empty spaces":           `SELECT count(*) FROM memory_spaces WHERE episodes + facts = 0`,
		"records of no space":    `SELECT count(*) FROM memory_records WHERE space NOT IN (SELECT id FROM memory_spaces)`,
		"links of no record":     `SELECT count(*) FROM memory_links WHERE record NOT IN (SELECT n FROM memory_records)`,
		"vectors of no record":   `SELECT count(*) FROM memory_vectors WHERE record NOT IN (SELECT n FROM memory_records)`,
		"notes of no session":    `SELECT count(*) FROM memory_notes WHERE session NOT IN (SELECT id FROM memory_sessions)`,
		"sessions without notes": `SELECT count(*) FROM memory_sessions WHERE id NOT IN (SELECT session FROM memory_notes)`,
	} {
		var n int
		if err := db.Reader().QueryRow(query).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d wrong, %v", what, n, err)
		}
	}
}

func TestForgetWhileOthersRead(t *testing.T) {
	t.Parallel()
	s, db := open(t, t.TempDir(), Options{})
	all := diary(rand.New(rand.NewPCG(1, 2)), "u", 0, 60)
	apply(t, s, all)
	rows, err := db.Reader().Query(`SELECT body FROM memory_records`) // holds the log
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	release := time.AfterFunc(100*time.Millisecond, func() { rows.Close() })
	defer release.Stop()
	receipt, err := s.Forget(bg, store.Forget{Filter: store.Filter{Tenant: "acme", User: "u"}, All: true, At: time.Now()})
	if err != nil || !receipt.Verified || receipt.Records != len(all) {
		t.Errorf("%+v %v", receipt.Records, err)
	}
}
