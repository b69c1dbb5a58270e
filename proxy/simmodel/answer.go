package simmodel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type partKind uint8

const (
	textPart partKind = iota
	callPart
	thinkPart
)

// A part is one output item or content block.
type part struct {
	kind    partKind
	text    string // text, reasoning or arguments; grows while stamps are generated
	stamps  int    // tokens to be stamped after text
	stamped []byte // those generated so far
	tool    *tool
	id      string // of the item
	callID  string
	tokens  int // generated so far
	done    int // bytes of text generated so far
	pieces  int // tokens in text
}

type answer struct {
	id     string
	parts  []part
	finish string // stop, tool_calls, length
	cut    string // the stop sequence that was hit
}

// answerID is 18 hex digits decided by the seed, the body and how often that body came before.
func (m *Model) answerID(q *request) string {
	return fmt.Sprintf("%016x%02x", mix(m.opt.Seed, q.hash, uint64(q.nth)), q.nth&0xff)
}

// answerOf returns the answer's id inside a call id of ours, or "".
func answerOf(callID string) string {
	for _, p := range []string{"call_", "toolu_"} {
		if rest, ok := strings.CutPrefix(callID, p); ok && len(rest) == 20 {
			return rest[:18]
		}
	}
	return ""
}

// compose turns a step into an answer that this agent understands.
func (m *Model) compose(q *request, s Step, final bool) *answer {
	a := &answer{id: m.answerID(q), finish: "stop"}
	s.Say = strings.ReplaceAll(s.Say, "$RESULT", q.lastResult())
	if s.Think != "" {
		a.add(q, part{kind: thinkPart, text: s.Think})
	}
	if q.codeAgent() {
		m.composeCode(q, a, s, final)
		a.limit(q, m.room(q))
		return a
	}
	calls := s.Calls
	if q.choice == "none" || len(q.tools) == 0 {
		calls = nil
		if len(s.Calls) > 0 && s.Say == "" && s.Tokens == 0 {
			s.Say = "done"
		}
	}
	text := s.Say
	if q.schema != nil && len(calls) == 0 && !json.Valid([]byte(text)) {
		text, s.Tokens = string(synthesizeAny(q.schema)), 0
	}
	if s.Tokens > 0 && !s.Stamp {
		text += m.filler(q, s.Tokens)
	}
	if final && len(calls) == 0 && q.choice != "none" {
		if t, args := q.ending(text); t != nil {
			a.call(q, t, args)
			a.limit(q, m.room(q))
			return a
		}
	}
	p := part{kind: textPart, text: text}
	if s.Stamp {
		p.stamps = s.Tokens
	}
	if text != "" || p.stamps > 0 || len(calls) == 0 {
		a.add(q, p)
	}
	for i, c := range calls {
		if i > 0 && q.noParallel {
			break
		}
		m.composeCall(q, a, c)
	}
	a.limit(q, m.room(q))
	return a
}

func (m *Model) composeCall(q *request, a *answer, c Call) {
	t := q.findTool(c.Tool)
	var cmd string
	isText := json.Unmarshal(c.Args, &cmd) == nil && len(c.Args) > 0 && c.Args[0] == '"'
	if t == nil {
		var sh *tool
		if c.Tool == "shell" || strings.EqualFold(c.Tool, "bash") {
			sh = q.shellTool()
		}
		if sh == nil {
			a.add(q, part{kind: textPart, text: fmt.Sprintf("simmodel: no tool %q is declared", c.Tool)})
			return
		}
		if !isText {
			cmd = commandOf(c.Args)
		}
		a.call(q, sh, sh.shellArgs(cmd))
		return
	}
	args := c.Args
	switch {
	case len(args) == 0:
		args = t.defaultArgs(0)
	case isText && t.kind == "function" && t.commandField() != "" && slices.Contains(shellNames, strings.ToLower(t.name)):
		args = t.shellArgs(cmd)
	case isText && t.kind == "function":
		args = synthesize(t.schema, map[string]json.RawMessage{t.firstString(): args})
	case isText && t.kind != "custom":
		args = t.shellArgs(cmd)
	}
	a.call(q, t, args)
}

// commandOf reads the command line from arguments that were written for another shell tool.
func commandOf(args json.RawMessage) string {
	var v struct{ Command, Cmd string }
	json.Unmarshal(args, &v)
	return v.Command + v.Cmd
}

func (t *tool) firstString() string {
	if f := t.commandField(); f != "" {
		return f
	}
	if n := parseSchema(t.schema); len(n.Required) > 0 {
		return n.Required[0]
	}
	return "input"
}

