package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/watch"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/share"
	"github.com/trapgate/trapgate/proxy/sharedmemory"
)

// prefixMemory bounds what is kept of recent request bodies' structure, in bytes.
const prefixMemory = 4 << 20

// A gateway is a running Trapgate: what serve, run and demo start.
type gateway struct {
	pipeline  *pipeline
	identity  *identity.Filter
	sharing   *share.Sharing // of the data directory; nil as long as no configuration has asked for it
	schedule  *scheduling    // the same
	context   *contexts      // the same
	memory    atomic.Pointer[memories]
	home      *memoryHome           // of sharing's data directory
	guests    *sharedmemory.Handler // who ask for it
	redis     bool                  // sharing is with other machines too
	server    *server.Server
	admin     *admin.Server // nil when off
	listener  net.Listener
	watcher   *watch.Watcher
	config    *config.Watcher
	telemetry *telemetry.Telemetry
	flushLog  func() error
	served    chan error
	started   chan struct{} // closed once reloads may be installed
	guest     bool
	named     bool // tenants' names outlive the process
}

// gatewayOptions say where a gateway takes its settings from and where its log goes.
type gatewayOptions struct {
	file  string
	env   config.Env
	flags config.Overrides
	log   io.Writer
	quiet bool // no line for each exchange
	guest bool // may use the state of the process that holds the data directory
}

// newGateway loads the configuration, binds the listeners and begins to serve. Nothing is left behind on an error.
func newGateway(ctx context.Context, o gatewayOptions) (_ *gateway, err error) {
	g := &gateway{served: make(chan error, 1), started: make(chan struct{}), guest: o.guest}
	defer func() {
		if err != nil {
			g.abandon()
		}
	}()
	if g.config, err = config.Watch(o.file, o.env, o.flags, g.reloaded); err != nil {
		return nil, err
	}
	snap := g.config.Current()
	log := g.openLog(snap, o)
	if g.telemetry, err = telemetry.New(ctx, telemetry.Options{Version: version(), Content: snap.Telemetry.Content, Log: log}); err != nil {
		return nil, err
	}
	if g.watcher, err = watch.New(); err != nil {
		return nil, err
	}
	if err = g.nameTenants(snap); err != nil {
		return nil, err
	}
	g.pipeline = &pipeline{telemetry: g.telemetry, views: wire.NewPrefixCache(prefixMemory), ids: newOwnership()}
	if err = g.install(ctx, snap); err != nil {
		return nil, err
	}
	if g.listener, err = listen(snap.Listen); err != nil {
		return nil, err
	}
	g.server = server.New(server.Options{
		Handler: g.pipeline.Serve, Refuse: g.pipeline.malformed, Watcher: g.watcher, TLS: g.tlsConfig(snap),
		HeaderLimit: snap.Limits.Headers, Connections: snap.Limits.Connections,
		Idle: snap.Limits.Idle, WriteTimeout: snap.Limits.Write,
	})
	if err = g.startAdmin(snap); err != nil {
		return nil, err
	}
	if err = g.answerOthers(snap); err != nil {
		return nil, err
	}
	if err = g.config.Bound(g.addrs()...); err != nil {
		return nil, err
	}
	close(g.started)
	if now := g.config.Current(); now != snap { // changed meanwhile
		g.reinstall(now)
	}
	go func() {
		g.served <- g.server.Serve(g.listener)
		close(g.served)
	}()
	return g, nil
}

// openLog makes the process's logger.
func (g *gateway) openLog(snap *config.Snapshot, o gatewayOptions) *slog.Logger {
	format := "text"
	if snap.Telemetry.LogJSON {
		format = "json"
	}
	var log *slog.Logger
	log, g.flushLog = telemetry.NewLogger(o.log, format, snap.Telemetry.LogLevel)
	slog.SetDefault(log)
	for _, w := range snap.Warnings {
		log.Warn(w.String())
	}
	if o.quiet || !snap.Telemetry.LogExchanges {
		return nil
	}
	return log
}

