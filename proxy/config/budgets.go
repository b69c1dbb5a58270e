package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// anyTenant stands for all tenants that are not named.
const anyTenant = "*"

// tenants makes the shares and the budgets. The tenants of s.Budgets are those of the file, place by place, so that what the
// budget engine says of them can be shown at its place.
func (b *builder) tenants(s *Schedule, list []TenantConfig) {
	first := map[string]int{}
	s.Budgets.Tenants = make([]budget.Tenant, len(list))
	for i := range list {
		c, key := &list[i], fmt.Sprintf("schedule.tenants[%d]", i)
		if !b.ok(key) {
			continue
		}
		if j, dup := first[c.Name]; dup && b.ok(key+".name") && c.Name != "" {
			b.wrong(key+".name", "put both into one entry", "is the same as schedule.tenants[%d].name (%q)", j, shorten(c.Name))
		} else {
			first[c.Name] = i
			b.tenantName(key+".name", c.Name)
		}
		s.Budgets.Tenants[i] = budget.Tenant{Name: c.Name, Budgets: b.budgets(key+".budgets", c.Budgets)}
	}
	b.inherit(s, list, first)
}

// inherit fills in what entries leave out from the entry of "*". An entry of its own would else free a tenant of all budgets.
func (b *builder) inherit(s *Schedule, list []TenantConfig, first map[string]int) {
	weight, budgets := Amount("1"), []budget.Budget(nil)
	if i, ok := first[anyTenant]; ok {
		budgets = s.Budgets.Tenants[i].Budgets
		if w := list[i].Weight; w != "" {
			weight = w
		}
	}
	for i := range list {
		w := list[i].Weight
		if w == "" {
			w = weight
		}
		if list[i].Budgets == nil {
			s.Budgets.Tenants[i].Budgets = budgets
		}
		s.Engine.Tenants = append(s.Engine.Tenants, ratelimit.TenantConfig{Name: list[i].Name, Weight: w.Float()})
	}
}

// tenantName refuses names that no request will ever have: a budget for one would hold nobody.
func (b *builder) tenantName(key, name string) {
	switch {
	case name == anyTenant || !b.ok(key):
	case b.cfg.Auth == nil:
		if hex, ok := strings.CutPrefix(name, "cred-"); name != "anonymous" && (!ok || len(hex) != 8 || strings.Trim(hex, "0123456789abcdef") != "") {
			b.wrong(key, "add auth.keys to name tenants", "must be cred- and 8 hex digits, anonymous or *: without auth tenants have no names (got %q)", shorten(name))
		}
	case b.ok("auth") && b.ok("auth.keys"):
		var names []string
		for i, k := range b.cfg.Auth.Keys {
			if !b.ok(fmt.Sprintf("auth.keys[%d]", i)) || !b.ok(fmt.Sprintf("auth.keys[%d].name", i)) {
				return
			}
			names = append(names, k.Name)
		}
		slices.Sort(names)
		if names = slices.Compact(names); !slices.Contains(names, name) {
			b.wrong(key, whichOf(name, names), "no key in auth.keys has this name (got %q)", shorten(name))
		}
	}
}

// budgets returns as many budgets as the file has, those with a problem half empty.
func (b *builder) budgets(key string, list []BudgetConfig) []budget.Budget {
	if list == nil || !b.ok(key) {
		return nil
	}
	out := make([]budget.Budget, len(list))
	for i := range list {
		c, key := &list[i], fmt.Sprintf("%s[%d]", key, i)
		if !b.ok(key) || !b.ok(key+".per") || !b.ok(key+".unit") || !b.ok(key+".limit") || !b.ok(key+".window") || !b.ok(key+".mode") {
			continue
		}
		out[i] = b.budget(key, c)
		for j := range i {
			b.beforeBudget(key, j, out[j], out[i])
		}
	}
	return out
}

func (b *builder) budget(key string, c *BudgetConfig) (g budget.Budget) {
	var errs [4]error
	g.Per, errs[0] = budget.ParsePer(orText(c.Per, "tenant"))
	g.Unit, errs[1] = budget.ParseUnit(c.Unit)
	g.Window, errs[2] = budget.ParseWindow(c.Window)
	g.Mode, errs[3] = budget.ParseMode(orText(c.Mode, "hard"))
	if err := errors.Join(errs[:]...); err != nil {
		b.wrong(key, "", "%v", err) // the decoder knows the same words
		return budget.Budget{}
	}
	n, err := budget.ParseLimit(g.Unit, string(c.Limit))
	g.Limit = n
	whole := budget.Config{Tenants: []budget.Tenant{{Name: anyTenant, Budgets: []budget.Budget{g}}}}
	switch {
	case err != nil && g.Unit == budget.USD:
		b.wrong(key+".limit", "", "must be dollars with at most 9 decimals (got %s)", c.Limit)
	case err != nil:
		b.wrong(key+".limit", "", "must be a whole number of %s (got %s)", g.Unit, c.Limit)
	case whole.Validate() != nil:
		b.wrong(key+".limit", "", "is more than can be counted (got %s)", c.Limit)
	}
	return g
}

func orText(text, byDefault string) string {
	if text == "" {
		return byDefault
	}
	return text
}

