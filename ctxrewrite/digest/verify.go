package digest

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// Verify checks a summary (plain text) that a model wrote of the messages [from, to) of v, against the digest that covers
// them. It must have all rules byte for byte, at least 95 % of the values of the ledger, no claim that a tool was called that
// never was, and fewer tokens than its source. The error says what is missing.
func Verify(summary string, d *Digest, v *wire.View, from, to int) error {
	if strings.TrimSpace(summary) == "" {
		return fmt.Errorf("digest: the summary is empty")
	}
	if d == nil {
		d = &Digest{}
	}
	for _, p := range d.state.rules() {
		if rule := string(unescape([]byte(p))); !strings.Contains(summary, rule) {
			return fmt.Errorf("digest: the summary lost the rule %q", rule)
		}
	}
	lost := 0
	for _, f := range d.state.Facts {
		if !strings.Contains(summary, string(unescape([]byte(f.Value)))) {
			lost++
		}
	}
	if n := len(d.state.Facts); lost*20 > n {
		return fmt.Errorf("digest: the summary lost %d of %d ids and paths", lost, n)
	}
	if tool := d.falseClaim(summary, v); tool != "" {
		return fmt.Errorf("digest: the summary says that %s was called, and it never was", tool)
	}
	size := 0
	for i := max(from, 0); i < min(to, len(v.Msgs)); i++ {
		size += tokens.Estimate(v.Raw(v.Msgs[i].Span))
	}
	if n := tokens.Estimate([]byte(summary)); n >= size {
		return fmt.Errorf("digest: the summary has %d tokens, its source %d", n, size)
	}
	return nil
}

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
