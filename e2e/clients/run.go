//go:build unix

package clients

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/record"
)

// A Hop starts what stands between the two recorders and returns its "host:port"; upstream is the second recorder's
// origin. stop ends it.
type Hop func(upstream, dir string) (addr string, stop func() error, err error)

// Direct is no proxy: the first recorder relays to the second.
func Direct(upstream, _ string) (string, func() error, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return "", nil, fmt.Errorf("clients: %w", err)
	}
	return u.Host, func() error { return nil }, nil
}

// Through is a Trapgate of its own, from the binary.
func Through(bin string, extra ...string) Hop {
	return func(upstream, dir string) (string, func() error, error) {
		t, err := StartTrapgate(bin, upstream, filepath.Join(dir, "data"), extra...)
		if err != nil {
			return "", nil, err
		}
		return t.Addr(), t.Stop, nil
	}
}

// An Outcome is what a run of a client showed.
type Outcome struct {
	Pairs    []record.Pair
	Diffs    []record.Diff
	Duration time.Duration
	Err      error // the client's run, or a recording that is not HTTP
}

// BytesSame reports whether requests and response heads differ only by the rules.
func (o Outcome) BytesSame() bool { return o.Err == nil && len(o.Diffs) == 0 && len(o.Pairs) > 0 }

// Events counts the events of streams that the agent received.
func (o Outcome) Events() int {
	n := 0
	for _, p := range o.Pairs {
		if p.Before.Streamed() {
			n += p.Before.Events()
		}
	}
	return n
}

// Added returns the median time from when a piece of a stream came from upstream to when it came to the agent, recorders
// included, and how many pieces were measured. The first piece of each stream is left out.
func (o Outcome) Added() (median time.Duration, pieces int) {
	var all []time.Duration
	for _, p := range o.Pairs {
		if !p.Before.Streamed() || len(p.Before.Response.Body) != len(p.Behind.Response.Body) {
			continue
		}
		last := time.Time{}
		for i := range p.Behind.Response.Body {
			at := p.Behind.BodyAt(i)
			if !last.IsZero() && at != last {
				all = append(all, p.Before.BodyAt(i).Sub(at))
			}
			last = at
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all[len(all)/2], len(all)
}

// EventsSame reports whether no response body differs.
func (o Outcome) EventsSame() bool {
	for _, d := range o.Diffs {
		if strings.HasPrefix(d.What, "response body") || strings.HasPrefix(d.What, "end of the response") {
			return false
		}
	}
	return o.Err == nil
}

const (
	settleQuiet = 150 * time.Millisecond
	settleLimit = 5 * time.Second

	// maxAdded is far above what a proxy adds to an event, and below what one that collects them does.
	maxAdded = 25 * time.Millisecond
)

// Observe runs the client once with recorders before and behind the hop, and compares by the rules. upstream is the
// model's origin; dir an empty folder for this run.
func Observe(ctx context.Context, c *Client, s Setup, hop Hop, rules record.Rules, upstream, dir string) Outcome {
	var out Outcome
	u, err := url.Parse(upstream)
	if err != nil {
		return Outcome{Err: fmt.Errorf("clients: %w", err)}
	}
	behind, err := record.Start(u.Host)
	if err != nil {
		return Outcome{Err: err}
	}
	defer behind.Close()
	addr, stop, err := hop(behind.URL(), dir)
	if err != nil {
		return Outcome{Err: err}
	}
	before, err := record.Start(addr)
	if err != nil {
		_ = stop()
		return Outcome{Err: err}
	}
	defer before.Close()

	s.Work, s.Home, s.Origin = filepath.Join(dir, "work"), filepath.Join(dir, "home"), before.URL()
	start := time.Now()
	out.Err = c.Run(ctx, s, c.MakeCases())
	out.Duration = time.Since(start)
	before.Settle(settleQuiet, settleLimit)
	behind.Settle(settleQuiet, settleLimit)
	if err := stop(); err != nil && out.Err == nil {
		out.Err = err
	}
	a, err := before.Exchanges()
	if err != nil && out.Err == nil {
		out.Err = err
	}
	b, err := behind.Exchanges()
	if err != nil && out.Err == nil {
		out.Err = err
	}
	out.Diffs, out.Pairs = record.Compare(a, b, rules)
	if out.Err == nil {
		out.Err = c.checkExchanges(out.Pairs)
	}
	if added, n := out.Added(); out.Err == nil && n > 0 && added > maxAdded {
		out.Err = fmt.Errorf("clients: %s: pieces of streams reach the agent %v late", c.Name, added)
	}
	return out
}

// checkExchanges makes sure that the run was what the table says: every dialect used, answered and, where the client
// streams, streamed.
func (c *Client) checkExchanges(pairs []record.Pair) error {
	used, streamed := map[string]bool{}, false
	for _, p := range pairs {
		_, target, _ := strings.Cut(p.Before.Request.StartLine, " ")
		target, _, _ = strings.Cut(target, " ")
		target, _, _ = strings.Cut(target, "?")
		if strings.HasPrefix(p.Before.Request.StartLine, "POST ") && p.Before.Status() == 200 {
			for _, suffix := range c.Paths {
				used[suffix] = used[suffix] || strings.HasSuffix(target, suffix)
			}
		}
		streamed = streamed || p.Before.Streamed() && p.Before.Events() > 3
	}
	for _, suffix := range c.Paths {
		if !used[suffix] {
			return fmt.Errorf("clients: %s: no answered request to %s", c.Name, suffix)
		}
	}
	for _, name := range c.Cases {
		if strings.HasSuffix(name, "/stream") && !streamed {
			return fmt.Errorf("clients: %s: nothing was streamed", c.Name)
		}
	}
	return nil
}
