package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// A provider is a simulated one with limits, and what Trapgate is told of them. Calls come at three times what it allows.
type provider struct {
	name    string
	pool    string // what the configuration says of the limits; empty: no entry
	silent  bool   // the provider says nothing of its limits
	burst   float64
	known   bool
	judged  float64          // refusals after this time count, in seconds
	minutes []int            // refusals in each minute
	kinds   map[string]int64 // refusals by the limit that was short
	agents  int              // calls that agents saw refused or broken
	served  int
	use     float64 // of the tokens, after the first minute
}

const (
	providerRPM = 300
	providerTPM = 60_000
	windowFor   = 60.0
)

func providers() []*provider {
	both := fmt.Sprintf("requests_per_minute: %d, tokens_per_minute: %d", providerRPM, providerTPM)
	return []*provider{
		{name: "configured", pool: both, silent: true, burst: 1, known: true},
		// This one has no minute's credit to cover what max_tokens reserves and calls do not use: the configuration says so.
		{name: "configured, of a provider with bursts of a tenth of a minute", pool: both + ", counts: {max_tokens: true}", silent: true, burst: 0.1, known: true},
		{name: "from OpenAI's headers", burst: 1, known: true},
		{name: "unknown", silent: true, burst: 1, judged: 3 * windowFor},
	}
}

// limits runs all providers and the overload of S3 at once: they only sleep.
func limits(p *plan, r *report) error {
	list := providers()
	specs := make([]modelSpec, len(list)+1)
	for i, v := range list {
		specs[i] = modelSpec{Silent: v.silent, Options: simmodel.Options{
			DecodeRate: 200, Overhead: simmodel.Duration(200 * time.Millisecond),
			Limits: simmodel.LimitOptions{RPM: providerRPM, TPM: providerTPM, Burst: v.burst},
		}}
	}
	specs[len(list)].Options = simmodel.Options{Overhead: simmodel.Duration(500 * time.Millisecond), DecodeRate: 40}
	m, err := startModels(specs...)
	if err != nil {
		return err
	}
	defer m.close()
	var s3 s3Run
	errs := make([]error, len(specs))
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() { errs[i] = v.run(p, m, i) })
	}
	wg.Go(func() { errs[len(list)] = s3.run(p, m, len(list)) })
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	r.limits(p, list, &s3)
	return nil
}

func (v *provider) run(p *plan, m *models, i int) error {
	s := setup{upstreams: []upstream{{name: "provider", base: m.base(i), pool: v.pool}}}
	g, err := s.start()
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	o := openLoop{
		agent: agent{Base: g.URL, Model: "sim", Key: "sk-team"}, seed: uint64(i + 1), most: 100, until: p.limitsFor,
		rate: func(float64) float64 { return 3 * providerRPM / 60 },
		next: func(k int) (string, call) {
			n := 60 + k*37%120
			return letters(uint64(k), 400) + fmt.Sprintf("[[sim: tokens %d]]", n), call{Max: 400, service: float64(n)}
		},
	}
	begin := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), begin.Add(seconds(p.limitsFor)))
	defer cancel()
	var refused []int
	watching := make(chan error, 1)
	go func() { watching <- v.count(m, i, begin, p.limitsFor, &refused) }()
	client := newClient(o.most)
	defer client.CloseIdleConnections()
	calls := o.run(ctx, client, begin)
	if err := <-watching; err != nil {
		return err
	}
	for k := 1; k < len(refused); k++ {
		v.minutes = append(v.minutes, refused[k]-refused[k-1])
	}
	used := 0.0
	for _, c := range calls {
		switch {
		case c.lost || c.Ended > p.limitsFor-0.1: // those that the end has cut
		case c.Error != "":
			v.agents++
		default:
			v.served++
			if c.Ended >= windowFor {
				used += float64(c.Prompt + c.Output)
			}
		}
	}
	v.use = used / (providerTPM / 60 * (p.limitsFor - windowFor))
	return nil
}

// count reads the provider's refusals at the end of each minute, and at the end.
func (v *provider) count(m *models, i int, begin time.Time, until float64, refused *[]int) error {
	for at := 0.0; ; at = min(at+windowFor, until) {
		time.Sleep(time.Until(begin.Add(seconds(at))))
		s, err := m.stats(i)
		if err != nil {
			return err
		}
		n := 0
		for kind, k := range s.Rejected {
			if kind == "rpm" || kind == "tpm" {
				n += int(k)
			}
		}
		v.kinds = s.Rejected
		*refused = append(*refused, n)
		if at >= until {
			return nil
		}
	}
}

// after is how many refusals there were after a time, in whole windows.
func (v *provider) after(at float64) (n int) {
	for k, in := range v.minutes {
		if float64(k)*windowFor >= at {
			n += in
		}
	}
	return n
}

// S3 for real: a limit that nobody enforces, and usage that counts when a call ends.
const (
	s3Limit = 100_000 // tokens a minute
	s3Rate  = 3.7     // calls a second, three times too many
	s3Max   = 4096    // max_tokens
	s3Queue = 100
)

type s3Run struct {
	lengths string
	uses    []benchkit.Point
	waits   []benchkit.Point
	worst   float64 // tokens that ended in the worst 60 s, of the limit
	use     float64 // of the limit
	refused float64 // share of arrivals
	failed  int
	from    float64
}

func (s *s3Run) run(p *plan, m *models, i int) error {
	c := setup{
		upstreams: []upstream{{name: "provider", base: m.base(i), pool: fmt.Sprintf("tokens_per_minute: %d", s3Limit)}},
		schedule:  fmt.Sprintf("  queue: {calls: %d}\n", s3Queue),
	}
	g, err := c.start()
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	draws := benchkit.Source(1, 9000)
	o := openLoop{
		agent: agent{Base: g.URL, Model: "sim", Key: "sk-team"}, seed: 9, most: 1000, until: p.limitsFor,
		rate: func(float64) float64 { return s3Rate },
		next: func(k int) (string, call) {
			l := benchkit.Draw(draws, p.lengths)
			out := min(l.Out, s3Max)
			return letters(uint64(k), 4*max(1, l.In-12)) + fmt.Sprintf("[[sim: tokens %d]]", out), call{Max: s3Max, service: float64(out)}
		},
	}
	begin := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), begin.Add(seconds(p.limitsFor)))
	defer cancel()
	client := newClient(o.most)
	defer client.CloseIdleConnections()
	s.judge(p, o.run(ctx, client, begin))
	s.lengths = p.lengthsFrom
	return s.lost(g)
}

func (s *s3Run) judge(p *plan, calls []arrival) {
	s.from = p.s3From
	for _, c := range calls {
		switch {
		case c.status == 429:
			s.refused++
		case c.Ended > p.limitsFor-0.1: // those that the end has cut
		case c.Error != "" || c.lost:
			s.failed++
		default:
			s.uses = append(s.uses, benchkit.Point{At: c.Ended, Value: float64(c.Prompt + c.Output)})
			s.waits = append(s.waits, benchkit.Point{At: c.Asked, Value: max(0, c.latency()-0.5-float64(c.Output)/40)})
		}
	}
	s.refused /= float64(len(calls))
	s.worst = worstWindow(s.uses, windowFor, s.from, p.limitsFor) / s3Limit
	s.use = total(s.uses, s.from, p.limitsFor) / (s3Limit / 60 * (p.limitsFor - s.from))
}

// lost fails when calls went wrong, and shows why.
func (s *s3Run) lost(g *rig.Gate) error {
	if s.failed > 0 {
		return fmt.Errorf("turns: s3: %d calls failed\n%.2000s", s.failed, g.Log())
	}
	return nil
}
