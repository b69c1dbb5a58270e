package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A DirLock is the right to use a data directory. The kernel gives it back when the process ends, however it ends.
type DirLock struct{ f *os.File }

// A HeldError says that another process uses the data directory.
type HeldError struct {
	Dir string
	PID int // of the holder; 0 when it has not written it
}

func (e *HeldError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("state: %s is in use by %s\nhint: stop that one, or give this one another data directory: --data", e.Dir, who)
}

// Lock takes the lock of a data directory, which it makes (0700) when it is missing, or fails at once with a *HeldError. The
// lock file stays when the lock is released: removing it would let two processes lock two files of one name.
func Lock(dir string) (*DirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state: %w\nhint: give a data directory that can be written: --data", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, LockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state: %w\nhint: give a data directory that can be written: --data", err)
	}
	err = retryEINTR(func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		held := &HeldError{Dir: dir, PID: readPID(f)}
		f.Close()
		return nil, held
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("state: locking %s: %w\nhint: the data directory must be on a file system with locks", f.Name(), err)
	}
	l := &DirLock{f: f}
	// The pid is for people. A disk too full for it is no reason to fail.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return l, nil
}

// Release gives the lock back.
func (l *DirLock) Release() {
	if l != nil {
		l.f.Close()
	}
}

func readPID(f *os.File) int {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func retryEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
