package tokens

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/trapgate/trapgate/internal/glob"
)

// Rule gives all models whose name a glob matches a window. In a glob * stands for any text, '/' included; case does not matter.
type Rule struct {
	Model  string
	Tokens int
}

// Windows says how many tokens a model takes, the answer included; where a provider limits the input separately, that limit. All
// methods may be called at once.
type Windows struct {
	rules  []Rule                // globs in lower case
	learnt recent[atomic.Int64]  // what upstreams said themselves
	known  recent[windowOfModel] // what rules and table say, by model only: names are looked up once
}

type windowOfModel struct {
	tokens int
	by     source
}

type source uint8

const (
	nobody source = iota
	byRule
	byTable
)

// NewWindows is the table of known models, with an operator's rules before it: the first that matches wins.
func NewWindows(rules []Rule) (*Windows, error) {
	w := &Windows{}
	var wrong []error
	for _, r := range rules {
		switch {
		case r.Model == "":
			wrong = append(wrong, errors.New("a window has no model"))
		case r.Tokens <= 0 || r.Tokens >= tooMany:
			wrong = append(wrong, fmt.Errorf("the window of %q is %d tokens: give a number above 0", r.Model, r.Tokens))
		}
		w.rules = append(w.rules, Rule{strings.ToLower(r.Model), r.Tokens})
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return w, nil
}

// Learn notes the window that an upstream's own refusal named for a model; the last one counts. It keeps the 256 that were used last.
func (w *Windows) Learn(upstream, model string, window int) {
	if window <= 0 || window >= tooMany {
		return
	}
	w.learnt.add(place{upstream, model}, nil).Store(int64(window))
}

// Inherit takes over what another table has learnt: for a configuration that replaces one.
func (w *Windows) Inherit(from *Windows) {
	for p, e := range from.learnt.all() {
		w.Learn(p.upstream, p.model, int(e.value.Load()))
	}
}

// Of is the window of a model at an upstream, in tokens. What the upstream said comes before the table of known models. Of a learnt
// window and an operator's rule the smaller counts: a rule may keep requests below what an upstream takes, but cannot make it take
// more. Where nobody said anything it is not known, and whoever asks does nothing until the upstream says it.
func (w *Windows) Of(upstream, model string) (tokens int, known bool) {
	said := w.known.get(place{model: model})
	if said == nil {
		said = w.known.add(place{model: model}, func(v *windowOfModel) { *v = w.lookUp(model) })
	}
	learnt := 0
	if l := w.learnt.get(place{upstream, model}); l != nil {
		learnt = int(l.Load())
	}
	switch {
	case learnt == 0:
		return said.tokens, said.by != nobody
	case said.by == byRule:
		return min(learnt, said.tokens), true
	}
	return learnt, true
}

func (w *Windows) lookUp(model string) windowOfModel {
	name := strings.ToLower(model)
	for _, r := range w.rules {
		if glob.Match(r.Model, name) {
			return windowOfModel{tokens: r.Tokens, by: byRule}
		}
	}
	if tokens := tableWindow(name); tokens > 0 {
		return windowOfModel{tokens: tokens, by: byTable}
	}
	return windowOfModel{}
}
