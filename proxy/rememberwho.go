package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxNamed is how many users a hint names.
const maxNamed = 5

// hintOthers says of whom there is memory when nothing was found of whom was asked for: the wrong one may have been. It looks at a page
// of what is remembered. What goes wrong costs the hint.
func (m *memoryAsk) hintOthers(ctx context.Context, asked url.Values) string {
	q := url.Values{"limit": {"1000"}}
	set(q, "tenant", asked.Get("tenant"))
	var page memoryPage
	if m.do(ctx, http.MethodGet, "", q, nil, &page) != nil {
		return ""
	}
	var users []string
	alone := false
	for i := range page.Records {
		switch user := page.Records[i].User; {
		case user == "":
			alone = alone || asked.Get("session") == ""
		case user != named(asked.Get("user")) && !slices.Contains(users, user):
			users = append(users, user)
		}
	}
	slices.Sort(users)
	more := ""
	if len(users) > maxNamed {
		users, more = users[:maxNamed], " and others"
	}
	for i, u := range users {
		users[i] = printable(u)
	}
	switch {
	case len(users) > 0:
		return fmt.Sprintf("\nhint: there is memory of %s%s: --user", strings.Join(users, ", "), more)
	case alone:
		return "\nhint: there is memory of conversations without a user: --session, as trapgate memory list --json shows it"
	}
	return ""
}
