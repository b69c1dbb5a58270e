package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/filters/schedule"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A scheduling is the scheduler and the budgets of a process, and the state file that they remember in. It is made when a
// configuration first asks for it and lives until the process ends: a reload changes settings and keeps every ledger.
type scheduling struct {
	db      *state.DB
	engine  *ratelimit.Scheduler
	budgets *budget.Budgets
	filter  *schedule.Filter
}

// newScheduling opens the data directory and puts the settings of a snapshot in force.
func newScheduling(ctx context.Context, snap *config.Snapshot, t *telemetry.Telemetry) (_ *scheduling, err error) {
	s := &scheduling{}
	s.db, err = state.Open(ctx, state.Options{Dir: snap.Data, Migrations: []state.Migration{budget.Migration}, Log: slog.Default()})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.budgets, err = budget.New(ctx, snap.Schedule.Budgets, budget.NewStore(s.db), budget.Options{Freed: func(tenant string) { s.filter.Freed(tenant) }})
	if err != nil {
		return nil, err
	}
	metrics := t.Queue()
	s.engine = ratelimit.New(snap.Schedule.Engine, ratelimit.Options{Observer: schedule.Observe(metrics)})
	s.filter = schedule.New(schedule.Options{Engine: s.engine, Budgets: s.budgets, Metrics: metrics})
	metrics.State(s.filter.QueueState)
	return s, s.configure(snap)
}

// configure puts another snapshot's settings in force.
func (s *scheduling) configure(snap *config.Snapshot) error {
	c := snap.Schedule
	set := schedule.Settings{Engine: c.Engine, Budgets: c.Budgets, Queue: schedule.QueueSettings(c.Queue)}
	for _, r := range c.Classes {
		set.Classes = append(set.Classes, schedule.ClassRule(r))
	}
	if err := s.filter.Configure(set); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return nil
}

// close refuses what still waits and writes what is not written yet. No exchange may be under way.
func (s *scheduling) close() {
	if s.engine != nil {
		s.engine.Close()
	}
	if s.db == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.db.Flush(ctx); err != nil {
		slog.Error("state: not everything was written", "error", err)
	}
	if err := s.db.Close(); err != nil {
		slog.Error("state: closing", "error", err)
	}
}
