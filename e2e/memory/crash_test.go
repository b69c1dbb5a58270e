//go:build e2e && linux

package memory

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// durable is how long after its answer an exchange may take to be stored.
const durable = 50 * time.Millisecond

// distinct is a sentence that is like no other one: sentences that are much alike are kept once.
func distinct(r *rand.Rand, word string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The crate %s holds", word)
	for range 8 {
		b.WriteByte(' ')
		for range 3 {
			b.WriteByte("bdfgklmnprstvz"[r.IntN(14)])
			b.WriteByte("aeiou"[r.IntN(5)])
		}
	}
	return b.String() + "."
}

// An acked is a message whose exchange was answered at a time.
type acked struct {
	word string
	at   time.Time
}

// writers send exchanges until stop is closed, and return those that were answered.
func writers(g *gate, u *upstream, n int, user string, stop <-chan struct{}) func() []acked {
	var mu sync.Mutex
	var all []acked
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), rand.Uint64()))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond): // what agents do; without it they and the store fight for the processors
				}
				word := fmt.Sprintf("%sw%dn%dq", user, w, i)
				rep, err := g.ask(u, []msg{says(distinct(r, word))}, "x-user: "+user, fmt.Sprintf("x-trapgate-session: %s-%d-%d", user, w, i))
				if err == nil && rep.status == 200 {
					mu.Lock()
					all = append(all, acked{word, time.Now()})
					mu.Unlock()
				}
			}
		})
	}
	return func() []acked { wg.Wait(); return all }
}

// TestKilled: what was answered 50 ms before kill -9 is kept.
func TestKilled(t *testing.T) {
	u := model(t, nil)
	data := filepath.Join(t.TempDir(), "data")
	rounds, total, young, lost := times(10, 200), 0, 0, 0
	var oldest time.Duration
	g := start(t, data, u.base(), byHeader)
	for round := range rounds {
		user, stop := fmt.Sprintf("r%du", round), make(chan struct{})
		wait := writers(g, u, 3, user, stop)
		time.Sleep(time.Duration(100+rand.IntN(600)) * time.Millisecond)
		killed := time.Now()
		if err := g.Kill(); err != nil {
			t.Fatal(err)
		}
		close(stop)
		all := wait()
		g = start(t, data, u.base(), byHeader)
		kept := map[string]bool{}
		for _, e := range g.kept("--user", user) {
			if f := strings.Fields(e.Text); len(f) > 2 {
				kept[f[2]] = true
			}
		}
		for _, a := range all {
			age := killed.Sub(a.at)
			if total++; age < durable {
				young++
			} else if !kept[a.word] {
				lost++
				oldest = max(oldest, age)
			}
		}
	}
	t.Logf("%d kills: %d answered exchanges, %d of them less than %v before; %d lost, the oldest answered %v before",
		rounds, total, young, durable, lost, oldest)
	if lost > 0 {
		t.Errorf("%d acknowledged messages lost", lost)
	}
	if total-young < rounds*3 {
		t.Errorf("only %d messages to lose in %d rounds", total-young, rounds)
	}
}

// raw reports in which files of a folder a text stands.
func raw(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a log that was emptied and removed
		}
		if bytes.Contains(b, []byte(text)) {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestForgetKilled: a forget whose receipt came stands, whatever comes after; one that was cut off by kill -9 is done by the next one.
// Meanwhile others write, and an agent sends the history that holds the forgotten again and again.
func TestForgetKilled(t *testing.T) {
	u := model(t, nil)
	data := filepath.Join(t.TempDir(), "data")
	g := start(t, data, u.base(), byHeader)
	r := rand.New(rand.NewPCG(3, 3))
	rounds, finished, again := times(6, 60), 0, 0
	for round := range rounds {
		canary := fmt.Sprintf("canary%dqz", round)
		user := fmt.Sprintf("f%du", round)
		history := []msg{
			says("My locker is called " + canary + " and it is green."),
			{Role: "assistant", Content: "Noted: " + canary},
			says("Thanks, now count to nine with me please."),
		}
		who := []string{"x-user: " + user, "x-trapgate-session: tells" + user}
		g.asks(u, history, who...)
		if !g.settle(canary, "--user", user) {
			t.Fatalf("round %d: not kept", round)
		}
		g.asks(u, []msg{says("What is my locker called?")}, "x-user: "+user, "x-trapgate-session: asks"+user) // a note holds it
		stop := make(chan struct{})
		wait := writers(g, u, 2, user+"x", stop)
		var replays sync.WaitGroup
		replays.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = g.ask(u, append(history, says("Go on counting, please.")), who...)
				}
			}
		})
		done := make(chan error, 1)
		go func() {
			_, err := g.cli("forget", canary, "--user", user, "--yes")
			done <- err
		}()
		var err error
		kill := round%2 == 1
		if kill {
			time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
			_ = g.Kill()
		}
		err = <-done
		if !kill {
			time.Sleep(100 * time.Millisecond) // replays go on
		}
		close(stop)
		replays.Wait()
		wait()
		if kill {
			g = start(t, data, u.base(), byHeader)
		}
		if err == nil {
			finished++
		} else if !kill {
			t.Errorf("round %d: forget: %v", round, err)
		} else {
			again++
			g.must("forget", canary, "--user", user, "--yes")
		}
		g.asks(u, append(history, says("And now backwards, please.")), who...) // once more, from the beginning
		g.asks(u, []msg{says(distinct(r, "last"+canary[6:]))}, "x-user: "+user, "x-trapgate-session: later"+user)
		if !g.settle("last"+canary[6:], "--user", user) {
			t.Fatalf("round %d: nothing is learned after a forget", round)
		}
		rep := g.asks(u, []msg{says("What is my locker called, the green one?")}, "x-user: "+user, "x-trapgate-session: again"+user)
		if strings.Contains(rep.sent, canary) {
			t.Errorf("round %d: told after it was forgotten: %s", round, rep.notes())
		}
		if out := g.must("export", "--user", user); strings.Contains(out, canary) {
			t.Errorf("round %d: it came back: %s", round, out)
		}
		files := raw(t, data, canary)
		for end := time.Now().Add(5 * time.Second); kill && len(files) > 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			files = raw(t, data, canary) // a start ends what was cut off, beside the path
		}
		if len(files) > 0 {
			t.Errorf("round %d (killed %v, finished %v): still in %v", round, kill, err == nil, files)
		}
	}
	t.Logf("%d forgets: %d with a receipt, %d cut off and done again", rounds, finished, again)
}
