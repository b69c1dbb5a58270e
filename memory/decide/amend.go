package decide

import (
	"strings"
	"time"
)

// amends is the predicate of the rules for "it's Friday, not Thursday", which do not say of what.
const amends = "amends"

// amend puts a value in the place of another: in the date that the message gave before, or, where the old one is said, in what is
// known already.
func (r *reader) amend(h *hit, f Fact) {
	object, ok := r.object(h)
	if !ok {
		return
	}
	object += r.iso(h)
	old := r.captured(h, "old")
	for i := len(r.out.Facts) - 1; i >= 0; i-- {
		g := &r.out.Facts[i]
		if h.object().name == "date" && g.Class == Deadline && !g.Closes && strings.Contains(strings.ToLower(g.Object), strings.ToLower(old)) {
			g.Object, g.Quote = object, f.Quote
			return
		}
	}
	if old == "" {
		return
	}
	f.Subject, f.Predicate, f.Object, f.With, f.Closes, f.Single = r.speaker(), Any, old, object, true, false
	f.Class, f.Importance = Correction, importance[Correction]
	r.add(f)
}

// iso is the date that a hit's words mean, to be put behind them: " (2027-05-03)", or its first and last day.
func (r *reader) iso(h *hit) string {
	c := h.object()
	if c == nil || c.name != "date" {
		return ""
	}
	from, to := r.toks[c.from].start, r.toks[c.to-1].end
	for i := range r.times {
		t := &r.times[i]
		if t.start < from || t.end > to || t.From.IsZero() {
			continue
		}
		first, last := t.From.Format(time.DateOnly), t.To.Add(-time.Nanosecond).Format(time.DateOnly)
		switch {
		case strings.Contains(r.text[from:to], first):
			return ""
		case t.To.IsZero() || first == last:
			return " (" + first + ")"
		}
		return " (" + first + " to " + last + ")"
	}
	return ""
}

// idle reports whether a decision is about one thing offered at the moment: "I'll go with option 2, please".
func idle(object string) bool {
	for w := range strings.FieldsSeq(strings.ToLower(object)) {
		switch strings.Trim(w, ",.:;") {
		case "option", "options", "first", "second", "third", "please", "this", "that", "one", "it", "you", "flight", "card":
			return true
		}
	}
	return false
}
