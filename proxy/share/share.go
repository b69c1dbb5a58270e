package share

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
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
