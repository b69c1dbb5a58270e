package ctxrewrite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// agentBody is a coding agent's request of about so many bytes: calls and their results.
func agentBody(bytes int) []byte {
	var b strings.Builder
	b.WriteString(`{"model":"m","messages":[{"role":"system","content":"` + strings.Repeat("Work carefully. ", 200) + `"},{"role":"user","content":"Mend the build."}`)
	line := `  12 | func add(a, b int) int { return a + b } // a line of code that was read\n`
	for i := 0; b.Len() < bytes; i++ {
		fmt.Fprintf(&b, `,{"role":"assistant","content":"Reading file %d.","tool_calls":[{"id":"call_%d","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"pkg/f%d.go\"}"}}]}`, i, i, i)
		fmt.Fprintf(&b, `,{"role":"tool","tool_call_id":"call_%d","content":"%s"}`, i, strings.Repeat(line, 8+i%9))
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// BenchmarkFit is what the engine adds to a request of 435 KB whose conversation is known: nothing to do, and with an epoch in
// front; to a branch of which nothing is known; and when an epoch must be made in the path.
func BenchmarkFit(b *testing.B) {
	body := agentBody(435 << 10)
	size := tokens.Estimate(body)
	for _, c := range []struct {
		name    string
		window  int
		session string
		fresh   bool
	}{
		{"below", 3 * size, "s", false},
		{"epoch", size, "s", false},
		{"branch", 3 * size, "", false},
		{"cut", size, "s", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			chains := v.ChainFrom(0, 0, nil)
			e, err := New(Config{Windows: []tokens.Rule{{Model: "*", Tokens: c.window}}}, Options{Count: roughly})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var call wire.Edits
			fit := func() Plan {
				call.Reset()
				return e.Fit(&Request{View: v, Call: &call, Chains: chains, Tenant: "t", Session: c.session, Upstream: "u", Model: "m", Profile: history.OpenAI})
			}
			plan := fit()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if c.fresh {
					c.session = fmt.Sprint("s", i)
				}
				plan = fit()
			}
			b.ReportMetric(float64(plan.To), "tokens")
		})
	}
}
