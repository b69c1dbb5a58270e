package budget

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Per says whose spending a budget adds up. Each tenant has its own sums, also where its budgets are those of "*".
type Per uint8

// The values of Per. Users, agents and models are those of one tenant.
const (
	PerTenant Per = iota
	PerUser
	PerAgent
	PerModel
)

// Unit is what a budget counts.
type Unit uint8

// The values of Unit.
const (
	Tokens   Unit = iota // input and output, cached input included: what the provider calls the total
	Requests             // exchanges that were dispatched, whatever number of attempts they needed
	USD                  // Money, by Config.Prices
)

// Mode says what happens at the limit.
type Mode uint8

// The values of Mode.
const (
	Soft Mode = iota // it is said
	Hard             // nothing is dispatched that is expected to pass it
)

var (
	perNames    = []string{"tenant", "user", "agent", "model"}
	unitNames   = []string{"tokens", "requests", "usd"}
	windowNames = []string{"minute", "hour", "day", "month"}
	modeNames   = []string{"soft", "hard"}
)

func (p Per) String() string    { return perNames[p] }
func (u Unit) String() string   { return unitNames[u] }
func (w Window) String() string { return windowNames[w] }
func (m Mode) String() string   { return modeNames[m] }

// ParsePer, ParseUnit, ParseWindow and ParseMode read the words of the configuration.
func ParsePer(s string) (Per, error)   { n, err := word("per", perNames, s); return Per(n), err }
func ParseUnit(s string) (Unit, error) { n, err := word("unit", unitNames, s); return Unit(n), err }
func ParseWindow(s string) (Window, error) {
	n, err := word("window", windowNames, s)
	return Window(n), err
}
func ParseMode(s string) (Mode, error) { n, err := word("mode", modeNames, s); return Mode(n), err }

func word(what string, names []string, s string) (int, error) {
	if n := slices.Index(names, s); n >= 0 {
		return n, nil
	}
	return 0, fmt.Errorf("budget: %s: must be one of %v (got %q)", what, names, s)
}

// A Config is what tenants may spend, and what models cost. It is not changed once given.
type Config struct {
	Tenants []Tenant
	Prices  []Price // the first whose glob matches counts
}

// Tenant is one tenant's budgets. Name "*" holds for every tenant that has no entry of its own.
type Tenant struct {
	Name    string
	Budgets []Budget
}

// A Budget is a limit on one sum. Two budgets that differ only in limit and mode watch the same sum.
type Budget struct {
	Per    Per
	Unit   Unit
	Limit  int64 // tokens, requests or nano-dollars: ParseLimit
	Window Window
	Mode   Mode
}

func (b Budget) String() string {
	return fmt.Sprintf("%s %s %s/%s per %s", b.Mode, b.Unit.format(b.Limit), b.Unit, b.Window, b.Per)
}

// ParseLimit reads a limit as the configuration has it: a whole number of tokens or requests, or dollars with up to nine
// decimals. It must be above zero.
func ParseLimit(u Unit, s string) (int64, error) {
	decimals := 0
	if u == USD {
		decimals = nanoDigits
	}
	n, err := parseDecimal(s, decimals)
	if err != nil {
		return 0, fmt.Errorf("budget: limit: %w", err)
	}
	if n == 0 {
		return 0, fmt.Errorf("budget: limit: must be above 0 (got %q)", s)
	}
	return n, nil
}

// Validate reports everything that is wrong with a configuration, but for prices that are missing: Check.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("budget: "+format, args...)) }
	seen := map[string]bool{}
	for i, t := range c.Tenants {
		if t.Name == "" || seen[t.Name] {
			bad("tenants[%d].name: empty or given twice (got %q)", i, t.Name)
		}
		seen[t.Name] = true
		for j, b := range t.Budgets {
			if int(b.Per) >= len(perNames) || int(b.Unit) >= len(unitNames) || int(b.Window) >= len(windowNames) || int(b.Mode) >= len(modeNames) {
				bad("tenants[%d].budgets[%d]: unknown per, unit, window or mode", i, j)
			}
			if b.Limit <= 0 || b.Limit > math.MaxInt64/4 {
				bad("tenants[%d].budgets[%d].limit: must be above 0 and below %d (got %d)", i, j, int64(math.MaxInt64/4), b.Limit)
			}
		}
	}
	for i, p := range c.Prices {
		if p.Model == "" {
			bad("prices[%d].model: must not be empty", i)
		}
		for _, r := range []*Rate{&p.Input, p.Cached, p.Write, &p.Output} {
			if r != nil && (*r < 0 || *r > maxRate) {
				bad("prices[%d]: a price must be from 0 to %s (got %s)", i, Rate(maxRate), *r)
			}
		}
	}
	return errors.Join(errs...)
}
