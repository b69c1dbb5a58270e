package share

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A member is one process as far as sharing goes: its own engine and budgets.
type member struct {
	*Sharing
	engine  *ratelimit.Scheduler
	budgets *budget.Budgets
	freed   chan struct{}
	once    sync.Once
}

var quiet = slog.New(slog.DiscardHandler)

// join makes a member of a directory, which is closed at the end.
func join(t testing.TB, dir string, cfg budget.Config, pools ratelimit.Config, o ...func(*Options)) *member {
	t.Helper()
	m, err := tryJoin(dir, true, cfg, pools, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	return m
}

func tryJoin(dir string, guest bool, cfg budget.Config, pools ratelimit.Config, opts ...func(*Options)) (*member, error) {
	o := Options{Dir: dir, Guest: guest, Log: quiet}
	for _, f := range opts {
		f(&o)
	}
	s, err := Join(context.Background(), o)
	if err != nil {
		return nil, err
	}
	m := &member{Sharing: s, freed: make(chan struct{}, 1)}
	m.budgets, err = budget.New(context.Background(), cfg, s.Store(), budget.Options{Lender: s.Lender()})
	if err != nil {
		s.Close()
		return nil, err
	}
	m.engine = ratelimit.New(pools, ratelimit.Options{Observer: s.Observe(nil)})
	s.Start(m.engine, func(string) {
		select {
		case m.freed <- struct{}{}:
		default:
		}
	})
	s.Configure(pools)
	if o.Store != nil {
		return m, nil // no guests, and no socket, which would keep a bubble's time from passing
	}
	token, err := admin.Token(dir)
	if err == nil {
		err = s.Serve(func(share http.Handler) http.Handler { return admin.New(admin.Options{Token: token, Share: share}) })
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return m, nil
}

func (m *member) close() { m.once.Do(func() { m.engine.Close(); m.Close() }) }

var errBroke = errors.New("the budget is used up")

// spend makes one exchange of n tokens, and waits as the filter does while a lease is under way.
func (m *member) spend(tenant string, n int64) error {
	var a budget.Account
	m.budgets.Open(&a, budget.Who{Tenant: tenant, Agent: "agent"}, false)
	defer a.Close()
	until := time.Now().Add(patience * m.o.ttl())
	for {
		_, err := a.Reserve(1, "model", "up", budget.Usage{Input: n})
		if err == nil {
			a.Settle(1, budget.Usage{Input: n}, budget.Done)
			return nil
		}
		changed := m.lender.pending(tenant)
		if changed == nil || time.Now().After(until) {
			return errBroke
		}
		if err := pause(context.Background(), changed, 2*m.o.Renew); err != nil {
			return err
		}
	}
}

// a day's tokens for everybody.
func daily(limit int64) budget.Config {
	return budget.Config{Tenants: []budget.Tenant{{Name: "*", Budgets: []budget.Budget{
		{Per: budget.PerTenant, Unit: budget.Tokens, Limit: limit, Window: budget.Month, Mode: budget.Hard},
	}}}}
}

// used is what the state file says was used, once all is written there.
func used(t testing.TB, dir string) (requests, tokens int64) {
	t.Helper()
	sums, err := rowsOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	return sums.Requests, sums.Input + sums.Output
}

func within(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain: " + what)
		}
	}
}

// flaky is a store that can be away.
type flaky struct {
	lease.Store
	away atomic.Bool
}

func (f *flaky) Exchange(ctx context.Context, r []lease.Report) ([]lease.Grant, error) {
	if f.away.Load() {
		return nil, errors.New("away")
	}
	return f.Store.Exchange(ctx, r)
}
