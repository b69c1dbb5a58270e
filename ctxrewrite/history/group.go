package history

import (
	"bytes"
	"sort"

	"github.com/trapgate/trapgate/internal/wire"
)

// grouping is the state of Units: the last unit, and whether it still takes messages.
type grouping struct {
	v     *wire.View
	units []Unit
	base  int
	phase phase
	first int32 // the first call that the last unit may hold
}

// A phase says what the last unit still takes.
type phase uint8

const (
	closed  phase = iota
	turn          // the model's own messages; results
	thought       // likewise, and what stays in between
	results       // results only
)

func (g *grouping) add(i int) {
	m := &g.v.Msgs[i]
	switch {
	case m.Result.To > m.Result.From:
		g.result(i, m)
	case Stays(g.v, m):
		if g.phase == thought { // it stands inside a turn
			g.extend(i, m)
			return
		}
		kind := SystemUnit
		if m.Kind == wire.OtherItem {
			kind = OtherUnit
		}
		g.start(i, kind, closed)
	case g.v.Dialect == wire.Responses && m.Role != wire.User:
		g.item(i, m)
	case m.Role == wire.Assistant:
		g.assistant(i, m)
	case m.Role == wire.User:
		g.start(i, UserUnit, closed)
	default:
		g.start(i, OtherUnit, closed)
	}
}

func (g *grouping) start(i int, kind UnitKind, p phase) {
	g.units = append(g.units, Unit{i, i + 1, kind})
	g.phase, g.first = p, g.v.Msgs[i].Call.From
}

// extend adds message i to the last unit.
func (g *grouping) extend(i int, m *wire.Message) {
	u := &g.units[len(g.units)-1]
	u.To = i + 1
	switch {
	case m.Call.To > m.Call.From:
		u.Kind, g.phase = CallUnit, turn
	case m.Kind == wire.Reasoning:
		g.phase = thought
	case m.Role == wire.Assistant, m.Kind == wire.OtherItem && !Stays(g.v, m):
		g.phase = turn
	}
	if u.Kind == OtherUnit && m.Role == wire.Assistant {
		u.Kind = AssistantUnit
	}
}

// item adds a responses item that the model made.
func (g *grouping) item(i int, m *wire.Message) {
	switch {
	case m.Kind == wire.Msg && m.Role != wire.Assistant:
		g.start(i, OtherUnit, closed)
		return
	case g.phase != turn && g.phase != thought:
		g.start(i, OtherUnit, turn)
	}
	g.extend(i, m)
}

func (g *grouping) assistant(i int, m *wire.Message) {
	if g.v.Dialect == wire.Messages && g.phase == turn {
		g.extend(i, m)
		return
	}
	g.start(i, AssistantUnit, turn)
	if m.Call.To > m.Call.From {
		g.units[len(g.units)-1].Kind = CallUnit
	}
}

// result adds a message with results to the unit of its calls.
func (g *grouping) result(i int, m *wire.Message) {
	last := len(g.units) - 1
	from := g.caller(i, m)
	switch {
	case from < i: // an earlier unit, or the last one: it takes all that stands in between
		for last > g.base && g.units[last].From > from {
			last--
		}
		g.units = g.units[:last+1]
		g.first = g.v.Msgs[g.units[last].From].Call.From
	case last < g.base || g.phase == closed || g.units[last].Kind != CallUnit:
		g.start(i, OtherUnit, closed)
		return
	}
	g.units[last].To = i + 1
	g.units[last].Kind = CallUnit
	g.phase = results
}

// caller is the first message whose calls are answered in message i, or i.
func (g *grouping) caller(i int, m *wire.Message) int {
	from := i
	for k := m.Result.From; k < m.Result.To; k++ {
		c := g.call(g.v.Results[k].ID.Of(g.v.Body), m.Call.From)
		switch {
		case c < 0:
		case c >= g.first: // nearly always
			from = min(from, g.units[len(g.units)-1].From)
		default:
			from = min(from, g.holder(c, i))
		}
	}
	return from
}

// call is the index of the nearest of the calls before end that has this id, or -1.
func (g *grouping) call(id []byte, end int32) int32 {
	if len(id) == 0 {
		return -1
	}
	calls := g.v.Calls[max(0, end-lookBack):end]
	for k := len(calls) - 1; k >= 0; k-- {
		if bytes.Equal(calls[k].ID.Of(g.v.Body), id) {
			return end - int32(len(calls)-k)
		}
	}
	return -1
}

// holder is the message before i that holds call c.
func (g *grouping) holder(c int32, i int) int {
	return sort.Search(i, func(k int) bool { return g.v.Msgs[k].Call.To > c })
}

// sharesReasoning reports whether the turn that begins at message i may come from the same answer as the reasoning before:
// some agents write parallel calls as call, output, call, output behind one reasoning item.
func sharesReasoning(v *wire.View, i int) bool {
	const far = 16
	if v.Dialect != wire.Responses || v.Msgs[i].Kind != wire.CallItem {
		return false
	}
	for k := i - 1; k >= max(0, i-far); k-- {
		switch v.Msgs[k].Kind {
		case wire.CallItem, wire.ResultItem:
		default:
			return v.Msgs[k].Kind == wire.Reasoning
		}
	}
	return false
}
