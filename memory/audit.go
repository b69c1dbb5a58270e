package memory

import (
	"context"
	"math/bits"
	"regexp"
	"strings"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A Report is what an audit found in a tenant's memory.
type Report struct {
	Records    int // that are current
	Exact      int // episodes whose text another one has that the same question can find
	Near       int // episodes whose SimHash differs from another one's in three places at most, the exact ones among them
	NeverUsed  int // never told
	RecallLoop int // that hold text of a note
	Secrets    int // that hold a secret
	Orphans    int // facts whose source is gone, though it cannot have expired
	Conflicts  int // facts that are current beside a later one of the same predicate, of which only one can hold
	Fixed      int // of the recall loop, secrets, orphans and conflicts: forgotten, or closed
}

// Junk is how many records should not be there.
func (r *Report) Junk() int { return r.Near + r.RecallLoop + r.Secrets + r.Orphans + r.Conflicts }

// Audit looks through all of a tenant's memory, asking no model. With fix, what holds text of a note or a secret, and what stands on
// nothing, is forgotten, and the older of what contradicts is closed. Duplicates are left: they are never told twice.
func (e *Engine) Audit(ctx context.Context, tenant string, fix bool) (Report, error) {
	if tenant == "" {
		return Report{}, ErrScope
	}
	a := audit{
		e: e, ids: map[record.ID]bool{}, texts: map[auditText]bool{}, sims: map[auditBand][]uint64{}, singles: map[auditFact]*record.Record{},
	}
	if err := e.each(ctx, store.Filter{Tenant: tenant}, a.look); err != nil {
		return a.report, err
	}
	a.orphans()
	e.counts.junk.Add(int64(a.report.Junk()))
	if !fix {
		return a.report, nil
	}
	err := a.fix(ctx, tenant)
	return a.report, err
}

type audit struct {
	e       *Engine
	report  Report
	ids     map[record.ID]bool
	texts   map[auditText]bool
	sims    map[auditBand][]uint64
	singles map[auditFact]*record.Record
	facts   []*record.Record
	remove  []record.ID
	close   []store.Closing
}

// An auditPlace is where one question can find everything.
type auditPlace struct {
	space   record.Space
	private string
}

type auditText struct {
	place auditPlace
	key   uint64
}

// An auditBand is a sixteenth part of a SimHash: two that differ in three places at most have one of four in common.
type auditBand struct {
	place auditPlace
	which int
	part  uint16
}

type auditFact struct {
	place              auditPlace
	subject, predicate string
}

func placeOf(r *record.Record) auditPlace {
	p := auditPlace{space: r.Scope.Space()}
	if r.Private {
		p.private = r.Scope.Session
	}
	return p
}

// look counts one record.
func (a *audit) look(r *record.Record) error {
	a.ids[r.ID] = true
	if !r.Current(a.e.opt.Now()) {
		return nil
	}
	a.report.Records++
	if r.Uses == 0 {
		a.report.NeverUsed++
	}
	place := placeOf(r)
	switch r.Kind {
	case record.Episode:
		a.duplicate(place, r)
	case record.Fact:
		a.facts = append(a.facts, r)
		a.conflict(place, r)
	}
	switch {
	case HoldsNote(r.Text):
		a.report.RecallLoop++
		a.remove = append(a.remove, r.ID)
	case a.e.decider.Decide(&decide.Message{Role: record.Assistant, Text: r.Text, At: r.Said}).Redacted > 0:
		a.report.Secrets++
		a.remove = append(a.remove, r.ID)
	}
	return nil
}

func (a *audit) duplicate(place auditPlace, r *record.Record) {
	text := auditText{place, record.TextKey(r.Text)}
	if a.texts[text] {
		a.report.Exact++
	}
	a.texts[text] = true
	near := false
	for which := range 4 {
		band := auditBand{place, which, uint16(r.Sim >> (16 * which))}
		for _, sim := range a.sims[band] {
			near = near || bits.OnesCount64(sim^r.Sim) <= nearBits
		}
		a.sims[band] = append(a.sims[band], r.Sim)
	}
	if near {
		a.report.Near++
	}
}

func (a *audit) conflict(place auditPlace, r *record.Record) {
	if !r.Single {
		return
	}
	key := auditFact{place, r.Subject, r.Predicate}
	other := a.singles[key]
	if other == nil {
		a.singles[key] = r
		return
	}
	a.report.Conflicts++
	older, later := other, r
	if r.From.Before(other.From) {
		older, later = r, other
	}
	a.singles[key] = later
	a.close = append(a.close, store.Closing{ID: older.ID, To: later.From, By: later.ID})
}

func (a *audit) orphans() {
	ttl := a.e.config.Load().TTL.Episode
	for _, r := range a.facts {
		if ttl >= 0 && !a.e.opt.Now().Before(r.Created.Add(ttl)) {
			continue
		}
		for _, id := range r.Sources {
			if !a.ids[id] {
				a.report.Orphans++
				a.remove = append(a.remove, r.ID)
				break
			}
		}
	}
}

func (a *audit) fix(ctx context.Context, tenant string) error {
	if len(a.close) > 0 {
		c := store.Changes{Tenant: tenant, At: a.e.opt.Now(), Close: a.close}
		a.e.committing.Lock()
		err := a.e.opt.Store.Apply(ctx, c)
		if err == nil {
			a.e.stored(tenant, &c)
		}
		a.e.committing.Unlock()
		if err != nil {
			return err
		}
		a.report.Fixed += len(a.close)
	}
	if len(a.remove) == 0 {
		return nil
	}
	_, err := a.e.Forget(ctx, store.Forget{Filter: store.Filter{Tenant: tenant}, IDs: a.remove})
	if err == nil {
		a.report.Fixed += len(a.remove)
	}
	return err
}

var noteLine = regexp.MustCompile(`(?m)^- (?:since \d{4}-\d\d-\d\d: |from \d{4}-\d\d-\d\d until \d{4}-|` +
	`\d{4}-\d\d-\d\d, .{1,80} said(?: \(not verified\))?: "|earlier in this conversation.*, verbatim:$)`)

// HoldsNote reports whether a text has a part of a note in it: its first or last line, or a line of its form.
func HoldsNote(text string) bool {
	return strings.Contains(text, "[") && marks.MatchString(text) || strings.HasPrefix(text, "- ") && noteLine.MatchString(text) ||
		strings.Contains(text, "\n- ") && noteLine.MatchString(text)
}
