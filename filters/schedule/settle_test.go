package schedule

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// cutAfter is a stream that stops behind n words.
func cutAfter(how filtertest.How, words ...string) filtertest.Answer {
	a := streamed("", words...)
	a.Body = a.Body[:strings.Index(string(a.Body), chunk(stop))]
	a.How = how
	return a
}

// Every ending is settled once, with what the attempt used, in both ledgers.
func TestEndings(t *testing.T) {
	const hidden = `,"stream_options":{"include_usage":true}`
	forty := strings.Repeat("0123456789", 4) // ten tokens
	messages := filtertest.Answer{Stream: true, How: filtertest.Stalled, Body: []byte(
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":50,\"cache_read_input_tokens\":20,\"cache_creation_input_tokens\":10,\"output_tokens\":1}}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" + forty + "\"}}\n\n")}
	for _, tt := range []struct {
		name   string
		c      call
		cost   int64 // charged in the engine: 1 for an uncached input token, 2 for one of output
		tokens int64 // of the budget
		est    bool  // and the estimated input, in both
	}{
		{"usage of a document", call{unary: true, answers: []filtertest.Answer{document(40, 7)}}, 54, 47, false},
		{"usage of a stream", call{body: hidden, answers: []filtertest.Answer{streamed(stdUsage, "a")}}, 10 + 14, 47, false},
		{"usage that only we asked for", call{answers: []filtertest.Answer{streamed(stdUsage, "a")}}, 10 + 14, 47, false},
		{"no usage", call{answers: []filtertest.Answer{streamed("", forty)}}, 20, 10, true},
		{"no usage of a document", call{unary: true, answers: []filtertest.Answer{{Body: []byte(`{"choices":[{"message":{"content":"` + forty + `"}}]}`)}}}, 20, 10, true},
		{"cut", call{answers: []filtertest.Answer{cutAfter(filtertest.Cut, forty)}}, 20, 10, true},
		{"ends without its terminal event", call{answers: []filtertest.Answer{cutAfter(filtertest.Whole, forty)}}, 20, 10, true},
		{"agent leaves in the stream", call{answers: []filtertest.Answer{cutAfter(filtertest.Stalled, forty)}, leave: filtertest.Leave{Waiting: true}}, 20, 10, true},
		{"agent leaves before the head", call{answers: []filtertest.Answer{{How: filtertest.Silent}}, leave: filtertest.Leave{Waiting: true}}, 0, 0, true},
		{"agent leaves, usage known so far", call{dialect: wire.Messages, answers: []filtertest.Answer{messages}, leave: filtertest.Leave{Waiting: true}}, 60 + 20, 90, false},
		{"agent leaves before the request is sent", call{memory: filtertest.Memory{Dialling: true}, leave: filtertest.Leave{Waiting: true}}, 0, 0, false},
		{"dropped", call{answers: []filtertest.Answer{{How: filtertest.Dropped}}}, 0, 0, false},
		{"refused", call{answers: []filtertest.Answer{failure(404, "no such model")}}, 0, 0, false},
		{"refused twice", call{unary: true, answers: []filtertest.Answer{failure(503, "no"), failure(503, "no")}}, 0, 0, false},
		{"second attempt", call{unary: true, answers: []filtertest.Answer{failure(503, "no"), document(40, 7)}}, 54, 47, false},
		{"without the outer half", call{unary: true, bare: true, answers: []filtertest.Answer{failure(503, "no"), document(40, 7)}}, 54, 47, false},
		{"agent leaves in the second attempt", call{unary: true, answers: []filtertest.Answer{failure(503, "no"), {How: filtertest.Silent}}, leave: filtertest.Leave{Waiting: true}}, 0, 0, true},
		{"a filter refuses behind us", call{unary: true, inner: []filters.Filter{filtertest.Refuser{
			Recorder: filtertest.Recorder{Label: "no", Log: new(filtertest.Log)}, Reply: &filters.Reply{Status: 403, Code: "no"},
		}}}, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Budgets = tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: 1e6, Window: budget.Day, Mode: budget.Hard})
				b := newBench(t, s)
				b.run(tt.c)
				b.idle()
				want, tokens := tt.cost, tt.tokens
				if tt.est {
					n := b.used() - tokens
					if n < 15 || n > 40 { // a quarter of the body's bytes
						t.Errorf("the input was estimated at %d tokens", n)
					}
					want, tokens = want+n, tokens+n
				}
				if got := b.attained(); got != want {
					t.Errorf("charged %d, want %d", got, want)
				}
				if got := b.used(); got != tokens {
					t.Errorf("%d tokens of the budget, want %d", got, tokens)
				}
			})
		})
	}
}

// A failed attempt's place is the next one's: who came later does not go first.
func TestPlaceIsKept(t *testing.T) {
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprint("bare ", bare), func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Engine.Policy = ratelimit.FIFO
				b := newBench(t, s)
				free := b.occupy("memory")
				order := make(chan string, 10)
				start := func(name string, answers ...filtertest.Answer) {
					go b.run(call{unary: true, bare: bare, who: who{id: name}, answers: answers, inner: []filters.Filter{notes{order, name}}})
					time.Sleep(time.Second)
				}
				start("first", failure(503, "no"), document(1, 1))
				start("second", document(1, 1))
				start("third", document(1, 1))
				free()
				got := ""
				for range 4 {
					got += <-order + " "
				}
				if got != "first second first third " { // its slot is anybody's, its place is not
					t.Error(got)
				}
				synctest.Wait()
				time.Sleep(5 * time.Second)
				b.idle()
			})
		})
	}
}

