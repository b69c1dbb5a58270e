package decide

import (
	"slices"
	"strings"
	"testing"
)

func TestAmend(t *testing.T) {
	d := say("The launch is on Thursday. Actually, make it Friday.")
	if len(d.Facts) != 1 || d.Facts[0].Predicate != "date:launch" || d.Facts[0].Object != "Friday (2026-11-27)" {
		t.Errorf("%q", brief(d.Facts))
	}
	d = say("It's Friday, not Thursday.")
	if len(d.Facts) != 1 || d.Facts[0].Predicate != Any || d.Facts[0].Object != "Thursday" || d.Facts[0].With != "Friday (2026-11-27)" {
		t.Errorf("%+v", d.Facts)
	}
	for _, text := range []string{"Actually, make it Friday.", "It's not a bug, it's a feature.", "Make it faster, not slower."} {
		if d := say(text); len(d.Facts) > 0 {
			t.Errorf("%q: %q", text, brief(d.Facts))
		}
	}
}

// TestClauses: each fact of a sentence that says several quotes its own part, so that the rest can stay when it is no longer so.
func TestClauses(t *testing.T) {
	d := say("Hi! I am Ann, a marine biologist living in Porto. My sister Clara gets married on 3 May.")
	for _, want := range []string{
		"user name Ann <- I am Ann", "user job marine biologist <- a marine biologist", "user lives_in Porto <- living in Porto.",
		"user.sister name Clara <- My sister Clara",
	} {
		if !slices.ContainsFunc(d.Facts, func(f Fact) bool { return brief([]Fact{f})[0]+" <- "+f.Quote == want }) {
			t.Errorf("no %q in %q", want, brief(d.Facts))
		}
	}
	for _, f := range d.Facts {
		if f.Predicate != "lives_in" && strings.Contains(f.Quote, "Porto") {
			t.Errorf("%s quotes the city: %q", f.Predicate, f.Quote)
		}
	}
}

func TestDatesBesideTheirWords(t *testing.T) {
	for text, want := range map[string]string{
		"The deadline is Friday.":                 "project date:deadline Friday (2026-11-27)",
		"The launch is on 2027-03-01.":            "project date:launch 2027-03-01",
		"The release is planned for next week.":   "project date:release next week (2026-11-30 to 2026-12-06)",
		"The standup is at 9:30 from now on.":     "project date:standup 9:30",
		"The deadline slipped to 12 June 2027.":   "project date:deadline 12 June 2027 (2027-06-12)",
		"The meeting is now on Wednesday at 3pm.": "project date:meeting Wednesday at 3pm (2026-11-25)",
	} {
		if got := strings.Join(brief(say(text).Facts), "; "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
