package memory

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A cue asks for a fact by what it is about: the sentence that said it may have no word of the question. "Where do I live?" asks for
// lives_in, whose last value was said as "I moved to Munich".
type cue struct {
	words     string // all of which the question has
	predicate string
}

var cues = []cue{
	{"where live", "lives_in"},
	{"where home", "lives_in"},
	{"my city", "lives_in"},
	{"my address", "lives_in"},
	{"which city", "lives_in"},
	{"where move", "lives_in"},
	{"where moved", "lives_in"},
	{"where based", "lives_in"},
	{"my home", "lives_in"},
	{"where work", "works_at"},
	{"my employer", "works_at"},
	{"who work for", "works_at"},
	{"which company", "works_at"},
	{"my job", "works_at"},
	{"my job", "job"},
	{"my profession", "job"},
	{"my role", "job"},
	{"work as", "job"},
	{"for a living", "job"},
	{"my name", "name"},
	{"my age", "age"},
	{"how old", "age"},
	{"my birthday", "birthday"},
	{"when born", "birthday"},
	{"my email", "email"},
	{"my phone", "phone"},
	{"my timezone", "timezone"},
	{"my time zone", "timezone"},
	{"my diet", "diet"},
	{"i eat", "diet"},
	{"i allergic", "allergic_to"},
	{"my allergies", "allergic_to"},
	{"my pet", "has_pet"},
	{"my car", "drives"},
	{"i drive", "drives"},
	{"i study", "studies"},
	{"my university", "attends"},
	{"my school", "attends"},
	{"my status", "status"},
	{"where i from", "from"},
	{"where come from", "from"},
}

// kinds are predicates of which there is one for each kind of thing: "which database do we use?" asks for uses:database.
var kinds = []struct{ words, subject, predicate string }{
	{"use", "project", "uses:"},
	{"using", "project", "uses:"},
	{"our", "project", "uses:"},
	{"use", "user", "uses:"},
	{"favourite", "user", "favourite:"},
	{"favorite", "user", "favourite:"},
	{"prefer", "user", "prefers:"},
	{"when", "project", "date:"},
}

const (
	maxCueWords = 40 // in a question; more is no question
	maxCues     = 8  // that are looked up
)

// cued returns the facts that the question asks for by what they are about.
func (t *telling) cued(ctx context.Context) (found []store.Hit, err error) {
	has := strings.FieldsFunc(strings.ToLower(t.text), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })
	if len(has) == 0 || len(has) > maxCueWords {
		return nil, nil
	}
	own := slices.ContainsFunc(has, func(w string) bool {
		return w == "i" || w == "my" || w == "we" || w == "our" || w == "me" || w == "i'm"
	})
	if !own {
		return nil, nil
	}
	type fact struct{ subject, predicate string }
	var asked []fact
	for _, c := range cues {
		if hasWords(has, c.words) {
			asked = append(asked, fact{"user", c.predicate})
		}
	}
	for _, k := range kinds {
		if !hasWords(has, k.words) {
			continue
		}
		for _, w := range has {
			if len(w) > 3 && w != k.words && !slices.Contains([]string{"what", "which", "when", "does"}, w) {
				asked = append(asked, fact{k.subject, k.predicate + w})
			}
		}
	}
	for _, f := range asked[:min(maxCues, len(asked))] {
		facts, err := t.e.opt.Store.Facts(ctx, t.q.Scope, f.subject, f.predicate)
		if err != nil {
			return nil, err
		}
		for _, r := range facts[:min(3, len(facts))] {
			found = append(found, store.Hit{Record: r})
		}
	}
	return found, nil
}

func hasWords(has []string, words string) bool {
	for w := range strings.FieldsSeq(words) {
		if !slices.Contains(has, w) {
			return false
		}
	}
	return true
}

// maxStale bounds how many hits are looked after.
const maxStale = 16

// resolve puts in the place of what was superseded, among the best hits, what holds now: who asks for the one asks for the other.
func (t *telling) resolve(ctx context.Context, found []store.Hit) ([]store.Hit, error) {
	var by []record.ID
	for i := range found[:min(maxStale, len(found))] {
		if r := found[i].Record; !r.Closed.IsZero() && r.SupersededBy != (record.ID{}) {
			by = append(by, r.SupersededBy)
		}
	}
	if len(by) == 0 {
		return found, nil
	}
	heirs, err := t.e.opt.Store.Get(ctx, t.q.Scope, by)
	if err != nil {
		return nil, err
	}
	now := make(map[record.ID]*record.Record, len(heirs))
	for _, r := range heirs {
		if now[r.ID] = r; r.Closed.IsZero() || r.Kind != record.Fact {
			continue
		}
		facts, err := t.e.opt.Store.Facts(ctx, r.Scope, r.Subject, r.Predicate)
		if err != nil {
			return nil, err
		}
		if len(facts) > 0 {
			now[r.ID] = facts[0]
		}
	}
	with := make([]store.Hit, 0, len(found)+len(now))
	for _, h := range found {
		if r := now[h.Record.SupersededBy]; r != nil && !h.Record.Closed.IsZero() && !t.skip(r) {
			with = append(with, store.Hit{Record: r, Score: h.Score, Legs: h.Legs})
		}
		with = append(with, h)
	}
	return with, nil
}
