package filters_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A tape is a sink that keeps what it gets.
type tape struct {
	got strings.Builder
	err error
}

func (t *tape) Emit(e filters.Event) error {
	t.got.Write(e.Raw)
	return t.err
}

// A script is a filter made of functions, for what the filters of filtertest do not do.
type script struct {
	name  string
	open  func(context.Context, *filters.Exchange) error
	head  func(*filters.ResponseHead) error
	event func(filters.Event, *filters.Emitter) error
	end   func(*filters.Emitter) error
	close func(error)
}

func (s *script) Name() string { return s.name }

func (s *script) Open(ctx context.Context, x *filters.Exchange) (filters.Stream, error) {
	if s.open != nil {
		if err := s.open(ctx, x); err != nil {
			return nil, err
		}
	}
	return (*scripted)(s), nil
}

type scripted script

func (s *scripted) Head(h *filters.ResponseHead) error {
	if s.head == nil {
		return nil
	}
	return s.head(h)
}

func (s *scripted) Event(e filters.Event, out *filters.Emitter) error {
	if s.event == nil {
		return out.Emit(e)
	}
	return s.event(e, out)
}

func (s *scripted) End(out *filters.Emitter) error {
	if s.end == nil {
		return nil
	}
	return s.end(out)
}

func (s *scripted) Close(cause error) {
	if s.close != nil {
		s.close(cause)
	}
}

func event(s string) filters.Event { return filters.Event{Raw: []byte(s)} }

// open opens a ring whose events end in the tape.
func open(t *testing.T, c *filters.Chain) (*filters.Flow, *tape) {
	t.Helper()
	f, err := c.Open(t.Context(), new(filters.Exchange))
	if err != nil {
		t.Fatal(err)
	}
	sink := new(tape)
	f.SetSink(sink)
	return f, sink
}

func TestEmptyChain(t *testing.T) {
	f, sink := open(t, filters.NewChain())
	if f.Wants() {
		t.Error("nobody wants events")
	}
	if err := errors.Join(f.Head(&filters.ResponseHead{}), f.Emit(event("a"))); err != nil {
		t.Error(err)
	}
	if again, err := f.End(); again || err != nil {
		t.Error(again, err)
	}
	if _, err := f.End(); err == nil {
		t.Error("a second end is no error")
	}
	if err := f.Close(nil); err != nil || sink.got.String() != "a" {
		t.Errorf("%v, %q", err, sink.got.String())
	}
	if err := f.Emit(event("b")); err == nil || sink.got.String() != "a" {
		t.Errorf("an event after Close: %v, %q", err, sink.got.String())
	}
}

func TestWants(t *testing.T) {
	log := new(filtertest.Log)
	blind := filtertest.Recorder{Label: "blind", Log: log, Blind: true}
	head := filtertest.Recorder{Label: "head", Log: log, HeadOnly: true}
	full := filtertest.Recorder{Label: "full", Log: log}
	for _, c := range []struct {
		list []filters.Filter
		want bool
	}{{nil, false}, {[]filters.Filter{blind, head}, false}, {[]filters.Filter{blind, full, head}, true}} {
		f, _ := open(t, filters.NewChain(c.list...))
		if got := f.Wants(); got != c.want {
			t.Errorf("%d filters: Wants is %t", len(c.list), got)
		}
		_ = f.Close(nil)
	}
	log.Verify(t)
}

