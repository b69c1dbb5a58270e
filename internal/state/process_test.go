package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childWrite writes numbers from what is there on, in three ways, and tells which were promised to last.
func childWrite(dir string) error {
	db, err := Open(bg, Options{Dir: dir, Migrations: []Migration{numbers}})
	if err != nil {
		return err
	}
	var n int
	if err := db.Reader().QueryRow(`SELECT coalesce(max(n), 0) FROM numbers`).Scan(&n); err != nil {
		return err
	}
	for {
		n++
		switch n % 3 {
		case 0:
			err = db.WriteSync(bg, insert(n))
		case 1:
			if err = db.Write(insert(n)); err == nil {
				err = db.Flush(bg)
			}
		case 2:
			_ = db.Write(insert(n)) // promised by the next one
			continue
		}
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestWhatWasCommittedSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	promised := 0
	for round := range 4 {
		c := startChild(t, "write", dir)
		for range 20 + 37*round {
			n, err := strconv.Atoi(c.line(t))
			if err != nil {
				t.Fatal(err)
			}
			promised = n
		}
		c.kill()
		for c.lines.Scan() { // said before it died
			if n, err := strconv.Atoi(c.lines.Text()); err == nil {
				promised = max(promised, n)
			}
		}
		db := mustOpen(t, Options{Dir: dir})
		got := stored(t, db.Reader())
		if len(got) < promised {
			t.Fatalf("round %d: %d rows are stored, %d were promised", round, len(got), promised)
		}
		for i, n := range got {
			if n != i+1 {
				t.Fatalf("round %d: row %d is %d: a write is missing before one that came later", round, i, n)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func childHold(dir string) error {
	db, err := Open(bg, Options{Dir: dir, Migrations: []Migration{numbers}})
	if err != nil {
		return err
	}
	fmt.Println("held")
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
	return db.Close()
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "hold", dir)
	c.line(t)
	_, err := Open(bg, Options{Dir: dir})
	var held *HeldError
	if !errors.As(err, &held) || held.PID != c.cmd.Process.Pid || held.Dir != dir {
		t.Fatalf("opened a directory that is held: %v", err)
	}
	if text := err.Error(); !strings.Contains(text, strconv.Itoa(held.PID)) || !strings.Contains(text, "hint: stop that one") {
		t.Errorf("the error does not help: %s", text)
	}
	if _, err := SetAside(dir, time.Now()); !errors.As(err, &held) {
		t.Errorf("set aside a file in use: %v", err)
	}
	c.kill()
	db := mustOpen(t, Options{Dir: dir}) // the kernel gave the lock back
	if _, err := Open(bg, Options{Dir: dir}); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("opened twice in one process: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
}

// fill writes until the disk is full, and returns how much was committed.
func fill(t *testing.T, db *DB) (n int) {
	t.Helper()
	for n = 1; n < 10000; n++ {
		ctx, cancel := context.WithTimeout(bg, 20*time.Second)
		err := db.WriteSync(ctx, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO numbers VALUES (?, ?)`, n, strings.Repeat("x", 20000))
			return err
		})
		cancel()
		if err != nil {
			if !environmental(err) || !strings.Contains(err.Error(), "hint:") {
				t.Fatalf("a full disk is reported as: %v", err)
			}
			return n - 1
		}
	}
	t.Fatal("the disk is never full")
	return 0
}

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir, 2<<20); err != nil {
		t.Skipf("SKIP: no small file system can be mounted: %v", err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	var log logBook
	p := &pacer{asked: make(chan paced, 20000)}
	db := mustOpen(t, Options{Dir: filepath.Join(dir, "data"), Log: log.logger(), After: p.after})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	last := fill(t, db)
	for n := 20001; n <= 20003; n++ {
		db.Write(func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO numbers VALUES (?, ?)`, n, strings.Repeat("y", 20000))
			return err
		})
	}
	if err := db.WriteSync(bg, insert(30000)); err == nil { // tries at once, and what waits is in front of it
		t.Fatal("a write went through")
	}
	h := db.Health()
	if h.Err == nil || h.Since.IsZero() || h.Waiting != 3 || h.Refused != 0 {
		t.Errorf("health while the disk is full: %+v", h)
	}
	if got := stored(t, db.Reader()); len(got) != last { // reading goes on
		t.Errorf("%d rows, %d were committed", len(got), last)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// Room again: when the wait that the failure began ends, what was kept goes through.
	for deadline := time.Now().Add(20 * time.Second); db.Health().Err != nil; time.Sleep(time.Millisecond) {
		select {
		case c := <-p.asked:
			c.fire <- time.Time{}
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not tried again: %v", db.Health().Err)
		}
	}
	got := stored(t, db.Reader())
	if len(got) != last+3 || got[last+2] != 20003 {
		t.Errorf("%d rows of %d after room was made", len(got), last+3)
	}
	if h := db.Health(); h.Err != nil || h.Waiting != 0 {
		t.Errorf("health afterwards: %+v", h)
	}
	if text := log.String(); strings.Count(text, "cannot write") != 1 || strings.Count(text, "writing works again") != 1 {
		t.Errorf("the log:\n%s", text)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// childLimited is a process whose files may not grow: another way for a disk to say no, which needs no root.
func childLimited(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var log logBook
	db, err := Open(bg, Options{Dir: dir, Migrations: []Migration{numbers}, Log: log.logger()})
	if err != nil {
		return err
	}
	old := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limit := old
	limit.Cur = 256 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	n := 0
	for err = nil; err == nil && n < 1000; n++ {
		err = db.WriteSync(bg, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO numbers VALUES (?, ?)`, n, strings.Repeat("x", 20000))
			return err
		})
	}
	if err == nil || !environmental(err) {
		return fmt.Errorf("after %d writes: %w", n, err)
	}
	committed := n - 1
	_ = db.Write(insert(5000))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := db.Close(); err != nil { // tries once more
		return err
	}
	fmt.Println(committed)
	return nil
}

func TestAFileThatMayNotGrow(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "limited", dir)
	committed, err := strconv.Atoi(c.line(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, c.stderr.String())
	}
	db := mustOpen(t, Options{Dir: dir})
	if got := stored(t, db.Reader()); len(got) != committed+1 || got[committed] != 5000 {
		t.Errorf("%d rows are stored, %d and the one that waited were written", len(got), committed)
	}
}
