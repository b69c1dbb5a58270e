package filtertest

import (
	"errors"

	"github.com/trapgate/trapgate/filters"
)

// errAnew ends an attempt whose refusal a filter knows a way out of.
var errAnew = errors.New("filtertest: once more, with something else")

// refused asks the inner ring about a refusal, until it has said once in a call that it knows a way out.
func (e *exchange) refused(a *Answer, inner *filters.Flow) (again bool, err error) {
	if e.asked && e.flaw != asksForever || e.flaw == neverAsks || !inner.Refusable() {
		return false, nil
	}
	status, body := a.Status, a.Body
	if a.Stream && status < 300 {
		status, body = e.lookAhead(a)
	}
	if status < 400 {
		return false, nil
	}
	again, err = inner.Refused(status, headFields(a.Fields), body)
	e.asked = e.asked || again
	return again, err
}

// lookAhead finds out whether a stream begins with a refusal, and with which. The whole stream is here, so nothing has to be kept.
func (e *exchange) lookAhead(a *Answer) (status int, body []byte) {
	if e.flaw == neverLooks {
		return 0, nil
	}
	defer e.meter.Reset(e.c.Dialect)
	e.parser.Reset()
	e.parser.Feed(a.Body)
	for ev, ok := e.parser.Next(); ok; ev, ok = e.parser.Next() {
		decided, status, body := filters.Opening(&e.meter, e.c.Dialect, ev.Name, ev.Data)
		switch {
		case decided && (status > 0 || e.flaw != looksPast):
			return status, body
		case e.flaw == losesOpening:
			a.Body = a.Body[len(ev.Raw):]
		}
	}
	return 0, nil
}