// ending is the call that ends a run with a text, for agents for which a text alone does not.
func (q *request) ending(text string) (*tool, json.RawMessage) {
	if t := q.terminalTool(); t != nil {
		return t, t.terminalArgs(text)
	}
	const marker = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT" // mini-swe-agent
	if t := q.shellTool(); t != nil {
		for i := range q.turns {
			if r := q.turns[i].role; (r == "user" || r == "system") && strings.Contains(q.turns[i].text, "echo "+marker) {
				return t, t.shellArgs("echo " + marker + " && echo '" + strings.ReplaceAll(text, "'", `'\''`) + "'")
			}
		}
	}
	return nil, nil
}

func (a *answer) call(q *request, t *tool, args json.RawMessage) {
	text := string(args)
	if t.kind == "custom" {
		var s string
		if json.Unmarshal(args, &s) == nil {
			text = s
		}
	}
	a.finish = "tool_calls"
	a.add(q, part{kind: callPart, text: text, tool: t})
}

func (a *answer) add(q *request, p part) {
	n := fmt.Sprintf("%s%02x", a.id, len(a.parts))
	prefix := "msg_"
	switch {
	case p.kind == thinkPart:
		prefix = "rs_"
	case p.kind == callPart && q.dialect == messages:
		p.callID = "toolu_" + n
	case p.kind == callPart:
		p.callID = "call_" + n
		prefix = map[string]string{"function": "fc_", "custom": "ctc_", "local_shell": "lsh_", "shell": "sh_"}[p.tool.kind]
	}
	p.id = prefix + n
	a.parts = append(a.parts, p)
}

// limit applies stop sequences and max_tokens and counts the tokens.
func (a *answer) limit(q *request, left int) {
	for i := range a.parts {
		p := &a.parts[i]
		if p.kind == textPart {
			for _, stop := range q.stop {
				if j := strings.Index(p.text, stop); j >= 0 && stop != "" {
					p.text, p.stamps, a.cut = p.text[:j], 0, stop
				}
			}
		}
		p.pieces = tokens(len(p.text))
		if p.kind == callPart {
			p.tokens = tokens(len(p.tool.name)) // the name is generated too
		}
		need := p.tokens + p.pieces + p.stamps
		if need > left {
			a.finish = "length"
			keep := max(0, left-p.tokens)
			if keep < p.pieces {
				p.text, p.pieces = p.text[:tokenEnd(p.text, keep)], keep
			}
			p.stamps = min(p.stamps, keep-p.pieces)
			a.parts = a.parts[:i+1]
			return
		}
		left -= need
		if a.cut != "" {
			a.finish = "stop"
			a.parts = a.parts[:i+1]
			return
		}
	}
}

// tokenEnd is where token n of s ends: at byte 4n, moved back to the start of a character.
func tokenEnd(s string, n int) int {
	e := 4 * n
	if e >= len(s) {
		return len(s)
	}
	for back := 0; e > 0 && back < 3 && !utf8.RuneStart(s[e]); back++ {
		e--
	}
	return e
}

// finish makes text the whole text of the part.
func (p *part) finish() {
	p.text += string(p.stamped)
	p.stamped = nil
}

// room is how many tokens an answer may have: max_tokens, and what the window leaves.
func (m *Model) room(q *request) int {
	n := 1 << 30
	if q.max > 0 {
		n = q.max
	}
	if w := m.opt.ContextWindow; w > 0 {
		n = min(n, max(1, w-q.prompt))
	}
	return n
}

// left is how many tokens the part still has to generate.
func (p *part) left() int {
	n := p.pieces + p.stamps
	if p.kind == callPart {
		return n - (p.tokens - tokens(len(p.tool.name)))
	}
	return n - p.tokens
}

// next generates n tokens.
func (p *part) next(n int, now time.Time) string {
	generated := p.tokens
	if p.kind == callPart {
		generated -= tokens(len(p.tool.name))
	}
	p.tokens += n
	var s string
	if k := min(n, p.pieces-generated); k > 0 {
		end := tokenEnd(p.text, generated+k)
		s = p.text[p.done:end]
		p.done, n = end, n-k
	}
	for range n {
		from := len(p.stamped)
		p.stamped = append(strconv.AppendInt(append(p.stamped, '@'), now.UnixNano(), 10), ' ')
		s += string(p.stamped[from:])
	}
	return s
}

// filler is n tokens of text that the seed and the prompt's text decide: three letters and a space each.
func (m *Model) filler(q *request, n int) string {
	const cons, vows = "bdfgklmnprstvz", "aeiou"
	b := make([]byte, 0, 4*n)
	x := mix(m.opt.Seed, hash64(q.rendered), 1)
	for i := range n {
		x = mix(x, uint64(i))
		b = append(b, cons[x%14], vows[x>>8%5], cons[x>>16%14], ' ')
	}
	if n > 0 {
		b[len(b)-1] = '.'
	}
	return string(b)
}
