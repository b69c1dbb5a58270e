package record

// A Scope says whose memory something is, or on whose behalf a question is asked. All but Tenant are what callers assert: they
// narrow the tenant, which is the trust boundary. "" means not known.
type Scope struct{ Tenant, User, Agent, Session string }

// A Space is what one question can reach, and what shares statistics: all sessions of one user, or a single session where no
// user is known. Session is "" exactly when User is not.
type Space struct{ Tenant, User, Session string }

// Valid reports whether anything may be stored or found in the scope at all: a tenant, and a user or a session, are known.
func (s Scope) Valid() bool { return s.Tenant != "" && (s.User != "" || s.Session != "") }

// Space is the space of a valid scope, and the zero Space, which holds nothing, of any other.
func (s Scope) Space() Space {
	switch {
	case !s.Valid():
		return Space{}
	case s.User != "":
		return Space{Tenant: s.Tenant, User: s.User}
	}
	return Space{Tenant: s.Tenant, Session: s.Session}
}

// Sees is the predicate that every store applies, and that is asked again before anything is shown: a record of the same tenant
// and user, of the same session if it is private; where no user is known, one of the same session that has no user either. Agents
// of one user share what they know.
func (s Scope) Sees(r *Record) bool {
	switch {
	case !s.Valid() || r.Scope.Tenant != s.Tenant || r.Scope.User != s.User:
		return false
	case s.User == "" || r.Private:
		return s.Session != "" && r.Scope.Session == s.Session
	}
	return true
}
