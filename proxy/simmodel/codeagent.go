package simmodel

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// codeAgent tells an agent whose actions are Python in the text (smolagents' CodeAgent) by its stop sequences.
func (q *request) codeAgent() bool {
	return slices.Contains(q.stop, "</code>") || slices.Contains(q.stop, "<end_code>")
}

var pythonDef = regexp.MustCompile(`def (\w+)\(`)

// composeCode writes a step as such an agent expects it: a thought and one block of code.
func (m *Model) composeCode(q *request, a *answer, s Step, final bool) {
	var code []string
	for _, c := range s.Calls {
		code = append(code, pythonCall(q, c))
	}
	text := s.Say
	if s.Tokens > 0 {
		text += m.filler(q, s.Tokens)
	}
	if strings.Contains(text, "<code>") { // written out by the script
		a.add(q, part{kind: textPart, text: text})
		return
	}
	if final && len(code) == 0 {
		code = append(code, fmt.Sprintf("final_answer(%s)", quote(text)))
	} else if text != "" {
		code = append(code, fmt.Sprintf("print(%s)", quote(text)))
	}
	a.add(q, part{kind: textPart, text: "Thought: I go on with the next step.\n<code>\n" + strings.Join(code, "\n") + "\n</code>"})
}

func pythonCall(q *request, c Call) string {
	name := c.Tool
	var cmd string
	if json.Unmarshal(c.Args, &cmd) != nil {
		cmd = commandOf(c.Args)
	}
	if name == "shell" {
		var declared []string
		for _, d := range pythonDef.FindAllStringSubmatch(q.system(), -1) {
			declared = append(declared, d[1])
		}
		for _, n := range shellNames {
			if slices.Contains(declared, n) {
				return fmt.Sprintf("print(%s(command=%s))", n, quote(cmd))
			}
		}
		return fmt.Sprintf("print(%s)", quote(cmd))
	}
	var args map[string]any
	if json.Unmarshal(c.Args, &args) != nil {
		return fmt.Sprintf("print(%s(%s))", name, quote(cmd))
	}
	var list []string
	for k, v := range args {
		list = append(list, k+"="+pythonValue(v))
	}
	slices.Sort(list)
	return fmt.Sprintf("print(%s(%s))", name, strings.Join(list, ", "))
}

func pythonValue(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "True"
		}
		return "False"
	case nil:
		return "None"
	}
	b, _ := json.Marshal(v)
	return string(b)
}
