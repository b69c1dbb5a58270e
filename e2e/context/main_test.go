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

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		rig.Report(os.Stderr)
		os.Exit(code)
	}))
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
