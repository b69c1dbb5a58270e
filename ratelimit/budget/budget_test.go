package budget

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { mainOrChild(m, func() { goleak.VerifyTestMain(m) }) }

var bg = context.Background()

// A clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 5, 10, 30, 15, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// memory is a store that keeps what it is given at once.
type memory struct {
	mu   sync.Mutex
	sums map[Key]Sum
	rows map[Row]Totals
	deaf bool // takes nothing
}

func newMemory() *memory { return &memory{sums: map[Key]Sum{}, rows: map[Row]Totals{}} }

func (m *memory) Load(_ context.Context, now time.Time) (all []Sum, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sums {
		if _, end := s.Window.bounds(s.Start); end > now.Unix() {
			all = append(all, s)
		}
	}
	return all, nil
}

func (m *memory) Save(fill func(*Batch)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return errors.New("deaf")
	}
	var b Batch
	fill(&b)
	for _, s := range b.Sums {
		m.sums[s.Key] = s
	}
	for _, r := range b.Usage {
		t := r.Totals
		r.Totals = Totals{}
		sum := m.rows[r]
		sum.plus(&t)
		m.rows[r] = sum
	}
	return nil
}

func (m *memory) total() (t Totals) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		t.plus(&r)
	}
	return t
}

func config(budgets ...Budget) Config {
	rate := Rate(250_000)
	return Config{
		Tenants: []Tenant{{Name: "*", Budgets: budgets}},
		Prices: []Price{
			{Model: "big*", Input: 2_500_000, Output: 10_000_000, Cached: &rate},
			{Model: "odd", Input: 37_501, Output: 1},
		},
	}
}

