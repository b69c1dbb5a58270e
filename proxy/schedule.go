package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/schedule"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/share"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A scheduling is the scheduler and the budgets of a process. It is made when a
// configuration first asks for it and lives until the process ends: a reload changes settings and keeps every ledger.
type scheduling struct {
	sharing *share.Sharing
	engine  *ratelimit.Scheduler
	budgets *budget.Budgets
	filter  *schedule.Filter
}

// newScheduling makes both over what the data directory knows, and puts the settings of a snapshot in force.
func newScheduling(ctx context.Context, snap *config.Snapshot, t *telemetry.Telemetry, sharing *share.Sharing) (s *scheduling, err error) {
	s = &scheduling{sharing: sharing}
	s.budgets, err = budget.New(ctx, snap.Schedule.Budgets, s.sharing.Store(), budget.Options{
		Freed: func(tenant string) { s.filter.Freed(tenant) }, Lender: s.sharing.Lender(),
	})
	if err != nil {
		return nil, err
	}
	metrics := t.Queue()
	t.Leases(s.sharing.Leases)
	s.engine = ratelimit.New(snap.Schedule.Engine, ratelimit.Options{Observer: s.sharing.Observe(schedule.Observe(metrics))})
	s.filter = schedule.New(schedule.Options{Engine: s.engine, Budgets: s.budgets, Metrics: metrics})
	s.sharing.Start(s.engine, s.filter.Freed)
	if err = s.configure(snap); err != nil {
		s.engine.Close()
		return nil, err
	}
	return s, nil
}

// sharingOptions say with whom a configuration shares.
func sharingOptions(snap *config.Snapshot, guest bool) share.Options {
	o := share.Options{Dir: snap.Data, Guest: guest, Log: slog.Default()}
	if snap.Schedule == nil {
		return o
	}
	if c := snap.Schedule.Shared; c != nil {
		o.Redis, o.Prefix, o.Sidecars, o.Renew = c.Redis.Reveal(), c.Prefix, c.Sidecars, c.Renew
	}
	return o
}

// inner is the filter of the inner ring.
func (s *scheduling) inner() filters.Filter { return s.sharing.Filter(s.filter) }

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
	s.sharing.Configure(c.Engine)
	return nil
}
