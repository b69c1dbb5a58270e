package budget

// Who spends. All of one exchange's attempts belong to one tenant, user and agent.
type Who struct{ Tenant, User, Agent string }

// Outcome says how an attempt ended.
type Outcome uint8

// The values of Outcome.
const (
	Done     Outcome = iota // with its answer
	Aborted                 // the agent left: what was used is paid
	Failed                  // the upstream failed or was cut off after it began to answer: what was used is paid
	Refunded                // an error before the first byte: nothing is paid
)

// An Account is one exchange's. It reserves for one attempt at a time, and carries what an attempt did not use over to the
// next. Embed it in the exchange's own state: Open makes it ready, Close must end it, and it may then be opened again. Not for
// concurrent use, and not to be copied while it is open.
type Account struct {
	book   *book
	who    Who
	repeat bool // the agent sent this before: its request is counted already

	model, upstream string
	attempt         int
	running         bool // an attempt is reserved and not settled
	counted         bool // the ledger has the request
	est             Usage
	charges         []charge
	inline          [6]charge
}

// A charge is what an account has in one sum.
type charge struct {
	sum   *sum
	rule  *rule // as it was when it was reserved
	start int64 // the window that it is reserved in
	held  int64
	live  bool // belongs to the attempt under way
	lent  bool // what it has comes from the Lender
	// borrowed: the Lender gave want, which is not reserved yet.
	borrowed bool
	paid     bool // a request that is counted for good
	want     int64
}

// Open begins an exchange. With repeat it is an agent's repetition of a request that was counted and failed: request
// budgets and the ledger count it no second time. The strings are kept until Close.
func (b *Budgets) Open(a *Account, who Who, repeat bool) {
	a.book, a.who, a.repeat = b.enter(who.Tenant), who, repeat
	a.attempt, a.running, a.counted = 0, false, false
	a.charges = a.inline[:0]
}

// Reserve reserves an attempt's estimate before it is dispatched; attempts are numbered from 1 within the exchange, whichever
// call they are for. The error is an *Exceeded: then nothing was reserved, and the exchange keeps what it carried over.
// A model without a
// price counts no money; under a hard budget of money the error is an *Unpriced.
func (a *Account) Reserve(attempt int, model, upstream string, est Usage) (Standing, error) {
	a.neverSettled()
	bk, est := a.book, est.clean()
	now := bk.b.opt.Now().Unix()
	bk.mu.Lock()
	price := bk.prepare(a, model, est, now)
	soft, err := bk.unpriced(a, model, price)
	if err != nil {
		bk.unlock(false)
		return Standing{}, err
	}
	if err := bk.refuse(a); err != nil {
		bk.refused = true
		bk.unlock(false)
		return Standing{}, err
	}
	st, freed := bk.hold(a)
	st.Unpriced = soft
	a.attempt, a.running, a.model, a.upstream, a.est = attempt, true, model, upstream, est
	bk.unlock(freed)
	return st, nil
}

// TopUp tells what the running attempt has used so far, as running totals, and makes the reservation cover it. It refuses
// nothing: what streams is being billed.
func (a *Account) TopUp(used Usage) Standing {
	var st Standing
	if !a.running {
		return st
	}
	bk, used := a.book, used.clean()
	bk.mu.Lock()
	a.est.atLeast(used)
	price := bk.price(a.model)
	for i := range a.charges {
		c := &a.charges[i]
		if !c.live || c.rule.unit == Requests {
			continue
		}
		if more := amount(c.rule.unit, price, used) - c.held; more > 0 {
			bk.take(c, more)
			st.stand(c.sum, c.rule)
		}
	}
	bk.unlock(false)
	return st
}

