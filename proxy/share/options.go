package share

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// Options say with whom a process shares.
type Options struct {
	Dir string // the data directory
	// Guest lets the process be one where the directory has a holder. Without it Join fails with a *state.HeldError then.
	Guest bool
	// Redis is the address of one that other sidecars share; "" for none.
	Redis    string
	Prefix   string        // of all keys there
	Sidecars int           // how many share at most; while the store is away each keeps to this part of every limit
	Renew    time.Duration // how often shares are settled
	Log      *slog.Logger  // default slog.Default()

	// Store replaces Redis, for tests.
	Store lease.Store
}

// Processes of one directory renew more often than sidecars on several machines: asking costs little.
const (
	localRenew    = 100 * time.Millisecond
	localSidecars = 16
	// Of a budget nothing is left to a process on its own: the next holder is there in a moment, and knows all that was spent.
	localBudgets = 1 << 20
	// patience is how many leases long a call waits for a grant that the store has not answered for.
	patience = 3
	// settleTime bounds how long an end waits for what is not written yet.
	settleTime = 5 * time.Second
	// seekFirst and seekMost are the pauses of one who looks for the holder, or for the lock.
	seekFirst = 2 * time.Millisecond
	seekMost  = 250 * time.Millisecond
)

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if !o.global() {
		o.Sidecars, o.Renew = localSidecars, localRenew
	}
	if o.Sidecars < 1 {
		o.Sidecars = 1
	}
	if o.Renew <= 0 {
		o.Renew = time.Second
	}
}

// global reports whether limits are shared with other machines.
func (o *Options) global() bool { return o.Redis != "" || o.Store != nil }

// ttl is how long a lease is good for.
func (o *Options) ttl() time.Duration { return 5 * o.Renew }

// budgets is the part of a budget that is left to a process on its own.
func (o *Options) budgets() int {
	if o.global() {
		return o.Sidecars
	}
	return localBudgets
}

func (o *Options) client() lease.Options {
	c := lease.Options{Delta: o.Renew, TTL: o.ttl()}
	if o.global() {
		c.Sidecar = o.sidecar()
	} else {
		c.Timeout = o.ttl() // the other side is on this machine: a dead one hangs up
	}
	return c
}

// sidecar names what the state file belongs to, the same for each process that opens it: the machine and the directory, which
// the store need not read.
func (o *Options) sidecar() string {
	host, err := os.Hostname()
	dir, absErr := filepath.Abs(o.Dir)
	if err != nil || absErr != nil {
		return ""
	}
	h := sha256.Sum256([]byte(host + "\x00" + dir))
	return base64.RawURLEncoding.EncodeToString(h[:18])
}

var errClosed = errors.New("share: closed")
