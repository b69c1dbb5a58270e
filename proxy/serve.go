package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
)

type serveCommand struct {
	common
	Listen string `help:"Where agents call (default 127.0.0.1:4000; port 0 takes a free one)." placeholder:"HOST:PORT"`
	Admin  string `help:"Where health, metrics and state are served (default 127.0.0.1:4001; off for none)." placeholder:"HOST:PORT"`
}

// Run serves until the context ends, then drains. A second signal ends the process at once.
func (c *serveCommand) Run(ctx context.Context, s *streams) error {
	g, err := newGateway(ctx, gatewayOptions{
		file: c.Config, env: s.env, log: s.err,
		flags: config.Overrides{Listen: c.Listen, Admin: c.Admin, Upstream: c.Upstream, Data: c.Data},
	})
	if err != nil {
		return err
	}
	settle()
	fmt.Fprintf(s.out, "trapgate: listening on %s\n", g.URL())
	stopReload := reloadOnHangup(g.config.Reload)
	defer stopReload()
	select {
	case <-ctx.Done():
	case err = <-g.served:
	}
	s.interrupted() // from here on a signal has its default effect
	if serr := g.Shutdown(context.Background()); err == nil && !errors.Is(serr, context.DeadlineExceeded) {
		err = serr
	}
	return err
}

type checkCommand struct {
	File string `arg:"" help:"Configuration file (YAML)."`
}

// Run loads the file as serve does and prints all problems.
func (c *checkCommand) Run(s *streams) error {
	snap, err := config.Open(c.File, s.env, config.Overrides{})
	if err != nil {
		return err
	}
	for _, w := range snap.Warnings {
		fmt.Fprintln(s.err, w)
	}
	_, err = fmt.Fprintf(s.out, "%s: good\n", c.File)
	return err
}

type healthCommand struct {
	Config string `help:"Configuration file (YAML)." placeholder:"FILE" env:"TRAPGATE_CONFIG"`
	Admin  string `help:"The admin address of the Trapgate to ask; by default the holder of the data directory, else the configured one." placeholder:"HOST:PORT"`
	Data   string `help:"The directory for state." placeholder:"DIR"`
}

// Run asks /readyz; the exit code is the answer.
func (c *healthCommand) Run(ctx context.Context, s *streams) error {
	snap, err := config.Open(c.Config, s.env, config.Overrides{Admin: c.Admin, Data: c.Data})
	if err != nil {
		return err
	}
	addr := adminOf(ctx, snap, c.Admin)
	if addr.IsZero() {
		return errors.New("health: the admin listener is off: set admin in the configuration")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://trapgate/readyz", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, addr.Network, addr.Address)
	}}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health: not ready (%s)", resp.Status)
	}
	_, err = fmt.Fprintln(s.out, "ready")
	return err
}

// defaultAdmin is where the admin port is when nobody says otherwise.
const defaultAdmin = "127.0.0.1:4001"

// adminOf is where to ask: the address that was given or configured, else the socket of the data directory's holder if one
// answers there, else the default port.
func adminOf(ctx context.Context, snap *config.Snapshot, given string) config.Addr {
	if given != "" || snap.Data == "" || !snap.Admin.IsZero() && snap.Admin.Address != defaultAdmin {
		return snap.Admin
	}
	socket := config.Addr{Network: "unix", Address: filepath.Join(snap.Data, admin.SocketFile)}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, socket.Network, socket.Address)
	if err != nil {
		return snap.Admin
	}
	conn.Close()
	return socket
}