// beforeBudget compares a budget with the j-th of its list, which stands before it.
func (b *builder) beforeBudget(key string, j int, before, g budget.Budget) {
	if before.Limit == 0 || g.Limit == 0 || before.Per != g.Per || before.Unit != g.Unit || before.Window != g.Window {
		return
	}
	soft, hard := before, g
	if g.Mode == budget.Soft {
		soft, hard = g, before
	}
	switch {
	case g.Mode == budget.Hard && before.Mode == budget.Hard:
		b.wrong(key, "keep the lower one", "the hard budget budgets[%d] counts the same already", j)
	case g == before:
		b.wrong(key, "", "is the same as budgets[%d]", j)
	case g.Mode != before.Mode && soft.Limit > hard.Limit:
		b.warnings = append(b.warnings, b.at(key, "", "one of this and budgets[%d] is soft above a hard limit of the same, and is never reached", j))
	}
}

func (b *builder) prices(s *Schedule, list []PriceConfig) {
	first := map[string]int{}
	for i := range list {
		c, key := &list[i], fmt.Sprintf("schedule.prices[%d]", i)
		if !b.ok(key) || !b.ok(key+".model") {
			continue
		}
		if c.Model == "" {
			b.wrong(key+".model", `"*" stands for all`, "is empty")
			continue
		}
		j, dup := first[c.Model]
		if dup {
			b.wrong(key+".model", "put both into one entry", "is the same as schedule.prices[%d].model", j)
			continue
		}
		first[c.Model] = i
		if before := s.Budgets.PriceOf(c.Model); before != nil {
			b.warnings = append(b.warnings, b.at(key, "the first price that matches counts: list the narrower one first", "%s takes all of this before", before.Model))
		}
		p := budget.Price{Model: c.Model}
		for _, r := range []struct {
			name string
			text Amount
			to   *budget.Rate
			or   **budget.Rate
		}{{"input", c.Input, &p.Input, nil}, {"cached", c.Cached, nil, &p.Cached}, {"write", c.Write, nil, &p.Write}, {"output", c.Output, &p.Output, nil}} {
			rate, ok := b.rate(key+"."+r.name, r.text)
			if r.to != nil {
				*r.to = rate
			} else if ok {
				*r.or = &rate
			}
		}
		s.Budgets.Prices = append(s.Budgets.Prices, p)
	}
}

// rate reads a price; false when it is absent.
func (b *builder) rate(key string, text Amount) (budget.Rate, bool) {
	if text == "" {
		return 0, false
	}
	rate, err := budget.ParseRate(string(text))
	if err != nil {
		b.wrong(key, "", "must be dollars for a million tokens with at most 6 decimals (got %s)", text)
	}
	return rate, err == nil
}

// checkMoney refuses money budgets that could meet a model without a price.
func (b *builder) checkMoney(s *Schedule) {
	if b.troubled("upstreams") || b.troubled("routes") || b.troubled("schedule.prices") {
		return // what can be met is not known
	}
	for _, err := range parts(budget.Check(&s.Budgets, b.reachable())) {
		var unpriced *budget.UnpricedError
		if !errors.As(err, &unpriced) {
			b.wrong("schedule.prices", "", "%v", err)
			continue
		}
		if b.cfg.Schedule.Tenants[unpriced.Tenant].Budgets == nil {
			continue // it has those of "*", where this is said
		}
		hint := "add them to schedule.prices, by the names that the upstreams know"
		if slices.ContainsFunc(unpriced.Models, func(m string) bool { return strings.Contains(m, "*") }) {
			hint = `an upstream without models takes any: list its models, or add a price for "*"`
		}
		b.wrong(fmt.Sprintf("schedule.tenants[%d].budgets[%d]", unpriced.Tenant, unpriced.Budget), hint,
			"counts usd, but can meet models without a price: %s", some(unpriced.Models, 6))
	}
}

// parts takes errors.Join apart.
func parts(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// some joins the first words, and says how many more there are.
func some(words []string, n int) string {
	short := make([]string, 0, n)
	for _, w := range words[:min(n, len(words))] {
		short = append(short, shorten(w))
	}
	text := strings.Join(short, ", ")
	if left := len(words) - n; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}

// troubled reports whether something is wrong with a key or below it.
func (b *builder) troubled(key string) bool {
	below := func(k string) bool {
		rest, ok := strings.CutPrefix(k, key)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	for k := range b.cfg.marks.bad {
		if below(k) {
			return true
		}
	}
	return slices.ContainsFunc(b.problems, func(p Problem) bool { return below(p.Key) })
}

// maxLeased is the largest limit that the shared store counts exactly, in units of a budget.
const maxLeased = 1 << 50

// leasable refuses hard budgets that are too large to be shared.
func (b *builder) leasable(s *Schedule, c *ScheduleConfig) {
	for i, t := range s.Budgets.Tenants {
		for j, g := range t.Budgets {
			if g.Mode == budget.Hard && g.Limit > maxLeased && c.Tenants[i].Budgets != nil {
				b.wrong(fmt.Sprintf("schedule.tenants[%d].budgets[%d].limit", i, j), "", "is too large to be shared (got %s)", c.Tenants[i].Budgets[j].Limit)
			}
		}
	}
}
