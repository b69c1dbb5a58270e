package history

import (
	"bytes"

	"github.com/trapgate/trapgate/internal/wire"
)

// A UnitKind says who a unit belongs to.
type UnitKind uint8

const (
	OtherUnit     UnitKind = iota // results without a call, reasoning that led nowhere, unknown roles and items
	SystemUnit                    // one system or developer message, or one additional_tools item
	UserUnit                      // one user message without tool results
	AssistantUnit                 // a model's turn without calls
	CallUnit                      // a model's turn with calls, and their results as far as they have come
)

// A Unit is the atomic group of messages [From, To) of View.Msgs.
type Unit struct {
	From, To int
	Kind     UnitKind
}

// lookBack bounds how many calls a result is compared with when it does not stand where it should.
const lookBack = 32

// Units appends the units of v to dst, in order; together they cover each message once.
//
//   - Chat: an assistant message with calls, and the tool messages behind it.
//   - Messages: neighbouring assistant messages (thinking, tool_use), and the user messages with results behind them, text
//     beside the results included.
//   - Responses: neighbouring items that the model made (reasoning, message, calls, searches), and the outputs behind them.
//
// When an agent put other messages between a call and its result, or between reasoning and its item, the unit spans them
// all; see Stays for the ones among them that are not to be removed. Ids are compared by their raw bytes.
func Units(dst []Unit, v *wire.View) []Unit {
	g := grouping{v: v, units: dst, base: len(dst)}
	for i := range v.Msgs {
		g.add(i)
	}
	return g.units
}

// Stays reports whether message m of v must be kept where it stands, also when the unit around it is removed: system and
// developer messages, declared tools, and the provider's own opaque compaction items, which stand for messages that are
// gone.
func Stays(v *wire.View, m *wire.Message) bool {
	switch {
	case m.Role == wire.System, m.Role == wire.Developer, m.Kind == wire.ToolsItem:
		return true
	}
	return m.Kind == wire.OtherItem && bytes.Contains(m.TypeSpan.Of(v.Body), []byte("compaction"))
}

// MayStartTail reports whether the messages kept at the end of a rewritten history may begin with u when the message kept
// before it is a user message. System units never start it, as they stay where they are anyway.
func MayStartTail(v *wire.View, u Unit, p *Profile) bool {
	switch u.Kind {
	case AssistantUnit, CallUnit:
		return !p.Reasoning || !sharesReasoning(v, u.From)
	case UserUnit:
		return !p.Alternate
	}
	return false
}
