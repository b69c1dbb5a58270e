package memory

import (
	"slices"
	"strings"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
)

// amend puts a value in the place of another in the one fact that has it: "it's Friday, not Thursday". Where none has it, or several, it is
// not known what was meant, and nothing is done.
func (b *batch) amend(t *Turn, m *Message, f *decide.Fact, source record.ID, remember, last bool) error {
	var found *record.Record
	for _, subject := range slices.Compact([]string{f.Subject, "project"}) {
		old, err := b.facts(t.Scope, subject, "")
		if err != nil {
			return err
		}
		for _, o := range old {
			if !amendable(o) || !hasAll(o.Object, index.Terms(f.Object)) || b.late(t, m, o) {
				continue
			}
			if found != nil {
				return nil
			}
			found = o
		}
	}
	if found == nil {
		return nil
	}
	now := *f
	now.Subject, now.Predicate, now.Object = found.Subject, found.Predicate, f.With
	now.With, now.Closes, now.Single = "", false, true
	if strings.HasPrefix(found.Predicate, "date:") {
		now.Class = decide.Deadline
	}
	return b.fact(t, m, &now, source, remember, last)
}

// amendable reports whether a fact's value may be taken for what a sentence corrects that does not say of what it speaks.
func amendable(r *record.Record) bool {
	switch r.Predicate {
	case "name", "lives_in", "works_at", "from", "birthday":
		return true
	}
	return strings.HasPrefix(r.Predicate, "date:")
}
