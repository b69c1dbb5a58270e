package ratelimit

import (
	"sort"
	"sync"
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// Options are what the host gives.
type Options struct {
	Clock    Clock     // default SystemClock
	Observer *Observer // may be nil
	// Output estimates the output tokens that a call will need; nil means what each pool learns from its own calls, which the
	// call's own limit caps.
	Output func(c *Call) int64
}

// A Scheduler is the pools of one configuration. It is safe for concurrent use.
type Scheduler struct {
	clock  Clock
	obs    Observer
	guess  func(c *Call) int64
	places places

	change sync.Mutex // one new configuration at a time; taken before mu
	mu     sync.RWMutex
	set    *settings
	conf   map[string]PoolConfig
	pools  map[string]*Pool
	closed bool
}

// New makes a scheduler. It starts nothing; Close is needed only to refuse what waits.
func New(cfg Config, o Options) *Scheduler {
	s := &Scheduler{clock: o.Clock, guess: o.Output, pools: make(map[string]*Pool)}
	if s.clock == nil {
		s.clock = SystemClock{}
	}
	if o.Observer != nil {
		s.obs = *o.Observer
	}
	s.Reconfigure(cfg)
	return s
}

// Reconfigure puts a configuration in force. Queues, calls in flight and all ledgers are kept; a pool that is not named any
// more goes on without configured limits.
func (s *Scheduler) Reconfigure(cfg Config) {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	s.set = newSettings(cfg)
	s.conf = make(map[string]PoolConfig, len(cfg.Pools))
	for _, c := range cfg.Pools {
		s.conf[c.Name] = c
	}
	for _, c := range cfg.Pools {
		if s.pools[c.Name] == nil {
			s.pools[c.Name] = s.newPool(c.Name)
		}
	}
	set, conf, pools := s.set, s.conf, s.all()
	s.mu.Unlock()
	for _, p := range pools {
		p.configure(set, conf[p.name]) // calls back: not under the lock
	}
}

// Pool finds a pool by name. One that the configuration does not name is made, without limits of its own.
func (s *Scheduler) Pool(name string) *Pool {
	s.mu.RLock()
	p := s.pools[name]
	s.mu.RUnlock()
	if p != nil {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.pools[name]; p == nil {
		p = s.newPool(name)
		s.pools[name] = p
	}
	return p
}

func (s *Scheduler) newPool(name string) *Pool {
	c := s.conf[name]
	p := &Pool{s: s, name: name, closed: s.closed, sources: make(map[string]Limits)}
	p.untils = heap[Ticket]{
		before: func(a, b *Ticket) bool { return a.until.Before(b.until) },
		at:     func(t *Ticket) *int { return &t.posUntil },
	}
	p.est = limit.NewEstimator(limit.EstimatorOptions{})
	p.ttft, p.prefill = limit.NewTTFT(modelKeys), make(map[string]prefill)
	p.aimd = newRates(s.clock.Now())
	p.set = limit.NewSet(s.clock.Now(), limit.Rates{}, c.Rules)
	p.tree = newTree(p.policyOf(s.set, c), s.set)
	p.configure(s.set, c)
	return p
}

// modelKeys bounds the models, and the agents of tenants, that learners keep apart.
const modelKeys = 4096

func (p *Pool) policyOf(s *settings, c PoolConfig) Policy {
	if c.Policy != "" {
		return c.Policy
	}
	return s.policy
}

// Close refuses what waits and what comes. Calls in flight go on and are settled as ever.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.closed = true
	pools := s.all()
	s.mu.Unlock()
	for _, p := range pools {
		p.close()
	}
}

func (s *Scheduler) all() []*Pool {
	pools := make([]*Pool, 0, len(s.pools))
	for _, p := range s.pools {
		pools = append(pools, p)
	}
	sort.Slice(pools, func(i, j int) bool { return pools[i].name < pools[j].name })
	return pools
}

// output is what a call of f is expected to put out: what its buckets reserve, where too little overshoots a provider's limit,
// and what fairness charges, where too much sends its tenant back for work that nobody did.
func (p *Pool) output(f *flow, c *Call) (reserve, charge int64) {
	if p.s.guess != nil {
		reserve = p.s.guess(c)
		charge = reserve
	} else {
		reserve, charge = p.expect(f, c)
	}
	if c.MaxOutput > 0 {
		reserve, charge = min(reserve, c.MaxOutput), min(charge, c.MaxOutput)
	}
	return max(reserve, 0), max(charge, 0)
}

// A guess is what the estimator said last for a flow's calls.
type guess struct {
	model, agent string
	high, mean   int64
	at           int // Pool.learned then
}

// A guess stays good until something was learnt, and for guessKeep calls once guessFrom have taught the estimator: asking costs
// more than all the rest.
const (
	guessFrom = 128
	guessKeep = 16
)

func (p *Pool) expect(f *flow, c *Call) (high, mean int64) {
	g := &f.guess
	news := p.learned - g.at
	if g.mean > 0 && (news == 0 || (g.at >= guessFrom && news < guessKeep)) && g.model == c.Model && g.agent == c.Agent {
		return g.high, g.mean
	}
	k := limit.Key{Tenant: c.Tenant, Model: c.Model, Agent: c.Agent}
	*g = guess{
		c.Model, c.Agent,
		int64(p.est.Output(k, 0, limit.P80) + 0.5), int64(p.est.Output(k, 0, limit.Mean) + 0.5),
		p.learned,
	}
	return g.high, g.mean
}

func (p *Pool) close() {
	p.mu.Lock()
	p.closed = true
	now := p.s.clock.Now()
	for t, _ := p.tree.first(); t != nil; t, _ = p.tree.first() {
		p.leave(t)
		p.out = append(p.out, event{kind: evRejected, t: t, err: &Rejected{Pool: p.name, Reason: Closed}})
	}
	p.drain(now)
	if p.timer != nil {
		p.timer.Stop()
		p.timer, p.timerAt = nil, time.Time{}
	}
	p.unlock()
}
