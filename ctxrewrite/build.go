package ctxrewrite

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// maxEpochs bounds what a conversation remembers: the newest of all its branches.
const maxEpochs = 64

// prepare begins to build the epoch behind cur beside the path, unless it is there or under way. Its cover is chosen so that the
// tail has its share of the window when the high mark is reached.
func (f *fit) prepare(cur *Epoch) {
	if f.conv.building[cur] || f.r.Session == "" || f.ready(cur) != nil {
		return
	}
	growth := max(0, f.tokens(f.c.High)-f.sizeWith(cur))
	cover := f.boundary(cur, len(f.r.View.Msgs), f.tailAt(cur)-growth)
	if cover == 0 {
		return
	}
	select {
	case f.e.builds <- struct{}{}:
	default:
		return // the next request tries again
	}
	if f.conv.building == nil {
		f.conv.building = map[*Epoch]bool{}
	}
	f.conv.building[cur] = true
	e, conv, ep, opt, w := f.e, f.conv, f.draft(cur, cover), f.options(), f.writing()
	body := slices.Clone(f.r.View.Body) // the view is the request's own
	f.beside(func(ctx context.Context, ask summary.Ask) {
		w.ask = ask
		e.background(ctx, conv, ep, body, opt, w)
		e.calibrate(ep.Number, body, w)
	})
}

// background fills an epoch in beside the path, and offers it. When a model writes its summary, it is offered only then.
func (e *Engine) background(ctx context.Context, conv *conversation, ep *Epoch, body []byte, opt *digest.Options, w writing) {
	built, behind := false, ep.parent
	defer func() {
		if v := recover(); v != nil {
			e.log.Error("context: an epoch could not be built", "session", conv.key.Session, "panic", v, "stack", string(debug.Stack()))
			built = false
		}
		conv.mu.Lock()
		defer conv.mu.Unlock()
		delete(conv.building, behind)
		if built && !e.guards.of(conv.key.Tenant).says(ep.Text) {
			conv.add(ep)
		}
	}()
	v, off := e.extract(ep, body, opt)
	if v == nil {
		return
	}
	e.summarize(ctx, ep, v, w, conv.key.Session)
	v.Release()
	if conv.overtaken(ep) {
		return
	}
	ep, built = e.settle(conv.key, ep, off), true
}

// overtaken says that the path has cut this line meanwhile, behind the same epoch: a restart must not find two to choose from.
func (c *conversation) overtaken(ep *Epoch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.epochs, func(other *Epoch) bool {
		return other.parent == ep.parent && len(other.swaps) > 0 && c.line.has(other) && c.line.has(ep)
	})
}

// extract makes an epoch's digest over the view that it returns, and gives the place among the builds back: a model takes its own
// time.
func (e *Engine) extract(ep *Epoch, body []byte, opt *digest.Options) (*wire.View, []digest.Offload) {
	defer func() { <-e.builds }()
	v, err := wire.Acquire(ep.dialect, body, wire.Limits{})
	if err != nil {
		return nil, nil
	}
	return v, ep.fill(v, opt)
}

// calibrate counts a body exactly, once its epoch is there: it takes a good part of a second. The first epochs of a conversation
// tell the most.
func (e *Engine) calibrate(number int, body []byte, w writing) {
	if number <= 2 || number%8 == 0 {
		w.taught.Exact(&e.calibration, w.upstream, w.model, tokens.Estimate(body), e.count(string(body)))
	}
}

// add keeps an epoch. What comes behind one that is dropped stands alone from then on: its digest has all.
func (c *conversation) add(ep *Epoch) {
	if len(c.epochs) == maxEpochs {
		for _, other := range c.epochs {
			if other.parent == c.epochs[0] {
				other.parent = nil
			}
		}
		c.epochs = slices.Delete(c.epochs, 0, 1)
	}
	c.epochs = append(c.epochs, ep)
}

