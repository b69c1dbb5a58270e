package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A stream of calls that arrive whether or not the ones before have been answered, up to a number that are outstanding: what comes
// above it is lost, as agents would be that find no place.
type openLoop struct {
	agent
	name  string
	rate  func(at float64) float64            // calls a second
	next  func(i int) (prompt string, c call) // the i-th call
	most  int                                 // outstanding
	seed  uint64
	until float64
}

// An arrival is one call of an open loop.
type arrival struct {
	answer
	prompt, output int // tokens as they were drawn
	lost           bool
	status         int // of a refusal
}

// run makes the calls and returns when all have been answered, or ctx has ended.
func (o *openLoop) run(ctx context.Context, client *http.Client, begin time.Time) []arrival {
	r := benchkit.Source(o.seed, 8000)
	slots := make(chan struct{}, o.most)
	var mu sync.Mutex
	var all []arrival
	var wg sync.WaitGroup
	add := func(a arrival) {
		mu.Lock()
		all = append(all, a)
		mu.Unlock()
	}
	for i, at := 0, 0.0; ; i++ {
		at += r.ExpFloat64() / o.rate(at)
		if at >= o.until {
			break
		}
		if !sleepUntil(ctx, begin.Add(seconds(at))) {
			break
		}
		text, c := o.next(i)
		a := arrival{answer: answer{Call: i, Asked: at}, prompt: len(text) / 4, output: int(c.service)}
		select {
		case slots <- struct{}{}:
		default:
			a.lost = true
			add(a)
			continue
		}
		wg.Go(func() {
			_, err := ask(ctx, client, request{&o.agent, []message{{"user", text}}, c.Max}, &a.answer)
			<-slots
			a.Ended = time.Since(begin).Seconds()
			if err != nil {
				a.Error = err.Error()
				if s, ok := err.(statusError); ok {
					a.status = s.code
				}
			}
			add(a)
		})
	}
	wg.Wait()
	return all
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
