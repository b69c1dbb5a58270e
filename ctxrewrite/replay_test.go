package ctxrewrite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// roughly stands for the exact count, which is slow, and teaches nothing that a restart would forget.
func roughly(text string) int { return tokens.Estimate([]byte(text)) }

// newest is the epoch that was made last in a session of sent's tenant.
func newest(e *Engine, session string) *Epoch {
	c := e.sessions.of(&Request{Tenant: "t", Session: session})
	return c.epochs[len(c.epochs)-1]
}

// A recording is a long session with planted rules and codes, as the notes' replay uses it.
type recording struct {
	Tools  json.RawMessage
	Raw    []string
	Points []int
	Pins   []struct {
		Message int
		Text    string
	}
	IDs []struct {
		Message int
		Code    string
	}
}

func recorded(t testing.TB) *recording {
	raw, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "tau_session_dev.json"))
	if err != nil {
		t.Skip("SKIP: ../shared/data/tau_session_dev.json is absent")
	}
	var r recording
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// body is the request before message n.
func (r *recording) body(n int) []byte {
	return fmt.Appendf(nil, `{"model":"m","messages":[%s],"tools":%s}`, strings.Join(r.Raw[:n], ","), r.Tools)
}

// sent is what a request becomes.
func sent(t testing.TB, e *Engine, body []byte, session string, d wire.Dialect, p *history.Profile) ([]byte, Plan) {
	t.Helper()
	v, err := wire.Acquire(d, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	var call wire.Edits
	plan := e.Fit(&Request{View: v, Call: &call, Tenant: "t", Session: session, Upstream: "u", Model: "m", Profile: p})
	out, err := wire.Apply(nil, body, nil, &call)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(out), plan
}

// A session of 272,000 tokens, request by request: nothing over the window, nothing invalid, no rule lost, the end verbatim, and
// nearly every request a prefix of the next.
func TestReplay(t *testing.T) {
	r := recorded(t)
	for _, c := range []struct {
		window     int
		hits, cost float64 // at least, at most
	}{{32768, 97.8, 2.5}, {131072, 99.4, 8.2}} {
		t.Run(fmt.Sprint(c.window), func(t *testing.T) {
			t.Parallel()
			e, err := New(Config{Windows: []tokens.Rule{{Model: "*", Tokens: c.window}}}, Options{Count: roughly})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			count := func(text string) int { return tokens.Estimate([]byte(text)) } // e2e/bench/context counts exactly
			var last []string
			total, hit, epochs, inPath := 0, 0, 0, 0
			for _, point := range r.Points {
				out, plan := sent(t, e, r.body(point), "s", wire.Chat, history.OpenAI)
				e.running.Wait()
				if plan.Made {
					epochs++
					t.Logf("epoch %d before message %d: from %d to %d, digest %d", plan.Epoch, point, plan.From, plan.To, newest(e, "s").Tokens)
				}
				v, err := wire.Acquire(wire.Chat, out, wire.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if f := history.Check(v, history.OpenAI); len(f) > 0 {
					t.Fatalf("before message %d: %v", point, f)
				}
				parts := []string{string(v.Raw(v.ToolsSpan))}
				for i := range v.Msgs {
					parts = append(parts, string(v.Raw(v.Msgs[i].Span)))
				}
				now, same, equal := 0, 0, true
				for i, p := range parts {
					n := count(p)
					now += n
					if equal = equal && i < len(last) && last[i] == p; equal {
						same += n
					}
				}
				if now > (c.window-4096)*9/10 && tokens.Count(string(out))+4096 > c.window {
					t.Fatalf("before message %d: %d tokens (%d estimated)", point, now, plan.To)
				}
				total, hit, last = total+now, hit+same, parts
				for _, p := range r.Pins {
					if p.Message < point && !bytes.Contains(out, []byte(p.Text)) {
						t.Fatalf("before message %d: the rule %q of message %d is lost", point, p.Text, p.Message)
					}
				}
				tail := 0
				for i := 1; i <= len(v.Msgs) && i <= point && string(v.Raw(v.Msgs[len(v.Msgs)-i].Span)) == r.Raw[point-i]; i++ {
					tail += count(r.Raw[point-i])
				}
				if plan.Epoch > 0 && float64(tail) < 0.2*float64(c.window-4096) {
					t.Errorf("before message %d: %d tokens at the end are verbatim", point, tail)
				}
				v.Release()
			}
			found := 0
			out := strings.Join(last, "")
			for _, id := range r.IDs {
				if strings.Contains(out, id.Code) {
					found++
				}
			}
			hits := 100 * float64(hit) / float64(total)
			cost := (float64(total-hit) + 0.1*float64(hit)) / 1e6
			inPath = int(e.Counts().InPath)
			t.Logf("window %d: hits %.2f %%, cost %.2f M, %d epochs (%d in the path), mean %d tokens, ids at the end %d of %d",
				c.window, hits, cost, epochs, inPath, total/len(r.Points), found, len(r.IDs))
			if hits < c.hits || cost > c.cost || found*100 < 98*len(r.IDs) {
				t.Errorf("hits %.2f (>= %.2f), cost %.2f (<= %.2f), ids %d of %d", hits, c.hits, cost, c.cost, found, len(r.IDs))
			}
		})
	}
}
