package identity

import (
	"crypto/rand"
	"time"
)

// Options say how much is remembered, and for how long. The zero value works.
type Options struct {
	// Secret keys the names of tenants that are known by their credential alone: the same secret gives the same names.
	// Empty means a random one, so the names last as long as the process. It is copied.
	Secret []byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// RetryWindow is how long after its failure a repeated body is taken for a retry. Default 15 minutes: agents that wait
	// for a Retry-After come back within it.
	RetryWindow time.Duration
	// CallWindow is how long a tool call without a result may become a parent. Default an hour.
	CallWindow time.Duration
	// Tenants is how many tenants are remembered, least recently seen forgotten first. Default 1024.
	Tenants int
	// Entries is how many requests, sessions and calls are remembered for each tenant. Default 4096.
	Entries int
	// Bytes bounds what all tables hold together, approximately; the least recently seen tenants go first, then entries of
	// the tenant itself. Default 16 MiB.
	Bytes int
}

func (o Options) withDefaults() Options {
	if len(o.Secret) == 0 {
		o.Secret = make([]byte, 32)
		rand.Read(o.Secret) //nolint:errcheck // never fails: see crypto/rand
	} else {
		o.Secret = append([]byte(nil), o.Secret...)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	orDefault(&o.RetryWindow, 15*time.Minute)
	orDefault(&o.CallWindow, time.Hour)
	orDefault(&o.Tenants, 1024)
	orDefault(&o.Entries, 4096)
	orDefault(&o.Bytes, 16<<20)
	return o
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
