package state

import (
	"log/slog"
	"os"
	"time"
)

// The syncer bounds what a power loss takes. With synchronous=NORMAL SQLite syncs its log at checkpoints only, which may be
// minutes apart; the syncer does it Options.Sync after the first commit that is not synced. It sleeps while nothing is written.
type syncer struct {
	wal   string
	log   *slog.Logger
	delay time.Duration
	after func(time.Duration) <-chan time.Time
	dirty chan struct{}
	quit  chan struct{}
	done  chan struct{}
}

func newSyncer(wal string, opt Options) *syncer {
	s := &syncer{
		wal: wal, log: opt.Log, delay: opt.Sync, after: opt.After,
		dirty: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// committed is called by the writer after each commit.
func (s *syncer) committed() { nudge(s.dirty) }

func (s *syncer) run() {
	defer close(s.done)
	for {
		select {
		case <-s.dirty:
		case <-s.quit:
			return
		}
		select {
		case <-s.after(s.delay):
		case <-s.quit: // closing syncs by its checkpoint
			return
		}
		if err := syncFile(s.wal); err != nil {
			s.log.Error("state: syncing the log: a power loss may take more than the last second", "err", err)
		}
	}
}

// syncFile syncs by another descriptor, which covers all that was written to the file. SQLite holds no lock on its log, so
// closing the descriptor drops none.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (s *syncer) close() {
	close(s.quit)
	<-s.done
}
