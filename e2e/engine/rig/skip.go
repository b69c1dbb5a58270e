package rig

import (
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
)

var skips struct {
	sync.Mutex
	list []string
}

// Skip skips a test and keeps the reason for Report: what did not run must be seen, also without -v.
func Skip(t testing.TB, why string) {
	t.Helper()
	Skipped(t.Name(), why)
	t.Skip("SKIP: " + why)
}

// Skipped notes for Report that something did not run.
func Skipped(what, why string) {
	skips.Lock()
	defer skips.Unlock()
	skips.list = append(skips.list, what+": "+why)
}

// Report writes what was skipped, and why. Call it at the end of TestMain.
func Report(w io.Writer) {
	skips.Lock()
	defer skips.Unlock()
	for _, s := range skips.list {
		fmt.Fprintf(w, "SKIPPED %s\n", s)
	}
}

// Full says whether the full run was asked for, with TRAPGATE_E2E_FULL=1.
func Full() bool { return os.Getenv("TRAPGATE_E2E_FULL") == "1" }
