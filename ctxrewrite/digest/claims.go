package digest

import (
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// falseClaim is a tool that summary says was called, and neither digest nor view knows a call of: a declared tool behind
// "called", "ran", "used" and the like, or written as a call, or an unknown name_with_underscores written as a call.
func (d *Digest) falseClaim(summary string, v *wire.View) string {
	called := map[string]bool{}
	for _, t := range d.state.Tools {
		called[t] = true
	}
	for i := range v.Calls {
		called[string(inside(v.Calls[i].Name.Of(v.Body)))] = true
	}
	declared := map[string]bool{}
	for i := range v.Tools {
		declared[string(inside(v.Tools[i].Name.Of(v.Body)))] = true
	}
	said := "" // the word before
	for i := 0; i < len(summary); {
		if !nameByte(summary[i]) {
			i++
			continue
		}
		j := i
		for j < len(summary) && nameByte(summary[j]) {
			j++
		}
		name := summary[i:j]
		asCall := j < len(summary) && summary[j] == '('
		if !called[name] {
			if declared[name] && (asCall || claims[said]) || asCall && strings.IndexByte(name, '_') > 0 && claims[said] {
				return name
			}
		}
		if said = strings.ToLower(name); said == "the" || said == "tool" {
			said = "called"
			if k := lastClaim(summary[:i]); !k {
				said = ""
			}
		}
		i = j
	}
	return ""
}

var claims = set("called call calling ran run running used using invoked invoking executed executing via with through")

// lastClaim reports whether text ends in a word of claims.
func lastClaim(text string) bool {
	f := strings.Fields(text[max(0, len(text)-40):])
	for k := len(f) - 1; k >= 0 && k >= len(f)-2; k-- {
		if claims[strings.ToLower(f[k])] {
			return true
		}
	}
	return false
}

func nameByte(c byte) bool { return tab[c]&(lower|upper|digit) != 0 || c == '_' || c == '-' }
