package recall

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// agentBody is a conversation of about 435 KB: 24 user turns with tool calls between them, the last message a user's.
func agentBody() []byte {
	var history []string
	out := quote(strings.Repeat("func main() {\n\tfmt.Println(\"x\")\n}\n", 57))
	for i := range 24 {
		history = append(history, user(quote(fmt.Sprintf("Question %d?", i))))
		for k := range 8 {
			id := fmt.Sprintf("call_%d_%d", i, k)
			history = append(history, `{"role":"assistant","content":null,"tool_calls":[{"id":"`+id+`","type":"function","function":{"name":"f","arguments":"{}"}}]}`,
				`{"role":"tool","tool_call_id":"`+id+`","content":`+out+`}`)
		}
		history = append(history, model(wire.Chat, "Very well."))
	}
	return []byte(request(wire.Chat, false, append(history, user(`"And where do I live?"`))...))
}

// exchange is what the filter costs one request: Open, Head, End and Close, over a view whose messages have been hashed.
func exchange(tb testing.TB, f *Filter, x *filters.Exchange) {
	s, err := f.Open(context.Background(), x)
	if err != nil || s == nil {
		tb.Fatal(err)
	}
	var h filters.ResponseHead
	h.Status = 200
	_ = s.Head(&h)
	_ = s.End(nil)
	s.Close(nil)
	x.Edits.Reset()
}

func prepared(tb testing.TB, body []byte, session string) *filters.Exchange {
	tb.Helper()
	v, err := wire.Acquire(wire.Chat, body, wire.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Release)
	x := &filters.Exchange{ID: "bench", Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}, View: v}
	x.Identity = filters.Identity{Tenant: "t", Session: session, Chains: v.ChainFrom(0, 0, nil)}
	return x
}

// BenchmarkExchange is the whole of the filter over an engine that costs nothing, for a conversation of 435 KB whose earlier messages
// are known: with nothing to tell, and with the notes of 12 messages to put back.
func BenchmarkExchange(b *testing.B) {
	body := agentBody()
	for _, notes := range []int{0, 12} {
		b.Run(fmt.Sprintf("notes=%d", notes), func(b *testing.B) {
			e := &idle{}
			f := New(e, Options{})
			f.Configure(Settings{})
			x := prepared(b, body, "s")
			chains := x.View.Chain(0, 0, nil, wire.ChainOptions{SkipSystem: true})
			for i := range x.View.Msgs {
				if len(e.notes) < notes && x.View.Msgs[i].Role == wire.User {
					e.notes = append(e.notes, store.Note{Chain: chains[i], Text: strings.Repeat("- 2026-05-08, the user said: \"x\"\n", 20)})
				}
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				exchange(b, f, x)
				x.Trail = filters.Trail{}
			}
		})
	}
}

// BenchmarkLearn is the same exchange where something is new: the last message, and all 435 KB of a conversation that is not known.
func BenchmarkLearn(b *testing.B) {
	body := agentBody()
	for _, all := range []bool{false, true} {
		b.Run(fmt.Sprintf("all=%t", all), func(b *testing.B) {
			f := New(&idle{}, Options{})
			f.Configure(Settings{})
			x := prepared(b, body, "s")
			chains := x.View.Chain(0, 0, nil, wire.ChainOptions{SkipSystem: true})
			b.ReportAllocs()
			for b.Loop() {
				f.sessions.Purge()
				if !all {
					known := new(session)
					known.gave(chains[:len(chains)-2], reach{}, true)
					f.sessions.Add(record.Scope{Tenant: "t", Session: "s"}, known)
				}
				exchange(b, f, x)
				x.Trail = filters.Trail{}
			}
		})
	}
}

// An idle engine has some notes and does nothing.
type idle struct{ notes []store.Note }

func (*idle) Learn(memory.Turn) bool             { return true }
func (*idle) Extract(record.Scope, memory.Start) {}
func (*idle) Recall(context.Context, *memory.Question) (memory.Recollection, error) {
	return memory.Recollection{}, nil
}

func (e *idle) Notes(context.Context, record.Scope) ([]store.Note, error) { return e.notes, nil }
