package config

import "fmt"

// credentials settles what each upstream is sent, so that an agent's credential goes to one upstream at most for each
// dialect. Nothing is guessed: where the rule leaves a choice, the file must say it.
func (b *builder) credentials() {
	if len(b.cfg.Upstreams) == 0 || b.snap.Upstreams[0].src.outside {
		b.defaultCredentials()
		return
	}
	var marked [3]*Upstream
	for i, u := range b.snap.Upstreams {
		c := &b.cfg.Upstreams[i]
		key := fmt.Sprintf("upstreams[%d]", i)
		if !b.ok(key) || !b.ok(key+".api_key") || !b.ok(key+".credential") || !b.ok(key+".dialects") {
			continue
		}
		switch {
		case c.APIKey != nil && c.Credential != "":
			b.wrong(key+".credential", "remove one of the two", "cannot stand beside api_key")
		case c.APIKey != nil || c.Credential == "none":
		case b.cfg.Auth != nil:
			b.keyless(key, c, "with auth an agent's credential is a key of ours, which no upstream may see")
		case c.Credential == "agent":
			b.markAgent(key, u, &marked)
		default:
			if other := b.beside(u); other != nil {
				b.keyless(key, c, fmt.Sprintf("upstream %s serves the same dialect, and an agent's credential goes to one at most", other.Name))
			}
		}
	}
}

// defaultCredentials is for upstreams that the file does not describe: they have no key.
func (b *builder) defaultCredentials() {
	if b.cfg.Auth == nil || !b.ok("upstreams") {
		return
	}
	const why = "with auth an agent's credential is a key of ours, which no upstream may see"
	if b.snap.Upstreams[0].src.outside && len(b.cfg.Upstreams) > 0 {
		b.problem(b.snap.Upstreams[0].src, "describe the upstream in the file, with api_key", "has no api_key: %s", why)
		return
	}
	b.wrong("auth", "add upstreams with base_url and api_key", "needs upstreams with api_key: %s", why)
}

func (b *builder) keyless(key string, c *UpstreamConfig, why string) {
	at, hint := key, "add api_key: {env: NAME}"
	if c.Credential == "agent" {
		at = key + ".credential"
	} else if b.cfg.Auth == nil {
		hint += ", or mark this one credential: agent"
	}
	if c.Credential != "agent" {
		hint += "; credential: none is for an engine that needs no key"
	}
	b.wrong(at, hint, "needs an api_key: %s", why)
}

func (b *builder) markAgent(key string, u *Upstream, marked *[3]*Upstream) {
	for d := range marked {
		if !u.Dialects[d] {
			continue
		}
		if first := marked[d]; first != nil {
			b.wrong(key+".credential", "give one of them an api_key, or other dialects",
				"upstream %s has credential: agent for %s too, and an agent's credential goes to one upstream at most", first.Name, dialectNames[d])
			return
		}
	}
	for d := range marked {
		if u.Dialects[d] {
			marked[d] = u
		}
	}
}

// beside returns another upstream that shares a dialect with u, nil when u is alone.
func (b *builder) beside(u *Upstream) *Upstream {
	for _, other := range b.snap.Upstreams {
		if other == u {
			continue
		}
		for d := range u.Dialects {
			if u.Dialects[d] && other.Dialects[d] {
				return other
			}
		}
	}
	return nil
}
