//go:build e2e && unix

package context

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/e2e/clients"
	"github.com/trapgate/trapgate/e2e/engine/rig"
)

var binary string // the trapgate under test

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trapgate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = clients.BuildTrapgate(context.Background(), filepath.Join("..", ".."), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	rig.Report(os.Stderr)
	return code
}

// client installs a client of package clients, or skips the test and says what is missing.
func client(t *testing.T, name string) (*clients.Client, clients.Setup) {
	t.Helper()
	list, err := clients.Select(name)
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := filepath.Abs(filepath.Join("..", "clients", "drivers"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir, err := list[0].Install(ctx, drivers)
	if err != nil {
		rig.Skip(t, fmt.Sprintf("%s cannot be installed here: %v", name, err))
	}
	return list[0], clients.Setup{Install: dir, Drivers: drivers}
}
