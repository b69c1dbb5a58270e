package memory

import (
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
)

// fact compares a fact with those that stand, and adds it, or nothing, and closes what it supersedes.
func (b *batch) fact(t *Turn, m *Message, f *decide.Fact, source record.ID, remember, last bool) error {
	if f.With != "" {
		return b.amend(t, m, f, source, remember, last)
	}
	if f.Closes {
		return b.takeBack(t, m, f)
	}
	old, err := b.facts(t.Scope, f.Subject, f.Predicate)
	if err != nil {
		return err
	}
	r := b.newFact(t, m, f, source, remember)
	if remember && last {
		b.changes.Revive = append(b.changes.Revive, r.ID)
	}
	for _, o := range old {
		if sameObject(o.Object, r.Object) {
			return b.reverse(t, m, r) // it stands; but not its contrary
		}
	}
	if f.Single {
		for _, o := range old {
			if b.late(t, m, o) { // this one is past already
				r.To, r.Closed, r.SupersededBy = latest(o.From, r.From), b.now, o.ID
				if m.old { // its episode has the date at which the history came
					if err := b.endSources(r, r.To, o.ID); err != nil {
						return err
					}
				}
				continue
			}
			if err := b.supersede(o, r.From, r.ID); err != nil {
				return err
			}
		}
	}
	b.add(r)
	return b.reverse(t, m, r)
}

// late reports whether a message comes after a fact that was said later: a history out of order. What is said at this moment is the last
// word all the same, since a clock may go back. When it is true from decides nothing: who moved last week may have said otherwise since.
// A history that comes with a message may be older than anything but what was said before it in that conversation.
func (b *batch) late(t *Turn, m *Message, o *record.Record) bool {
	const atOnce = time.Minute
	if m.old && (o.Scope.Session != t.Scope.Session || o.Seq >= m.Seq) {
		return true
	}
	return o.Said.After(m.At) && (t.Imported || b.now.Sub(m.At) > atOnce)
}

