package state

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
)

// Sizes in the write-ahead log: its header, and that of a frame, which is a page that was written.
const (
	logHeader   = 32
	frameHeader = 24
)

// A logFile is the log, an os.File.
type logFile interface {
	io.ReaderAt
	io.Closer
}

// A pageLog collects the numbers of the pages that are written to the write-ahead log while it is followed. The format is in
// https://www.sqlite.org/fileformat2.html#walformat. Safe for concurrent use.
type pageLog struct {
	mu    sync.Mutex
	f     logFile
	salt  uint64 // of what is read: another one says that the log began anew
	at    int64  // where the first frame that is not read begins
	pages map[int64]struct{}
	err   error
}

// follow reads what was committed since the last call. The writer calls it after each commit, before it begins another transaction:
// the log may begin anew then, over what was there.
func (l *pageLog) follow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *pageLog) read() error {
	var head [logHeader]byte
	if ok, err := readFull(l.f, head[:], 0); !ok {
		return err // it is empty
	}
	be := binary.BigEndian
	size, salt := int64(be.Uint32(head[8:])), be.Uint64(head[16:])
	if size < 512 || size > 1<<16 {
		return errors.New("the write-ahead log has no header")
	}
	if l.at == 0 || salt != l.salt {
		l.at, l.salt = logHeader, salt
	}
	var some []int64
	for at := l.at; ; {
		var frame [frameHeader]byte
		ok, err := readFull(l.f, frame[:], at)
		if !ok || be.Uint64(frame[8:]) != salt { // those of an older log may follow
			return err
		}
		at += frameHeader + size
		some = append(some, int64(be.Uint32(frame[:])))
		if be.Uint32(frame[4:]) == 0 {
			continue // no commit: it may be overwritten
		}
		for _, n := range some {
			l.pages[n] = struct{}{}
		}
		some, l.at = some[:0], at
	}
}

// readFull reports whether there are as many bytes as b has.
func readFull(f io.ReaderAt, b []byte, at int64) (bool, error) {
	if n, err := f.ReadAt(b, at); n == len(b) {
		return true, nil
	} else if !errors.Is(err, io.EOF) {
		return false, err
	}
	return false, nil
}

// waiting says how many pages were collected.
func (l *pageLog) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pages)
}

// take returns what was collected since the last call.
func (l *pageLog) take() ([]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]int64, 0, len(l.pages))
	for n := range l.pages {
		all = append(all, n)
	}
	clear(l.pages)
	return all, l.err
}

// openPageLog opens the log of a state file. The caller closes it.
func openPageLog(path string) (*pageLog, error) {
	f, err := os.Open(path + "-wal")
	if err != nil {
		return nil, err
	}
	return &pageLog{f: f, pages: map[int64]struct{}{}}, nil
}

func (l *pageLog) close() { l.f.Close() }
