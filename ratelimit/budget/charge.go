package budget

import "time"

// refuse looks for hard budgets without room. What an exchange carries over is never refused. From a Lender the amounts are
// taken here, and given back when one of them has no room.
func (bk *book) refuse(a *Account) error {
	var worst *charge
	for i := range a.charges {
		c := &a.charges[i]
		if !c.live || c.rule.hard == 0 || c.want <= 0 || bk.fits(c) {
			continue
		}
		if worst == nil || worst.reserved() && !c.reserved() || worst.reserved() == c.reserved() && c.sum.end > worst.sum.end {
			worst = c
		}
	}
	if worst == nil {
		return nil
	}
	s := worst.sum
	err := &Exceeded{
		Tenant: bk.tenant, Subject: s.subject, Budget: worst.rule.budget(Hard, worst.rule.hard), Used: s.used, Held: s.held, Want: worst.want,
		Reset: time.Unix(s.end, 0).UTC(), Never: worst.want > worst.rule.hard,
		Reserved: worst.reserved(),
	}
	for i := range a.charges {
		if c := &a.charges[i]; c.borrowed {
			c.borrowed = false
			bk.b.opt.Lender.Give(c.sum.key(bk.tenant), c.sum.start, c.want)
		}
	}
	return err
}

// reserved reports whether what c wants would fit if nobody else held anything here. Of what other processes hold of a Lender's
// nothing is known, and nothing is told when it comes back.
func (c *charge) reserved() bool {
	mine := int64(0)
	if c.start == c.sum.start {
		mine = c.held
	}
	return c.sum.held > mine && add(add(c.sum.used, mine), c.want) <= c.rule.hard
}

// unpriced looks for budgets of money that an attempt without a price would pass by: a hard one is an error, a soft one is told.
func (bk *book) unpriced(a *Account, model string, price *Price) (soft bool, err error) {
	if price != nil {
		return false, nil
	}
	for i := range a.charges {
		c := &a.charges[i]
		if !c.live || c.rule.unit != USD {
			continue
		}
		if c.rule.hard > 0 {
			return false, &Unpriced{Tenant: bk.tenant, Model: model, Budget: c.rule.budget(Hard, c.rule.hard)}
		}
		soft = true
	}
	return soft, nil
}

func (bk *book) fits(c *charge) bool {
	if !c.lent {
		return add(c.sum.spent(), c.want) <= c.rule.hard
	}
	c.borrowed = bk.b.opt.Lender.Take(c.sum.key(bk.tenant), c.sum.start, c.rule.hard, c.want, false)
	return c.borrowed
}

// hold reserves what prepare found, gives back what the attempt does not need, and says whether that was something.
func (bk *book) hold(a *Account) (st Standing, freed bool) {
	for i := range a.charges {
		c := &a.charges[i]
		switch {
		case !c.live:
			freed = bk.release(c) || freed
			continue
		case c.start != c.sum.start: // what it holds is in a window that is over
			bk.release(c)
			c.start = c.sum.start
		}
		switch {
		case c.want > 0 && c.borrowed:
			c.borrowed = false
			bk.reserve(c, c.want)
		case c.want > 0:
			bk.take(c, c.want)
		case c.want < 0:
			freed = bk.give(c, -c.want) || freed
		}
		st.stand(c.sum, c.rule)
	}
	return st, freed
}

// take reserves an amount without asking.
func (bk *book) take(c *charge, n int64) {
	if c.lent {
		bk.b.opt.Lender.Take(c.sum.key(bk.tenant), c.start, c.rule.hard, n, true)
	}
	bk.reserve(c, n)
}

func (bk *book) reserve(c *charge, n int64) {
	c.held = add(c.held, n)
	if c.start == c.sum.start {
		c.sum.held = add(c.sum.held, n)
		bk.touch(c.sum)
	}
}

// pay turns what is held into what is spent; what is due beyond is spent all the same.
func (bk *book) pay(c *charge, n int64) {
	if n == 0 {
		return
	}
	if more := n - c.held; more > 0 {
		bk.take(c, more)
	}
	c.held -= n
	if c.start == c.sum.start {
		c.sum.held -= n
		c.sum.used = add(c.sum.used, n)
		bk.touch(c.sum)
	}
}

// release gives back all that a charge holds, and says whether somebody else can have it now.
func (bk *book) release(c *charge) bool { return bk.give(c, c.held) }

func (bk *book) give(c *charge, n int64) bool {
	if n == 0 {
		return false
	}
	if c.lent {
		bk.b.opt.Lender.Give(c.sum.key(bk.tenant), c.start, n)
	}
	c.held -= n
	if c.start != c.sum.start {
		return false
	}
	c.sum.held -= n
	bk.touch(c.sum)
	return true
}
