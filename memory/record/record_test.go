package record

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var parts = rapid.SampledFrom([]string{"", "a", "b", "a\x00b", "ab", "'", "%"})

func scopes(t *rapid.T, name string) Scope {
	return Scope{parts.Draw(t, name+" tenant"), parts.Draw(t, name+" user"), parts.Draw(t, name+" agent"), parts.Draw(t, name+" session")}
}

// Nobody sees what is of another tenant or user, or private to another session; and a space holds just what its scope can reach.
func TestSees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, r := scopes(t, "of who asks"), &Record{Scope: scopes(t, "of the record"), Private: rapid.Bool().Draw(t, "private")}
		sees := s.Sees(r)
		switch {
		case sees && (s.Tenant == "" || s.Tenant != r.Scope.Tenant || s.User != r.Scope.User):
			t.Fatal("seen across tenants or users")
		case sees && (r.Private || s.User == "") && (s.Session == "" || s.Session != r.Scope.Session):
			t.Fatal("seen across sessions")
		case sees && s.Space() != r.Scope.Space():
			t.Fatal("seen, and in another space")
		case !sees && !r.Private && s.Valid() && s.Space() == r.Scope.Space():
			t.Fatal("in the space, and not seen")
		case s.Valid() == (s.Space() == Space{}):
			t.Fatal("a space without a scope")
		}
	})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	s := Scope{Tenant: "t", User: "u", Session: "s"}
	a, b := EpisodeID(s, User, "I moved  to\nBerlin"), EpisodeID(s, User, "i moved to berlin ")
	if a != b {
		t.Error("spacing and case make another episode")
	}
	other := s
	other.User, other.Session = "us", ""
	for _, c := range []ID{
		EpisodeID(s, Assistant, "I moved to Berlin"), EpisodeID(other, User, "I moved to Berlin"), EpisodeID(s, User, "I moved to Bern"),
		FactID(s, a, "user", "lives_in", "Berlin"),
		{},
	} {
		if c == a {
			t.Errorf("%v stands for two things", c)
		}
	}
	for _, id := range []ID{a, NewID(), {}} {
		if back, err := ParseID(id.String()); back != id || err != nil {
			t.Errorf("%v is read as %v: %v", id, back, err)
		}
	}
	if one, other := NewID(), NewID(); one == other {
		t.Error("one ID twice")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(NewID().String())
	f.Add("mem_")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err == nil && id.String() != text {
			t.Errorf("%q is read as %v", text, id)
		}
	})
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		r    Record
		want bool
	}{
		"plain":         {Record{}, true},
		"closed":        {Record{Closed: now}, false},
		"expired":       {Record{Expires: now}, false},
		"expires later": {Record{Expires: now.Add(1)}, true},
		"over":          {Record{To: now}, false},
		"holds":         {Record{To: now.Add(1)}, true},
	} {
		if c.r.Current(now) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}
