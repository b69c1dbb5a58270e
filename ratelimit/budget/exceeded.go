package budget

import (
	"fmt"
	"time"
)

// Exceeded is the error of Reserve when a hard budget has no room. When several have none, it is the one that resets last, of
// those that are spent if any is.
type Exceeded struct {
	Tenant  string
	Subject string // the user, agent or model whose sum it is; "" for the tenant's own
	Budget  Budget
	Used    int64 // spent in this window, in the budget's unit
	Held    int64 // reserved for what runs: some of it may come back before Reset
	Want    int64 // what the attempt was expected to need beyond what its exchange held
	Reset   time.Time
	Never   bool // it does not fit an empty window either
	// Reserved: nothing is in the way but what others hold now. Options.Freed tells each time that some of it is settled.
	Reserved bool
}

func (e *Exceeded) Error() string {
	whose := e.Tenant
	if e.Budget.Per != PerTenant {
		whose += ", " + e.Budget.Per.String() + " " + e.Subject
	}
	f := e.Budget.Unit.format
	hint := "it resets at " + e.Reset.UTC().Format(time.RFC3339)
	if e.Never {
		hint = "it would not fit an empty window either: ask for less, or raise the limit"
	}
	if e.Reserved {
		hint = "what is reserved may come back before that"
	}
	return fmt.Sprintf("budget: %s: %s is exceeded: %s used, %s reserved, %s wanted\nhint: %s",
		whose, e.Budget, f(e.Used), f(e.Held), f(e.Want), hint)
}

// Unpriced is the error of Reserve when a hard budget of money applies and the model has no price, so that nobody can know what
// the attempt would cost.
type Unpriced struct {
	Tenant, Model string
	Budget        Budget
}

func (e *Unpriced) Error() string {
	return fmt.Sprintf("budget: %s: %s: model %q has no price\nhint: add it to schedule.prices", e.Tenant, e.Budget, e.Model)
}
