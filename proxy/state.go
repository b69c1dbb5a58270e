package main

import (
	"os"
	"time"

	"github.com/trapgate/trapgate/proxy/admin"
)

// started is when the process began.
var started = time.Now()

// ready says whether agents should come here, and why not. A configuration that was not taken over is a reason to look, not
// one to leave.
func (g *gateway) ready() (bool, []string) {
	var reasons []string
	if _, _, err := g.config.Status(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if g.server.Draining() {
		return false, append(reasons, "draining")
	}
	return true, reasons
}

// state is what /debug/state shows.
func (g *gateway) state() any {
	rt := g.pipeline.current.Load()
	ready, reasons := g.ready()
	s := admin.State{
		Version: version(), PID: os.Getpid(), Started: started, Now: time.Now(), Listen: g.URL(),
		Generation: uint64(rt.config.Generation), Ready: ready, Reasons: reasons,
		InFlight: g.telemetry.InFlight().Snapshot(), Totals: g.telemetry.Ledger().Totals(),
	}
	if g.sharing != nil {
		s.Sharing = g.sharing.State()
	}
	if g.schedule != nil {
		queue := g.schedule.engine.State()
		s.Schedule, s.Budgets = &queue, g.schedule.budgets.Snapshot()
	}
	if g.context != nil {
		s.Context = g.context.state()
	}
	if m := g.memory.Load(); m != nil {
		s.Memory = m.state()
	}
	for _, u := range rt.upstreams.All() {
		s.Upstreams = append(s.Upstreams, admin.Upstream(u.State()))
	}
	return s
}