// listen binds an address; a Unix socket left behind by a dead process is replaced.
func listen(a config.Addr) (net.Listener, error) {
	if a.Network == "unix" {
		if c, err := net.DialTimeout("unix", a.Address, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("listen: %s is in use by another process", a)
		}
		if st, err := os.Lstat(a.Address); err == nil && st.Mode()&os.ModeSocket != 0 {
			os.Remove(a.Address)
		}
		if err := os.MkdirAll(filepath.Dir(a.Address), 0o700); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	l, err := net.Listen(a.Network, a.Address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if a.Network == "unix" {
		os.Chmod(a.Address, 0o600)
	}
	return l, nil
}

// tlsConfig serves the certificate of the snapshot in force, so that a renewed one is taken over.
func (g *gateway) tlsConfig(snap *config.Snapshot) *tls.Config {
	if snap.TLS == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return g.pipeline.current.Load().config.TLS, nil
		},
	}
}

func (g *gateway) startAdmin(snap *config.Snapshot) error {
	if snap.Admin.IsZero() {
		return nil
	}
	l, err := listen(snap.Admin)
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	g.admin = admin.Start(l, g.adminOptions(snap))
	return nil
}

// adminOptions say what the admin port and the data directory's socket show.
func (g *gateway) adminOptions(snap *config.Snapshot) admin.Options {
	why := ""
	token, err := admin.Token(snap.Data)
	if err != nil {
		why = err.Error()
		slog.Warn("admin: no token, so only health and metrics are served", "error", err)
	}
	return admin.Options{
		AllowHost:   func(h string) bool { return g.pipeline.current.Load().config.AllowHost([]byte(h)) },
		AllowOrigin: func(o string) bool { return g.pipeline.current.Load().config.AllowOrigin([]byte(o)) },
		Token:       token, NoToken: why, Ready: g.ready, Metrics: g.telemetry.Metrics(), State: g.state,
		Context: http.HandlerFunc(g.showContext), Memory: http.HandlerFunc(g.serveMemory),
	}
}

// addrs are the listeners' own addresses.
func (g *gateway) addrs() []net.Addr {
	addrs := []net.Addr{g.listener.Addr()}
	if g.admin != nil {
		addrs = append(addrs, g.admin.Addr())
	}
	return addrs
}

// URL is the base URL that agents are pointed at.
func (g *gateway) URL() string {
	scheme := "http"
	if g.pipeline.current.Load().config.TLS != nil {
		scheme = "https"
	}
	if g.listener.Addr().Network() == "unix" {
		return "unix:" + g.listener.Addr().String()
	}
	return scheme + "://" + g.listener.Addr().String() + "/v1"
}

// lastCall is how long before the drain limit calls in the queue are refused.
const lastCall = 2 * time.Second

// Shutdown stops accepting, lets exchanges finish within the drain limit, and flushes telemetry.
func (g *gateway) Shutdown(ctx context.Context) error {
	drain := g.pipeline.current.Load().config.Limits.Drain
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	if g.schedule != nil { // what still waits then is told so, rather than cut
		last := time.AfterFunc(drain-min(lastCall, drain/4), g.schedule.engine.Close)
		defer last.Stop()
	}
	g.config.Drain()
	err := g.server.Shutdown(ctx)
	if serr := <-g.served; err == nil {
		err = serr
	}
	g.abandon()
	return err
}

// abandon releases all that has been acquired, in reverse order.
func (g *gateway) abandon() {
	if g.admin != nil {
		g.admin.Close()
	}
	if g.listener != nil {
		g.listener.Close()
	}
	if g.pipeline != nil {
		g.pipeline.jobs.close()
		if rt := g.pipeline.current.Load(); rt != nil {
			rt.upstreams.Close()
		}
	}
	if g.config != nil {
		g.config.Close()
	}
	if g.schedule != nil {
		g.schedule.engine.Close()
	}
	if g.guests != nil {
		g.guests.Close()
	}
	if m := g.memory.Load(); m != nil {
		m.shut()
	}
	if g.context != nil {
		g.context.close()
	}
	if g.sharing != nil {
		g.home.close()
		g.sharing.Close()
	}
	if g.watcher != nil {
		g.watcher.Close()
	}
	if g.telemetry != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := g.telemetry.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			slog.Warn("telemetry: not everything was exported", "error", err)
		}
	}
	if g.flushLog != nil {
		g.flushLog()
	}
}
