package schedule

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
)

// Name is the filter's name in Server-Timing, spans, metrics and /debug/state.
const Name = "schedule"

// A Filter is the half that stands last in the inner ring. It is safe for concurrent use and lives as long as the process: a
// new configuration goes to Configure, and every ledger stays.
type Filter struct {
	opt      Options
	config   atomic.Pointer[settings]
	swap     sync.Mutex // of Configure
	streams  sync.Pool
	pools    pools
	sizes    sizes
	holds    holds
	plain    memory[plainKey]
	repeated memory[string]
	gauges   gauges
}

var _ filters.Filter = (*Filter)(nil)

// New makes a filter without settings: Configure is due before the first exchange that shall be scheduled by any.
func New(o Options) *Filter {
	if o.Clock == nil {
		o.Clock = ratelimit.SystemClock{}
	}
	f := &Filter{opt: o}
	f.streams.New = newStream
	f.pools.init(f)
	f.sizes.init(o.Budgets != nil)
	f.plain.limit, f.repeated.limit = maxPlain, maxCounted
	f.config.Store(newSettings(Settings{}))
	o.Metrics.State(f.QueueState)
	return f
}

// Configure puts settings in force: for the engine and the budgets too, which keep their queues and ledgers. On an error
// nothing has changed.
func (f *Filter) Configure(s Settings) error {
	f.swap.Lock()
	defer f.swap.Unlock()
	if f.opt.Budgets != nil {
		if err := f.opt.Budgets.Swap(s.Budgets); err != nil {
			return fmt.Errorf("schedule: %w", err)
		}
	}
	f.config.Store(newSettings(s))
	f.opt.Engine.Reconfigure(s.Engine)
	f.pools.reconfigured()
	return nil
}

// Name returns "schedule".
func (f *Filter) Name() string { return Name }

// Open waits until the attempt may go. It returns what ctx ended with, or a *filters.Reply: 429 for a budget, the caller's own
// cap or a full queue, 503 for an upstream that is known to be broken or a host that stops, each with a RetryAfter.
func (f *Filter) Open(ctx context.Context, x *filters.Exchange) (filters.Stream, error) {
	if !billed(x) {
		return nil, nil
	}
	if err := x.RunLater(); err != nil { // who calls is needed now; what is not known by then counts as its own
		x.Trail.Append(Name, "identity_failed", filters.Attr{Key: "error", Value: err.Error()})
	}
	s := f.streams.Get().(*stream)
	s.begin(f, x)
	if err := s.admit(ctx); err != nil {
		s.e.failed = true
		s.e.pause()
		s.recycle()
		return nil, err
	}
	return s, nil
}

// billed reports whether a provider counts the request: answers and embeddings. Counting tokens is free and has limits of its
// own; it takes no slot.
func billed(x *filters.Exchange) bool {
	return x.View != nil && (x.Route.Op == wire.Generate || x.Route.Op == wire.Embed)
}
