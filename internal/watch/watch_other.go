//go:build !linux

package watch

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// pollEvery is how often sockets are looked at where there is no epoll.
const pollEvery = 50 * time.Millisecond

// A Watcher looks at all registered sockets from time to time: slower than epoll, and unread data hides a close until it
// has been read. It is safe for concurrent use.
type Watcher struct {
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	gen   int32
	socks map[int32]sock
}

type sock struct {
	rc   syscall.RawConn
	hook Hook
	told bool
}

// New starts a watcher; Close ends it.
func New() (*Watcher, error) {
	w := &Watcher{stop: make(chan struct{}), done: make(chan struct{}), socks: map[int32]sock{}}
	go w.run()
	return w, nil
}

// Close stops watching; registered sockets are left alone.
func (w *Watcher) Close() error {
	close(w.stop)
	<-w.done
	return nil
}

// Add watches a socket from now on.
func (w *Watcher) Add(c syscall.Conn, hook Hook) (Token, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return Token{}, fmt.Errorf("watch: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gen++
	w.socks[w.gen] = sock{rc: rc, hook: hook}
	return Token{gen: w.gen}, nil
}

// Remove forgets a socket. The owner calls it before it closes the socket.
func (w *Watcher) Remove(t Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.socks, t.gen)
}

func (w *Watcher) run() {
	defer close(w.done)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		for _, hook := range w.gone() {
			hook.PeerGone()
		}
	}
}

// gone lists the hooks of sockets whose peer has closed and that were not told yet.
func (w *Watcher) gone() []Hook {
	w.mu.Lock()
	defer w.mu.Unlock()
	var hooks []Hook
	for gen, s := range w.socks {
		if s.told || !peerClosed(s.rc) {
			continue
		}
		s.told = true
		w.socks[gen] = s
		hooks = append(hooks, s.hook)
	}
	return hooks
}

func peerClosed(rc syscall.RawConn) bool {
	closed := false
	err := rc.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|msgDontWait)
		closed = n == 0 && err == nil || err == syscall.ECONNRESET
	})
	return closed || err != nil
}

const msgDontWait = 0x80 // MSG_DONTWAIT on darwin and the BSDs; package syscall does not name it on all of them
