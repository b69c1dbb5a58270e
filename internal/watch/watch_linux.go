package watch

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Watcher holds the one epoll. It is safe for concurrent use.
type Watcher struct {
	file *os.File // the epoll descriptor: itself pollable, so waiting parks a goroutine and no thread
	epfd int
	done chan struct{}

	mu    sync.Mutex
	gen   int32
	socks map[int32]sock
}

type sock struct {
	gen  int32
	hook Hook
}

// New starts a watcher; Close ends it.
func New() (*Watcher, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch: epoll: %w", err)
	}
	if err := unix.SetNonblock(epfd, true); err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("watch: epoll: %w", err)
	}
	w := &Watcher{file: os.NewFile(uintptr(epfd), "epoll"), epfd: epfd, done: make(chan struct{}), socks: map[int32]sock{}}
	go w.run()
	return w, nil
}

// Close stops watching; registered sockets are left alone.
func (w *Watcher) Close() error {
	err := w.file.Close()
	<-w.done
	return err
}

// Add watches a socket from now on. Data waiting to be read does not hide that the peer has gone.
func (w *Watcher) Add(c syscall.Conn, hook Hook) (Token, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return Token{}, fmt.Errorf("watch: %w", err)
	}
	var t Token
	var add error
	err = rc.Control(func(fd uintptr) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.gen++
		t = Token{int32(fd), w.gen}
		w.socks[t.fd] = sock{t.gen, hook}
		// Pad carries the generation: an event may come for a number that has been closed and reused since.
		ev := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: t.fd, Pad: t.gen}
		if add = unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, int(fd), &ev); add != nil {
			delete(w.socks, t.fd)
		}
	})
	if err == nil {
		err = add
	}
	if err != nil {
		return Token{}, fmt.Errorf("watch: add: %w", err)
	}
	return t, nil
}

// Remove forgets a socket. The owner calls it before it closes the socket.
func (w *Watcher) Remove(t Token) {
	if t == (Token{}) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.socks[t.fd].gen != t.gen {
		return
	}
	delete(w.socks, t.fd)
	unix.EpollCtl(w.epfd, unix.EPOLL_CTL_DEL, int(t.fd), nil)
}

func (w *Watcher) run() {
	defer close(w.done)
	rc, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	var events [128]unix.EpollEvent
	for {
		n := 0
		err := rc.Read(func(uintptr) bool {
			n, _ = unix.EpollWait(w.epfd, events[:], 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, ev := range events[:n] {
			w.mu.Lock()
			s := w.socks[ev.Fd]
			w.mu.Unlock()
			if s.hook != nil && s.gen == ev.Pad {
				s.hook.PeerGone()
			}
		}
	}
}
