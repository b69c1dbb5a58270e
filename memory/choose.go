package memory

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	maxHits      = 10  // in a note
	shareOfBest  = 0.6 // what scores less than this share of the best hit is not told beside it
	alikeDense   = 0.6 // from here on its leg says that two texts mean alike: 3.6 standard deviations above what is usual
	profileShare = 4   // the profile, and what enters a full conversation, takes one part in four of a note
	sameBits     = 6   // SimHashes of texts that need not both be told
)

// A telling is the making of one note.
type telling struct {
	e      *Engine
	q      *Question
	now    time.Time
	before *sessionNotes
	shown  map[record.ID]bool // told by notes that are still part of the conversation
	quotes []string           // that those have
	text   string             // what is asked for
	asked  map[string]bool    // its terms
	budget int                // tokens of the note
	spent  bool               // the conversation's budget is: only what supersedes something told enters
	used   int
	chosen []line
	stale  []value // values that no longer hold

	outdated map[record.ID]bool // what was found, and a later statement says otherwise
}

// A line is a record that is to be told.
type line struct {
	hit    store.Hit
	text   string
	tokens int
}

// A value is an object that held until a time.
type value struct {
	words string // canonical, with a space on each side
	until time.Time
}

func (e *Engine) newTelling(c *Config, q *Question, before *sessionNotes) *telling {
	t := &telling{e: e, q: q, now: e.opt.Now(), before: before, budget: c.Inject.Tokens, used: e.opt.Count(noteHead + noteTail)}
	total, sum := 0, 0 // tokens of the conversation's notes; of those of all its requests so far
	for i := range before.all {
		n := &before.all[i]
		if q.Chains != nil && !slices.Contains(q.Chains, n.Chain) {
			continue // it went with what was evicted, or belongs to a branch that this request is not on
		}
		total += n.Tokens
		sum += n.Tokens * (len(before.all) - i)
		t.quotes = append(t.quotes, quoted(n.Text)...)
		for _, id := range n.Records {
			if t.shown == nil {
				t.shown = map[record.ID]bool{}
			}
			t.shown[id] = true
		}
	}
	switch { // requests should carry no more than one note's budget on average, and the best hit even so
	case sum > c.Inject.Tokens*len(before.all):
		t.budget /= 2 * profileShare
	case total > c.Inject.Tokens:
		t.budget /= profileShare
	}
	if left := c.Inject.SessionTokens - total; left < t.budget {
		t.budget, t.spent = left, left <= t.used
	}
	if t.spent {
		t.budget = c.Inject.Tokens / profileShare
	}
	return t
}

// skip leaves out what the model sees already. The store calls it for each record that it looks at.
func (t *telling) skip(r *record.Record) bool { return t.visible(r) || t.shown[r.ID] }

func (t *telling) visible(r *record.Record) bool {
	return r.Scope.Session == t.q.Scope.Session && r.Seq >= 0 && t.evicted(r) == nil
}

// evicted is the part of this conversation in which the record was said, if that is no longer visible; else nil.
func (t *telling) evicted(r *record.Record) *Evicted {
	if r.Scope.Session != t.q.Scope.Session {
		return nil
	}
	for i := range t.q.Evicted {
		if e := &t.q.Evicted[i]; e.From <= r.Seq && r.Seq < e.To {
			return e
		}
	}
	return nil
}

// gather chooses what is told: what supersedes something told before, the profile, the facts that are asked for, and the hits.
func (t *telling) gather(ctx context.Context, found []store.Hit) error {
	if err := t.superseding(ctx); err != nil || t.spent {
		return err
	}
	t.outdated = outdated(found)
	if t.q.First {
		if err := t.profile(ctx); err != nil {
			return err
		}
	}
	if t.text == "" {
		return nil
	}
	asked, err := t.cued(ctx)
	if err != nil {
		return err
	}
	for _, h := range asked {
		if !t.skip(h.Record) {
			t.choose(h, t.budget)
		}
	}
	if found, err = t.resolve(ctx, found); err == nil {
		t.hits(found)
	}
	return err
}

// superseding tells what took the place of something that this conversation was told.
func (t *telling) superseding(ctx context.Context) error {
	closed := t.e.closed.Load()
	if len(t.shown) == 0 || !t.e.opt.Shared && closed == t.before.closed {
		return nil
	}
	ids := make([]record.ID, 0, len(t.shown))
	for id := range t.shown {
		ids = append(ids, id)
	}
	old, err := t.e.opt.Store.Get(ctx, t.q.Scope, ids)
	if err != nil {
		return err
	}
	ids = ids[:0]
	for _, r := range old {
		if !r.Closed.IsZero() && r.SupersededBy != (record.ID{}) && !t.shown[r.SupersededBy] {
			ids = append(ids, r.SupersededBy)
		}
	}
	if len(ids) > 0 {
		anew, err := t.e.opt.Store.Get(ctx, t.q.Scope, ids)
		if err != nil {
			return err
		}
		slices.SortFunc(anew, byWorth)
		for _, r := range anew {
			if !t.visible(r) {
				t.take(store.Hit{Record: r}, t.budget)
			}
		}
	}
	t.e.notes.looked(keyOf(t.q.Scope), closed)
	return nil
}