// An attempt whose answer was cut has paid, and its place is the next one's all the same.
func TestPlaceIsKeptWhenCut(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Engine.Policy = ratelimit.FIFO
		b := newBench(t, s)
		open := func(x *filters.Exchange) filters.Stream {
			st, err := b.f.Open(t.Context(), x)
			if err != nil {
				t.Error(err)
			}
			return st
		}
		first, second := b.exchange(`{"model":"m","messages":[]}`), b.exchange(`{"model":"m","messages":[]}`)
		st := open(first)
		time.Sleep(time.Second)
		order := make(chan string, 2)
		run := func(name string, x *filters.Exchange) {
			st := open(x)
			order <- name
			st.Close(nil)
		}
		var wg sync.WaitGroup
		wg.Go(func() { run("second", second) })
		synctest.Wait()
		time.Sleep(time.Second)
		free := b.occupyNext()
		if err := st.Head(&filters.ResponseHead{Status: 200}); err != nil {
			t.Error(err)
		}
		first.Answer.OutputChars = 40
		st.Close(filters.ErrTruncated)
		wg.Go(func() { run("first", first) })
		synctest.Wait()
		free()
		if a := <-order; a != "first" {
			t.Errorf("%s went first", a)
		}
		wg.Wait()
		b.f.exchangeOf(first).release()
		b.idle()
	})
}

// occupyNext pauses the pool, so that who takes the place that is free next is seen once all have come.
func (b *bench) occupyNext() (free func()) {
	b.engine.Pool("memory").Pause(time.Second)
	return func() { time.Sleep(time.Second) }
}

// notes says when an attempt goes, and keeps it a moment.
type notes struct {
	to   chan string
	name string
}

func (notes) Name() string { return "notes" }

func (n notes) Open(context.Context, *filters.Exchange) (filters.Stream, error) {
	n.to <- n.name
	time.Sleep(time.Second)
	return nil, nil
}

// A fallback gives the first upstream's reservation back before it waits at the second.
func TestFallback(t *testing.T) {
	in(t, func(t *testing.T) {
		s := Settings{Engine: ratelimit.Config{Pools: []ratelimit.PoolConfig{
			{Name: "one", Limits: ratelimit.Limits{Concurrency: 1}}, {Name: "two", Limits: ratelimit.Limits{Concurrency: 1}},
		}}}
		b := newBench(t, s)
		free := b.occupy("two")
		done := make(chan result)
		go func() {
			done <- b.run(call{unary: true, memory: filtertest.Memory{Upstreams: []string{"one", "two"}}, answers: []filtertest.Answer{failure(503, "no"), document(3, 1)}})
		}()
		time.Sleep(time.Second)
		for _, p := range b.engine.State().Pools {
			if p.Name == "one" && (p.Inflight != 0 || p.Reserved != 0) {
				t.Errorf("%d in flight and %d reserved at the first upstream", p.Inflight, p.Reserved)
			}
		}
		free()
		if r := <-done; r.Status != 200 || r.head["x-trapgate-queue"] != "two;wait=1000;cause=slot" {
			t.Errorf("%d %v", r.Status, r.head)
		}
		b.idle()
	})
}

// An agent's repetition takes the place of what it repeats.
func TestRetryOf(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Engine.Policy = ratelimit.FIFO
		b := newBench(t, s)
		free := b.occupy("memory")
		leave := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(leave) })
		b.run(call{unary: true, who: who{id: "gone"}, leave: filtertest.Leave{On: leave}})
		order := make(chan string, 4)
		run := func(id, of string) {
			go b.run(call{unary: true, who: who{id: id, Identity: filters.Identity{RetryOf: of, Retry: of != ""}}, answers: []filtertest.Answer{document(1, 1)}, inner: []filters.Filter{notes{order, id}}})
			time.Sleep(time.Second)
		}
		run("later", "")
		run("again", "gone")
		free()
		if a, c := <-order, <-order; a != "again" || c != "later" {
			t.Errorf("%s went before %s", a, c)
		}
		time.Sleep(5 * time.Second)
		b.idle()
	})
}

// The budgets' reservation grows with a stream that is longer than expected.
func TestTopUp(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Budgets = tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: 1e6, Window: budget.Day, Mode: budget.Hard})
		b := newBench(t, s)
		var held, reserved []int64
		look := filtertest.Looker{Recorder: filtertest.Recorder{Label: "look", Log: new(filtertest.Log)}, Look: func(op filters.Op, _ *filters.Exchange) {
			if op == filters.OpEvent {
				held = append(held, b.budgets.Snapshot()[0].Held)
				reserved = append(reserved, b.engine.State().Pools[0].Reserved)
			}
		}}
		words := []string{strings.Repeat("x", 400), strings.Repeat("x", 400), strings.Repeat("x", 4000)}
		b.run(call{body: `,"max_tokens":20,"stream_options":{"include_usage":true}`, outer: []filters.Filter{look}, answers: []filtertest.Answer{streamed(stdUsage, words...)}})
		n := len(held) - 1
		if held[0] > 60 || held[n] < 1200 || held[n] > 1400 || reserved[0] > 100 || reserved[n] < 2400 || reserved[n] > 2700 {
			t.Errorf("budget held %v, engine reserved %v", held, reserved)
		}
		b.idle()
	})
}
