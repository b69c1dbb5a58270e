package budget

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
)

const childEnv = "TRAPGATE_BUDGET_TEST_CHILD"

// mainOrChild makes the test binary a child that spends until it is killed.
func mainOrChild(_ *testing.M, tests func()) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := spendForever(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	tests()
}

// childLimit is the hard budget that the child may not pass, over all of its lives.
const childLimit = 3_000

func childConfig() Config {
	return config(hard(PerTenant, Tokens, childLimit, Month), hard(PerTenant, Requests, 1_000_000, Month))
}

// spendForever keeps four exchanges open and says what it settled, once that is committed, and when nothing is left.
func spendForever(dir string) error {
	db, err := state.Open(bg, state.Options{Dir: dir, Migrations: []state.Migration{Migration}})
	if err != nil {
		return err
	}
	b, err := New(bg, childConfig(), NewStore(db), Options{})
	if err != nil {
		return err
	}
	var open [4]Account
	said := int64(0)
	for n := 0; ; n++ {
		a := &open[n%len(open)]
		if a.running {
			used := 1 + rand.Int64N(10)
			a.Settle(1, tokens(used), Done)
			a.Close()
			said += used
			if err := db.Flush(bg); err != nil {
				return err
			}
			fmt.Println("settled", said)
		}
		b.Open(a, alice, false)
		if _, err := a.Reserve(1, "m", "up", tokens(10)); err != nil {
			a.Close()
			fmt.Println("refused", said)
			time.Sleep(time.Millisecond)
		}
	}
}

// A loop of kill -9 neither forgets what was settled nor spends beyond a hard budget; what was in flight counts as spent.
func TestKillLoop(t *testing.T) {
	dir := t.TempDir()
	var settled, used int64
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := int64(0)
		for n := 0; lines.Scan(); n++ {
			var word string
			if _, err := fmt.Sscan(lines.Text(), &word, &last); err != nil {
				t.Fatalf("%s", lines.Text())
			}
			if n == 100+50*round {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		settled += last
		db, err := state.Open(bg, state.Options{Dir: dir, Migrations: []state.Migration{Migration}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(bg, childConfig(), NewStore(db), Options{})
		if err != nil {
			t.Fatal(err)
		}
		u, held := spent(b, PerTenant, Tokens, Month, "")
		if held != 0 || u < settled || u < used {
			t.Fatalf("round %d: %d used and %d held, but %d were settled and %d known before", round, u, held, settled, used)
		}
		// At most four exchanges of ten tokens are in flight at each kill, and one more settled that was not said.
		if most := settled + int64(round+1)*50; u > most {
			t.Errorf("round %d: %d used, where %d are explained", round, u, most)
		}
		used = u
		rows, err := Query(bg, db.Reader(), 0, 1<<40, []string{"tenant"})
		if err != nil || len(rows) != 1 || rows[0].Input < settled || rows[0].Input > used {
			t.Errorf("round %d: usage %+v %v, %d were settled", round, rows, err, settled)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if used > childLimit || used < childLimit-50 {
		t.Errorf("%d were spent of %d", used, childLimit)
	}
}

func openState(t testing.TB, dir string) *state.DB {
	t.Helper()
	db, err := state.Open(bg, state.Options{Dir: dir, Migrations: []state.Migration{Migration}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestARestartForgetsNothing(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	cfg := config(hard(PerTenant, Tokens, 1000, Day), hard(PerAgent, USD, 1e9, Month), hard(PerTenant, Tokens, 1000, Minute),
		Budget{Unit: Tokens, Limit: 10, Window: Day})
	db := openState(t, dir)
	b := mustNew(t, cfg, NewStore(db), c, Options{})
	var a, open Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "big", "up", tokens(100)); err != nil {
		t.Fatal(err)
	}
	a.Settle(1, tokens(70), Done)
	a.Close()
	b.Open(&open, alice, false)
	if _, err := open.Reserve(1, "big", "up", tokens(200)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // as if killed: the account is still open
		t.Fatal(err)
	}
	c.move(time.Minute)
	for range 2 { // a second restart counts nothing again
		db = openState(t, dir)
		b = mustNew(t, cfg, NewStore(db), c, Options{})
		wantSpent(t, b, Tokens, 270, 0)
		if used, _ := spent(b, PerAgent, USD, Month, "coder"); used != 270*2500 {
			t.Errorf("%d nano-dollars", used)
		}
		if used, _ := spent(b, PerTenant, Tokens, Minute, ""); used != 0 {
			t.Errorf("%d tokens of a minute that is over", used)
		}
		b.Open(&a, alice, false)
		st, err := a.Reserve(1, "big", "up", Usage{})
		if err != nil || st.Crossed || !st.Over {
			t.Errorf("what was said before the restart is said again: %+v %v", st, err)
		}
		a.Settle(1, Usage{}, Refunded)
		a.Close()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsageIsKeptForAYear(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	spend := func(b *Budgets) {
		var a Account
		b.Open(&a, alice, false)
		if _, err := a.Reserve(1, "m", "up", tokens(10)); err != nil {
			t.Fatal(err)
		}
		a.Settle(1, tokens(10), Done)
		a.Close()
	}
	db := openState(t, dir)
	b := mustNew(t, config(), NewStore(db), c, Options{})
	days := func() (all []string) {
		if err := db.Flush(bg); err != nil {
			t.Fatal(err)
		}
		rows, err := Query(bg, db.Reader(), 0, 1<<40, []string{"day"})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			all = append(all, fmt.Sprint(r.Day, ":", r.Input))
		}
		return all
	}
	spend(b)
	c.move(keepDays * 24 * time.Hour)
	spend(b)
	spend(b)
	if got := strings.Join(days(), " "); got != "2026-11-05:10 2027-12-10:20" {
		t.Errorf("%s", got)
	}
	c.move(24 * time.Hour)
	spend(b)
	if got := strings.Join(days(), " "); got != "2027-12-10:20 2027-12-11:10" {
		t.Errorf("%s", got)
	}
}

// A transaction that is begun again, because of a neighbour's write, has everything in it once.
func TestABatchThatIsBegunAgain(t *testing.T) {
	db := openState(t, t.TempDir())
	b := mustNew(t, config(), NewStore(db), newClock(), Options{})
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	_ = db.Write(func(*state.Tx) error { <-gate; return nil })
	var a Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "m", "up", tokens(10)); err != nil {
		t.Fatal(err)
	}
	a.Settle(1, tokens(10), Done)
	a.Close()
	_ = db.Write(func(*state.Tx) error { return errors.New("a neighbour's own error") })
	close(gate)
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	rows, err := Query(bg, db.Reader(), 0, 1<<40, nil)
	if err != nil || len(rows) != 1 || rows[0].Input != 10 || db.Health().Failed != 1 {
		t.Errorf("%+v %v, health %+v", rows, err, db.Health())
	}
}
