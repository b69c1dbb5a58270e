package sqlite

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// childEnv makes the test binary a child that does what the variable says; its arguments are a directory and a number.
const childEnv = "TRAPGATE_MEMORY_TEST_CHILD"

var children = map[string]func(dir string, n int) error{"write": childWrite, "limited": childLimited}

// child runs if this process is one, and reports whether it was.
func child() bool {
	what := os.Getenv(childEnv)
	if what == "" {
		return false
	}
	n, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = children[what](os.Args[1], n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// A process is a child. Its lines are read one by one.
type process struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

func start(t *testing.T, what, dir string, n int) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], dir, strconv.Itoa(n))}
	p.cmd.Env = append(os.Environ(), childEnv+"="+what)
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func childOpen(dir string) (*Store, *state.DB, error) {
	db, err := state.Open(bg, state.Options{Dir: dir, Migrations: []state.Migration{Migration()}})
	if err != nil {
		return nil, nil, err
	}
	s, err := New(db, Options{Key: key})
	return s, db, err
}

var killed = record.Scope{Tenant: "acme", User: "u", Session: "s"}

// told is what the n-th Apply of the child adds: an episode, a fact that stands on it, and a vector.
func told(n int) store.Changes {
	now := time.Now()
	e := &record.Record{
		Scope: killed, Kind: record.Episode, Role: record.User, Text: fmt.Sprint("number ", n), Said: now, Created: now, Seq: int64(n),
	}
	e.ID = record.EpisodeID(killed, e.Role, e.Text)
	f := *e
	f.Kind, f.Sources, f.Subject, f.Predicate, f.Object = record.Fact, []record.ID{e.ID}, "user", "said", strconv.Itoa(n)
	f.ID = record.FactID(killed, e.ID, f.Subject, f.Predicate, f.Object)
	return store.Changes{
		Tenant: killed.Tenant, At: now, Add: []*record.Record{e, &f}, Vectors: []store.Vector{{ID: e.ID, Model: "m", Unit: []float32{0.6, 0.8}}},
	}
}

// childWrite applies and forgets from a number on, and says what was promised to last.
func childWrite(dir string, n int) error {
	s, _, err := childOpen(dir)
	if err != nil {
		return err
	}
	for ; ; n++ {
		c := told(n)
		id := c.Add[0].ID
		if err := s.Apply(bg, c); err != nil {
			return err
		}
		fmt.Println("told", n)
		if n%5 == 0 {
			if _, err := s.Forget(bg, store.Forget{Filter: store.Filter{Tenant: killed.Tenant}, IDs: []record.ID{id}, At: time.Now()}); err != nil {
				return err
			}
			fmt.Println("forgot", n)
		}
	}
}

// TestKill kills a writer again and again: five times, or with TRAPGATE_E2E_FULL 200 times.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 5
	if os.Getenv("TRAPGATE_E2E_FULL") != "" {
		rounds = 200
	}
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	stood, gone := map[int]bool{}, map[int]bool{}
	for round := range rounds {
		p := start(t, "write", dir, round*1000)
		for range 1 + rnd.IntN(12) {
			if !p.lines.Scan() {
				t.Fatalf("the child ended: %v\n%s", p.cmd.Wait(), p.stderr.String())
			}
			note(t, p.lines.Text(), stood, gone)
		}
		time.Sleep(time.Duration(rnd.IntN(3000)) * time.Microsecond)
		_ = p.cmd.Process.Kill()
		for p.lines.Scan() { // said before it died
			note(t, p.lines.Text(), stood, gone)
		}
		_ = p.cmd.Wait()
		afterKill(t, dir, stood, gone, round*1000)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func note(t *testing.T, line string, stood, gone map[int]bool) {
	t.Helper()
	what, number, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return // a line that the kill cut
	}
	if what == "told" {
		stood[n] = true
	} else {
		delete(stood, n)
		gone[n] = true
	}
}

