package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/e2e/memory/judge"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
)

func ann(session string) record.Scope {
	return record.Scope{Tenant: judge.Tenant, User: "ann", Agent: "a", Session: session}
}

// retrieve asks in scopes of growing size.
func retrieve(ctx context.Context, p *plan, r *report) error {
	for _, n := range p.scopes {
		if err := retrieveOf(ctx, p, r, n); err != nil {
			return err
		}
	}
	return nil
}

func retrieveOf(ctx context.Context, p *plan, r *report, n int) (err error) {
	m, _, done, err := mind(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	some, err := fill(ctx, m.Store, judge.Tenant, "ann", n, 1)
	if err != nil {
		return err
	}
	say := newSpeaker(2)
	begin := time.Now()
	if _, err := m.Search(ctx, ann("load"), "load it", 1, false); err != nil {
		return err
	}
	r.shown(fmt.Sprintf("index of %d records made", n), "%.2f s", time.Since(begin).Seconds())
	var took, searched []time.Duration
	late, told, cpu := 0, 0, processor()
	for i := range p.questions {
		q := say.question(some[i%len(some)])
		begin := time.Now()
		if _, err := m.Search(ctx, ann("search"), q, 48, false); err != nil {
			return err
		}
		searched = append(searched, time.Since(begin))
	}
	perSearch := processor() - cpu
	cpu = processor()
	for i := range p.questions {
		q := say.question(some[i%len(some)])
		begin := time.Now()
		a, err := m.Ask(ctx, ann(""), q)
		if err != nil {
			return err
		}
		took = append(took, time.Since(begin))
		if a.Late {
			late++
		}
		if len(a.Hits) > 0 {
			told++
		}
	}
	cpu = processor() - cpu
	name := fmt.Sprintf("retrieve, %d records in scope", n)
	if n <= 10_000 {
		r.atMost(name+": p50", at(searched, 0.5, time.Millisecond), 1, " ms")
		r.atMost(name+": p95", at(searched, 0.95, time.Millisecond), 5, " ms")
	} else {
		r.shown(name+": p50", "%.2f ms", at(searched, 0.5, time.Millisecond))
		r.atMost(name+": p95", at(searched, 0.95, time.Millisecond), 15, " ms")
	}
	r.shown("the same with the note of a new conversation made and stored: p50, p95", "%.2f, %.2f ms",
		at(took, 0.5, time.Millisecond), at(took, 0.95, time.Millisecond))
	r.shown("processor time of these two, mean", "%.2f, %.2f ms", float64(perSearch)/1e6/float64(len(searched)),
		float64(cpu)/1e6/float64(len(took)))
	r.shown(name+": late, told", "%d, %d of %d", late, told, len(took))
	return nil
}

// processor is how long this process has been on a processor.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// path measures what Learn takes in the path, and how long after it a turn is stored.
func path(ctx context.Context, p *plan, r *report) (err error) {
	m, _, done, err := mind(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	say := newSpeaker(3)
	var took, stored []time.Duration
	refused := 0
	turn := func(i int) (memory.Turn, string) {
		text := say.sentence()
		return memory.Turn{Scope: ann(fmt.Sprint("s", i/50)), Messages: []memory.Message{
			{Role: record.User, Text: text, Chain: uint64(2*i + 1), Seq: int64(2 * i)},
			{Role: record.Assistant, Text: say.sentence(), Seq: int64(2*i + 1)},
		}}, text
	}
	for i := range p.learns {
		t, _ := turn(i)
		begin := time.Now()
		ok := m.Learn(t)
		took = append(took, time.Since(begin))
		if !ok {
			refused++
		}
		if i%256 == 255 { // agents do not come faster than that for long
			if err := m.Flush(ctx); err != nil {
				return err
			}
		}
	}
	m.Set(time.Now())
	for i := range p.durables {
		t, text := turn(p.learns + i)
		id := []record.ID{record.EpisodeID(t.Scope, record.User, text)}
		begin := time.Now()
		m.Learn(t)
		for {
			has, err := m.Store.Has(ctx, judge.Tenant, id)
			if err != nil {
				return err
			}
			if has[0] {
				break
			}
			if time.Since(begin) > 10*time.Second {
				return errors.New("a turn is not stored within ten seconds")
			}
			time.Sleep(200 * time.Microsecond)
		}
		stored = append(stored, time.Since(begin))
	}
	r.shown(fmt.Sprintf("enqueue in the path, %d turns of two messages: p50", p.learns), "%.1f us", at(took, 0.5, time.Microsecond))
	r.atMost("the same: p99", at(took, 0.99, time.Microsecond), 50, " us")
	r.shown("turns that found the queue full", "%d", refused)
	r.shown("stored after: p50", "%.1f ms", at(stored, 0.5, time.Millisecond))
	r.atMost("stored after: p99", at(stored, 0.99, time.Millisecond), 50, " ms")
	return nil
}

// size lets memory learn turns and looks at the files.
func size(ctx context.Context, p *plan, r *report) (err error) {
	m, dir, done, err := mind(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	say := newSpeaker(4)
	begin := time.Now()
	for i := 0; i < p.turns; i += 20 {
		t := memory.Turn{Scope: ann(fmt.Sprint("s", i/20))}
		for k := range min(20, p.turns-i) {
			t.Messages = append(t.Messages, memory.Message{Role: record.User + record.Role(k%2), Text: say.sentence(), Seq: int64(k)})
		}
		if err := m.LearnNow(ctx, t); err != nil {
			return err
		}
	}
	took := time.Since(begin)
	stats, err := m.Store.Stats(ctx, judge.Tenant)
	if err != nil {
		return err
	}
	total := 0.0
	for _, name := range []string{state.File, state.File + "-wal"} {
		if f, err := os.Stat(filepath.Join(dir, name)); err == nil {
			total += float64(f.Size()) / 1e6
		}
	}
	r.atMost(fmt.Sprintf("size at %d turns, log included", p.turns), total, 30, " MB")
	r.shown("kept of them", "%d episodes and %d facts, learned at %.0f turns a second", stats.Episodes, stats.Facts,
		float64(p.turns)/took.Seconds())
	return nil
}
