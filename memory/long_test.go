//go:build e2e

package memory

import (
	"testing"
	"time"
)

// What was accepted 50 ms before the end is there.
func TestKilled200Times(t *testing.T) { killed(t, 200, 50*time.Millisecond*slower) }

func TestReplay10000(t *testing.T) {
	s, _ := openSQLite(t, t.TempDir())
	replay(t, s, 10_000)
}
