package ctxrewrite

import (
	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// A fit is one request being decided about, with its conversation locked.
type fit struct {
	e      *Engine
	c      *compiled
	r      *Request
	conv   *conversation
	usable int     // tokens of the window that the prompt may take
	factor float64 // from estimates to this upstream's tokens
	notes  uint64  // digest of the exchange edits
	added  []added // what they make the request longer by, in order
	long   bool    // the request, as the agent sent it, is one that epochs and cuts are for
	plan   Plan
}

// run is the whole decision, in its order.
func (f *fit) run() {
	v, conv := f.r.View, f.conv
	if !f.r.trial {
		conv.requests++
	}
	conv.seen = f.e.now()
	conv.line.measure(v, f.chains())
	if f.notes = notesDigest(f.r); f.notes != 0 {
		f.added = conv.notes.sizes(f.r, f.notes)
	}
	f.plan.From = f.scaled(conv.line.all() + f.noted(nil))
	f.pin()
	var ep *Epoch
	if f.long = f.share(f.plan.From) >= prepareMark; f.long { // for this model: another one may have another window
		f.load()
		ep = f.latched()
	}
	for range maxEpochs { // behind a restart a conversation goes through all of its epochs at once
		ep = f.follow(ep)
		next := f.step(ep, f.sizeWith(ep))
		if next == ep {
			break
		}
		ep = next
	}
	ep = f.pinned(ep)
	f.plan.To = f.sizeWith(ep)
	f.plan.raw = f.unscaled(f.plan.To)
	f.trim(ep)
	f.say(ep)
	if f.plan.Action == Rewrite && !f.plan.Observed {
		f.apply(ep)
		f.cuts(ep.cover(), func(at wire.Span, with []byte) { f.r.Call.Replace(at, with) })
	}
}

// staying is the estimate of what may not be left out behind the task.
func (f *fit) staying() (n int) {
	for i := f.task() + 1; i < len(f.r.View.Msgs); i++ {
		if history.Stays(f.r.View, &f.r.View.Msgs[i]) {
			n += f.conv.line.of(i, i+1)
		}
	}
	return n
}

// step is the epoch that a request of so many tokens takes instead of cur; cur itself when nothing is due.
func (f *fit) step(cur *Epoch, size int) *Epoch {
	switch share := f.share(size); {
	case f.conv.quick >= loops && f.conv.requests-f.conv.made > forgiven:
		f.conv.quick, f.conv.broken = 0, ""
		return f.step(cur, size)
	case share < prepareMark:
	case f.conv.broken != "" && share < brokenMark:
		f.plan.Why = f.conv.broken
	case share < f.c.High:
		f.prepare(cur)
	default:
		return f.swap(cur, size)
	}
	return cur
}

// chains is the agent's chain, made here when identity has none for this request.
func (f *fit) chains() []uint64 {
	if v := f.r.View; len(f.r.Chains) != len(v.Msgs) {
		return v.ChainFrom(0, 0, nil)
	}
	return f.r.Chains
}

func (f *fit) scaled(estimate int) int  { return int(float64(estimate) * f.factor) }
func (f *fit) unscaled(tokens int) int  { return int(float64(tokens) / f.factor) }
func (f *fit) share(tokens int) float64 { return float64(tokens) / float64(f.usable) }
func (f *fit) tokens(share float64) int { return int(share * float64(f.usable)) }
func (f *fit) tail(cover int) int       { return f.scaled(f.conv.line.of(cover, len(f.conv.line.sum))) }

// head is what stands in front whatever is left out: tools, system text, and the messages up to the task.
func (f *fit) head(task int) int {
	return f.scaled(int(f.conv.line.rest.tokens) + f.conv.line.of(0, task+1))
}

// floor is what an epoch cannot make smaller.
func (f *fit) floor(ep *Epoch) int {
	return f.head(ep.Task) + f.scaled(int(f.gapsOf(ep).kept)+ep.Tokens)
}

// sizeWith is what the request takes with an epoch in front; nil: as the agent sent it.
func (f *fit) sizeWith(ep *Epoch) int {
	if ep == nil {
		return f.scaled(f.conv.line.all()+f.noted(nil)) - f.trimmed(0)
	}
	return f.floor(ep) + f.tail(ep.Cover) + f.scaled(f.noted(ep)) - f.trimmed(ep.Cover)
}

// latched is the epoch that this line of the conversation already has.
func (f *fit) latched() (best *Epoch) {
	for i := len(f.conv.epochs) - 1; i >= 0; i-- { // of one cover, the last one made
		if ep := f.conv.epochs[i]; ep.Cover > best.cover() && f.covers(ep) && ep.swappedIn(f.conv.line.chain) {
			best = ep
		}
	}
	return best
}

// covers says that an epoch stands for a beginning of this request.
func (f *fit) covers(ep *Epoch) bool {
	v := f.r.View
	return f.conv.line.has(ep) && ep.dialect == v.Dialect && ep.Notes == notesBefore(f, ep.Cover) && v.Msgs[ep.Task].Role == wire.User &&
		ep.Window <= alike*f.usable && f.usable <= alike*ep.Window && !(v.Msgs[ep.Cover].Role == wire.User && f.r.Profile.Alternate)
}

// alike is how far apart two windows may be for one epoch to serve both: models of one session may differ, and so may what they are
// asked to leave room for.
const alike = 2

// ready is the prepared epoch that follows cur on this line, if there is one.
func (f *fit) ready(cur *Epoch) *Epoch {
	for i := len(f.conv.epochs) - 1; i >= 0; i-- {
		if ep := f.conv.epochs[i]; ep.parent == cur && ep.Cover > cur.cover() && f.covers(ep) {
			return ep
		}
	}
	return nil
}

// swap takes the epoch behind cur into use when it is ready and pays; what cannot wait for that is built here.
func (f *fit) swap(cur *Epoch, size int) *Epoch {
	next := f.ready(cur)
	urgent := f.share(size) >= cutMark || f.r.Again
	switch {
	case next != nil && f.sizeWith(next) < size && (urgent || f.tail(next.Cover) >= f.tokens(tailShare) && f.pays(cur, next)):
	case urgent:
		made, off := f.cut(cur)
		if made == nil || f.sizeWith(made) >= size {
			f.plan.Why = "nothing left to leave out"
			return cur
		}
		f.offer(made, off)
		next = made
	default:
		f.prepare(cur)
		return cur
	}
	f.breaker(next)
	next.latch(f.conv.line.chain)
	f.plan.Made = true
	return next
}

// Prices relative to a token of new input: of one read from the cache, and of one written to it, where the provider bills that.
const (
	cachedPrice  = 0.1
	writtenPrice = 1.25
)

// pays is the break-even: what a swap writes again must come back over the calls that remain, of which there are about as many as
// there have been.
func (f *fit) pays(cur, next *Epoch) bool {
	removed := f.sizeWith(cur) - f.sizeWith(next)
	rewritten := f.scaled(next.Tokens) + f.tail(next.Cover)
	return removed > 0 && float64(f.answers())*float64(removed)*cachedPrice > float64(rewritten)*(writtenPrice-cachedPrice)
}

// answers is how many the conversation has had.
func (f *fit) answers() (n int) {
	was := wire.NoRole
	for i := range f.r.View.Msgs {
		role := f.r.View.Msgs[i].Role
		if f.r.View.Msgs[i].Kind == wire.CallItem {
			role = wire.Assistant
		}
		if role == wire.Assistant && was != wire.Assistant {
			n++
		}
		was = role
	}
	return n
}

// Epochs that follow each other within loopCalls requests, loops times in a row, do not help.
const (
	loopCalls = 5
	loops     = 3
	forgiven  = 50 // requests without an epoch, and it may be tried again
	// An epoch that leaves more than this share of the high mark has won little. One that leaves less may follow another soon: where
	// the window is small, a few large results fill it.
	littleGain = 0.75
	// What a broken conversation is cut above: estimates are a little wrong.
	brokenMark = 0.97
)

// breaker stops epochs that cannot win: what they may not leave out fills the window, or they follow each other at once, again and
// again. What is over the window is still cut.
func (f *fit) breaker(next *Epoch) {
	conv := f.conv
	if conv.made == conv.requests { // one request takes several epochs: those from before a restart
		return
	}
	if conv.made > 0 && conv.requests-conv.made < loopCalls && next.parent == conv.last && f.share(f.sizeWith(next)) > f.c.High*littleGain {
		conv.quick++
	} else {
		conv.quick = 0
	}
	conv.made, conv.last = conv.requests, next
	switch {
	case conv.broken != "":
	case f.share(f.floor(next)) > breakShare:
		conv.broken = "system text, tools and pins take most of the window"
		f.e.counts.broken.Add(1)
	case conv.quick >= loops:
		conv.broken = "epochs follow each other within a few calls"
		f.e.counts.broken.Add(1)
	}
}

// say fills in what the plan tells.
func (f *fit) say(ep *Epoch) {
	p := &f.plan
	if ep != nil {
		p.Action, p.Epoch, p.Pinned = Rewrite, ep.Number, len(ep.digest.Dropped())
	}
	if p.Cut {
		p.Action = Rewrite
	}
	switch {
	case p.To <= f.usable:
	case f.head(f.task())+f.scaled(f.staying()) > p.Window:
		p.Action, p.Why = TooLarge, "what may not be left out does not fit the window"
		p.To, p.Cut = p.From, false
	default:
		p.Why = "still over the window"
	}
	if p.Observed = f.c.Mode == Observe; p.Observed || p.Action == TooLarge {
		p.raw = f.conv.line.all() + f.noted(nil) // it goes out as it came
	}
	switch {
	case !f.r.trial:
		f.e.counts.add(p)
	case p.Made && f.r.Session != "":
		f.e.counts.epochs.Add(1) // it stays, and what is then sent finds it made
	}
}