func mustNew(t testing.TB, cfg Config, store Store, c *clock, opt Options) *Budgets {
	t.Helper()
	opt.Now = c.now
	b, err := New(bg, cfg, store, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tokens(n int64) Usage { return Usage{Input: n} }

var alice = Who{Tenant: "team", User: "alice", Agent: "coder"}

func hard(per Per, unit Unit, limit int64, w Window) Budget {
	return Budget{Per: per, Unit: unit, Limit: limit, Window: w, Mode: Hard}
}

// spent reads a sum; zero when there is none.
func spent(b *Budgets, per Per, unit Unit, w Window, subject string) (used, held int64) {
	for _, s := range b.Snapshot() {
		if s.Per == per && s.Unit == unit && s.Window == w && s.Subject == subject {
			used, held = used+s.Used, held+s.Held
		}
	}
	return used, held
}

func wantSpent(t *testing.T, b *Budgets, unit Unit, used, held int64) {
	t.Helper()
	if u, h := spent(b, PerTenant, unit, Day, ""); u != used || h != held {
		t.Errorf("%s: %d used and %d held, want %d and %d", unit, u, h, used, held)
	}
}

func TestReserveTopUpSettle(t *testing.T) {
	b := mustNew(t, config(hard(PerTenant, Tokens, 1000, Day), hard(PerTenant, Requests, 10, Day), hard(PerTenant, USD, 1e9, Day)), nil, newClock(), Options{})
	var a Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "big-1", "up", Usage{Input: 100, Output: 50}); err != nil {
		t.Fatal(err)
	}
	wantSpent(t, b, Tokens, 0, 150)
	wantSpent(t, b, Requests, 0, 1)
	wantSpent(t, b, USD, 0, 100*2500+50*10000)
	a.TopUp(Usage{Input: 100, Output: 20}) // inside the estimate
	wantSpent(t, b, Tokens, 0, 150)
	a.TopUp(Usage{Input: 100, Output: 64})
	wantSpent(t, b, Tokens, 0, 164)
	if _, ok := a.Settle(1, Usage{Input: 120, Cached: 100, Output: 70}, Done); !ok {
		t.Error("not settled")
	}
	wantSpent(t, b, Tokens, 190, 0)
	wantSpent(t, b, Requests, 1, 0)
	wantSpent(t, b, USD, 20*2500+100*250+70*10000, 0)
	for _, how := range []Outcome{Done, Aborted, Failed, Refunded} {
		if _, ok := a.Settle(1, tokens(5), how); ok {
			t.Error("settled twice")
		}
	}
	if _, ok := a.Settle(2, tokens(5), Done); ok {
		t.Error("settled an attempt that was never reserved")
	}
	a.Close()
	a.Close()
	wantSpent(t, b, Tokens, 190, 0)
}

func TestOutcomes(t *testing.T) {
	for how, want := range map[Outcome]struct{ used, requests, errors, aborted int64 }{
		Done: {30, 1, 0, 0}, Aborted: {30, 1, 0, 1}, Failed: {30, 1, 1, 0}, Refunded: {0, 0, 1, 0},
	} {
		store := newMemory()
		b := mustNew(t, config(hard(PerTenant, Tokens, 1000, Day), hard(PerTenant, Requests, 10, Day)), store, newClock(), Options{})
		var a Account
		b.Open(&a, alice, false)
		if _, err := a.Reserve(1, "m", "up", tokens(100)); err != nil {
			t.Fatal(err)
		}
		a.Settle(1, tokens(30), how)
		a.Close()
		wantSpent(t, b, Tokens, want.used, 0)
		wantSpent(t, b, Requests, want.requests, 0)
		if got := store.total(); got.Input != want.used || got.Errors != want.errors || got.Aborted != want.aborted || got.Attempts != 1 || got.Requests != 1 {
			t.Errorf("%d: usage %+v", how, got)
		}
	}
}

func TestARetryIsNotANewRequest(t *testing.T) {
	store := newMemory()
	b := mustNew(t, config(hard(PerTenant, Tokens, 200, Day), hard(PerTenant, Requests, 1, Day), hard(PerModel, Requests, 1, Day)), store, newClock(), Options{})
	var a, other Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "m", "up", tokens(150)); err != nil {
		t.Fatal(err)
	}
	a.Settle(1, tokens(40), Failed)
	wantSpent(t, b, Tokens, 40, 110) // the rest carries over
	b.Open(&other, alice, false)
	if _, err := other.Reserve(1, "m2", "up", tokens(100)); err == nil {
		t.Error("somebody else got what a retry carries over")
	}
	other.Close()
	// Another model, at another upstream: the tenant's request is counted, that model's is not.
	if _, err := a.Reserve(2, "m2", "up2", tokens(150)); err != nil {
		t.Fatalf("the retry was refused: %v", err)
	}
	a.Settle(2, Usage{}, Refunded)
	if _, err := a.Reserve(3, "m", "up", tokens(150)); err != nil {
		t.Fatalf("the second retry was refused: %v", err)
	}
	a.Settle(3, tokens(20), Done)
	wantSpent(t, b, Tokens, 60, 0)
	wantSpent(t, b, Requests, 1, 0)
	a.Close()
	for model, want := range map[string]int64{"m": 1, "m2": 0} {
		if used, held := spent(b, PerModel, Requests, Day, model); used != want || held != 0 {
			t.Errorf("%s: %d requests, %d held", model, used, held)
		}
	}
	if got := store.total(); got.Requests != 1 || got.Attempts != 3 {
		t.Errorf("usage: %+v", got)
	}
	// The agent's own repetition of a request that was counted.
	b.Open(&a, alice, true)
	if _, err := a.Reserve(1, "m", "up", tokens(1)); err != nil {
		t.Fatalf("the repetition was refused: %v", err)
	}
	a.Settle(1, tokens(1), Done)
	a.Close()
	wantSpent(t, b, Requests, 1, 0)
	if got := store.total(); got.Requests != 1 || got.Attempts != 4 {
		t.Errorf("usage: %+v", got)
	}
}

func TestExceeded(t *testing.T) {
	c := newClock()
	cfg := config(hard(PerTenant, Tokens, 100, Minute), hard(PerAgent, Tokens, 150, Month), hard(PerUser, USD, 1000, Hour))
	cfg.Prices = append(cfg.Prices, Price{Model: "free"})
	b := mustNew(t, cfg, nil, c, Options{})
	var a Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "free", "up", tokens(90)); err != nil {
		t.Fatal(err)
	}
	a.Settle(1, tokens(95), Done)
	_, err := a.Reserve(2, "free", "up", tokens(20))
	var e *Exceeded
	if !errors.As(err, &e) || e.Tenant != "team" || e.Subject != "" || e.Used != 95 || e.Want != 20 || e.Never ||
		!e.Reset.Equal(time.Date(2026, 11, 5, 10, 31, 0, 0, time.UTC)) {
		t.Fatalf("%#v", err)
	}
	if want := "hint: it resets at 2026-11-05T10:31:00Z"; !strings.Contains(err.Error(), want) {
		t.Errorf("%q lacks %q", err, want)
	}
	// Two have no room: the one that resets last is named.
	_, err = a.Reserve(2, "free", "up", tokens(60))
	if !errors.As(err, &e) || e.Subject != "coder" || e.Budget.Window != Month || !e.Reset.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v", err)
	}
	_, err = a.Reserve(2, "big", "up", tokens(2))
	if !errors.As(err, &e) || !e.Never || e.Budget.Unit != USD || e.Want != 5000 || !strings.Contains(err.Error(), "0.000005 wanted") {
		t.Errorf("%v", err)
	}
	for _, s := range b.Snapshot() {
		if s.Held != 0 {
			t.Errorf("a refusal left something reserved: %+v", s)
		}
	}
	c.move(time.Minute)
	if _, err := a.Reserve(2, "free", "up", tokens(20)); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	a.Settle(2, Usage{}, Refunded)
	a.Close()
}

