package ctxrewrite

import (
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// notesDigest is the hash of all exchange edits of a request, 0 for none: nothing more has to be looked at then.
func notesDigest(r *Request) uint64 {
	if r.Exchange.Len() == 0 {
		return 0
	}
	return notesUpTo(r, int32(len(r.View.Body)))
}

// notesBefore is the same for the edits inside what an epoch covers.
func notesBefore(f *fit, cover int) uint64 {
	if f.notes == 0 {
		return 0
	}
	return notesUpTo(f.r, f.r.View.Msgs[cover].Span.Start)
}

func notesUpTo(r *Request, end int32) (sum uint64) {
	r.Exchange.All(func(at wire.Span, with []byte) {
		if at.Start < end && at.Start >= r.View.History.Start {
			sum = xxh3.HashSeed(with, sum^uint64(at.End-at.Start)) | 1
		}
	})
	return sum
}

// An added is one exchange edit: where it stands in the body, and the estimated tokens that it makes the request longer by.
type added struct {
	at     int32
	tokens int32
}

// edits are the sizes of a conversation's exchange edits, which are the same in most of its requests.
type edits struct {
	digest uint64
	list   []added
}

// sizes measures the edits of a request unless they are those of the one before.
func (e *edits) sizes(r *Request, digest uint64) []added {
	known := e.digest == digest && len(e.list) == r.Exchange.Len()
	old := e.list
	e.digest, e.list = digest, e.list[:0]
	r.Exchange.All(func(at wire.Span, with []byte) {
		x := added{at: at.Start}
		if i := len(e.list); known {
			x.tokens = old[i].tokens
		} else {
			x.tokens = int32(tokens.Estimate(with) - tokens.Estimate(r.View.Raw(at)))
		}
		e.list = append(e.list, x)
	})
	return slices.Clone(e.list) // the conversation is unlocked while the store is read
}

// noted is what the exchange edits make a request longer by, with an epoch in front that swallows those inside what it leaves out;
// nil: none does.
func (f *fit) noted(ep *Epoch) (n int) {
	var from, to int32
	if ep != nil && f.added != nil {
		from, to = f.r.View.Msgs[ep.Task+1].Span.Start, f.r.View.Msgs[ep.Cover].Span.Start
	}
	for _, x := range f.added {
		if x.at < from || x.at >= to {
			n += int(x.tokens)
		}
	}
	return n
}

// An Evicted is a run of messages, [From, To), that an epoch leaves out of what is sent, and the handle under which they are kept.
type Evicted struct {
	From, To int
	Handle   string
}

// Evicted says which messages of a request the epochs leave out that the session's last request had in front, the first messages
// first; none when that was another line of the conversation. chains are the agent's, after each message.
func (e *Engine) Evicted(tenant, session string, chains []uint64) (all []Evicted) {
	if session == "" || e.config.Load().Mode == Observe {
		return nil
	}
	conv, ok := e.sessions.byKey.Peek(store.Key{Tenant: tenant, Session: session})
	if !ok {
		return nil
	}
	conv.mu.Lock()
	defer conv.mu.Unlock()
	var last *Epoch
	for _, ep := range conv.epochs {
		if n := ep.Cover; n > last.cover() && n <= len(chains) && len(ep.swaps) > 0 && ep.gaps.agent == chains[n-1] {
			last = ep
		}
	}
	for ep := last; ep != nil; ep = ep.parent {
		from := ep.Task + 1
		if ep.parent != nil {
			from = ep.parent.Cover
		}
		all = append(all, Evicted{from, ep.Cover, ep.digest.Span()})
	}
	slices.Reverse(all)
	return all
}
