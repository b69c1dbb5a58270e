package memory

import (
	"strings"
	"testing"
)

// TestAmended: "it's Friday, not Thursday" is about the one date that is a Thursday, and about nothing where there are two.
func TestAmended(t *testing.T) {
	k := newKit(t, nil)
	ann := user("ann", "s1")
	k.say(ann, "The launch is on Thursday.", "I live in Berlin.")
	k.days(1)
	k.say(ann, "Sorry, it's Friday, not Thursday.")
	got := k.current()
	if !strings.Contains(got, "date:launch=Friday") || strings.Contains(got, "Thursday") || !strings.Contains(got, "Berlin") {
		t.Error(got)
	}
	k.say(ann, "The review is on Friday.")
	before := k.current()
	k.say(ann, "It's Monday, not Friday.")
	if got := k.current(); got != before {
		t.Errorf("%s, then %s", before, got)
	}
}

// TestSeveralFactsOfASentence: when one of them ends, the others are told still, and not the words of the one that ended.
func TestSeveralFactsOfASentence(t *testing.T) {
	k := newKit(t, nil)
	k.say(user("ann", "s1"), "Hi! I am Ann, a marine biologist living in Porto.")
	k.days(1)
	k.say(user("ann", "s2"), "I moved to Lisbon last week.")
	r := k.ask(user("ann", "s3"), "Where do I live, and what is my job?")
	k.has(r.Note.Text, "Lisbon")
	k.has(r.Note.Text, "marine biologist")
	k.hasNot(r.Note.Text, "Porto")
}
