package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// ErrNothing is returned for a text that must not be kept, or says nothing.
var ErrNothing = errors.New("nothing of it can be remembered")

// Remember stores a text because somebody asked to, and the facts in it, for all of the user's sessions where a user is known. What
// was forgotten before may be remembered anew. It returns what is new.
func (e *Engine) Remember(ctx context.Context, s record.Scope, text string) ([]*record.Record, error) {
	if err := checkScope(s); err != nil {
		return nil, err
	}
	if s.User != "" {
		s.Session = ""
	}
	e.committing.Lock()
	defer e.committing.Unlock()
	b := newBatch(ctx, e, s.Tenant)
	m := Message{Role: record.User, Text: text, At: b.now, Seq: -1}
	d := e.decider.Decide(&decide.Message{Role: m.Role, Text: text, At: m.At})
	if len(d.Episodes) == 0 && (d.Dropped == decide.Ack || d.Dropped == decide.Short) && d.Redacted == 0 {
		text = strings.TrimSpace(text)
		d.Episodes = []decide.Episode{{Text: text, Times: decide.Times(text, m.At)}} // short, and yet asked for
	}
	if len(d.Episodes) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNothing, d.Dropped)
	}
	d.Remember, d.Forget = true, nil
	if err := b.keep(&Turn{Scope: s}, &m, &d, true); err != nil {
		return nil, err
	}
	added := slices.Clone(b.changes.Add)
	return added, b.apply()
}

// Search returns what is most like a text, best first; past: what is superseded too. No floor applies. The text's embedding may take
// five seconds; without it only words are compared.
func (e *Engine) Search(ctx context.Context, s record.Scope, text string, limit int, past bool) ([]store.Hit, error) {
	q := &store.Query{Text: text, Now: e.opt.Now(), Limit: limit, Past: past}
	q.Vector, q.Model, _ = e.embedQuestion(ctx, &Question{Scope: s}, text, searchWithin)
	hits, err := e.opt.Store.Search(ctx, s, q)
	hits = slices.DeleteFunc(hits, func(h store.Hit) bool { return !s.Sees(h.Record) || !past && !h.Record.Closed.IsZero() })
	if old := outdated(hits); !past && old != nil {
		slices.SortStableFunc(hits, func(a, b store.Hit) int { return below(old[a.Record.ID]) - below(old[b.Record.ID]) })
	}
	return hits, err
}

func below(outdated bool) int {
	if outdated {
		return 1
	}
	return 0
}

// List returns records in the order of their IDs, from after the given one, for operators.
func (e *Engine) List(ctx context.Context, f store.Filter, after record.ID, limit int) ([]*record.Record, error) {
	return e.opt.Store.List(ctx, f, after, limit)
}

// A Shown is a record and why it was told.
type Shown struct {
	Record *record.Record
	Told   []Telling // the last ones since this process began, newest first
}

// A Telling is one time at which a record was put into a note.
type Telling struct {
	At      time.Time
	Session string
	Score   float32     // 0: it was told because of what it is, not of what was asked
	Legs    []store.Leg // what made the score
}

// Show returns a record of a tenant and why it was told; nil when there is none.
func (e *Engine) Show(ctx context.Context, tenant string, id record.ID) (*Shown, error) {
	before := id // the records are in the order of their IDs
	for i := len(before) - 1; i >= 0; i-- {
		before[i]--
		if before[i] != 0xff {
			break
		}
	}
	found, err := e.opt.Store.List(ctx, store.Filter{Tenant: tenant}, before, 1)
	if err != nil || len(found) == 0 || found[0].ID != id {
		return nil, err
	}
	return &Shown{Record: found[0], Told: e.why.of(tenant, id)}, nil
}

// A whyLog has the last notes that told something.
type whyLog struct {
	mu   sync.Mutex
	last []why // a ring
	next int
}

type why struct {
	tenant, session string
	at              time.Time
	hits            []store.Hit
}

const keptWhys = 256

func (l *whyLog) init() { l.last = make([]why, keptWhys) }

func (l *whyLog) add(s record.Scope, hits []store.Hit, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.next%len(l.last)] = why{strings.Clone(s.Tenant), strings.Clone(s.Session), at, hits}
	l.next++
}

func (l *whyLog) of(tenant string, id record.ID) (told []Telling) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 1; i <= len(l.last); i++ {
		w := &l.last[(l.next-i+2*len(l.last))%len(l.last)]
		if w.tenant != tenant {
			continue
		}
		for _, h := range w.hits {
			if h.Record.ID == id {
				told = append(told, Telling{w.at, w.session, h.Score, h.Legs})
			}
		}
	}
	return told
}

func (l *whyLog) purge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.last)
}