// afterKill says that all that was promised is there, and nothing half.
func afterKill(t *testing.T, dir string, stood, gone map[int]bool, from int) {
	t.Helper()
	s, db, err := childOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer s.Close()
	sound(t, db)
	for n := range stood {
		c := told(n)
		ids := []record.ID{c.Add[0].ID, c.Add[1].ID}
		if got, err := s.Get(bg, killed, ids); err != nil || len(got) != 2 && n%5 != 0 || len(got) == 1 {
			t.Errorf("%d was acknowledged: %d of 2 records, %v", n, len(got), err)
		}
	}
	for n := range gone {
		c := told(n)
		if has, err := s.Has(bg, killed.Tenant, []record.ID{c.Add[0].ID, c.Add[1].ID}); err != nil || !has[0] || !has[1] {
			t.Errorf("%d was forgotten, its tombstones: %v %v", n, has, err)
		}
		if n >= from { // again, as from a replayed history
			if err := s.Apply(bg, c); err != nil {
				t.Error(err)
			}
		}
	}
	all, err := s.List(bg, store.Filter{}, record.ID{}, 1<<20)
	if err != nil || len(all)%2 != 0 {
		t.Errorf("%d records, %v: one of two", len(all), err)
	}
	for _, r := range all {
		if r.Kind == record.Episode && gone[int(r.Seq)] {
			t.Errorf("%d was forgotten and is there", r.Seq)
		}
	}
	bare, err := s.Bare(bg, killed.Tenant, "m", 1<<20)
	if err != nil || len(bare)*2 != len(all) {
		t.Errorf("%d of %d records have no vector, %v", len(bare), len(all), err)
	}
}

// childLimited is a process whose files may not grow: a disk that is full.
func childLimited(dir string, n int) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, db, err := childOpen(dir)
	if err != nil {
		return err
	}
	old := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limit := old
	limit.Cur = uint64(n)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	last := -1
	for i := range 5000 {
		c := told(i)
		c.Add[0].Handle = strings.Repeat("x", 5000) // so that it is full soon
		if err = s.Apply(bg, c); err != nil {
			break
		}
		last = i
	}
	if err == nil || !strings.Contains(err.Error(), "hint:") {
		return fmt.Errorf("after %d: %w", last, err)
	}
	search := func(n int) ([]store.Hit, error) {
		return s.Search(bg, killed, &store.Query{Text: fmt.Sprint("number ", n), Now: time.Now(), Limit: 100})
	}
	if hits, err := search(last); err != nil || len(hits) == 0 {
		return fmt.Errorf("nothing is found while the disk is full: %w", err)
	}
	if hits, err := search(last + 1); err != nil || len(hits) > 0 && hits[0].Record.Seq > int64(last) {
		return fmt.Errorf("what could not be written is found: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := s.Apply(bg, told(last+1)); err != nil {
		return fmt.Errorf("when there is room again: %w", err)
	}
	fmt.Println("told", last+1)
	return errors.Join(s.Close(), db.Close())
}

func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "limited", dir, 600<<10)
	if !p.lines.Scan() {
		t.Fatalf("the child ended: %v\n%s", p.cmd.Wait(), p.stderr.String())
	}
	last, err := strconv.Atoi(strings.TrimPrefix(p.lines.Text(), "told "))
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	s, db := open(t, dir, Options{})
	sound(t, db)
	st, err := s.Stats(bg, "")
	if err != nil || st.Episodes != last+1 || st.Facts != last+1 || last < 10 {
		t.Errorf("%+v after %d: %v", st, last, err)
	}
}

func TestADamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, db := open(t, dir, Options{})
	apply(t, s, diary(rand.New(rand.NewPCG(1, 2)), "u", 0, 200))
	s.Close()
	db.Close()
	path := filepath.Join(dir, state.File)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b); i += 512 {
		copy(b[i:], "not a page of a database")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := (*state.DamagedError)(nil)
	if _, _, err := childOpen(dir); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "hint:") {
		t.Fatalf("a damaged file is opened: %v", err)
	}
	if _, err := state.SetAside(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir, Options{})
	apply(t, s, diary(rand.New(rand.NewPCG(1, 2)), "u", 0, 5))
}
