package filters_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/trapgate/trapgate/filters"
)

func TestWhere(t *testing.T) {
	var x filters.Exchange
	if x.Where() != "" {
		t.Errorf("at first: %q", x.Where())
	}
	host := "upstream"
	x.Enter(&host)
	var seen []string
	note := func() { seen = append(seen, x.Where()) }
	it := &script{
		name: "it",
		open: func(context.Context, *filters.Exchange) error { note(); return nil },
		head: func(*filters.ResponseHead) error { note(); return nil },
		end:  func(*filters.Emitter) error { note(); return nil }, close: func(error) { note() },
	}
	f, err := filters.NewChain(&script{name: "first"}, it).Open(t.Context(), &x)
	if err != nil {
		t.Fatal(err)
	}
	note()
	_ = f.Head(&filters.ResponseHead{})
	note()
	_, _ = f.End()
	_ = f.Close(nil)
	note()
	if got, want := strings.Join(seen, " "), "it upstream it upstream it it upstream"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x.Enter(nil)
	if x.Where() != "" {
		t.Errorf("in the end: %q", x.Where())
	}
}

// TestReadersElsewhere is for the race detector: /debug/state and telemetry read while the exchange goes on.
func TestReadersElsewhere(t *testing.T) {
	var x filters.Exchange
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = x.Where()
				for _, e := range x.Trail.Entries() {
					_ = e.Kind + e.Filter
				}
			}
		}
	})
	for range 200 {
		f, err := filters.NewChain(&script{name: "a"}, &script{name: "b"}).Open(t.Context(), &x)
		if err != nil {
			t.Fatal(err)
		}
		x.Trail.Append("a", "attempt", filters.Attr{Key: "n", Value: int64(1)})
		_ = f.Close(nil)
	}
	close(stop)
	wg.Wait()
	if n := len(x.Trail.Entries()); n != 200 {
		t.Errorf("%d entries", n)
	}
}

func TestTrailSnapshot(t *testing.T) {
	var trail filters.Trail
	trail.Append("host", "attempt")
	first := trail.Entries()
	trail.Append("host", "retry")
	_ = append(first, filters.Entry{Kind: "foreign"})
	all := trail.Entries()
	if len(first) != 1 || len(all) != 2 || all[1].Kind != "retry" || all[1].At.Before(all[0].At) {
		t.Errorf("got %v, then %v", first, all)
	}
}

func TestLater(t *testing.T) {
	var x filters.Exchange
	var got []int
	x.Later(func() { got = append(got, 1); x.Later(func() { got = append(got, 3) }) })
	x.Later(func() { got = append(got, 2) })
	if err := errors.Join(x.RunLater(), x.RunLater()); err != nil || len(got) != 3 || got[2] != 3 {
		t.Errorf("%v, %v", err, got)
	}
	x.Later(func() { panic("later") })
	x.Later(func() { got = append(got, 4) })
	var p *filters.PanicError
	if err := x.RunLater(); !errors.As(err, &p) {
		t.Errorf("got %v", err)
	}
	if err := x.RunLater(); err != nil || len(got) != 3 {
		t.Errorf("%v, %v", err, got)
	}
}

func TestAllowed(t *testing.T) {
	var x filters.Exchange
	if err := x.Allowed(filters.ToolCall{Name: "bash"}); err != nil {
		t.Error(err)
	}
	no := errors.New("no")
	x.Decide = func(c filters.ToolCall) error {
		if c.Name == "panic" {
			panic("decide")
		}
		return no
	}
	if err := x.Allowed(filters.ToolCall{Name: "bash"}); err != no {
		t.Error(err)
	}
	if err := x.Allowed(filters.ToolCall{Name: "panic"}); err == nil {
		t.Error("a Decide that panics has allowed the call")
	}
}

func TestClone(t *testing.T) {
	raw := []byte("event: n\ndata: d\n\n")
	e := filters.Event{Raw: raw, Name: raw[7:8], Data: raw[15:16]}
	c := e.Clone()
	for i := range raw {
		raw[i] = '#'
	}
	if string(c.Raw) != "event: n\ndata: d\n\n" || string(c.Name) != "n" || string(c.Data) != "d" {
		t.Errorf("got %q %q %q", c.Raw, c.Name, c.Data)
	}
	_ = append(c.Raw, 'x')
	if string(c.Name) != "n" {
		t.Error("an append to Raw changed Name")
	}
	if c := (filters.Event{Raw: []byte(": c\n\n")}).Clone(); c.Data != nil || c.Name != nil {
		t.Error("absent became empty")
	}
}
