package budget

import (
	"errors"
	"testing"
)

// An attempt that never went upstream leaves nothing: no row of usage, nothing spent, nothing reserved, and whoever waits is told.
func TestWithdraw(t *testing.T) {
	m, freed := newMemory(), 0
	hour := Budget{Per: PerTenant, Unit: Tokens, Limit: 100, Window: Hour, Mode: Hard}
	requests := Budget{Per: PerTenant, Unit: Requests, Limit: 5, Window: Hour, Mode: Hard}
	b, err := New(bg, Config{Tenants: []Tenant{{Name: "*", Budgets: []Budget{hour, requests}}}}, m, Options{Now: newClock().now, Freed: func(string) { freed++ }})
	if err != nil {
		t.Fatal(err)
	}
	var a, other Account
	b.Open(&a, Who{Tenant: "t"}, false)
	b.Open(&other, Who{Tenant: "t"}, false)
	if _, err := a.Reserve(1, "m", "up", Usage{Input: 80}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Reserve(1, "m", "up", Usage{Input: 80}); err == nil {
		t.Fatal("there is no room")
	}
	if a.Withdraw(2) || !a.Withdraw(1) || a.Withdraw(1) {
		t.Error("not exactly the attempt under way was withdrawn")
	}
	if _, ok := a.Settle(1, Usage{Input: 80}, Done); ok {
		t.Error("settled after it was withdrawn")
	}
	for _, s := range b.Snapshot() {
		if s.Used != 0 || s.Held != 0 {
			t.Errorf("%+v", s)
		}
	}
	if freed != 1 || len(m.rows) != 0 {
		t.Errorf("told %d times, rows %v", freed, m.rows)
	}
	if _, err := a.Reserve(2, "m", "up", Usage{Input: 80}); err != nil {
		t.Fatal(err)
	}
	a.Settle(2, Usage{Input: 80}, Done)
	a.Close()
	other.Close()
	if got := m.total(); got.Requests != 1 || got.Attempts != 1 || got.Errors != 0 {
		t.Errorf("%+v", got)
	}
}

// A model without a price passes by no hard budget of money; a soft one tells that it counts nothing.
func TestUnpriced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		b     Budget
		model string
		hard  bool
		soft  bool
	}{
		{"hard", Budget{Unit: USD, Limit: 1e9, Window: Day, Mode: Hard}, "x", true, false},
		{"hard, no name", Budget{Unit: USD, Limit: 1e9, Window: Day, Mode: Hard}, "", true, false},
		{"hard, priced", Budget{Unit: USD, Limit: 1e9, Window: Day, Mode: Hard}, "known", false, false},
		{"soft", Budget{Unit: USD, Limit: 1e9, Window: Day, Mode: Soft}, "x", false, true},
		{"hard tokens", Budget{Unit: Tokens, Limit: 1e9, Window: Day, Mode: Hard}, "x", false, false},
	} {
		cfg := Config{Tenants: []Tenant{{Name: "team", Budgets: []Budget{tt.b}}}, Prices: []Price{{Model: "known", Input: 1e6, Output: 1e6}}}
		b, err := New(bg, cfg, nil, Options{Now: newClock().now})
		if err != nil {
			t.Fatal(err)
		}
		for _, tenant := range []string{"team", "another"} {
			var a Account
			b.Open(&a, Who{Tenant: tenant}, false)
			st, err := a.Reserve(1, tt.model, "up", Usage{Input: 10})
			var e *Unpriced
			if mine := tenant == "team"; errors.As(err, &e) != (tt.hard && mine) || st.Unpriced != (tt.soft && mine) {
				t.Errorf("%s, %s: %+v, %v", tt.name, tenant, st, err)
			}
			if e != nil && (e.Model != tt.model || e.Tenant != "team") {
				t.Errorf("%+v", e)
			}
			a.Settle(1, Usage{}, Done)
			a.Close()
		}
	}
}
