package share

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// hold makes this process the holder, with an open state file.
func (s *Sharing) hold(ctx context.Context, db *state.DB) error {
	var sums []budget.Sum
	err := s.ledger.settle(ctx, db)
	own := s.ledger.recorded()
	if err == nil {
		sums, err = budget.NewStore(db).Load(ctx, time.Now())
	}
	if err != nil {
		_ = db.Close()
		return err
	}
	s.lender.load(sums)
	if !s.o.global() {
		s.purse = newPurse(lease.NewMemory(time.Now), s.lender.spent)
		if s.active.Load() {
			s.relay.changed(recorded(own))
		}
		s.relay.set(s.purse)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db = db
	s.letIn, s.putOut = context.WithCancel(s.ctx)
	return s.listen()
}

// Serve has the holder answer on DATA/admin.sock, now or once this process is the holder: with what handler makes of the one that
// lets guests in, which must be reached by those who show the admin token only.
func (s *Sharing) Serve(handler func(share http.Handler) http.Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = handler
	return s.listen()
}

// listen opens the socket when there is what it needs. Whoever has the lock may replace one that is there: its owner is dead.
func (s *Sharing) listen() error {
	if s.db == nil || s.handler == nil || s.socket != nil || s.closed {
		return nil
	}
	path := filepath.Join(s.o.Dir, admin.SocketFile)
	if _, err := admin.Token(s.o.Dir); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("share: %w", err)
	}
	l, err := listenPrivate(path)
	if err != nil {
		return err
	}
	s.socket = admin.StartHandler(l, s.handler(s))
	return nil
}

// listenPrivate makes a socket that only its owner can ever connect to.
func listenPrivate(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path) // in a directory of mode 0700
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("share: %w", err)
	}
	return l, nil
}

// admit lets a guest in; the caller says Done to s.guests.
func (s *Sharing) admit() (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil || s.closed {
		return nil, false
	}
	s.guests.Add(1)
	return s.letIn, true
}

func (s *Sharing) count(d int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present += d
}
