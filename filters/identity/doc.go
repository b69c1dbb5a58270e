// Package identity says who an exchange belongs to: tenant, user, agent, session and program.
//
// Headers come before the prefix. What an agent says about itself in its headers is read in Open; what needs the history is
// found later, while the upstream works: a request that extends a known chain of messages goes on with that session.
//
// The one rule: nothing is ever found across tenants, and conversations that cannot be told apart are never merged. Where
// the rules leave a doubt, a conversation gets a new session, because a split one only loses what was kept for it, while a
// merged one shows somebody else's.
//
// A session's name is unique within its tenant, not beyond: whoever keys something by session keys it by tenant too.
package identity
