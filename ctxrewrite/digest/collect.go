package digest

import (
	"bytes"
	"slices"

	"github.com/trapgate/trapgate/internal/wire"
)

// A collector reads messages and adds what is worth keeping to a state.
type collector struct {
	v        *wire.View
	opt      *Options
	state    state
	offloads []Offload

	kept    archive
	users   []wire.Span
	said    []byte // the last assistant text
	pending []pending
	results []result
	fails   []fail
	decided [][]byte
	touched map[string]int // indices of Files by path; nil before the first

	grammar clauseWords
	quoted  []byte // scratch of plain
	decoded []byte
}

// A pending call waits for its result.
type pending struct {
	id     wire.Span
	args   wire.Span
	name   string
	failed bool
}

// A result is one tool result of the span.
type result struct {
	call    int    // index in pending, or -1
	text    []byte // escaped content of its first text; nil when it has none
	size    int
	offload int // index in offloads, or -1
}

// A fail is an error line.
type fail struct {
	raw  []byte
	tool string
}

// messages reads the messages, whose indices ascend.
func (c *collector) messages(msgs []int) {
	c.archive(msgs)
	n := len(msgs) / 2 // mostly, every other message is a result or an answer
	c.offloads = make([]Offload, 0, len(c.kept.bodies)+2)
	c.pending, c.results, c.users = make([]pending, 0, n), make([]result, 0, n), make([]wire.Span, 0, n)
	for _, i := range msgs {
		c.message(i)
	}
}

func (c *collector) message(i int) {
	v, m := c.v, &c.v.Msgs[i]
	c.state.Messages++
	c.calls(m)
	for k := m.Text.From; k < m.Text.To; k++ {
		if c.ofResult(m, k) {
			continue
		}
		raw := respell(inside(v.Texts[k].Of(v.Body)))
		if at := bytes.Index(raw, []byte(banner)); at >= 0 {
			raw = trim(raw[:at]) // our own notes, come back
		}
		switch m.Role {
		case wire.System, wire.Developer, wire.User:
			c.spoken(raw)
			if m.Role == wire.User && len(raw) > 0 {
				c.users = append(c.users, v.Texts[k])
			}
		case wire.Assistant:
			c.assistant(raw)
		}
	}
	for k := m.Result.From; k < m.Result.To; k++ {
		c.result(i, &v.Results[k])
	}
}

func (c *collector) ofResult(m *wire.Message, text int32) bool {
	for k := m.Result.From; k < m.Result.To; k++ {
		if r := c.v.Results[k].Text; text >= r.From && text < r.To {
			return true
		}
	}
	return false
}

// assistant reads a text of the model: what it decided and named. It can state no rule.
func (c *collector) assistant(raw []byte) {
	if len(trim(raw)) == 0 {
		return
	}
	c.said = raw
	c.openItems(raw)
	c.read(raw, assistantText, nil)
}

// offloadMin is the size from which a result gets a handle of its own; smaller ones are in their span.
const offloadMin = 256

func (c *collector) result(i int, r *wire.ToolResult) {
	res := result{call: c.callOf(r), size: int(r.Body.End - r.Body.Start)}
	call := c.callAt(res.call)
	fails := len(c.fails)
	failed := r.Fail
	for k := r.Text.From; k < r.Text.To; k++ {
		text := inside(c.v.Texts[k].Of(c.v.Body))
		if res.text == nil {
			res.text = text
			failed = failed || complains(text)
		}
		failed = c.read(text, toolValue, nil) || failed
	}
	for k := range c.fails[fails:] {
		c.fails[fails+k].tool = call.name
	}
	if res.call >= 0 {
		c.pending[res.call].failed = failed
	}
	protect := call.name != "" && slices.Contains(c.opt.Protected, call.name)
	if protect {
		c.addPin(res.text, protected)
	}
	if res.offload = -1; res.size >= offloadMin {
		res.offload = len(c.offloads)
		c.offloads = append(c.offloads, Offload{
			Content: c.kept.body(res.offload), Tool: call.name, Args: string(c.arguments(call.args)), Message: i,
		})
	}
	if !protect {
		c.results = append(c.results, res)
	}
}

// callOf is the index of the call that r answers, or -1.
func (c *collector) callOf(r *wire.ToolResult) int {
	id := r.ID.Of(c.v.Body)
	for k := len(c.pending) - 1; k >= 0; k-- {
		if bytes.Equal(c.pending[k].id.Of(c.v.Body), id) {
			return k
		}
	}
	return -1
}

func (c *collector) callAt(k int) pending {
	if k < 0 {
		return pending{}
	}
	return c.pending[k]
}
