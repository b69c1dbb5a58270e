package share

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

func rowsOf(dir string) (budget.Row, error) {
	db, err := state.OpenReader(context.Background(), dir)
	if err != nil {
		return budget.Row{}, err
	}
	defer db.Close()
	day := budget.DateOf(time.Now())
	rows, err := budget.Query(context.Background(), db, day-1, day, nil)
	if err != nil || len(rows) == 0 {
		return budget.Row{}, err
	}
	return rows[0], nil
}

// TestAlone: a process that nobody shares with leases nothing, keeps its budgets, and remembers them.
func TestAlone(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		m := join(t, dir, daily(1000), ratelimit.Config{})
		for range 5 {
			if err := m.spend("a", 100); err != nil {
				t.Fatalf("start %d: %v", i, err)
			}
		}
		st := m.State()
		if st.Role != Holder || st.Store != "none" || len(st.Leases) != 0 {
			t.Errorf("%+v", st)
		}
		if i == 1 {
			if err := m.spend("a", 1); !errors.Is(err, errBroke) {
				t.Errorf("a used up budget: %v", err)
			}
			if err := m.spend("b", 1); err != nil {
				t.Errorf("another tenant: %v", err)
			}
		}
		m.close()
	}
	if requests, tokens := used(t, dir); requests != 11 || tokens != 1001 {
		t.Errorf("written down: %d requests, %d tokens", requests, tokens)
	}
}

// TestSecondServe: one that must be the holder is refused, and the socket is its owner's alone.
func TestSecondServe(t *testing.T) {
	dir := t.TempDir()
	join(t, dir, daily(1), ratelimit.Config{})
	var held *state.HeldError
	if m, err := tryJoin(dir, false, daily(1), ratelimit.Config{}); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("%v %v", m, err)
	}
	info, err := os.Stat(filepath.Join(dir, admin.SocketFile))
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("%v %v", info, err)
	}
}

// TestThree: three processes of one directory spend one budget, the holder ends in between, and the books are complete.
func TestThree(t *testing.T) {
	const limit, each = 100_000, 100
	dir := t.TempDir()
	first := join(t, dir, daily(limit), ratelimit.Config{})
	for range 50 { // while alone
		if err := first.spend("a", each); err != nil {
			t.Fatal(err)
		}
	}
	guests := []*member{join(t, dir, daily(limit), ratelimit.Config{}), join(t, dir, daily(limit), ratelimit.Config{})}
	if st := guests[0].State(); st.Role != Guest {
		t.Fatalf("%+v", st)
	}
	var spent atomic.Int64
	spent.Store(50 * each)
	var wg sync.WaitGroup
	leave := make(chan struct{})
	for i, m := range append(guests, first) {
		wg.Go(func() {
			if i == 2 {
				defer close(leave)
			}
			for n := 0; i < 2 || n < 200; n++ {
				if m.spend("a", each) != nil {
					return
				}
				spent.Add(each)
			}
		})
	}
	<-leave
	within(t, "guests that are known", func() bool { return first.State().Guests == 2 })
	first.close()
	wg.Wait()
	if n := spent.Load(); n > limit || n < limit*95/100 {
		t.Errorf("spent %d of %d", n, limit)
	}
	within(t, "one holder", func() bool {
		roles := guests[0].State().Role + guests[1].State().Role
		return roles == Holder+Guest || roles == Guest+Holder
	})
	t.Logf("spent %d of %d; leases %+v", spent.Load(), limit, guests[0].State().Leases)
	for _, m := range guests {
		m.close()
	}
	if requests, tokens := used(t, dir); tokens != spent.Load() || requests != spent.Load()/each {
		t.Errorf("written down: %d requests, %d tokens; spent %d", requests, tokens, spent.Load())
	}
	again := join(t, dir, daily(limit), ratelimit.Config{})
	if again.spend("a", max(limit-spent.Load(), 0)+1) == nil {
		t.Error("a restart forgets what guests have spent")
	}
}

// TestBatchOnce: what is sent again is written once.
func TestBatchOnce(t *testing.T) {
	m := join(t, t.TempDir(), daily(1), ratelimit.Config{})
	key := budget.Key{Tenant: "a", Unit: budget.Tokens, Window: budget.Month}
	start, _ := budget.Month.Bounds(time.Now())
	b := &Batch{
		Sender: "x", Seq: 1, Sums: []budget.Sum{{Key: key, Start: start.Unix(), Used: 7}},
		Usage: []usage{{Day: int64(budget.DateOf(time.Now())), Tenant: "a", Requests: 1, Input: 7}},
	}
	for i := range 3 {
		if known, err := m.record(context.Background(), b); err != nil || known != (i > 0) {
			t.Fatal(known, err)
		}
	}
	b.Seq, b.Sums[0].Used = 2, -2
	if _, err := m.record(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	sums, err := readSums(context.Background(), m.o.Dir, time.Now())
	if err != nil || len(sums) != 1 || sums[0].Used != 5 {
		t.Errorf("%+v %v", sums, err)
	}
	if requests, tokens := used(t, m.o.Dir); requests != 2 || tokens != 14 {
		t.Errorf("%d requests, %d tokens", requests, tokens)
	}
	if _, err := m.record(context.Background(), &Batch{}); err == nil {
		t.Error("a batch of nobody was taken")
	}
}

// TestSecret: the key of tenants' names stays, and is the same for all who share.
func TestSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	keys := make([][]byte, 8)
	for i := range keys {
		wg.Go(func() { keys[i], _ = Secret(dir, "", "") })
	}
	wg.Wait()
	for _, k := range keys {
		if len(k) != secretBytes || string(k) != string(keys[0]) {
			t.Fatalf("%x and %x", k, keys[0])
		}
	}
	if info, err := os.Stat(filepath.Join(dir, SecretFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	one, _ := Secret(dir, "redis://h", "p")
	two, _ := Secret(t.TempDir(), "redis://h", "p")
	if string(one) != string(two) || string(one) == string(keys[0]) {
		t.Error("sidecars of one Redis do not name tenants alike")
	}
	if err := os.WriteFile(filepath.Join(dir, SecretFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(dir, "", ""); err == nil {
		t.Error("a damaged key was taken")
	}
}
