package budget

import (
	"errors"
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/internal/glob"
)

// A Price is what a million tokens of the models that match cost.
type Price struct {
	Model         string // "*" stands for any text
	Input, Output Rate
	Cached, Write *Rate // input that was read from, and written to, the provider's cache; nil: as Input
}

// Usage is what one attempt used, in tokens. Input is the whole prompt; Cached and Write are parts of it.
type Usage struct {
	Input, Cached, Write, Output int64

	Estimated bool // the upstream reported nothing
}

// clean makes a usage that sums can rely on: nothing negative, no part larger than the whole.
func (u Usage) clean() Usage {
	u.Input = min(max(u.Input, 0), maxTokens)
	u.Output = min(max(u.Output, 0), maxTokens)
	u.Cached = min(max(u.Cached, 0), u.Input)
	u.Write = min(max(u.Write, 0), u.Input-u.Cached)
	return u
}

func (u Usage) tokens() int64 { return u.Input + u.Output }

// Cost is what a clean usage costs, rounded up to a nano-dollar.
func (p *Price) Cost(u Usage) Money {
	u = u.clean()
	var w wide
	w = w.plus(u.Input-u.Cached-u.Write, p.Input)
	w = w.plus(u.Cached, p.cached())
	w = w.plus(u.Write, p.write())
	w = w.plus(u.Output, p.Output)
	return w.money()
}

// Saved is what the cached tokens would have cost more as plain input, rounded up to a nano-dollar.
func (p *Price) Saved(u Usage) Money {
	u = u.clean()
	return wide{}.plus(u.Cached, max(0, p.Input-p.cached())).money()
}

func (p *Price) cached() Rate {
	if p.Cached != nil {
		return *p.Cached
	}
	return p.Input
}

func (p *Price) write() Rate {
	if p.Write != nil {
		return *p.Write
	}
	return p.Input
}

// PriceOf returns the first price whose glob matches the model, nil for none.
func (c *Config) PriceOf(model string) *Price {
	for i := range c.Prices {
		if glob.Match(c.Prices[i].Model, model) {
			return &c.Prices[i]
		}
	}
	return nil
}

// Check reports each money budget that could meet a model without a price, which would spend without being seen. models are
// names or globs of all models that can be asked for; an upstream that lists none takes any, which is "*".
func Check(c *Config, models []string) error {
	var unpriced []string
	for _, m := range models {
		if !c.priced(m) {
			unpriced = append(unpriced, m)
		}
	}
	if len(unpriced) == 0 {
		return nil
	}
	var errs []error
	for i, t := range c.Tenants {
		for j, b := range t.Budgets {
			if b.Unit == USD {
				errs = append(errs, &UnpricedError{Tenant: i, Budget: j, Models: unpriced})
			}
		}
	}
	return errors.Join(errs...)
}

func (c *Config) priced(model string) bool {
	for _, p := range c.Prices {
		if glob.Match(p.Model, model) {
			return true
		}
	}
	return false
}

// An UnpricedError names a money budget, by its place in the configuration, and the models that have no price.
type UnpricedError struct {
	Tenant, Budget int
	Models         []string
}

func (e *UnpricedError) Error() string {
	hint := "add them to schedule.prices"
	for _, m := range e.Models {
		if strings.Contains(m, "*") {
			hint = `an upstream without a list of models takes any: list its models, or add a price for model: "*"`
		}
	}
	return fmt.Sprintf("budget: tenants[%d].budgets[%d]: counts usd, but can meet models without a price: %s\nhint: %s",
		e.Tenant, e.Budget, strings.Join(e.Models, ", "), hint)
}

// atLeast raises what is expected to what is known to be used.
func (u *Usage) atLeast(used Usage) {
	u.Input, u.Cached, u.Write = max(u.Input, used.Input), used.Cached, used.Write
	u.Output = max(u.Output, used.Output)
}