// Settle pays what the attempt used, once: for an attempt that is settled, or was never reserved, it does nothing and says
// false. A failed attempt's unused reservation stays with the exchange until its next Reserve or Close.
func (a *Account) Settle(attempt int, used Usage, how Outcome) (Standing, bool) {
	var st Standing
	if !a.running || attempt != a.attempt {
		return st, false
	}
	if how == Refunded {
		used = Usage{}
	}
	a.running = false
	bk, used := a.book, used.clean()
	bk.mu.Lock()
	price := bk.price(a.model)
	freed := false
	for i := range a.charges {
		c := &a.charges[i]
		if !c.live {
			continue
		}
		due := a.due(c, price, used, how)
		bk.pay(c, due)
		freed = freed || due > 0 // who waits for it learns that it is gone
		if how == Done || how == Aborted {
			freed = bk.release(c) || freed
		}
		st.stand(c.sum, c.rule)
	}
	bk.record(a, price, used, how)
	bk.unlock(freed)
	return st, true
}

// Withdraw ends an attempt that was reserved and never went upstream: all that the exchange holds is free again, and the ledger
// hears nothing of it. Like Settle it does nothing, and says false, for any other attempt.
func (a *Account) Withdraw(attempt int) bool {
	if !a.running || attempt != a.attempt {
		return false
	}
	a.running = false
	bk, freed := a.book, false
	bk.mu.Lock()
	for i := range a.charges {
		freed = bk.release(&a.charges[i]) || freed
	}
	bk.unlock(freed)
	return true
}

// due is what an attempt that ended owes in one sum.
func (a *Account) due(c *charge, price *Price, used Usage, how Outcome) int64 {
	if c.rule.unit != Requests {
		return amount(c.rule.unit, price, used)
	}
	if c.paid || a.repeat || how == Refunded {
		return 0
	}
	c.paid = true
	return 1
}

// Close ends the exchange and gives back what it still holds. A second Close does nothing.
func (a *Account) Close() {
	if a.book == nil {
		return
	}
	a.neverSettled()
	bk := a.book
	freed := false
	bk.mu.Lock()
	for i := range a.charges {
		freed = bk.release(&a.charges[i]) || freed
		a.charges[i].sum.refs--
	}
	bk.unlock(freed)
	bk.accounts.Add(-1)
	clear(a.charges)
	a.book, a.charges, a.who, a.model, a.upstream = nil, nil, Who{}, "", ""
}

// neverSettled pays for an attempt that its caller forgot: nobody can know that it cost nothing.
func (a *Account) neverSettled() {
	if a.running {
		used := a.est
		used.Estimated = true
		a.Settle(a.attempt, used, Failed)
	}
}

// prepare finds the charges of an attempt and what each wants beyond what it holds, and returns the model's price. It reserves
// nothing.
func (bk *book) prepare(a *Account, model string, est Usage, now int64) *Price {
	for i := range a.charges {
		a.charges[i].live, a.charges[i].want = false, 0
	}
	if bk.plan == nil {
		return nil
	}
	price := bk.price(model)
	for i := range bk.plan.rules {
		r := &bk.plan.rules[i]
		s := bk.find(r, a.subject(r.per, model), now)
		c := a.charge(s)
		if lent := r.hard > 0 && bk.b.opt.Lender != nil; c.lent != lent {
			bk.release(c) // a new configuration: what it holds came from elsewhere
			c.lent = lent
		}
		c.rule, c.live = r, true
		switch {
		case r.unit != Requests:
			c.want = amount(r.unit, price, est)
		case !c.paid && !a.repeat:
			c.want = 1
		}
		if c.start == s.start {
			c.want -= c.held
		}
	}
	return price
}

func (a *Account) subject(per Per, model string) string {
	switch per {
	case PerUser:
		return a.who.User
	case PerAgent:
		return a.who.Agent
	case PerModel:
		return model
	}
	return ""
}

// charge finds or makes the account's charge in a sum.
func (a *Account) charge(s *sum) *charge {
	for i := range a.charges {
		if a.charges[i].sum == s {
			return &a.charges[i]
		}
	}
	s.refs++
	a.charges = append(a.charges, charge{sum: s, start: s.start})
	return &a.charges[len(a.charges)-1]
}

func amount(u Unit, p *Price, use Usage) int64 {
	switch {
	case u == Tokens:
		return use.tokens()
	case u == USD && p != nil:
		return int64(p.Cost(use))
	}
	return 0
}
