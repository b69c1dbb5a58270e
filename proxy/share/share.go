package share

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// A Sharing is one process's part. It is safe for concurrent use. Make it with Join, tell it what it shares with Start and
// Configure, and Close it when no exchange is under way.
type Sharing struct {
	o      Options
	relay  *relay
	client *lease.Client
	redis  *lease.Redis // nil: none
	lender *lender
	ledger *ledger
	pools  *pools
	purse  *purse // the holder's; nil: a guest, or Redis

	tellFreed atomic.Pointer[func(tenant string)]
	active    atomic.Bool // leases are taken
	beginning sync.Mutex

	ctx     context.Context // of all that runs here
	cancel  context.CancelFunc
	running sync.WaitGroup
	renewal context.Context // of the client: it ends first
	stop    context.CancelFunc
	renewed sync.WaitGroup

	mu      sync.Mutex
	db      *state.DB // nil: a guest
	handler func(share http.Handler) http.Handler
	socket  *admin.Server
	letIn   context.Context // of guests
	putOut  context.CancelFunc
	guests  sync.WaitGroup
	present int // guests that send usage
	closed  bool
}

// Join opens the data directory or finds out that another process holds it. Close it in any case but an error.
func Join(ctx context.Context, o Options) (*Sharing, error) {
	o.fill()
	s := &Sharing{o: o, relay: &relay{log: o.Log, patience: o.ttl()}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.renewal, s.stop = context.WithCancel(context.Background())
	s.client = lease.New(s.relay, o.client())
	s.lender, s.ledger, s.pools = newLender(s), newLedger(s), newPools(s)
	if err := s.openStore(); err != nil {
		return nil, err
	}
	db, err := openState(ctx, o.Dir, o.Log)
	held := (*state.HeldError)(nil)
	switch {
	case err == nil:
		err = s.hold(ctx, db)
	case o.Guest && errors.As(err, &held):
		err = nil
		if !o.global() {
			s.relay.set(lease.NewRemote(s.dialLeases))
		}
		s.begin()
		s.running.Go(s.visit)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	s.running.Go(s.pools.run)
	if o.global() {
		s.begin()
	}
	return s, nil
}

func openState(ctx context.Context, dir string, log *slog.Logger) (*state.DB, error) {
	return state.Open(ctx, state.Options{Dir: dir, Migrations: Migrations, Log: log})
}

// openStore finds the store that several machines share.
func (s *Sharing) openStore() error {
	switch {
	case s.o.Store != nil:
		s.relay.set(s.o.Store)
	case s.o.Redis != "":
		r, err := lease.OpenRedis(s.o.Redis, s.o.Renew/2, lease.RedisOptions{Prefix: s.o.Prefix})
		if err != nil {
			return err
		}
		s.redis = r
		s.relay.set(r)
	}
	return nil
}

func (s *Sharing) dialLeases(ctx context.Context) (net.Conn, error) {
	return dial(ctx, s.o.Dir, leasesPath)
}

// begin takes leases from now on.
func (s *Sharing) begin() {
	s.beginning.Lock()
	defer s.beginning.Unlock()
	if s.active.Load() {
		return
	}
	s.lender.begin()
	s.pools.begin()
	s.active.Store(true)
	s.renewed.Go(func() { _ = s.client.Run(s.renewal) })
	s.pools.kickAll()
}

// hold makes this process the holder, with an open state file.
func (s *Sharing) hold(ctx context.Context, db *state.DB) error {
	var sums []budget.Sum
	err := s.ledger.settle(ctx, db)
	recorded := s.ledger.recorded()
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
			s.relay.changed(s.lender.recorded(recorded))
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
		s.relay.changed(s.lender.recorded(own))
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

// Start tells what is shared: the engine's pools, and who is to be told that a tenant may try again.
func (s *Sharing) Start(engine *ratelimit.Scheduler, freed func(tenant string)) {
	s.tellFreed.Store(&freed)
	s.pools.start(engine)
}

// Configure says which pools have limits to share. Those that have none are left alone.
func (s *Sharing) Configure(c ratelimit.Config) { s.pools.configure(c) }

// Store is where the budgets keep what was spent.
func (s *Sharing) Store() budget.Store { return s.ledger }

// Lender gives the budgets what they may spend.
func (s *Sharing) Lender() budget.Lender { return s.lender }

func (s *Sharing) freed(tenant string) {
	if f := s.tellFreed.Load(); f != nil {
		(*f)(tenant)
	}
}

// soon calls f in a moment: for what waits for another goroutine's next step.
func (s *Sharing) soon(f func()) {
	time.AfterFunc(s.o.Renew/10, func() {
		if s.ctx.Err() == nil {
			f()
		}
	})
}

// Close writes what is not written, gives leases back, and lets another process be the holder. No exchange may be under way.
func (s *Sharing) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	if err := s.ledger.flush(ctx); err != nil {
		s.o.Log.Error("share: not all that was used is written down", "batches", s.ledger.left(), "error", err)
	}
	s.stop()
	s.renewed.Wait()
	s.mu.Lock()
	s.closed = true
	db, socket, putOut := s.db, s.socket, s.putOut
	s.mu.Unlock()
	if putOut != nil {
		putOut() // guests look for the next holder, and find none before the lock is free
	}
	if socket != nil {
		socket.Close()
	}
	s.cancel()
	s.guests.Wait()
	s.running.Wait()
	if s.redis != nil {
		_ = s.redis.Close()
	}
	if db == nil {
		return
	}
	if err := db.Flush(ctx); err != nil {
		s.o.Log.Error("state: not everything was written", "error", err)
	}
	if err := db.Close(); err != nil {
		s.o.Log.Error("state: closing", "error", err)
	}
}
