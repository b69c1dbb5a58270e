package filtertest

import (
	"bytes"
	"context"
	"slices"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/sse"
)

// A flaw is something that a host might do wrong. Memory has none; tests give it one to see that Conformance finds it.
type flaw uint8

const (
	flawless       flaw = iota
	forgetsClose        // the outer ring stays open after a failure
	forgetsAttempt      // the inner ring of an attempt that is tried again stays open
	closesTwice         // every stream is closed once more
	closesForward       // streams are closed in the order in which they were opened
	dropsHeld           // the inner ring is never told of the end
	endsLate            // the attempt is still open while the outer ring ends
	hidesCause          // Close always says that all went well
	endsCuts            // a failure looks like a clean end to the agent
	neverRetries        // a 503 goes to the agent at once
	keepsCallEdits      // the edits of one attempt are still there in the next
	leaksRest           // an unfinished frame goes past the filters
	dropsComments       // frames without data are not passed on
	rewrites            // frames are written anew from their data
	ignoresErrors       // events go past a filter that failed
	mixesRings          // the inner ring's filters are opened in another order
	losesLeft           // what filters leave to the next attempt is gone
	neverPlain          // the attempt after ErrPlain does not say that it is plain
	neverSent           // Attempt.Sent stays false
	neverAsks           // filters are not asked about a refusal
	asksForever         // and more than once in a call
	neverLooks          // nor about one inside a stream
	looksPast           // they are, also behind the first token
	losesOpening        // what was looked at of a stream is not passed on
	unread              // Exchange.Answer stays empty
	hidesAnswer         // the cause of an attempt that is tried again does not tell what the upstream said
	silentEnd           // a failure behind a comment is told to nobody
	flaws
)

// filters wraps the case's filters where the flaw is in how their streams are used.
func (f flaw) filters(list []filters.Filter) []filters.Filter {
	switch f {
	case mixesRings:
		list = slices.Clone(list)
		slices.Reverse(list)
	case closesTwice, closesForward:
		list = slices.Clone(list)
		var group []*misused
		for i := range list {
			list[i] = &misuser{Filter: list[i], flaw: f, group: &group}
		}
	}
	return list
}

// raw is the frame as the host passes it on.
func (f flaw) raw(ev sse.Event) []byte {
	switch {
	case f == dropsComments && ev.Comment:
		return nil
	case f == rewrites && !ev.Comment:
		b := []byte("data: ")
		if ev.Name != nil {
			b = append(append([]byte("event: "), ev.Name...), "\ndata: "...)
		}
		return append(append(b, bytes.ReplaceAll(ev.Data, []byte("\n"), []byte("\ndata: "))...), "\n\n"...)
	}
	return ev.Raw
}

// A misuser opens a filter whose stream is then closed wrongly.
type misuser struct {
	filters.Filter
	flaw  flaw
	group *[]*misused // the streams of the ring, in order of Open
}

func (m *misuser) Open(ctx context.Context, x *filters.Exchange) (filters.Stream, error) {
	s, err := m.Filter.Open(ctx, x)
	if s == nil || err != nil {
		return nil, err
	}
	u := &misused{Stream: s, misuser: m}
	*m.group = append(*m.group, u)
	return u, nil
}

type misused struct {
	filters.Stream
	*misuser
}

// HeadOnly passes on what the stream says.
func (u *misused) HeadOnly() bool {
	h, ok := u.Stream.(filters.HeadOnly)
	return ok && h.HeadOnly()
}

// Close is called in the right order and does the wrong thing.
func (u *misused) Close(cause error) {
	if u.flaw == closesTwice {
		defer u.Stream.Close(cause)
		u.Stream.Close(cause)
		return
	}
	group := *u.group
	*u.group = nil
	for _, s := range group {
		s.Stream.Close(cause)
	}
}
