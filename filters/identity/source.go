package identity

import (
	"bytes"
	"strings"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
)

// A UserSource is where an operator says that users come from. One field is set; the zero value says that nobody has said so, and
// then users are what agents assert: x-trapgate-user, else the body's field.
type UserSource struct {
	Header string // the value of this request header
	Field  bool   // the body's user field: `user`, in the messages dialect what metadata.user_id says of the user
	Name   string // always this one
}

// Set reports whether an operator has named a source.
func (s UserSource) Set() bool { return s != UserSource{} }

// Of is the user of an exchange, "" where the source names none: nothing else is asked then, because what an agent asserts elsewhere is
// not what the operator trusts. A header with two values that differ names none either. The result is printable and bounded, and two
// values that differ never give one name.
func (s UserSource) Of(x *filters.Exchange) string {
	switch {
	case s.Name != "":
		return clean([]byte(s.Name))
	case s.Header != "":
		return cleanHint(only(x.Fields, s.Header))
	case s.Field && x.View != nil:
		user, _ := bodyUser(x.View)
		return user
	}
	return ""
}

// only is the value that all header lines of that name agree on, nil without one.
func only(fields filters.Fields, name string) (value []byte) {
	name = strings.ToLower(name)
	for i := range fields {
		f := &fields[i]
		switch {
		case !head.Is(f.Name, name) || len(f.Value) == 0:
		case value == nil:
			value = f.Value
		case !bytes.Equal(value, f.Value):
			return nil
		}
	}
	return value
}

// SetUsers puts a source of users in force, for exchanges that begin from now on. The zero UserSource takes it back.
func (f *Filter) SetUsers(s UserSource) { f.users.Store(&s) }

// userSource is the source in force.
func (f *Filter) userSource() UserSource {
	if s := f.users.Load(); s != nil {
		return *s
	}
	return UserSource{}
}
