package memory

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/record"
)

// An Engine learns and recalls. It is safe for concurrent use.
type Engine struct {
	config  atomic.Pointer[Config]
	opt     Options
	decider *decide.Decider

	queue   queue
	seen    *lru.Cache[uint64, struct{}] // messages that were taken, by scope and chain
	notes   noteCache
	why     whyLog
	vectors *lru.Cache[vectorKey, []float32] // of questions
	tenants tenants                          // that may have records without a vector
	blank   *lru.Cache[record.ID, struct{}]  // records that the embedder has no vector of
	counts  counts

	extracting extracting

	// Whoever commits holds committing, so that a forget finds nothing half-way: it commits what waits first, then forgets all of it.
	committing sync.Mutex
	// A recall reads under forgetting, from its search to its note, and a forget writes: no note can tell of what is being forgotten.
	forgetting sync.RWMutex

	closed  atomic.Int64 // facts closed; notes that showed one of them are looked at again
	added   atomic.Int64 // since the last sweep
	sweepIt chan struct{}
	life    context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup
}

const (
	seenMessages  = 32 << 10
	cachedVectors = 1 << 10
	closeWithin   = 2 * time.Second
)

// New makes an engine and starts its worker. It must be closed.
func New(c Config, opt Options) (*Engine, error) {
	if opt.Store == nil {
		return nil, errors.New("memory: no store")
	}
	e := &Engine{opt: opt.withDefaults(), decider: decide.New(decide.Options{}), sweepIt: make(chan struct{}, 1)}
	e.queue.init(e.opt.QueueTurns, e.opt.QueueBytes)
	e.why.init()
	e.tenants.init()
	var errs [5]error
	e.seen, errs[0] = lru.New[uint64, struct{}](seenMessages)
	e.vectors, errs[1] = lru.New[vectorKey, []float32](cachedVectors)
	errs[2] = e.notes.init(e.opt.Sessions)
	errs[3] = e.extracting.init(e.opt.Idle)
	e.blank, errs[4] = lru.New[record.ID, struct{}](mostBlank)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	e.Configure(c)
	// What the rules need is loaded now, some 20 ms, and not while somebody waits for it.
	e.decider.Decide(&decide.Message{Role: record.User, Text: "I live here now.", At: e.opt.Now()})
	e.life, e.end = context.WithCancel(context.Background())
	e.running.Go(e.work)
	e.running.Go(e.sweepLoop)
	if e.opt.Embed != nil {
		e.running.Go(e.embedLoop)
	}
	return e, nil
}

// Configure takes a new configuration. What is stored keeps the expiry that it was stored with.
func (e *Engine) Configure(c Config) {
	c = c.withDefaults()
	e.config.Store(&c)
}

// Close commits what waits, for two seconds at most, and ends. The store is the caller's. What was left is the error.
func (e *Engine) Close() error {
	e.queue.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := e.Flush(ctx)
	e.end()
	e.queue.wake()
	e.running.Wait()
	e.extracting.close()
	return err
}

// Flush returns when everything that was accepted before is durable, or could not be stored, which is logged and counted.
func (e *Engine) Flush(ctx context.Context) error {
	e.queue.wake()
	select {
	case <-e.queue.drained():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ErrScope is returned for a scope in which nothing can be kept.
var ErrScope = errors.New("no memory without a tenant, and a user or a session")

// checkScope returns ErrScope for a scope that holds nothing.
func checkScope(s record.Scope) error {
	if !s.Valid() {
		return ErrScope
	}
	return nil
}
