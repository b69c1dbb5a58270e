package simmodel

import (
	"encoding/json"
	"strings"
)

// A Step is one turn of the model: text, tool calls, or both.
type Step struct {
	// Think is reasoning shown before the rest (responses: a reasoning item, messages: a thinking block).
	Think string `json:"think,omitempty"`
	// Say is text. $RESULT in it becomes the newest tool result. In the last step of a script it is the final text, which
	// goes out through the agent's terminal tool when it declares one.
	Say string `json:"say,omitempty"`
	// Calls are made in one turn, after the text.
	Calls []Call `json:"calls,omitempty"`
	// Tokens asks for that many tokens of filler after Say.
	Tokens int `json:"tokens,omitempty"`
	// Stamp makes the filler time stamps.
	Stamp bool `json:"stamp,omitempty"`
	// Fault is added to the request's faults; see the package comment.
	Fault string `json:"fault,omitempty"`
}

// A Call is a scripted tool call.
type Call struct {
	// Tool is a declared name ("bash", "namespace.name"), or "shell" for whatever shell-like tool the agent declares.
	Tool string `json:"tool"`
	// Args is the arguments object, sent verbatim; a JSON string is the command of a shell, or a custom tool's input.
	Args json.RawMessage `json:"args,omitempty"`
}

// A Rule gives a script to the requests it matches. Steps are counted by the assistant turns after the user message that
// holds Match (the last user message when Match is empty).
type Rule struct {
	Match string `json:"match,omitempty"` // substring of a user message
	Model string `json:"model,omitempty"` // exact model name
	Steps []Step `json:"steps"`
}

// A Turn is what Options.Decide is told.
type Turn struct {
	Dialect string // chat, responses, messages, completions
	Model   string
	System  string   // all instructions
	User    string   // the last user message
	Result  string   // the newest tool result
	Step    int      // assistant turns after the last user message
	Tools   []string // declared names, namespaced ones as "namespace.name"
	Body    []byte   // the request as it came; not to be changed
}

// plan decides what to answer. final tells that a text is the end of the task.
func (m *Model) plan(q *request) (s Step, final bool) {
	if m.opt.Decide != nil {
		if s := m.opt.Decide(q.turnInfo()); s != nil {
			return *s, len(s.Calls) == 0
		}
	}
	for i := len(q.turns) - 1; i >= 0; i-- {
		t := &q.turns[i]
		if t.role != "user" {
			continue
		}
		if steps, ok := FindDirective(t.text); ok {
			return stepAt(steps, q.assistantTurns(i))
		}
	}
	if steps, ok := FindDirective(q.system()); ok {
		return stepAt(steps, q.assistantTurns(q.lastUser()))
	}
	for _, r := range m.opt.Script {
		if r.Model != "" && r.Model != q.model {
			continue
		}
		for i := len(q.turns) - 1; i >= 0; i-- {
			if t := &q.turns[i]; t.role == "user" && t.text != "" && !observation(t.text) && strings.Contains(t.text, r.Match) {
				return stepAt(r.Steps, q.assistantTurns(i))
			}
		}
	}
	return m.unscripted(q)
}

func stepAt(steps []Step, n int) (Step, bool) {
	if n >= len(steps) {
		return Step{Say: "done"}, true
	}
	return steps[n], n == len(steps)-1 && len(steps[n].Calls) == 0
}

func (q *request) turnInfo() Turn {
	t := Turn{Dialect: q.dialect.String(), Model: q.model, System: q.system(), Result: q.lastResult(), Body: q.body}
	if i := q.lastUser(); i >= 0 {
		t.User, t.Step = q.turns[i].text, q.assistantTurns(i)
	}
	for i := range q.tools {
		t.Tools = append(t.Tools, q.tools[i].full())
	}
	return t
}

// observation tells smolagents' tool results, which come as user messages, from what a user says.
func observation(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "Observation:") }

// lastUser returns the index of the last message a user wrote, or -1.
func (q *request) lastUser() int {
	for i := len(q.turns) - 1; i >= 0; i-- {
		if t := &q.turns[i]; t.role == "user" && t.text != "" && !observation(t.text) {
			return i
		}
	}
	return -1
}

// assistantTurns counts the model's turns after turn i. Calls that came from one answer count once even when the agent
// put their results between them: our call ids tell.
func (q *request) assistantTurns(i int) int {
	n, last := 0, ""
	for i++; i < len(q.turns); i++ {
		t := &q.turns[i]
		if t.role != "assistant" {
			continue
		}
		group := ""
		if len(t.calls) > 0 {
			group = answerOf(t.calls[0].id)
		}
		if group == "" || group != last {
			n++
		}
		last = group
	}
	return n
}

// unscripted is the documented default: ToolRounds calls of the agent's shell, else of its first tool that can be
// called, then a text.
func (m *Model) unscripted(q *request) (Step, bool) {
	if q.choice != "none" && len(q.tools) > 0 && q.schema == nil {
		t := q.defaultTool()
		rounds := q.assistantTurns(q.lastUser())
		if t != nil && (rounds < m.opt.ToolRounds || q.choiceName != "") {
			return Step{Calls: []Call{{Tool: t.full(), Args: t.defaultArgs(rounds)}}}, false
		}
	}
	s := Step{Tokens: m.draw(q), Stamp: m.opt.Stamp}
	if r := q.lastResult(); r != "" {
		if len(r) > 200 {
			r = strings.ToValidUTF8(r[:200], "")
		}
		s.Say = "The tool answered: " + r + "\n"
	}
	return s, true
}

// draw is the length of an unscripted text: uniform between half and one and a half of the mean, decided by the seed and
// the prompt's text.
func (m *Model) draw(q *request) int {
	mean := m.opt.OutputTokens
	return max(1, mean/2+int(mix(m.opt.Seed, hash64(q.rendered))%uint64(mean+1)))
}

func (q *request) defaultTool() *tool {
	if q.choiceName != "" {
		return q.findTool(q.choiceName)
	}
	if t := q.shellTool(); t != nil {
		return t
	}
	for i := range q.tools {
		t := &q.tools[i]
		if t.callable() && !terminalTools[t.name] {
			return t
		}
	}
	return nil
}
