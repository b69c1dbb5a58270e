package budget

import (
	"strings"
	"time"
)

// Totals are what a number of attempts used and cost. Tokens are as in Usage.
type Totals struct {
	Requests  int64 `json:"requests"` // exchanges, each in the row of its first attempt; repetitions do not count
	Attempts  int64 `json:"attempts"`
	Input     int64 `json:"input"`
	Cached    int64 `json:"cached"`
	Written   int64 `json:"written"`
	Output    int64 `json:"output"`
	Estimated int64 `json:"estimated"` // of input and output: tokens that no upstream reported
	Unpriced  int64 `json:"unpriced"`  // of input and output: tokens of models without a price
	Money     Money `json:"money"`
	Saved     Money `json:"saved"`   // by cached tokens, against the price of plain input
	Aborted   int64 `json:"aborted"` // attempts that the agent left
	Errors    int64 `json:"errors"`  // attempts that failed
}

// A Row is what was used on one UTC day by one agent of one tenant, of one model of one upstream. In the answer to a Query, names that were
// not asked for are empty.
type Row struct {
	Day                            Date
	Tenant, Agent, Model, Upstream string
	Totals
}

// Date is a day of the UTC calendar, counted from 1970-01-01. Its text is YYYY-MM-DD.
type Date int64

// DateOf is the day of a time.
func DateOf(t time.Time) Date { return dateOf(t.Unix()) }

func dateOf(seconds int64) Date {
	start, _ := Day.bounds(seconds)
	return Date(start / windowSeconds[Day])
}

func (d Date) start() time.Time { return time.Unix(int64(d)*windowSeconds[Day], 0).UTC() }

func (d Date) String() string { return d.start().Format(time.DateOnly) }

// MarshalText is String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// A usageKey finds the row of a book.
type usageKey struct {
	agent, model, upstream string
}

// A usageRow is what was used since the row was saved the last time.
type usageRow struct {
	key   usageKey
	day   Date
	dirty bool
	Totals
}

// record notes an attempt that was settled, on the day on which it was.
func (bk *book) record(a *Account, price *Price, used Usage, how Outcome) {
	row := bk.row(usageKey{a.who.Agent, a.model, a.upstream}, dateOf(bk.b.opt.Now().Unix()))
	if !row.dirty {
		row.dirty = true
		bk.dirtyRows = append(bk.dirtyRows, row)
	}
	t := &row.Totals
	if !a.counted && !a.repeat {
		a.counted = true
		t.Requests++
	}
	t.Attempts++
	t.Input += used.Input
	t.Cached += used.Cached
	t.Written += used.Write
	t.Output += used.Output
	if used.Estimated {
		t.Estimated += used.tokens()
	}
	if price == nil {
		t.Unpriced += used.tokens()
	} else {
		t.Money = Money(add(int64(t.Money), int64(price.Cost(used))))
		t.Saved = Money(add(int64(t.Saved), int64(price.Saved(used))))
	}
	switch how {
	case Aborted:
		t.Aborted++
	case Failed, Refunded:
		t.Errors++
	}
}

// row finds or makes a row. Above a number of names in a day, the further ones share a row for each upstream.
func (bk *book) row(k usageKey, day Date) *usageRow {
	if day != bk.day {
		bk.day = day
		clear(bk.rows) // what is dirty is in dirtyRows
	}
	row := bk.rows[k]
	if row != nil {
		return row
	}
	if len(bk.rows) >= maxSubjects && k.agent != otherName {
		return bk.row(usageKey{otherName, otherName, k.upstream}, day)
	}
	k = usageKey{strings.Clone(k.agent), strings.Clone(k.model), strings.Clone(k.upstream)}
	row = &usageRow{key: k, day: day}
	bk.rows[k] = row
	return row
}
