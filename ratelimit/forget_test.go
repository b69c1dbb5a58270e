package ratelimit

import "testing"

// A pool is only forgotten when nothing of it is in use; then its name begins anew.
func TestForget(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{Limits: Limits{Concurrency: 1}})
	if b.s.Forget("up") || b.s.Forget("nobody") {
		t.Error("a pool was forgotten that is configured, or that there is none of")
	}
	named := b.p
	b.p = b.s.Pool("made up")
	b.p.SetLimits("test", Limits{Concurrency: 1})
	running := b.call(Call{Exchange: "1", Tenant: "a", Input: 10})
	waits := b.call(Call{Exchange: "2", Tenant: "a", Input: 10})
	for _, step := range []struct {
		what string
		end  func()
	}{
		{"runs and waits", func() { waits.Cancel() }},
		{"runs", func() { running.Keep(); running.Release() }},
		{"is kept for a next attempt", func() { running.Drop() }},
	} {
		if b.s.Forget("made up") {
			t.Fatalf("forgotten while a call %s", step.what)
		}
		step.end()
	}
	if !b.s.Forget("made up") {
		t.Fatal("not forgotten when idle")
	}
	again := b.s.Pool("made up")
	if again == b.p || again.Limits() != (Limits{}) || len(b.s.State().Pools) != 2 {
		t.Errorf("the name finds %+v", again.Limits())
	}
	if b.s.Pool("up") != named {
		t.Error("another pool is gone")
	}
}
