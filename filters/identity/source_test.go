package identity

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// Where the operator names a source, it alone says who the user is; without one nothing is otherwise than before.
func TestUserSource(t *testing.T) {
	byHeader, byField, byName := UserSource{Header: "X-Forwarded-User"}, UserSource{Field: true}, UserSource{Name: "ada lovelace"}
	chatBody := func(user string) string { return js(obj{"user": user, "messages": arr{msg("user", "hi")}}) }
	claude := js(obj{"metadata": obj{"user_id": `{"account_uuid":"ada","session_id":"S"}`}, "messages": arr{msg("user", "hi")}})
	for _, c := range []struct {
		name    string
		source  UserSource
		dialect wire.Dialect
		headers []string
		body    string
		want    string // ~ at its end: a name that had to be changed
	}{
		{"none: header", UserSource{}, wire.Chat, []string{"x-trapgate-user", "eve"}, chatBody("bob"), "eve"},
		{"none: body", UserSource{}, wire.Chat, nil, chatBody("bob"), "bob"},
		{"header", byHeader, wire.Chat, []string{"x-forwarded-user", "ada", "x-trapgate-user", "eve"}, chatBody("bob"), "ada"},
		{"header in capitals", byHeader, wire.Chat, []string{"X-FORWARDED-USER", "ada"}, chatBody("bob"), "ada"},
		{"header of a similar name", byHeader, wire.Chat, []string{"x_forwarded_user", "ada", "x-forwarded-users", "ada", "x-trapgate-user", "eve"}, chatBody("bob"), ""},
		{"header absent", byHeader, wire.Chat, []string{"x-trapgate-user", "eve"}, chatBody("bob"), ""},
		{"header empty", byHeader, wire.Chat, []string{"x-forwarded-user", ""}, chatBody("bob"), ""},
		{"header with two values", byHeader, wire.Chat, []string{"x-forwarded-user", "ada", "x-forwarded-user", "eve"}, chatBody("bob"), ""},
		{"header with one value twice", byHeader, wire.Chat, []string{"x-forwarded-user", "ada", "x-forwarded-user", "ada"}, chatBody("bob"), "ada"},
		{"header that is our own", UserSource{Header: "x-trapgate-user"}, wire.Chat, []string{"x-trapgate-user", "eve"}, chatBody("bob"), "eve"},
		{"header with blanks", byHeader, wire.Chat, []string{"x-forwarded-user", "ada l"}, chatBody("bob"), "ada_l~"},
		{"field", byField, wire.Chat, []string{"x-trapgate-user", "eve"}, chatBody("bob"), "bob"},
		{"field absent", byField, wire.Chat, []string{"x-trapgate-user", "eve"}, js(obj{"messages": arr{msg("user", "hi")}}), ""},
		{"field of messages", byField, wire.Messages, []string{"x-trapgate-user", "eve"}, claude, "ada"},
		{"name", byName, wire.Chat, []string{"x-trapgate-user", "eve"}, chatBody("bob"), "ada_lovelace~"},
	} {
		f := New(Options{})
		f.SetUsers(c.source)
		k := newAgent(t, f, c.dialect, c.headers...).ask(c.body)
		got := k.User
		if i := strings.IndexByte(got, '~'); i >= 0 && len(got) == i+17 {
			got = got[:i+1]
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if c.source.Set() && c.source.Of(k.x) != k.User {
			t.Errorf("%s: the source says %q", c.name, c.source.Of(k.x))
		}
		k.body(`{}`).ok()
	}
	f := New(Options{})
	f.SetUsers(byHeader)
	f.SetUsers(UserSource{})
	same(t, "taken back", newAgent(t, f, wire.Chat, "x-forwarded-user", "ada").one(chatBody("bob")).User, "bob")
}

// Two users never have one name, whatever the header holds.
func TestUserSourceKeepsApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		of := func(value string) string {
			return UserSource{Header: "u"}.Of(&filters.Exchange{Fields: fields("U", value)})
		}
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if x, y := of(a), of(b); (x == y) != (a == b) || (x == "") != (a == "") || len(x) > maxName {
			t.Fatalf("%q is %q, %q is %q", a, x, b, y)
		}
	})
}