// cut makes an epoch in the path, with less of the end standing where the window has no room for its share; nil when there is
// nothing that may be left out.
func (f *fit) cut(cur *Epoch) (*Epoch, []digest.Offload) {
	next, off := f.build(cur, f.walk(cur))
	if next == nil || f.sizeWith(next) <= f.usable {
		return next, off
	}
	if cover := f.tightest(next.Cover, f.usable-f.floor(next)); cover > next.Cover {
		return f.build(cur, cover)
	}
	return next, off
}

// tightest is the first place behind a cover from which the rest has at most so many tokens, else the last place of all; 0 when
// there is none.
func (f *fit) tightest(cover, most int) (last int) {
	for _, u := range history.Units(nil, f.r.View) {
		if u.From <= cover || !history.MayStartTail(f.r.View, u, f.r.Profile) {
			continue
		}
		if last = u.From; f.tail(last) <= most {
			break
		}
	}
	return last
}

// build makes the epoch behind cur that covers the messages before cover; nil for none.
func (f *fit) build(cur *Epoch, cover int) (*Epoch, []digest.Offload) {
	if cover == 0 {
		return nil, nil
	}
	ep := f.draft(cur, cover)
	return ep, ep.fill(f.r.View, f.options())
}

// offer keeps an epoch that was built in the path.
func (f *fit) offer(ep *Epoch, off []digest.Offload) {
	f.conv.add(ep)
	f.e.counts.inPath.Add(1)
	if f.r.Session != "" {
		e, conv := f.e, f.conv
		e.running.Go(func() {
			if e.alone {
				time.Sleep(courtesy)
			}
			if stands := e.settle(conv.key, ep, off); stands != ep { // another replica was first: its bytes from now on
				conv.mu.Lock()
				defer conv.mu.Unlock()
				ep.hold(stands.digest)
			}
		})
	}
}

// courtesy is how long what was made in the path waits before it is stored: the request that waited for it, which has most of its way
// before it, has the processor first.
const courtesy = 10 * time.Millisecond

// draft is an epoch behind cur that covers the messages before cover, without its digest.
func (f *fit) draft(cur *Epoch, cover int) *Epoch {
	ep := &Epoch{
		Cover: cover, Chain: f.conv.line.chain[cover-1], Shape: f.conv.line.shape[cover], Window: f.usable, Notes: notesBefore(f, cover),
		Pins:   f.conv.pinSum,
		parent: cur, dialect: f.r.View.Dialect,
	}
	if cur != nil {
		ep.Number, ep.Task = cur.Number+1, cur.Task
	} else {
		ep.Number, ep.Task = f.conv.numbered(), f.task()
	}
	return ep
}

// fill makes the digest. Nothing else of the epoch's conversation is touched.
func (ep *Epoch) fill(v *wire.View, opt *digest.Options) []digest.Offload {
	var before *digest.Digest
	from := ep.Task + 1
	if ep.parent != nil {
		before, from = ep.parent.digest, ep.parent.Cover
	}
	d, off := digest.Extend(before, v, from, ep.Cover, func(i int) bool { return history.Stays(v, &v.Msgs[i]) }, opt)
	ep.hold(d)
	return off
}

// hold takes the digest. Its size is estimated as it stands in the body, escapes and all, as that of the messages is.
func (ep *Epoch) hold(d *digest.Digest) {
	ep.digest, ep.Text = d, d.Text()
	ep.Tokens = tokens.Estimate(ep.Text)
}

// numbered is the number of a new first epoch: branches go on counting.
func (c *conversation) numbered() int {
	n := 1
	for _, ep := range c.epochs {
		n = max(n, ep.Number)
	}
	return n
}

// options are the pins and budgets for this request's window.
func (f *fit) options() *digest.Options {
	o := digest.ForWindow(f.unscaled(f.usable))
	o.Forgotten = f.e.guards.of(f.r.Tenant).says
	o.Pin, o.Protected, o.Patterns = slices.Concat(f.r.Pins, f.conv.pins), f.c.Pins.Tools, f.c.Pins.Patterns
	if p := f.c.Pins.Budget; p > 0 {
		o.PinBudget = f.unscaled(f.tokens(p))
	}
	if p := f.c.Pins.Recent; p > 0 {
		o.RecentUser = f.unscaled(f.tokens(p))
	}
	return &o
}

