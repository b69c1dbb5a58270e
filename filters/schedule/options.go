package schedule

import (
	"time"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// Options are what a filter works with as long as the process lives. None of it is the filter's to close.
type Options struct {
	// Engine is the scheduler, made with Observe(Metrics) as its observer.
	Engine *ratelimit.Scheduler
	// Budgets may be nil: then nobody is held to one and nothing is written down. Their options want Freed: Filter.Freed, and
	// the time of the same clock.
	Budgets *budget.Budgets
	// Clock is the engine's; nil means the machine's.
	Clock ratelimit.Clock
	// Metrics may be nil.
	Metrics *telemetry.Queue
}

// Settings are what a configuration says. The zero value schedules nothing but what response headers and refusals teach.
type Settings struct {
	// Engine goes to ratelimit.Scheduler.Reconfigure. The names of its pools are those of upstreams: such an upstream has this
	// one pool for everything that goes there, whatever credential it carries. Every other upstream has a pool for each
	// credential and limit group.
	Engine ratelimit.Config
	// Budgets go to budget.Budgets.Swap.
	Budgets budget.Config
	// Classes say which calls belong to the classes of Engine.Classes when the agent does not say so itself; the first rule
	// that matches counts, else the class is "default".
	Classes []ClassRule
	Queue   QueueSettings
}

// A ClassRule puts the calls of agents and models that match into a class. "*" stands for any text, an empty glob matches
// everything; a rule without any glob matches nothing. Model is matched against the name that the agent asked for and the one
// that goes upstream.
type ClassRule struct {
	Class, Agent, Model string
}

// QueueSettings say how an agent is kept waiting.
type QueueSettings struct {
	// KeepAliveAfter is the wait after which an agent that waits for a stream gets a comment, and again after each such
	// time. Zero means half of the agent's read timeout, but 20 s at least. Negative: never.
	KeepAliveAfter time.Duration
	// StreamWait is the longest wait of a call whose agent is kept awake by comments; its own timeout bounds all others.
	// Zero means an hour.
	StreamWait time.Duration
}

// Bounds of what is kept between exchanges.
const (
	maxPools   = 1024 // pools that no configuration names; when all are in use, further ones of an upstream share one without limits
	maxHolds   = 1000 // exchanges of one tenant that wait for a budget to reset; further ones are refused
	maxPlain   = 1024 // pairs of upstream and model that refuse to be asked for usage
	maxCounted = 4096 // failed exchanges whose repetition request budgets do not count again
)

// Defaults of QueueSettings.
const (
	leastKeepAlive    = 20 * time.Second
	defaultStreamWait = time.Hour
)
