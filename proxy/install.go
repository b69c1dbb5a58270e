package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/share"
	"github.com/trapgate/trapgate/proxy/sharedmemory"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// install makes a snapshot's runtime and swaps it in; exchanges under way keep theirs. On an error the old one stays.
func (g *gateway) install(ctx context.Context, snap *config.Snapshot) (err error) {
	if snap.Schedule != nil || snap.Context != nil || snap.Memory != nil {
		defer g.leave()
		if err = g.join(ctx, snap); err != nil {
			return err
		}
	}
	old := g.pipeline.current.Load()
	outer, inner := []filters.Filter{g.identity}, []filters.Filter(nil)
	if snap.Context != nil {
		if err = g.installContext(snap); err != nil {
			return err
		}
		inner = append(inner, g.context.filter)
	}
	remember, err := g.installMemory(snap)
	if err != nil {
		return err
	}
	if remember != nil {
		outer = append(outer, remember)
	}
	if snap.Schedule != nil {
		if err = g.installSchedule(ctx, snap); err != nil {
			return err
		}
		outer, inner = append(outer, g.schedule.filter.Outer()), append(inner, g.schedule.inner())
	}
	rt := &runtime{config: snap, outer: filters.NewChain(outer...), inner: filters.NewInnerChain(inner...), bind: g.identity.Bind}
	if old == nil {
		rt.upstreams = upstream.NewSet(g.watcher, snap, nil)
	} else {
		rt.upstreams = upstream.NewSet(g.watcher, snap, old.upstreams)
	}
	g.pipeline.current.Store(rt)
	if old != nil {
		old.upstreams.Close()
	}
	return nil
}

// join opens the data directory for the first section that asks for it, or joins its holder when this process may be a guest.
func (g *gateway) join(ctx context.Context, snap *config.Snapshot) (err error) {
	if g.sharing != nil {
		if g.schedule == nil && snap.Schedule != nil && snap.Schedule.Shared != nil && !g.redis {
			return errors.New("schedule.shared: the data directory is open without it already\nhint: restart")
		}
		return nil
	}
	if err = g.nameTenants(snap); err != nil {
		return err
	}
	if g.sharing, err = share.Join(ctx, sharingOptions(snap, g.guest)); err != nil {
		return err
	}
	g.home = &memoryHome{dir: snap.Data, db: g.sharing.DB}
	g.guests = sharedmemory.New(g.openToGuests)
	g.redis = snap.Schedule != nil && snap.Schedule.Shared != nil
	if g.server == nil {
		return nil // newGateway goes on when there is something to ask for
	}
	return g.answerOthers(snap)
}

// leave gives the data directory back when no section has come to use it.
func (g *gateway) leave() {
	if g.sharing != nil && g.schedule == nil && g.context == nil && g.memory.Load() == nil {
		g.guests.Close()
		g.home.close()
		g.sharing.Close()
		g.sharing, g.home, g.guests = nil, nil, nil
	}
}

// installSchedule puts the schedule section of a snapshot in force.
func (g *gateway) installSchedule(ctx context.Context, snap *config.Snapshot) (err error) {
	if g.schedule == nil {
		g.schedule, err = newScheduling(ctx, snap, g.telemetry, g.sharing)
		return err
	}
	return g.schedule.configure(snap)
}

// installContext puts the context section of a snapshot in force.
func (g *gateway) installContext(snap *config.Snapshot) (err error) {
	if g.context == nil {
		g.context, err = newContexts(snap, g.telemetry, g.sharing)
		return err
	}
	return g.context.configure(snap)
}

// installMemory puts the memory section of a snapshot in force; nil: there has never been one.
func (g *gateway) installMemory(snap *config.Snapshot) (filters.Filter, error) {
	m := g.memory.Load()
	if m == nil {
		if snap.Memory == nil {
			return nil, nil
		}
		var err error
		if m, err = g.newMemories(snap); err != nil {
			return nil, err
		}
		g.memory.Store(m)
	}
	m.configure(snap.Memory, g.identity, g.context)
	return m.filter, nil
}

// reinstall is install while agents are served.
func (g *gateway) reinstall(snap *config.Snapshot) {
	if err := g.install(context.Background(), snap); err != nil {
		g.telemetry.ConfigReloaded(err)
		slog.Error("configuration not taken over: the old one stays in force", "error", err)
		return
	}
	slog.Info("configuration taken over", "generation", snap.Generation)
}

// reloaded is told of every change of the configuration: a good one is in force from here on, a bad one changes nothing.
func (g *gateway) reloaded(snap *config.Snapshot, err error) {
	select {
	case <-g.started:
	default:
		return
	}
	g.telemetry.ConfigReloaded(err)
	if err != nil {
		slog.Error("configuration not taken over: the old one stays in force", "problems", err.Error())
		return
	}
	for _, w := range snap.Warnings {
		slog.Warn(w.String())
	}
	g.reinstall(snap)
}

// others are what other processes of the data directory find on its socket.
func (g *gateway) others(share http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(admin.SharePath, share)
	mux.Handle(admin.SharedMemoryPath, g.guests)
	return mux
}

// answerOthers has this process answer on the data directory's socket while it holds that.
func (g *gateway) answerOthers(snap *config.Snapshot) error {
	if g.sharing == nil {
		return nil
	}
	return g.sharing.Serve(func(others http.Handler) http.Handler {
		o := g.adminOptions(snap)
		o.Share = g.others(others)
		return admin.New(o)
	})
}
