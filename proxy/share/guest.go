package share

import (
	"bufio"
	"context"
	"errors"
	"net"
	"time"

	"github.com/trapgate/trapgate/internal/state"
)

// visit is a guest's life: it sends what was used, and when the holder ends it looks for the next one, or becomes it.
func (s *Sharing) visit() {
	pause := seekFirst
	for s.ctx.Err() == nil {
		conn, err := dial(s.ctx, s.o.Dir, usagePath)
		if err == nil {
			good := s.send(conn)
			s.lost()
			if good {
				pause = seekFirst
				continue
			}
		}
		db, err := openState(s.ctx, s.o.Dir, s.o.Log)
		if err == nil {
			if err = s.hold(s.ctx, db); err == nil {
				s.o.Log.Debug("share: the holder has ended: this process holds the data directory now", "directory", s.o.Dir)
				return
			}
		}
		if held := (*state.HeldError)(nil); !errors.As(err, &held) && s.ctx.Err() == nil {
			s.o.Log.Error("share: cannot hold the data directory", "error", err)
			pause = seekMost
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, seekMost)
		case <-s.ctx.Done():
		}
	}
}

// lost notes that the holder is gone. Whoever is the next begins with what the file has, so before it is asked for leases it
// must be known what that is.
func (s *Sharing) lost() {
	if !s.o.global() {
		s.relay.pause()
	}
}

// found sends what may or may not be in the file, and tells the leases what is.
func (s *Sharing) found(conn net.Conn, acks <-chan ack, lost <-chan struct{}) bool {
	own := s.ledger.recorded()
	if b := s.ledger.pending(); b != nil {
		known, ok := s.deliver(conn, b, acks, lost)
		if !ok {
			return false
		}
		if known {
			own = s.ledger.recorded()
		}
	}
	if !s.o.global() {
		s.relay.changed(recorded(own))
	}
	return true
}

// send hands batches to the holder until the connection ends. It reports whether the holder did what it is there for.
func (s *Sharing) send(conn net.Conn) (good bool) {
	lost, acks := make(chan struct{}), make(chan ack, 1)
	stop := context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	go hear(conn, acks, lost)
	defer func() {
		stop()
		_ = conn.Close()
		<-lost
	}()
	if !s.found(conn, acks, lost) {
		return false
	}
	for {
		if b := s.ledger.next(); b != nil {
			if _, ok := s.deliver(conn, b, acks, lost); !ok {
				return good
			}
			good = true
			continue
		}
		s.ledger.emptied()
		select {
		case <-s.ledger.wake:
		case <-lost:
			return true // it has ended, with nothing left to say
		case <-s.ctx.Done():
			return true
		}
	}
}

// hear reads what the holder says until it hangs up.
func hear(conn net.Conn, acks chan<- ack, lost chan<- struct{}) {
	defer close(lost)
	in := bufio.NewReader(conn)
	for {
		var a ack
		if readLine(in, &a) != nil {
			return
		}
		select {
		case acks <- a:
		default: // nobody asked
		}
	}
}

// deliver sends a batch and waits for the word that it is written, or was.
func (s *Sharing) deliver(conn net.Conn, b *Batch, acks <-chan ack, lost <-chan struct{}) (known, ok bool) {
	if writeLine(conn, b) != nil {
		return false, false
	}
	select {
	case a := <-acks:
		if a.Seq == b.Seq && a.Error == "" {
			s.ledger.confirmed()
			return a.Known, true
		}
		s.o.Log.Warn("share: the holder did not write down what was used; it is sent again", "error", a.Error)
	case <-lost:
	case <-s.ctx.Done():
	}
	return false, false
}
