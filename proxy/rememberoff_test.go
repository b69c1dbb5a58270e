package main

import "testing"

// A conversation that was told something keeps its bytes when Trapgate starts again with memory switched off, and is told nothing new.
func TestMemoryOffKeepsBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	up := newFake(t, saysPlainly)
	g := remembering(t, up, byHeader, in(dir))
	g.do(t, says("ada", "old", "Remember that the key of the shed hangs behind the clock."))
	g.settled(t)
	const question = "Where does the key of the shed hang?"
	sent, answer := g.asks(t, up, "ada", "one", question)
	if !told(sent) {
		t.Fatalf("%q: %s", answer.get("x-trapgate-memory"), sent.Body)
	}
	g.settled(t)
	if err := g.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	g = remembering(t, up, "memory: {mode: off, scope: {user: {header: x-user}}}\n", in(dir))
	if g.do(t, says("ada", sent.get("x-test-session"), question)); up.last().Body != sent.Body {
		t.Errorf("before and after a restart with memory off:\n%s\n%s", sent.Body, up.last().Body)
	}
	if g.do(t, says("ada", "two", question)); told(up.last()) {
		t.Errorf("told, though memory is off: %s", up.last().Body)
	}
	before := g.stats(t)
	g.do(t, says("ada", "three", "Remember that the ladder stands in the barn."))
	g.settled(t)
	if after := g.stats(t); after != before || after.Episodes == 0 {
		t.Errorf("learned, though memory is off: %+v, %+v", before, after)
	}
}

func (g *gateway) stats(tb testing.TB) memoryStats {
	tb.Helper()
	n, err := g.memory.Load().store.Stats(tb.Context(), "")
	if err != nil {
		tb.Fatal(err)
	}
	n.Loaded, n.IndexBytes = 0, 0 // what is in memory is no matter of what is kept
	return memoryStats(n)
}
