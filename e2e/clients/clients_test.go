//go:build e2e && unix

package clients

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	enginerig "github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/e2e/record"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

const installLimit = 20 * time.Minute

var (
	summary Summary
	binary  string // the trapgate under test; "" when only direct runs were asked for
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	if !directOnly() {
		var err error
		if binary, err = enginerig.Binary(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	fmt.Print(summary.Markdown())
	if err := summary.Write(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// directOnly leaves Trapgate out, to try the harness and the clients alone.
func directOnly() bool { return os.Getenv("TRAPGATE_E2E_DIRECT") != "" }

// startModel starts a simulated model with a little time between tokens, so that streams really arrive in pieces.
func startModel(t *testing.T) string {
	t.Helper()
	model, err := simmodel.New(simmodel.Options{DecodeRate: 400, EarlyHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
	server, err := model.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Close()
		_ = model.Close()
	})
	return server.URL
}

func drivers(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("drivers")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// installs makes each group once in a run, whichever client asks first.
var installs sync.Map

func install(t *testing.T, c *Client) string {
	t.Helper()
	f, _ := installs.LoadOrStore(c.group, sync.OnceValues(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), installLimit)
		defer cancel()
		start := time.Now()
		dir, err := c.Install(ctx, drivers(t))
		t.Logf("install %s: %.1f s", c.group.Name, time.Since(start).Seconds())
		return dir, err
	}))
	dir, err := f.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestClients runs each selected client directly, which proves the harness, and then through Trapgate.
func TestClients(t *testing.T) {
	list, err := Select(os.Getenv("TRAPGATE_E2E_CLIENTS"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		t.Run(c.Name, func(t *testing.T) {
			s := Setup{Install: install(t, c), Drivers: drivers(t)}
			ok := t.Run("direct", func(t *testing.T) {
				out := Observe(context.Background(), c, s, Direct, record.Relay(), startModel(t), t.TempDir())
				report(t, c, out)
			})
			if directOnly() || !ok {
				return
			}
			t.Run("through", func(t *testing.T) {
				out := Observe(context.Background(), c, s, Through(binary), record.Trapgate(), startModel(t), t.TempDir())
				summary.Add(Row{c, out})
				report(t, c, out)
			})
		})
	}
}

const maxDiffs = 12

func report(t *testing.T, c *Client, out Outcome) {
	t.Helper()
	t.Logf("%s %s: %d exchanges, %d events, %.1f s", c.Name, c.Version, len(out.Pairs), out.Events(), out.Duration.Seconds())
	if out.Err != nil {
		t.Errorf("%v", out.Err)
		for _, p := range out.Pairs {
			if p.Before.Status() >= 400 {
				t.Logf("%v: %s %s", p.Before, p.Before.Response.StartLine, tail(p.Before.Response.Body, 500))
			}
		}
	}
	for i, d := range out.Diffs {
		if i == maxDiffs {
			t.Errorf("and %d more differences", len(out.Diffs)-i)
			break
		}
		t.Errorf("%v", d)
	}
}