// TestErrors: an error of a filter names the filter and the place, one of the sink comes as it is, and both are final.
func TestErrors(t *testing.T) {
	boom := errors.New("boom")
	reply := &filters.Reply{Status: 429, Code: "slow_down", Message: "wait"}
	for _, c := range []struct {
		name   string
		filter *script
		sink   error
		want   string
		is     error
	}{
		{name: "head", filter: &script{head: func(*filters.ResponseHead) error { return boom }}, want: "it: head: boom", is: boom},
		{name: "event", filter: &script{event: func(filters.Event, *filters.Emitter) error { return boom }}, want: "it: event: boom", is: boom},
		{name: "end", filter: &script{end: func(*filters.Emitter) error { return boom }}, want: "it: end: boom", is: boom},
		{name: "reply", filter: &script{head: func(*filters.ResponseHead) error { return reply }}, want: "it: head: 429 slow_down: wait", is: reply},
		{name: "panic", filter: &script{event: func(filters.Event, *filters.Emitter) error { panic("no") }}, want: "it: event: panic: no"},
		{name: "panic with an error", filter: &script{head: func(*filters.ResponseHead) error { panic(boom) }}, want: "it: head: panic: boom", is: boom},
		{name: "sink", filter: &script{}, sink: io.ErrClosedPipe, want: "io: read/write on closed pipe", is: io.ErrClosedPipe},
		{
			name: "sink, swallowed", sink: io.ErrClosedPipe, want: "io: read/write on closed pipe", is: io.ErrClosedPipe,
			filter: &script{event: func(e filters.Event, out *filters.Emitter) error { _ = out.Emit(e); return nil }},
		},
		{
			name: "sink, swallowed in end", sink: io.ErrClosedPipe, want: "io: read/write on closed pipe", is: io.ErrClosedPipe,
			filter: &script{
				event: func(filters.Event, *filters.Emitter) error { return nil },
				end:   func(out *filters.Emitter) error { _ = out.Emit(event("late")); return nil },
			},
		},
		{
			name: "Again outside of End", want: "it: event: filters: Again is only for End, in the outer ring",
			filter: &script{event: func(_ filters.Event, out *filters.Emitter) error { out.Again(); return nil }},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.filter.name = "it"
			closed := 0
			var cause error
			c.filter.close = func(err error) { closed++; cause = err }
			f, sink := open(t, filters.NewChain(&script{name: "outer"}, c.filter, &script{name: "inner"}))
			sink.err = c.sink
			err := f.Head(&filters.ResponseHead{Status: 200})
			if err == nil {
				err = f.Emit(event("a"))
			}
			if err == nil {
				_, err = f.End()
			}
			if err == nil || err.Error() != c.want || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if again := errors.Join(f.Emit(event("b")), f.Head(nil)); !errors.Is(again, err) || f.Err() != err {
				t.Errorf("the flow went on with %v", again)
			}
			if _, end := f.End(); end != err {
				t.Errorf("End gave %v", end)
			}
			if wantReply := c.is == reply; (filters.AsReply(err) != nil) != wantReply {
				t.Errorf("AsReply is %v", filters.AsReply(err))
			}
			_ = f.Close(nil) // a host that has lost the error
			_ = f.Close(nil)
			if closed != 1 || cause != err {
				t.Errorf("closed %d times with %v", closed, cause)
			}
		})
	}
}

