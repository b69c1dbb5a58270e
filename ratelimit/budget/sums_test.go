package budget

import (
	"strings"
	"testing"
	"time"
)

func TestFreedIsToldOnce(t *testing.T) {
	told := 0
	b := mustNew(t, config(hard(PerTenant, Tokens, 100, Day)), nil, newClock(), Options{Freed: func(tenant string) {
		if tenant != "team" {
			t.Errorf("told of %q", tenant)
		}
		told++
	}})
	var a, wait Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "m", "up", tokens(90)); err != nil {
		t.Fatal(err)
	}
	b.Open(&wait, alice, false)
	if _, err := wait.Reserve(1, "m", "up", tokens(20)); err == nil {
		t.Fatal("no refusal")
	}
	if told != 0 {
		t.Error("told of nothing")
	}
	a.Settle(1, tokens(10), Done)
	a.Close()
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	if _, err := wait.Reserve(1, "m", "up", tokens(95)); err == nil {
		t.Fatal("no refusal")
	}
	if err := b.Swap(config(hard(PerTenant, Tokens, 200, Day))); err != nil || told != 2 {
		t.Errorf("a raised limit was told %d times, %v", told-1, err)
	}
	if _, err := wait.Reserve(1, "m", "up", tokens(95)); err != nil {
		t.Error(err)
	}
	wait.Close()
	wantSpent(t, b, Tokens, 105, 0) // never settled: paid as it was expected
}

func TestSwapKeepsTheSums(t *testing.T) {
	b := mustNew(t, config(hard(PerTenant, Tokens, 100, Day)), nil, newClock(), Options{})
	var a Account
	b.Open(&a, alice, false)
	if _, err := a.Reserve(1, "m", "up", tokens(60)); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []Config{{}, config(hard(PerTenant, Tokens, 70, Day), hard(PerAgent, Tokens, 20, Day))} {
		if err := b.Swap(cfg); err != nil {
			t.Fatal(err)
		}
	}
	a.Settle(1, tokens(50), Failed)
	wantSpent(t, b, Tokens, 50, 10)
	if _, err := a.Reserve(2, "m", "up", tokens(21)); err == nil {
		t.Error("a lower limit does not hold")
	}
	a.Close()
	wantSpent(t, b, Tokens, 50, 0)
	if err := b.Swap(config(hard(PerTenant, Tokens, 0, Day))); err == nil {
		t.Error("a bad configuration was taken")
	}
}

func TestTenantsDoNotShare(t *testing.T) {
	cfg := config(hard(PerTenant, Tokens, 100, Day))
	cfg.Tenants = append(cfg.Tenants, Tenant{Name: "rich"})
	b := mustNew(t, cfg, nil, newClock(), Options{})
	for tenant, n := range map[string]int64{"a": 100, "b": 100, "rich": 1e6} {
		var a Account
		b.Open(&a, Who{Tenant: tenant}, false)
		if _, err := a.Reserve(1, "m", "up", tokens(n)); err != nil {
			t.Errorf("%s: %v", tenant, err)
		}
		a.Settle(1, tokens(n), Done)
		_, err := a.Reserve(2, "m", "up", tokens(1))
		if (err == nil) != (tenant == "rich") {
			t.Errorf("%s: %v", tenant, err)
		}
		a.Close()
	}
}

func TestASumInUseIsNotForgotten(t *testing.T) {
	c := newClock()
	b := mustNew(t, config(hard(PerAgent, Tokens, 10, Day)), newMemory(), c, Options{})
	agent := func(i int) Who { return Who{Tenant: "t", Agent: time.Duration(i).String()} }
	var inUse, a Account
	b.Open(&inUse, agent(0), false)
	if _, err := inUse.Reserve(1, "m", "up", Usage{}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= maxSubjects; i++ { // the last one makes room
		b.Open(&a, agent(i), false)
		if _, err := a.Reserve(1, "m", "up", Usage{}); err != nil {
			t.Fatal(err)
		}
		a.Settle(1, Usage{}, Done)
		a.Close()
	}
	inUse.TopUp(tokens(7))
	if _, held := spent(b, PerAgent, Tokens, Day, agent(0).Agent); held != 7 {
		t.Errorf("%d are held", held)
	}
	inUse.Close()
}

func TestMadeUpNamesShareOneSum(t *testing.T) {
	b := mustNew(t, config(hard(PerAgent, Tokens, 10, Day)), nil, newClock(), Options{})
	refused, n := 0, maxSubjects+100
	for i := range n {
		var a Account
		b.Open(&a, Who{Tenant: "t", Agent: strings.Repeat("x", i%7) + time.Duration(i).String()}, false)
		if _, err := a.Reserve(1, "m", "up", tokens(10)); err != nil {
			refused++
		} else {
			a.Settle(1, tokens(10), Done)
		}
		a.Close()
	}
	if refused != 99 {
		t.Errorf("%d were refused of those above the bound", refused)
	}
	if got := len(b.Snapshot()); got > maxSubjects+1 {
		t.Errorf("%d sums", got)
	}
}

func TestAStoreThatTakesNothing(t *testing.T) {
	store := newMemory()
	store.deaf = true
	c := newClock()
	b := mustNew(t, config(hard(PerTenant, Tokens, 100, Day)), store, c, Options{})
	spend := func(n int64) {
		var a Account
		b.Open(&a, alice, false)
		if _, err := a.Reserve(1, "m", "up", tokens(n)); err != nil {
			t.Fatal(err)
		}
		a.Settle(1, tokens(n), Done)
		a.Close()
	}
	spend(30)
	store.deaf = false
	spend(1)
	if got := store.total().Input; got != 31 {
		t.Errorf("%d of 31 tokens were saved", got)
	}
	wantSpent(t, mustNew(t, config(), store, c, Options{}), Tokens, 31, 0)
}

func TestValidate(t *testing.T) {
	bad := Config{
		Tenants: []Tenant{{Name: ""}, {Name: "a", Budgets: []Budget{{Limit: 0}, {Limit: 1, Window: 9}}}, {Name: "a"}},
		Prices:  []Price{{Model: ""}, {Model: "m", Output: -1}},
	}
	err := bad.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("%v", err)
	}
	if _, err := New(bg, bad, nil, Options{}); err == nil {
		t.Error("taken")
	}
}
