package ctxrewrite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/history/historytest"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

var profiles = []*history.Profile{
	history.OpenAI, history.Azure, history.Anthropic, history.Gemini, history.DeepSeek, history.Mistral, history.Strict, history.Plain,
}

// cuts is how many histories TestCuts cuts: a million in the full run.
func cuts(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("TRAPGATE_CUTS"))
	if err != nil {
		return 4000
	}
	t.Logf("TRAPGATE_CUTS: %d", n)
	return n
}

// Generated histories under every profile, in all dialects, at windows from far too small to nearly large enough: what goes out is
// valid, fits where that is possible, has all rules, and is the same when it is done once more.
func TestCuts(t *testing.T) {
	wire.Strict = true
	n := cuts(t)
	for shard := range 2 {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(shard), 7))
			stats := map[string]int{}
			for i := shard; i < n; i += 2 {
				d := wire.Dialect([]wire.Dialect{wire.Chat, wire.Responses, wire.Messages}[r.IntN(3)])
				p := profiles[r.IntN(len(profiles))]
				opt := historytest.Options{Profile: p}
				if r.IntN(20) == 0 {
					opt.Huge = 2000 + r.IntN(30000)
				}
				h := historytest.Generate(r, d, opt)
				cutOnce(t, h, p, 0.1+1.2*r.Float64(), stats)
				if t.Failed() {
					return
				}
			}
			t.Log(stats)
		})
	}
}

// cutOnce fits a history into a share of its size, twice.
func cutOnce(t *testing.T, h *historytest.History, p *history.Profile, share float64, stats map[string]int) {
	v, err := wire.Acquire(h.Dialect, h.Body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	size := tokens.Estimate(h.Body)
	window := max(64, int(float64(size)*share))
	config := Config{Windows: []tokens.Rule{{Model: "*", Tokens: window}}, Reserve: 1}
	var outs [2][]byte
	var plan Plan
	for i := range outs {
		e, err := New(config, Options{Count: roughly})
		if err != nil {
			t.Fatal(err)
		}
		outs[i], plan = sent(t, e, h.Body, "", h.Dialect, p)
		e.Close()
	}
	fail := func(format string, args ...any) {
		t.Helper()
		file := filepath.Join(os.TempDir(), "trapgate-cut-failed.json")
		_ = os.WriteFile(file, h.Body, 0o600)
		t.Errorf("%s (%s, %s, window %d of %d), plan %+v: %s", file, h.Dialect, p.Name, window, size, plan, fmt.Sprintf(format, args...))
	}
	if !bytes.Equal(outs[0], outs[1]) {
		fail("two runs differ")
		return
	}
	if plan.Action == None || plan.Action == TooLarge && plan.Epoch == 0 && !plan.Cut {
		stats[plan.Action.String()]++
		if !bytes.Equal(outs[0], h.Body) {
			fail("changed without saying so")
		}
		return
	}
	stats["rewritten"]++
	out, err := wire.Acquire(h.Dialect, outs[0], wire.Limits{})
	if err != nil {
		fail("%v", err)
		return
	}
	defer out.Release()
	if f := history.Introduced(history.Check(v, p), history.Check(out, p)); len(f) > 0 {
		fail("%v", f)
	}
	if lost := historytest.Lost(outs[0], h.Pins); len(lost) > plan.Pinned {
		fail("lost %v", lost)
	} else if len(lost) > 0 {
		stats["over budget"]++
	}
	if plan.Cut {
		stats["cut inside"]++
	}
	var l line
	l.measure(out, out.ChainFrom(0, 0, nil))
	if now := l.all(); plan.Action == Rewrite && now > plan.To+plan.To/50+20 {
		fail("%d tokens", now)
	}
}