// TestPanicNames: the panic is blamed on the filter whose code ran, also deep in an Emit and after it came back.
func TestPanicNames(t *testing.T) {
	bad := func(place string) func(filters.Event, *filters.Emitter) error {
		return func(e filters.Event, out *filters.Emitter) error {
			if place == "after" {
				_ = out.Emit(e)
			}
			panic("planned")
		}
	}
	for _, c := range []struct {
		name  string
		chain []filters.Filter
		want  string
		sink  func()
	}{
		{name: "outer", chain: []filters.Filter{&script{name: "o", event: bad("")}, &script{name: "i"}}, want: "o: event: panic: planned"},
		{name: "inner", chain: []filters.Filter{&script{name: "o"}, &script{name: "i", event: bad("")}}, want: "i: event: panic: planned"},
		{name: "inner, after Emit", chain: []filters.Filter{&script{name: "o"}, &script{name: "i", event: bad("after")}}, want: "i: event: panic: planned"},
		{
			name: "outer, in inner's End", want: "o: event: panic: planned",
			chain: []filters.Filter{
				&script{name: "o", event: bad("")},
				&script{
					name: "i", event: func(filters.Event, *filters.Emitter) error { return nil },
					end: func(out *filters.Emitter) error { return out.Emit(event("held")) },
				},
			},
		},
	} {
		f, _ := open(t, filters.NewChain(c.chain...))
		err := errors.Join(f.Head(&filters.ResponseHead{}), f.Emit(event("a")))
		if err == nil {
			_, err = f.End()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		var p *filters.PanicError
		if !errors.As(err, &p) || !strings.Contains(string(p.Stack), "chain_test.go") {
			t.Errorf("%s: no stack of the place", c.name)
		}
		_ = f.Close(err)
	}
}

type badSink struct{}

func (badSink) Emit(filters.Event) error { panic("sink") }

func TestSinkPanics(t *testing.T) {
	f, _ := open(t, filters.NewChain(&script{name: "o"}))
	f.SetSink(badSink{})
	if err := f.Emit(event("a")); err == nil || err.Error() != "panic: sink" {
		t.Errorf("got %v: a panic of the sink is not the filter's", err)
	}
	_ = f.Close(nil)
	f, _ = open(t, filters.NewChain(&script{name: "o"}))
	f.SetSink(nil)
	if err := f.Emit(event("a")); err == nil {
		t.Error("an event without a sink is lost without a word")
	}
	_ = f.Close(nil)
}

func TestCloseGoesOn(t *testing.T) {
	log := new(filtertest.Log)
	ring := func(ops ...string) (list []filters.Filter) {
		for _, name := range ops {
			r := filtertest.Recorder{Label: name, Log: log}
			if strings.HasPrefix(name, "bad") {
				list = append(list, filtertest.Panicker{Recorder: r, At: filters.OpClose})
			} else {
				list = append(list, r)
			}
		}
		return list
	}
	f, _ := open(t, filters.NewChain(ring("a", "bad1", "b", "bad2", "c")...))
	err := f.Close(io.EOF)
	if err == nil || !strings.Contains(err.Error(), "bad1: close: panic") || !strings.Contains(err.Error(), "bad2: close: panic") {
		t.Errorf("got %v", err)
	}
	if got, want := log.Sequence(filters.OpClose), "close c, close bad2, close b, close bad1, close a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	log.Verify(t)
}

// TestOpenStops: the flow holds what was opened before a failure, or before the agent left.
func TestOpenStops(t *testing.T) {
	log := new(filtertest.Log)
	rec := func(label string) filtertest.Recorder { return filtertest.Recorder{Label: label, Log: log} }
	reply := &filters.Reply{Status: 403, Code: "no"}
	c := filters.NewChain(rec("a"), filtertest.Refuser{Recorder: rec("no"), Reply: reply}, rec("b"))
	f, err := c.Open(t.Context(), new(filters.Exchange))
	var fe *filters.FilterError
	if filters.AsReply(err) != reply || !errors.As(err, &fe) || fe.Filter != "no" || fe.Op != filters.OpOpen {
		t.Errorf("got %v", err)
	}
	if err := f.Emit(event("a")); err == nil {
		t.Error("the flow works")
	}
	if got := f.Timings(nil); len(got) != 2 || got[1].Name != "no" {
		t.Errorf("timings %v", got)
	}
	_ = f.Close(err)

	ctx, cancel := context.WithCancelCause(t.Context())
	leave := &script{name: "leave", open: func(context.Context, *filters.Exchange) error { cancel(filters.ErrAgentGone); return nil }}
	f, err = filters.NewChain(leave, rec("late")).Open(ctx, new(filters.Exchange))
	if !errors.Is(err, filters.ErrAgentGone) {
		t.Errorf("got %v", err)
	}
	_ = f.Close(err)
	if got, want := log.Sequence(), "open a, open no, close a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	log.Verify(t)
}

// TestHeadAfterAgain: the head of a further call reaches who asked and those inside, and each stream sees heads and ends in turn.
func TestHeadAfterAgain(t *testing.T) {
	log := new(filtertest.Log)
	rec := func(label string) filtertest.Recorder { return filtertest.Recorder{Label: label, Log: log} }
	f, sink := open(t, filters.NewChain(
		rec("a"), filtertest.Repeater{Recorder: rec("far"), Times: 1}, rec("b"), filtertest.Repeater{Recorder: rec("near"), Times: 1, Hide: true}, rec("c")))
	var ends []bool
	for again := true; again; {
		if err := errors.Join(f.Head(&filters.ResponseHead{Status: 200}), f.Emit(event("x"))); err != nil {
			t.Fatal(err)
		}
		var err error
		if again, err = f.End(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, again)
	}
	_ = f.Close(nil)
	want := "head c, head near, head b, head far, head a, end c, end near, " + // near asks
		"head c, head near, end c, end near, end b, end far, " + // far asks
		"head c, head near, head b, head far, end c, end near, end b, end far, end a"
	if got := log.Sequence(filters.OpHead, filters.OpEnd); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(ends) != 3 || sink.got.String() != "xx" {
		t.Errorf("ends %v, sink %q", ends, sink.got.String())
	}
	log.Verify(t)
}

func TestTwoRings(t *testing.T) {
	log := new(filtertest.Log)
	rec := func(label string) filtertest.Recorder { return filtertest.Recorder{Label: label, Log: log} }
	x := new(filters.Exchange)
	outer, _ := filters.NewChain(rec("o"), filtertest.Failer{Recorder: rec("bad"), At: filters.OpEvent, After: 1}).Open(t.Context(), x)
	inner, _ := filters.NewInnerChain(rec("i")).Open(t.Context(), x)
	sink := new(tape)
	outer.SetSink(sink)
	inner.SetSink(outer)
	if err := errors.Join(inner.Head(&filters.ResponseHead{}), outer.Head(&filters.ResponseHead{})); err != nil {
		t.Fatal(err)
	}
	if err := inner.Emit(event("a")); err != nil {
		t.Fatal(err)
	}
	err := inner.Emit(event("b"))
	if err == nil || err.Error() != "bad: event: filtertest: planned failure" || sink.got.String() != "a" {
		t.Errorf("got %v, %q", err, sink.got.String())
	}
	if inner.Err() != err || outer.Err() != err {
		t.Error("both rings are broken by the same error")
	}
	_ = inner.Close(err)
	_ = outer.Close(err)
	log.Verify(t)
}

func TestTimings(t *testing.T) {
	slow := &script{
		name: "slow",
		open: func(context.Context, *filters.Exchange) error { time.Sleep(3 * time.Millisecond); return nil },
		head: func(*filters.ResponseHead) error { time.Sleep(3 * time.Millisecond); return nil },
		end:  func(*filters.Emitter) error { time.Sleep(400 * time.Millisecond); return nil },
	}
	before := time.Now()
	f, _ := open(t, filters.NewChain(&script{name: "quick"}, slow, &script{name: "quick2"}))
	if err := f.Head(&filters.ResponseHead{}); err != nil {
		t.Fatal(err)
	}
	_, _ = f.End()
	_ = f.Close(nil)
	got := f.Timings(make([]filters.Timing, 0, 3))
	if len(got) != 3 || got[0].Name != "quick" || got[1].Name != "slow" || got[2].Name != "quick2" {
		t.Fatalf("got %v", got)
	}
	if s := got[1].Spent; s < 6*time.Millisecond || s >= 400*time.Millisecond {
		t.Errorf("slow spent %s", s)
	}
	if got[0].Start.Before(before) || got[1].Start.Before(got[0].Start) || got[2].Start.Before(got[1].Start.Add(3*time.Millisecond)) {
		t.Errorf("starts %v", got)
	}
}
