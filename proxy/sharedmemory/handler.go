package sharedmemory

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/store"
)

// Protocol is what a connection on the data directory's socket is upgraded to: gob streams of requests and of answers, in turn.
const Protocol = "trapgate-memory/1"

// errors that whoever asks compares with.
var known = []error{store.ErrForget, context.DeadlineExceeded, context.Canceled}

// A Handler answers guests from the store that Open finds. It must be reached by those only who show the admin token.
type Handler struct {
	open Open
	ctx  context.Context // ends with Close
	end  context.CancelFunc
	mu   sync.Mutex
	busy sync.WaitGroup
}

// New makes a handler. It must be closed, before the store that open finds.
func New(open Open) *Handler {
	h := &Handler{open: open}
	h.ctx, h.end = context.WithCancel(context.Background())
	return h
}

// Close hangs up, and waits for calls under way.
func (h *Handler) Close() {
	h.mu.Lock()
	h.end()
	h.mu.Unlock()
	h.busy.Wait()
}

// begin reports whether another guest may come in; the caller says Done to busy.
func (h *Handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.busy.Add(1)
	return true
}

// ServeHTTP lets a guest in.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != Protocol {
		w.Header().Set("Upgrade", Protocol)
		http.Error(w, "memory: this is for other Trapgates of the data directory", http.StatusUpgradeRequired)
		return
	}
	if !h.begin() {
		http.Error(w, ErrAway.Error(), http.StatusServiceUnavailable)
		return
	}
	defer h.busy.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "memory: "+err.Error(), http.StatusInternalServerError)
		return
	}
	stop := context.AfterFunc(h.ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	if rw.Reader.Buffered() > 0 || conn.SetDeadline(time.Time{}) != nil { // it spoke before it was let in
		return
	}
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", Protocol); err == nil {
		h.serve(conn)
	}
}

// serve answers until the guest hangs up.
func (h *Handler) serve(conn net.Conn) {
	in, out := gob.NewDecoder(conn), gob.NewEncoder(conn)
	for {
		var q request
		if in.Decode(&q) != nil {
			return
		}
		var a answer
		err := h.answer(&q, &a)
		if errors.Is(err, ErrAway) {
			return // whoever asks finds the next holder
		}
		if err != nil {
			a.Error = err.Error()
			for _, k := range known {
				if errors.Is(err, k) {
					a.Error = k.Error()
				}
			}
		}
		if out.Encode(&a) != nil {
			return
		}
	}
}

func (h *Handler) answer(q *request, a *answer) error {
	call := calls[q.Method]
	if call == nil {
		return fmt.Errorf("memory: no method %q", q.Method)
	}
	s, release, err := h.open()
	if err != nil {
		return err
	}
	defer release()
	ctx := h.ctx
	if q.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.Within)
		defer cancel()
	}
	return call(ctx, s, q, a)
}
