package budget

import (
	"cmp"
	"strings"
	"time"
)

// sumKey finds a sum in its tenant's book.
type sumKey struct {
	per     Per
	unit    Unit
	window  Window
	subject string
}

// A sum is what one subject spent and reserved in one window. The book's lock guards it.
type sum struct {
	subject    string
	per        Per
	unit       Unit
	window     Window
	start, end int64
	used, held int64
	refs       int // charges of open accounts
	crossed    int // soft limits that were passed in this window
	dirty      bool
	loaded     bool // from the store: what it crossed before is not known
}

// find returns the sum of a subject, in the window of now. It is made when it is missing.
func (bk *book) find(r *rule, subject string, now int64) *sum {
	k := sumKey{r.per, r.unit, r.window, subject}
	s := bk.sums[k]
	if s == nil {
		if len(bk.sums) >= maxSubjects && r.per != PerTenant && !bk.sweep(now) {
			if subject != otherName {
				return bk.find(r, otherName, now)
			}
		}
		k.subject = strings.Clone(subject)
		s = &sum{subject: k.subject, per: r.per, unit: r.unit, window: r.window}
		s.start, s.end = r.window.bounds(now)
		bk.sums[k] = s
		return s
	}
	s.roll(now)
	if s.loaded {
		s.loaded = false
		for s.crossed < len(r.soft) && s.used > r.soft[s.crossed] {
			s.crossed++
		}
	}
	return s
}

// roll begins another window when the clock has reached it. A clock that goes back stays in the window; when it goes back by
// more than a window, as after a wrong date was mended, the window follows it and keeps what was spent.
func (s *sum) roll(now int64) {
	switch {
	case now >= s.end:
		s.start, s.end = s.window.bounds(now)
		s.used, s.held, s.crossed = 0, 0, 0
	case now < s.start-(s.end-s.start):
		held := s.held
		s.start, s.end = s.window.bounds(now)
		s.used, s.held = add(s.used, held), 0 // its accounts now hold in a window that is gone
	}
}

// sweep forgets sums of windows that are over, or in which nothing was spent, and says whether there is room. It looks at most
// once in a second, so a flood of names cannot make it work.
func (bk *book) sweep(now int64) bool {
	if now == bk.swept {
		return false
	}
	bk.swept = now
	for k, s := range bk.sums {
		if s.refs == 0 && !s.dirty && s.over(now) {
			delete(bk.sums, k)
		}
	}
	return len(bk.sums) < maxSubjects
}

// touch notes that a sum is to be saved.
func (bk *book) touch(s *sum) {
	if !s.dirty {
		s.dirty = true
		bk.dirty = append(bk.dirty, s)
	}
}

// over says whether there is nothing to remember.
func (s *sum) over(now int64) bool { return now >= s.end || s.used == 0 && s.held == 0 }

func (s *sum) spent() int64 { return add(s.used, s.held) }

func (s *sum) key(tenant string) Key {
	return Key{Tenant: tenant, Subject: s.subject, Per: s.per, Unit: s.unit, Window: s.window}
}

func (s *sum) export(tenant string) Sum {
	return Sum{Key: s.key(tenant), Start: s.start, Used: s.used, Held: s.held}
}

// rule finds the rule of a sum; nil when the configuration has none any more.
func (p *plan) rule(s *sum) *rule {
	if p == nil {
		return nil
	}
	for i := range p.rules {
		if r := &p.rules[i]; r.per == s.per && r.unit == s.unit && r.window == s.window {
			return r
		}
	}
	return nil
}

// stand looks at the soft limits of a sum and keeps the standing that matters most: one that was just passed, then the fullest.
func (st *Standing) stand(s *sum, r *rule) {
	if len(r.soft) == 0 {
		return
	}
	spent, limit, crossed := s.spent(), r.soft[0], false
	for s.crossed < len(r.soft) && spent > r.soft[s.crossed] {
		limit, crossed = r.soft[s.crossed], true
		s.crossed++
	}
	fraction := float64(spent) / float64(limit)
	if st.Crossed && !crossed || st.Crossed == crossed && st.Fraction >= fraction && st.Budget.Limit != 0 {
		return
	}
	*st = Standing{
		Budget: r.budget(Soft, limit), Subject: s.subject, Fraction: fraction, Over: spent > limit, Crossed: crossed, Reset: time.Unix(s.end, 0),
	}
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Per, b.Per), cmp.Compare(a.Unit, b.Unit),
		cmp.Compare(a.Window, b.Window), cmp.Compare(a.Subject, b.Subject))
}
