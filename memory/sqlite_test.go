package memory

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/sqlite"
	"github.com/trapgate/trapgate/memory/store"
)

// openSQLite opens the store of a directory, until the test ends or close is called.
func openSQLite(t testing.TB, dir string) (store.Store, func()) {
	t.Helper()
	db, err := state.Open(context.Background(), state.Options{Dir: dir, Migrations: []state.Migration{sqlite.Migration()}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.New(db, sqlite.Options{Key: []byte("a key of a data directory")})
	if err != nil {
		t.Fatal(err)
	}
	done := false
	end := func() {
		if !done {
			done = true
			s.Close()
			db.Close()
		}
	}
	t.Cleanup(end)
	return s, end
}

func TestOnSQLite(t *testing.T) {
	dir := t.TempDir()
	s, end := openSQLite(t, dir)
	k := newKit(t, s)
	k.say(user("ann", "s1"), "I live in Berlin.", "My sister Clara plays the cello in Leipzig.")
	k.days(1)
	k.say(user("ann", "s2"), "I moved to Munich.")
	told := k.ask(user("ann", "s3"), "Where do I live, and what does Clara play?")
	k.has(told.Note.Text, "Munich")
	k.hasNot(told.Note.Text, "Berlin")
	k.has(told.Note.Text, "cello")
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	end()
	s, _ = openSQLite(t, dir)
	k = newKit(t, s)
	if notes, err := k.Notes(k.Context(), user("ann", "s3")); err != nil || len(notes) != 1 || notes[0].Text != told.Note.Text {
		t.Errorf("%v %+v", err, notes)
	}
	if _, err := k.Remember(k.Context(), user("ann", ""), "My bank is the Sparkasse."); err != nil {
		t.Fatal(err)
	}
	k.say(user("ann", "s3"), "Forget everything about Clara.")
	if _, err := k.ForgetQuery(k.Context(), user("ann", "s3"), "Sparkasse"); err != nil {
		t.Fatal(err)
	}
	for _, r := range k.records(store.Filter{}) {
		if strings.Contains(r.Text, "Clara") || strings.Contains(r.Text, "Sparkasse") {
			t.Errorf("still there: %q", r.Text)
		}
	}
	if notes, _ := k.Notes(k.Context(), user("ann", "s3")); len(notes) != 0 {
		t.Error("a note that shows what was forgotten", notes)
	}
	_, err := k.Remember(k.Context(), user("ann", ""), "My bank is the Sparkasse.")
	if err != nil || len(k.records(store.Filter{Origin: record.Told})) == 0 {
		t.Error("not revived", err)
	}
	if r, err := k.Audit(k.Context(), "t1", false); err != nil || r.Junk() != 0 || r.Records == 0 {
		t.Errorf("%+v %v", r, err)
	}
}

const (
	childDir   = "TRAPGATE_TEST_MEMORY_DIR"
	killRounds = 2
)

// What Learn accepted is there after the process was killed, up to a moment that is the same for all of it: nothing before it is
// lost. How long before the end that moment is depends on the machine, and is asked for in TestKilled200Times.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		learnForEver(t, dir)
	}
	killed(t, killRounds, time.Hour)
}

// killed kills a child so many times and looks for what it had accepted: all of it that is older than within, or than what was found.
func killed(t *testing.T, rounds int, within time.Duration) {
	dir := t.TempDir()
	for round := range rounds {
		accepted, at := killChild(t, dir, time.Duration(150+rand.IntN(250))*time.Millisecond*min(slower, 3))
		s, end := openSQLite(t, dir)
		order := slices.Sorted(maps.Keys(accepted))
		ids := make([]record.ID, len(order))
		for n, i := range order {
			ids[n] = record.EpisodeID(user("ann", "s"), record.User, crate(i))
		}
		has, err := s.Has(t.Context(), "t1", ids)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for n := range has {
			if has[n] {
				kept = n + 1
			}
		}
		bound := max(within, 10*starved(accepted))
		for n, i := range order {
			if age := at.Sub(accepted[i]); !has[n] && (n < kept || age > bound) {
				t.Fatalf("round %d: %q was accepted %v before the end and is not there (bound %v)", round, crate(i), age, bound)
			}
		}
		if kept == 0 {
			t.Logf("round %d: nothing of %d was stored in time", round, len(order))
		}
		end()
	}
}

// starved is the longest time for which the child, which accepts something each millisecond, got no processor: on a machine that is
// busy with other things it cannot commit either.
func starved(accepted map[int]time.Time) (longest time.Duration) {
	times := slices.SortedFunc(maps.Values(accepted), time.Time.Compare)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}

func crate(i int) string {
	return fmt.Sprintf("Crate number %d went to the %s yard by train.", i, names[i%len(names)])
}

// killChild lets another process learn for a while and kills it. It returns what that had accepted, and when, and when it was killed.
func killChild(t *testing.T, dir string, after time.Duration) (map[int]time.Time, time.Time) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	accepted := map[int]time.Time{}
	var at time.Time
	var timer *time.Timer
	killed := make(chan time.Time, 1)
	for lines.Scan() {
		if timer == nil {
			timer = time.AfterFunc(after, func() {
				killed <- time.Now()
				_ = cmd.Process.Kill()
			})
		}
		n, when, ok := strings.Cut(lines.Text(), " ")
		i, err1 := strconv.Atoi(n)
		ns, err2 := strconv.ParseInt(when, 10, 64)
		if ok && err1 == nil && err2 == nil {
			accepted[i] = time.Unix(0, ns)
		}
	}
	err = cmd.Wait()
	if timer == nil || timer.Stop() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	at = <-killed
	return accepted, at
}

// learnForEver is the child: it writes what was accepted, after it was.
func learnForEver(t *testing.T, dir string) {
	s, _ := openSQLite(t, dir)
	e, err := New(Config{}, Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	for i := time.Now().UnixMilli() % 1e9; ; i++ {
		m := Message{Role: record.User, Text: crate(int(i)), Chain: uint64(i + 1), Seq: i}
		if e.Learn(Turn{Scope: user("ann", "s"), Messages: []Message{m}}) {
			fmt.Printf("%d %d\n", i, time.Now().UnixNano())
		}
		time.Sleep(time.Millisecond)
	}
}
