package ratelimit

import (
	"fmt"
	"testing"
)

// warmed lets a call go and end, and returns how much of its input was taken to be warm.
func (b *bed) warmed(c Call) int64 {
	c.Tenant, c.Model = "a", "m"
	t := b.call(c)
	cached := int64(t.need.Cached)
	finish(t)
	return cached
}

// A call without a session is a conversation of its own, whatever its exchange and others' sessions are named.
func TestNoSessionIsNobodys(t *testing.T) {
	for _, exchange := range []string{"1", ""} {
		b := newBed(t, Config{}, PoolConfig{Cache: CacheConfig{Slots: 4}})
		b.warmed(Call{Exchange: "0", Session: "#" + exchange, Input: 900})
		b.warmed(Call{Exchange: exchange, Input: 50})
		if got := b.warmed(Call{Exchange: "2", Session: "#" + exchange, Input: 1000}); got != 900 {
			t.Errorf("exchange %q: the session has %d tokens warm, want 900", exchange, got)
		}
		if got := b.warmed(Call{Exchange: "", Input: 50}); got != 0 {
			t.Errorf("exchange %q: another call without a session has %d tokens warm", exchange, got)
		}
		if n := b.p.cache.hot.n; n != 3 {
			t.Errorf("exchange %q: %d conversations are warm, want 3", exchange, n)
		}
	}
}

// However often a call without a session is tried, it is one conversation and evicts one other.
func TestAttemptsAreOneConversation(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{Cache: CacheConfig{Slots: 3}})
	for i := range 3 {
		b.warmed(Call{Exchange: fmt.Sprint("first", i), Session: fmt.Sprint("s", i), Input: 900})
	}
	var prior *Ticket
	for range 5 {
		x := b.call(Call{Exchange: "x", Tenant: "a", Model: "m", Input: 50, Prior: prior})
		x.Keep()
		x.Release()
		prior = x
	}
	prior.Drop()
	for i, want := range []int64{0, 900, 900} {
		if w := b.p.cache.warm[warmKey{tenant: "a", session: fmt.Sprint("s", i)}]; w.tokens != want {
			t.Errorf("s%d has %d tokens warm, want %d", i, w.tokens, want)
		}
	}
	b.wantEmpty()
}

// A conversation that is evicted takes no prefix from another one that came to the same messages.
func TestSameMessages(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{Cache: CacheConfig{Slots: 2}})
	var both []*Ticket
	for i := range 2 { // at once: neither finds the other
		both = append(both, b.call(Call{Exchange: fmt.Sprint(i), Tenant: "a", Model: "m", Input: 900, Chains: []uint64{7}}))
	}
	finish(both[0])
	finish(both[1])
	b.warmed(Call{Exchange: "evicts the first", Session: "s", Input: 10, Chains: []uint64{8}})
	if got := b.warmed(Call{Exchange: "3", Input: 1000, Chains: []uint64{7, 9}}); got != 900 {
		t.Errorf("%d tokens are warm, want 900", got)
	}
}

// A session that begins where another one is takes its place over: the other's next call does not find there what is gone.
func TestForkTakesOver(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{Cache: CacheConfig{Slots: 2}})
	b.warmed(Call{Exchange: "1", Session: "s1", Input: 900, Chains: []uint64{1}})
	if got := b.warmed(Call{Exchange: "2", Session: "s2", Input: 5000, Chains: []uint64{1, 20}}); got != 900 {
		t.Errorf("the fork has %d tokens warm, want 900", got)
	}
	if got := b.warmed(Call{Exchange: "3", Session: "s2", Input: 6000}); got != 5000 {
		t.Errorf("the fork's next call has %d tokens warm, want 5000", got)
	}
	if got := b.warmed(Call{Exchange: "4", Session: "s1", Input: 5000, Chains: []uint64{1, 10}}); got != 0 {
		t.Errorf("the other has %d tokens warm of what was overwritten", got)
	}
}