func TestSoftBudgetsAreSaid(t *testing.T) {
	b := mustNew(t, config(
		Budget{Unit: Tokens, Limit: 80, Window: Day}, Budget{Unit: Tokens, Limit: 100, Window: Day}, Budget{Unit: Requests, Limit: 1000, Window: Day},
	), nil, newClock(), Options{})
	var a Account
	b.Open(&a, alice, false)
	st, err := a.Reserve(1, "m", "up", tokens(40))
	if err != nil || st.Fraction != 0.5 || st.Over || st.Crossed || st.Budget.Limit != 80 {
		t.Errorf("%+v %v", st, err)
	}
	if st = a.TopUp(tokens(90)); !st.Crossed || !st.Over || st.Budget.Limit != 80 || st.Fraction != 1.125 {
		t.Errorf("%+v", st)
	}
	if st, _ = a.Settle(1, tokens(95), Done); st.Crossed || !st.Over {
		t.Errorf("crossed twice: %+v", st)
	}
	if st, err = a.Reserve(2, "m", "up", tokens(1000)); err != nil || !st.Crossed || st.Budget.Limit != 100 || st.Fraction != 10.95 {
		t.Errorf("a soft budget refused, or said nothing: %+v %v", st, err)
	}
	a.Settle(2, tokens(1), Done)
	a.Close()
}

func TestWindowsRoll(t *testing.T) {
	c := newClock()
	b := mustNew(t, config(hard(PerTenant, Tokens, 100, Minute), hard(PerTenant, Requests, 1, Minute)), nil, c, Options{})
	minute := func() (used, held int64) { return spent(b, PerTenant, Tokens, Minute, "") }
	var a, a2 Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "m", "up", tokens(80)); err != nil {
		t.Fatal(err)
	}
	c.move(time.Minute)
	b.Open(&a2, alice, false)
	if _, err := a2.Reserve(1, "m", "up", tokens(80)); err != nil { // a window of its own
		t.Fatal(err)
	}
	a.TopUp(tokens(95)) // the stream that began before belongs there, to its end
	a.Settle(1, tokens(99), Failed)
	if used, held := minute(); used != 0 || held != 80 {
		t.Errorf("%d used, %d held", used, held)
	}
	a2.Settle(1, tokens(10), Done)
	// Its retry is in the window of its dispatch, and its request was counted in the one before.
	if _, err := a.Reserve(2, "m", "up", tokens(90)); err != nil {
		t.Fatal(err)
	}
	if used, held := minute(); used != 10 || held != 90 {
		t.Errorf("%d used, %d held", used, held)
	}
	a.Settle(2, tokens(50), Done)
	a.Close()
	a2.Close()
	if used, held := minute(); used != 60 || held != 0 {
		t.Errorf("%d used, %d held", used, held)
	}
	for _, move := range []time.Duration{-30 * time.Second, 30 * time.Second, -24 * time.Hour} {
		c.move(move) // a clock that goes back frees nothing, and blocks nothing for longer than a window or two
		b.Open(&a, alice, true)
		_, err := a.Reserve(1, "m", "up", tokens(50))
		var e *Exceeded
		if !errors.As(err, &e) || e.Reset.Sub(c.now()) > 2*time.Minute {
			t.Errorf("%v: %v", move, err)
		}
		a.Close()
	}
}

func TestANewPriceCountsAtOnce(t *testing.T) {
	b := mustNew(t, config(hard(PerTenant, USD, 1e9, Day)), nil, newClock(), Options{})
	var a Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "big", "up", tokens(10)); err != nil {
		t.Fatal(err)
	}
	cfg := config(hard(PerTenant, USD, 1e9, Day))
	cfg.Prices = []Price{{Model: "*", Input: 7_000}}
	if err := b.Swap(cfg); err != nil {
		t.Fatal(err)
	}
	a.Settle(1, tokens(10), Done)
	a.Close()
	wantSpent(t, b, USD, 70, 0)
}
