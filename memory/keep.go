package memory

import (
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// nearBits is in how many places the SimHashes of near duplicates differ at most.
const nearBits = 3

// learn decides on the messages of a turn.
func (b *batch) learn(t *Turn) error {
	shown, err := b.e.shownLines(b.ctx, t.Scope)
	if err != nil {
		return err
	}
	last := -1 // the user's last message: only that one is new for certain, whatever of the history came with it
	for i := range t.Messages {
		if t.Messages[i].own() {
			last = i
		}
	}
	t.date(last)
	for i := range t.Messages {
		if err := b.message(t, &t.Messages[i], i == last && !t.Imported, shown); err != nil {
			return err
		}
	}
	return nil
}

// date marks what may have been said long ago: it came with the user's last message, and with those right before that, which the model
// has not answered yet.
func (t *Turn) date(last int) {
	fresh := last
	for fresh > 0 && t.Messages[fresh-1].own() {
		fresh--
	}
	for i := range t.Messages[:max(fresh, 0)] {
		t.Messages[i].old = !t.Imported
	}
}

// own reports whether the message is what a user said in their own words.
func (m *Message) own() bool { return m.Role == record.User && !m.Document }

// low reports whether nobody vouches for the message.
func (m *Message) low() bool { return m.Document || m.Role == record.Tool }

// role is who is taken to have said it: a document is nobody's words, whoever sent it.
func (m *Message) role() record.Role {
	if m.low() {
		return record.Tool
	}
	return m.Role
}

// message decides on one message.
func (b *batch) message(t *Turn, m *Message, last bool, shown map[uint64]bool) error {
	text := withoutLines(decide.StripNotes(m.Text), shown)
	d := b.e.decider.Decide(&decide.Message{Role: m.Role, Speaker: m.Name, Text: text, At: m.At, Document: m.low()})
	b.e.counts.redacted.Add(int64(d.Redacted))
	if m.own() && len(d.Forget) > 0 {
		return b.forget(t.Scope, d.Forget, last)
	}
	if m.low() && t.Scope.Session == "" {
		d.Episodes, d.Dropped = nil, "no-session"
	}
	if len(d.Episodes) == 0 {
		b.e.counts.drop(string(d.Dropped))
		return nil
	}
	return b.keep(t, m, &d, last)
}

// keep adds what was decided to keep.
func (b *batch) keep(t *Turn, m *Message, d *decide.Decision, last bool) error {
	remember := d.Remember && m.own()
	kept := make([]record.ID, len(d.Episodes)) // the episode that holds each piece; zero: it is forgotten, or was learned before
	for i := range d.Episodes {
		var err error
		if kept[i], err = b.episode(t, m, &d.Episodes[i], remember, last); err != nil {
			return err
		}
	}
	if !m.own() {
		return nil
	}
	for i := range d.Facts {
		if source := sourceOf(&d.Facts[i], d.Episodes, kept); source != (record.ID{}) {
			if err := b.fact(t, m, &d.Facts[i], source, remember, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// sourceOf is the episode that a fact's sentence stands in.
func sourceOf(f *decide.Fact, episodes []decide.Episode, kept []record.ID) record.ID {
	for i := range episodes {
		if strings.Contains(episodes[i].Text, f.Quote) {
			return kept[i]
		}
	}
	return kept[0]
}

// episode keeps a piece of a message, unless it stands already, was forgotten, or is nearly the same as another one. It returns the
// record that holds it; zero: there was nothing to do.
func (b *batch) episode(t *Turn, m *Message, piece *decide.Episode, remember, last bool) (id record.ID, err error) {
	id = record.EpisodeID(t.Scope, m.role(), piece.Text)
	if b.added[id] != nil {
		return record.ID{}, nil
	}
	has, err := b.e.opt.Store.Has(b.ctx, b.tenant, []record.ID{id})
	if err != nil {
		return record.ID{}, err
	}
	switch anew := remember && last; {
	case has[0] && !anew:
		b.e.counts.drop("known")
		return record.ID{}, nil
	case anew:
		b.changes.Revive = append(b.changes.Revive, id)
	}
	r := b.e.newEpisode(b, t, m, piece, remember)
	same, err := b.near(r)
	if err != nil {
		return record.ID{}, err
	}
	if same != nil {
		b.e.counts.merged.Add(1)
		b.changes.Used = append(b.changes.Used, same.ID)
		b.changes.Alias = append(b.changes.Alias, store.Alias{ID: id, Text64: r.Text64, Of: same.ID})
		return same.ID, nil
	}
	b.add(r)
	return id, nil
}

func (e *Engine) newEpisode(b *batch, t *Turn, m *Message, piece *decide.Episode, remember bool) *record.Record {
	ttl := e.config.Load().TTL
	r := &record.Record{
		ID: record.EpisodeID(t.Scope, m.role(), piece.Text), Scope: t.Scope, Kind: record.Episode, Role: m.role(), Origin: record.Captured,
		Speaker: m.Name, Text: strings.Clone(piece.Text), Handle: m.Handle, Seq: m.Seq, Said: m.At, Created: b.now, Times: piece.Times,
		Text64: record.TextKey(piece.Text), Sim: index.SimHash(piece.Text),
	}
	if t.Imported {
		r.Origin = record.Imported
	}
	switch {
	case m.low():
		r.Trust, r.Private, r.Importance, r.Expires = record.Low, true, 0.2, expiry(b.now, ttl.Document)
	case m.Role == record.Assistant:
		r.Trust, r.Importance, r.Expires = record.Middle, 0.35, expiry(b.now, ttl.Episode)
	case remember:
		r.Trust, r.Importance, r.Origin, r.Expires = record.High, 0.95, record.Told, expiry(b.now, ttl.Fact)
	default:
		r.Trust, r.Importance, r.Expires = record.High, 0.5, expiry(b.now, ttl.Episode)
	}
	r.Importance = min(1, r.Importance+specific(piece.Text))
	return r
}

// specific is what names and numbers add to the importance of a text: up to 0.15.
func specific(text string) float32 {
	n := 0
	for i, word := range strings.Fields(text) {
		first := []rune(word)[0]
		if unicode.IsDigit(first) || i > 0 && unicode.IsUpper(first) && len(word) > 1 {
			if n++; n == 5 {
				break
			}
		}
	}
	return 0.03 * float32(n)
}

// near returns a record that says nearly the same as r and may stand for it: one that is believed as much and seen as widely. One
// that is believed less gives way to r. A text that differs in its numbers says something else, however few they are.
func (b *batch) near(r *record.Record) (*record.Record, error) {
	same := func(o *record.Record) bool {
		return r.Scope.Sees(o) && o.Speaker == r.Speaker && (!o.Private || r.Private) && digits(o.Text) == digits(r.Text)
	}
	stands := func(o *record.Record) bool {
		return (o.Trust > r.Trust || o.Trust == r.Trust && o.Role == r.Role) && (r.Origin != record.Told || o.Origin == record.Told)
	}
	for _, o := range b.changes.Add {
		if o.Kind == r.Kind && !b.closing[o.ID] && bits.OnesCount64(o.Sim^r.Sim) <= nearBits && same(o) && stands(o) {
			return o, nil
		}
	}
	id, found, err := b.e.opt.Store.Near(b.ctx, r.Scope, r.Kind, r.Sim, nearBits)
	if err != nil || !found {
		return nil, err
	}
	old, err := b.e.opt.Store.Get(b.ctx, r.Scope, []record.ID{id})
	if err != nil || len(old) == 0 || b.closing[id] || !same(old[0]) {
		return nil, err
	}
	if stands(old[0]) {
		return old[0], nil
	}
	if old[0].Trust <= r.Trust {
		b.close(id, r.Said, r.ID)
	}
	return nil, nil
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, text)
}

// withoutLines cuts lines out of a text that stood in a note, or that only a note has: an answer that repeats what it was told
// teaches nothing.
func withoutLines(text string, shown map[uint64]bool) string {
	lines := strings.Split(text, "\n")
	rest := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return len(shown) > 0 && shown[record.TextKey(line)] || HoldsNote(line)
	})
	if len(rest) == len(lines) {
		return text
	}
	return strings.Join(rest, "\n")
}