// task is the message that carries the digest: the last of the user messages before the first tool call, as the first one may
// only tell of the environment; when all before the call takes too much, the last before the first answer.
func (f *fit) task() int {
	v := f.r.View
	first, last, answered := -1, -1, false
	for i := range v.Msgs {
		m := &v.Msgs[i]
		called := m.Kind == wire.CallItem || m.Call.To > m.Call.From
		if called {
			break
		}
		answered = answered || m.Role == wire.Assistant
		if m.Role == wire.User && takesText(v, m) {
			if last = i; !answered {
				first = i
			}
		}
	}
	if !hasCalls(v) || last >= 0 && f.share(f.scaled(f.conv.line.of(0, last+1))) > headShare {
		last = first
	}
	return last
}

func hasCalls(v *wire.View) bool { return len(v.Calls) > 0 }

// tailAt is how much of the end shall stand verbatim behind the next epoch: what the low mark leaves, at least its share.
func (f *fit) tailAt(cur *Epoch) int {
	task, digest := 0, 0
	if cur != nil {
		task, digest = cur.Task, cur.Tokens
	} else {
		task = f.task()
	}
	return max(f.tokens(tailShare), f.tokens(f.c.Low-lowSlack)-f.head(task)-f.scaled(digest))
}

// boundary is the last place before message end at which the retained tail may begin and has at least so many tokens up to end;
// 0: there is none behind what cur covers.
func (f *fit) boundary(cur *Epoch, end, tail int) int {
	v := f.r.View
	after := 0
	if cur != nil {
		after = cur.Cover
	} else if after = f.task() + 1; after == 0 {
		return 0 // nobody to carry the digest
	}
	best := 0
	for _, u := range history.Units(nil, v) {
		if u.From > after && u.From < end && history.MayStartTail(v, u, f.r.Profile) {
			if best > 0 && f.scaled(f.conv.line.of(u.From, end)) < tail {
				break
			}
			best = u.From
		}
	}
	return best
}

// walk is where the path cuts: it goes through the history as if every request had come by, so that what nobody remembers is cut
// at the same place each time, until the high mark is reached once more.
func (f *fit) walk(cur *Epoch) int {
	v, line := f.r.View, &f.conv.line
	task, cover, digest := 0, 0, 0
	if cur != nil {
		task, cover, digest = cur.Task, cur.Cover, f.scaled(cur.Tokens)
	} else if task = f.task(); task < 0 {
		return 0
	} else {
		cover = task + 1
	}
	fixed, kept := f.head(task), task+1
	tail, best := f.tailAt(cur), 0
	units := history.Units(nil, v)
	starts := make([]int, 0, len(units))
	for n, u := range units {
		end := u.To
		if u.From > cover && history.MayStartTail(v, u, f.r.Profile) {
			starts = append(starts, u.From)
		}
		if last := n == len(units)-1; !last && f.scaled(line.of(cover, end))+fixed+digest < f.tokens(f.c.High) {
			continue
		}
		for kept < end {
			if history.Stays(v, &v.Msgs[kept]) {
				fixed += f.scaled(line.of(kept, kept+1))
			}
			kept++
		}
		if f.scaled(line.of(cover, end))+fixed+digest < f.tokens(f.c.High) {
			continue
		}
		if to := latest(starts, func(s int) bool { return f.scaled(line.of(s, end)) >= tail }); to > cover {
			best, cover, digest = to, to, max(digest, f.tokens(f.c.Low)/6)
		}
	}
	return best
}

// latest is the last of the starts that ok accepts, else the first one; 0 when there is none.
func latest(starts []int, ok func(int) bool) int {
	for i := len(starts) - 1; i >= 0; i-- {
		if ok(starts[i]) {
			return starts[i]
		}
	}
	if len(starts) > 0 {
		return starts[0]
	}
	return 0
}
