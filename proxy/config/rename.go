package config

import "strings"

// A rename maps the models that a glob matches to the upstream's name.
type rename struct {
	from glob
	to   string
}

// Rename returns the name by which the upstream knows a model, and whether it differs from the agent's. An exact name wins
// over globs, of which the first in the file holds. A * in the new name stands for what the * of the glob matched.
func (u *Upstream) Rename(model string) (string, bool) {
	if to, ok := u.exact[model]; ok {
		return to, to != model
	}
	for i := range u.renames {
		r := &u.renames[i]
		if !r.from.match(model) {
			continue
		}
		to := r.to
		if before, after, ok := strings.Cut(to, "*"); ok {
			to = before + model[len(r.from.prefix):len(model)-len(r.from.suffix)] + after
		}
		return to, to != model
	}
	return model, false
}

func (b *builder) renames(u *Upstream, key string, pairs Renames) {
	for _, p := range pairs {
		at := key + "." + p.From
		switch stars := strings.Count(p.From, "*"); {
		case p.From == "":
			b.wrong(at, "", "has an empty name")
		case p.To == "":
			b.wrong(at, "", "is empty")
		case strings.Count(p.To, "*") > 1 || strings.Contains(p.To, "*") && stars != 1:
			b.wrong(at, `"openai/*": "*" drops a prefix`, "must have at most one * in the new name, and then exactly one in the old")
		case stars == 0:
			if u.exact == nil {
				u.exact = map[string]string{}
			}
			u.exact[p.From] = p.To
		default:
			u.renames = append(u.renames, rename{newGlob(p.From), p.To})
		}
	}
}
