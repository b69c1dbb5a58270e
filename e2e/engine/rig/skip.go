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

// Skip skips a test and keeps the reason for Report: what did not run must be seen.
func Skip(t testing.TB, why string) {
	t.Helper()
	skips.Lock()
	skips.list = append(skips.list, t.Name()+": "+why)
	skips.Unlock()
	t.Skip("SKIP: " + why)
}

// Report writes what was skipped, and why: to w, which go test shows with -v or after a failure, and at the end of the file
// that TRAPGATE_E2E_SKIPS names, for whoever runs many packages and wants one list. Call it at the end of TestMain.
func Report(w io.Writer) {
	skips.Lock()
	defer skips.Unlock()
	if name := os.Getenv("TRAPGATE_E2E_SKIPS"); name != "" {
		if f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
			defer f.Close()
			w = io.MultiWriter(w, f)
		}
	}
	for _, s := range skips.list {
		fmt.Fprintf(w, "SKIPPED %s\n", s)
	}
}

// Full says whether the full run was asked for, with TRAPGATE_E2E_FULL=1.
func Full() bool { return os.Getenv("TRAPGATE_E2E_FULL") == "1" }