// profile tells at a conversation's beginning who the user is and what they prefer: the facts that last.
func (t *telling) profile(ctx context.Context) error {
	facts, err := t.e.opt.Store.Facts(ctx, t.q.Scope, "", "")
	if err != nil {
		return err
	}
	facts = slices.DeleteFunc(slices.Clone(facts), func(r *record.Record) bool { return !lasting(r) || t.skip(r) })
	slices.SortFunc(facts, byWorth)
	for _, r := range facts {
		t.choose(store.Hit{Record: r}, t.budget/profileShare)
	}
	return nil
}

// byWorth orders records by importance, then the newest first, then by ID, so that the order is always the same.
func byWorth(a, b *record.Record) int {
	return cmp.Or(cmp.Compare(b.Importance, a.Importance), b.Said.Compare(a.Said), slices.Compare(a.ID[:], b.ID[:]))
}

// hits chooses among what was found: what is near the best of it and above the floor. A fact is told in place of an episode that
// says little else.
func (t *telling) hits(found []store.Hit) {
	facts := map[record.ID]*store.Hit{} // by the episode that they stand on
	for i := range found {
		r := found[i].Record
		if r.Kind != record.Fact {
			continue
		}
		if !r.Current(t.now) {
			if r.Single && !r.To.IsZero() {
				t.stale = append(t.stale, value{" " + strings.Join(index.Terms(r.Object), " ") + " ", r.To})
			}
			continue
		}
		for _, id := range r.Sources {
			if facts[id] == nil {
				facts[id] = &found[i]
			}
		}
	}
	t.asked = map[string]bool{}
	for _, term := range index.Terms(t.text) {
		t.asked[term] = true
	}
	best := float32(0)
	for _, h := range found {
		if h.Score < max(best*shareOfBest, index.Floor) || len(t.chosen) >= maxHits {
			return
		}
		if !t.tells(h.Record) || t.beside(&h) {
			continue
		}
		best = max(best, h.Score)
		if f := facts[h.Record.ID]; f != nil {
			t.choose(*f, t.budget)
			if 2*len(f.Record.Text) >= len(h.Record.Text) {
				continue
			}
		}
		t.choose(h, t.budget)
	}
}

// beside reports whether a hit has its score from its neighbours alone: it has no word of the question, answers no question that
// has, and means nothing like it.
func (t *telling) beside(h *store.Hit) bool {
	for i := range h.Legs {
		if l := &h.Legs[i]; l.Name == "answer" && l.Value > 0 || l.Name == "dense" && l.Value > alikeDense {
			return false
		}
	}
	text := h.Record.Text
	if h.Record.Kind == record.Fact {
		text += " " + statementWords(h.Record)
	}
	return !slices.ContainsFunc(index.Terms(text), func(term string) bool { return t.asked[term] })
}

// tells reports whether a record may be told at all: nothing that is closed, no mere question, and nothing that was said while another value held than
// does now, and names it.
func (t *telling) tells(r *record.Record) bool {
	if !r.Current(t.now) || t.outdated[r.ID] {
		return false
	}
	if r.Kind == record.Fact {
		return true
	}
	if r.Role == record.User && t.evicted(r) == nil && onlyAsks(r.Text) {
		return false // it is no answer
	}
	words := " " + strings.Join(index.Terms(r.Text), " ") + " "
	return !slices.ContainsFunc(t.stale, func(v value) bool {
		return len(v.words) > 4 && r.Said.Before(v.until) && strings.Contains(words, v.words)
	})
}

// choose takes a record into the note, if it may be told, says something new, and fits.
func (t *telling) choose(h store.Hit, budget int) {
	if !t.told(h.Record) {
		t.take(h, budget)
	}
}

// take is choose also for what was told once, and may have been superseded since.
func (t *telling) take(h store.Hit, budget int) {
	r := h.Record
	if t.outdated[r.ID] || len(t.chosen) >= maxHits || !t.q.Scope.Sees(r) || !r.Current(t.now) || t.shown[r.ID] || t.repeats(r) ||
		t.q.Visible != nil && t.q.Visible(r.Text) {
		return
	}
	text := t.render(r)
	n := t.e.opt.Count(text)
	if t.used+n > budget {
		return
	}
	t.used += n
	t.chosen = append(t.chosen, line{h, text, n})
}

// repeats reports whether what was chosen says the same.
func (t *telling) repeats(r *record.Record) bool {
	return slices.ContainsFunc(t.chosen, func(l line) bool {
		o := l.hit.Record
		if o.ID == r.ID || o.Text64 == r.Text64 && o.Kind == r.Kind {
			return true
		}
		if o.Kind == record.Fact && r.Kind == record.Fact {
			return o.Subject == r.Subject && o.Predicate == r.Predicate && sameObject(o.Object, r.Object)
		}
		return o.Kind == r.Kind && bits.OnesCount64(o.Sim^r.Sim) <= sameBits
	})
}

// note makes the note of what was chosen. What does not fit after all is left out.
func (t *telling) note() (store.Note, []store.Hit) {
	n := store.Note{Chain: t.q.Chain, At: t.now}
	lines := slices.Clone(t.chosen)
	for ; len(lines) > 0; lines = lines[:len(lines)-1] {
		n.Text = noteText(lines)
		if n.Tokens = t.e.opt.Count(n.Text); n.Tokens <= t.budget {
			break
		}
	}
	if len(lines) == 0 {
		n.Text, n.Tokens = "", 0
		return n, nil
	}
	hits := make([]store.Hit, len(lines))
	for i := range lines {
		hits[i] = lines[i].hit
		n.Records = append(n.Records, lines[i].hit.Record.ID)
	}
	return n, hits
}
