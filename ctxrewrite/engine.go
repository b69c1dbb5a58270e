package ctxrewrite

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// Options are what an engine keeps across configurations.
type Options struct {
	Store store.Store // of epochs and of contents that left a request; nil: in memory
	Now   func() time.Time
	Log   *slog.Logger
	// Count counts the o200k tokens of a text exactly, beside the path; nil: tokens.Count.
	Count func(text string) int
	// Alone says that no other replica reads the store: what was made in the path is stored a moment after its request has gone.
	Alone bool
	// Sessions is how many conversations are remembered in memory, the one not used for longest going first; 0: 4096.
	Sessions int
}

// An Engine rewrites the requests of many conversations. It is safe for concurrent use.
type Engine struct {
	config      atomic.Pointer[compiled]
	calibration tokens.Calibration
	sessions    sessions
	store       store.Store
	now         func() time.Time
	log         *slog.Logger
	count       func(text string) int
	alone       bool
	builds      chan struct{} // a place for each build under way
	running     sync.WaitGroup
	counts      counts
	guards      guards
}

// A compiled is a configuration ready for use.
type compiled struct {
	Config
	windows *tokens.Windows
}

// New makes an engine. The error says which window rule is wrong.
func New(c Config, opt Options) (*Engine, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Store == nil {
		opt.Store = store.NewMemory(store.Options{Now: opt.Now})
	}
	if opt.Sessions == 0 {
		opt.Sessions = 4096
	}
	if opt.Count == nil {
		opt.Count = tokens.Count
	}
	e := &Engine{
		store: opt.Store, now: opt.Now, log: opt.Log, count: opt.Count, alone: opt.Alone, builds: make(chan struct{}, 2),
	}
	if err := e.sessions.init(opt.Sessions); err != nil {
		return nil, err
	}
	digest.Load()
	return e, e.Configure(c)
}

// Configure takes a new configuration. Epochs and what was learnt stay.
func (e *Engine) Configure(c Config) error {
	w, err := tokens.NewWindows(c.Windows)
	if err != nil {
		return err
	}
	if old := e.config.Load(); old != nil {
		w.Inherit(old.windows)
	}
	e.config.Store(&compiled{Config: c.withDefaults(), windows: w})
	return nil
}

// Close waits for the builds under way. The store is the caller's.
func (e *Engine) Close() { e.running.Wait() }

// A Request is one attempt's request. Everything is borrowed while Fit runs.
type Request struct {
	View     *wire.View
	Exchange *wire.Edits // read only: of the outer ring, in coordinates of View.Body
	Call     *wire.Edits // the edits of a rewrite are added to it
	Chains   []uint64    // the agent's prefix chain after each message of View.Msgs

	Tenant, Session string // Session "": nothing is remembered, as it cannot be told whose it is
	Upstream, Model string
	Profile         *history.Profile
	Pins            []string   // the operator's rules: always kept
	Pin             string     // the agent's own rule; it holds for the session from now on
	Again           bool       // the upstream said "too long" to the attempt before
	Background      Background // asks models beside the path; nil: nobody can

	trial bool // nothing is sent: only what would be is asked
}

// A Plan is what Fit decided for a request. Tokens are estimates, calibrated.
type Plan struct {
	Action   Action
	Epoch    int    // the number of the epoch in use, counted in its session; 0: none
	From, To int    // tokens before and after
	Window   int    // of the model; 0: unknown, so nothing was done
	Pinned   int    // pins that were over budget and are not in the text
	Cut      bool   // the newest turn did not fit and was cut inside
	Made     bool   // the epoch was swapped in by this request
	Why      string // a breaker, or why nothing could be done; "" else
	Observed bool   // nothing was changed: the mode is Observe

	raw int // uncalibrated estimate of what is sent
}

// An Action says what a plan does.
type Action uint8

const (
	None     Action = iota // goes out as it came
	Rewrite                // an epoch stands in front
	TooLarge               // what cannot be left out does not fit: goes out as it came
)

// String is the word used in trails and metrics.
func (a Action) String() string { return [...]string{"none", "rewrite", "too_large"}[a] }

// Fit decides what to send instead of a request and adds the edits. It never fails: what it cannot do goes out as it came.
func (e *Engine) Fit(r *Request) Plan {
	c := e.config.Load()
	window, known := c.windows.Of(r.Upstream, r.Model)
	if !known || len(r.View.Msgs) == 0 || serverSide(r.View) {
		return Plan{Window: window, Why: unfit(known, r.View)}
	}
	f := fit{
		e: e, c: c, r: r, conv: e.sessions.of(r), usable: c.usable(window, r.View.MaxTokensValue()),
	}
	f.factor = e.sessions.taught(r).Factor(&e.calibration, r.Upstream, r.Model)
	f.plan.Window = window
	f.conv.mu.Lock()
	defer f.conv.mu.Unlock()
	f.run()
	return f.plan
}

// serverSide says that the upstream has the history, or some of it: what is left out here would still be there.
func serverSide(v *wire.View) bool {
	return v.Dialect == wire.Responses && !(v.PreviousID.Empty() && v.Conversation.Empty())
}

func unfit(known bool, v *wire.View) string {
	switch {
	case len(v.Msgs) == 0:
		return "no history"
	case !known:
		return "window unknown"
	}
	return "the upstream keeps the history"
}

// Used learns from the input tokens that the upstream reported for a planned request.
func (e *Engine) Used(r *Request, p *Plan, input int) {
	if p.raw > 0 && input > 0 {
		e.sessions.taught(r).Used(&e.calibration, r.Upstream, r.Model, p.raw, input)
	}
}