// takeBack closes what a fact ends and puts nothing in the place of.
func (b *batch) takeBack(t *Turn, m *Message, f *decide.Fact) error {
	s := t.Scope
	predicate := f.Predicate
	if predicate == decide.Any {
		predicate = ""
	}
	old, err := b.facts(s, f.Subject, predicate)
	if err != nil {
		return err
	}
	to := latest(f.From, f.To)
	for _, o := range old {
		if o.Predicate == "no_longer" || b.late(t, m, o) {
			continue
		}
		if f.Object == "" || sameObject(o.Object, f.Object) || predicate == "" && hasAll(o.Object, index.Terms(f.Object)) {
			if err := b.supersede(o, to, record.ID{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasAll reports whether a text has all of the terms, of which there is one.
func hasAll(text string, terms []string) bool {
	has := index.Terms(text)
	return len(terms) > 0 && !slices.ContainsFunc(terms, func(t string) bool { return !slices.Contains(has, t) })
}

// contraries are predicates of which only one holds of the same object.
var contraries = map[string]string{"likes": "dislikes", "dislikes": "likes"}

// reverse closes what says the contrary of a fact, or the fact if that was said later.
func (b *batch) reverse(t *Turn, m *Message, r *record.Record) error {
	contrary := contraries[r.Predicate]
	if contrary == "" || !r.Closed.IsZero() {
		return nil
	}
	old, err := b.facts(t.Scope, r.Subject, contrary)
	if err != nil {
		return err
	}
	for _, o := range old {
		if !sameObject(o.Object, r.Object) {
			continue
		}
		if b.late(t, m, o) {
			r.To, r.Closed, r.SupersededBy = latest(o.From, r.From), b.now, o.ID
		} else if !o.From.After(r.From) {
			if err := b.supersede(o, r.From, r.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func sameObject(a, b string) bool { return record.Canonical(a) == record.Canonical(b) }

func (b *batch) newFact(t *Turn, m *Message, f *decide.Fact, source record.ID, remember bool) *record.Record {
	quote := strings.Clone(f.Quote)
	r := &record.Record{
		ID: record.FactID(t.Scope, source, f.Subject, f.Predicate, f.Object), Scope: t.Scope, Kind: record.Fact, Role: m.Role,
		Origin: record.Ruled, Trust: record.High, Speaker: m.Name, Text: quote, Subject: strings.Clone(f.Subject),
		Predicate: strings.Clone(f.Predicate), Object: strings.Clone(f.Object), Single: f.Single, Seq: m.Seq, Said: m.At,
		From: f.From, To: f.To, Created: b.now, Times: decide.Times(quote, m.At), Sources: []record.ID{source},
		Importance: f.Importance, Text64: record.TextKey(quote), Sim: index.SimHash(quote),
	}
	if r.From.IsZero() {
		r.From = m.At
	}
	ttl := b.e.config.Load().TTL
	switch f.Class {
	case decide.Deadline:
		r.Expires = expiry(latest(b.now, r.From, r.To), ttl.Deadline)
	case decide.Settled:
		r.Expires = expiry(b.now, ttl.Decision)
	default:
		r.Expires = expiry(b.now, ttl.Fact)
	}
	if remember {
		r.Origin, r.Importance = record.Told, max(r.Importance, 0.95)
	}
	return r
}

// expiry is when what began at a time ends; zero: never.
func expiry(from time.Time, ttl time.Duration) time.Time {
	if ttl < 0 {
		return time.Time{}
	}
	return from.Add(ttl)
}

func latest(t time.Time, more ...time.Time) time.Time {
	for _, o := range more {
		if o.After(t) {
			t = o
		}
	}
	return t
}

// facts are those that stand of a subject and predicate ("": of all), with what the batch has done so far.
func (b *batch) facts(s record.Scope, subject, predicate string) ([]*record.Record, error) {
	stored, err := b.e.opt.Store.Facts(b.ctx, s, subject, predicate)
	if err != nil {
		return nil, err
	}
	var all []*record.Record
	for _, r := range append(stored[:len(stored):len(stored)], b.changes.Add...) {
		if r.Kind == record.Fact && r.Subject == subject && (predicate == "" || r.Predicate == predicate) && r.Closed.IsZero() &&
			!b.closing[r.ID] && s.Sees(r) {
			all = append(all, r)
		}
	}
	return all, nil
}

// supersede ends a fact, and the episodes that say nothing else: what an episode says besides goes on as one of its own, so that the
// old value is told by neither.
func (b *batch) supersede(old *record.Record, to time.Time, by record.ID) error {
	if to.Before(old.From) {
		to = old.From
	}
	b.close(old.ID, to, by)
	if r := b.added[by]; r != nil && r.Text == old.Text {
		return nil // one sentence says both: "from tabs to spaces"
	}
	return b.endSources(old, to, by)
}

// endSources ends the episodes that say a fact that has ended, but for what they say besides.
func (b *batch) endSources(old *record.Record, to time.Time, by record.ID) error {
	var sources []*record.Record
	var stored []record.ID
	for _, id := range old.Sources {
		if r := b.added[id]; r != nil {
			sources = append(sources, r)
		} else {
			stored = append(stored, id)
		}
	}
	more, err := b.e.opt.Store.Get(b.ctx, old.Scope, stored)
	if err != nil {
		return err
	}
	for _, r := range append(sources, more...) {
		if r.Kind == record.Episode && r.Closed.IsZero() && !b.closing[r.ID] && strings.Contains(r.Text, old.Text) {
			b.close(r.ID, to, by)
			b.rest(r, old.Text)
		}
	}
	return nil
}

// rest keeps what an episode says besides a sentence.
func (b *batch) rest(r *record.Record, sentence string) {
	text := strings.TrimSpace(strings.Replace(r.Text, sentence, "", 1))
	if len(index.Terms(text)) < 2 {
		return
	}
	rest := *r
	rest.Text, rest.ID = text, record.EpisodeID(r.Scope, r.Role, text)
	rest.Text64, rest.Sim, rest.Times = record.TextKey(text), index.SimHash(text), decide.Times(text, r.Said)
	rest.Created, rest.Sources, rest.Vector, rest.Model = b.now, []record.ID{r.ID}, nil, ""
	for _, o := range b.changes.Add {
		if o.Kind == rest.Kind && bits.OnesCount64(o.Sim^rest.Sim) <= nearBits && rest.Scope.Sees(o) && o.ID != r.ID {
			return
		}
	}
	b.add(&rest)
}
