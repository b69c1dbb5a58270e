package digest

import (
	"bytes"
	"slices"

	"github.com/trapgate/trapgate/internal/wire"
)

// arguments are the plain text of a call's arguments: what a JSON string holds, or the JSON itself. They are good until the next
// text is decoded.
func (c *collector) arguments(args wire.Span) []byte {
	raw := args.Of(c.v.Body)
	if in := inside(raw); in != nil {
		return c.plain(in)
	}
	return raw
}

// keyArguments renders arguments (plain text) in one short line of at most n bytes, as escaped content: the scalar members
// of an object, other text as it is. Strings come without their keys, as they mostly speak for themselves.
func keyArguments(args []byte, n int) []byte {
	args = bytes.TrimSpace(args)
	if len(args) == 0 {
		return nil
	}
	var out []byte
	if args[0] != '{' {
		out = oneLine(nil, escape(string(args)))
	} else {
		members(args, func(key, val []byte) bool {
			switch {
			case len(val) > 0 && val[0] == '"':
				val = oneLine(nil, inside(val))
				if len(val) > n*2/3 {
					val = append(bytes.Clone(head(val, n/2)), "…"...)
				}
			case len(val) > 0 && (val[0] == '{' || val[0] == '['):
				val = []byte("…")
				fallthrough
			default:
				val = append(append(bytes.Clone(key), '='), val...)
			}
			if len(out) > 0 {
				out = append(out, ", "...)
			}
			out = append(out, val...)
			return len(out) < n
		})
	}
	if len(out) > n {
		out = append(bytes.Clone(head(out, n)), "…"...)
	}
	return out
}

// members calls f with the keys (escaped content) and raw values of a JSON object until f is false. What is no JSON ends it.
func members(obj []byte, f func(key, val []byte) bool) {
	i := 1
	for i < len(obj) {
		i += blanks(obj[i:])
		if i >= len(obj) || obj[i] != '"' {
			return
		}
		n := valueLen(obj[i:])
		key := obj[i+1 : max(i+n-1, i+1)]
		i += n
		i += blanks(obj[i:])
		if i >= len(obj) || obj[i] != ':' {
			return
		}
		i++
		i += blanks(obj[i:])
		n = valueLen(obj[i:])
		if n == 0 || !content(key) || !wellFormed(obj[i:i+n]) || !f(key, obj[i:i+n]) {
			return
		}
		i += n
		i += blanks(obj[i:])
		if i >= len(obj) || obj[i] != ',' {
			return
		}
		i++
	}
}

// wellFormed reports whether a scalar may be copied into our text: strings end where they should.
func wellFormed(val []byte) bool {
	if val[0] == '"' {
		return len(val) >= 2 && val[len(val)-1] == '"' && content(val[1:len(val)-1])
	}
	return val[0] == '{' || val[0] == '[' || content(val)
}

func blanks(b []byte) int {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// valueLen is the length of the JSON value that b begins with; b may be anything.
func valueLen(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if i >= len(b) {
				return len(b)
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + 1 + min(depth, 0)
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// calls notes the calls of message m.
func (c *collector) calls(m *wire.Message) {
	for k := m.Call.From; k < m.Call.To; k++ {
		tc := &c.v.Calls[k]
		name := c.toolName(inside(tc.Name.Of(c.v.Body)))
		if name == "" {
			continue
		}
		c.state.CallsDone++
		c.files(tc.Args.Of(c.v.Body))
		c.pending = append(c.pending, pending{id: tc.ID, args: tc.Args, name: name})
		if slices.Contains(c.opt.Protected, name) {
			line := append(append([]byte(name), '('), escape(string(c.arguments(tc.Args)))...)
			c.addPin(append(line, ')'), protected)
		}
	}
}

// toolName is name as a string, noted among the tools that were called.
func (c *collector) toolName(name []byte) string {
	for _, t := range c.state.Tools {
		if t == string(name) {
			return t
		}
	}
	if len(name) == 0 {
		return ""
	}
	i, _ := slices.BinarySearch(c.state.Tools, string(name))
	c.state.Tools = slices.Insert(c.state.Tools, i, string(name))
	return c.state.Tools[i]
}

// callsKept is how many different calls the log has at most.
const callsKept = 48

// logCalls adds the newest calls of the span to the log.
func (c *collector) logCalls() {
	for _, p := range c.pending[max(0, len(c.pending)-callsKept):] {
		c.addCall(p.name, c.key(p), p.failed)
	}
}

// key is the short form of a call's arguments.
func (c *collector) key(p pending) []byte { return keyArguments(c.arguments(p.args), 100) }

// addCall appends a call to the log, or moves an equal one to its end.
func (c *collector) addCall(name string, key []byte, failed bool) {
	calls := c.state.Calls
	for i := range calls {
		if calls[i].Tool == name && calls[i].Args == string(key) {
			again := calls[i]
			again.Count++
			again.Failed = failed
			c.state.Calls = append(slices.Delete(calls, i, i+1), again)
			return
		}
	}
	if len(calls) >= callsKept {
		calls = slices.Delete(calls, 0, 1)
	}
	c.state.Calls = append(calls, call{Tool: name, Args: string(key), Count: 1, Failed: failed, Cost: cost(key) + cost([]byte(name))})
}
