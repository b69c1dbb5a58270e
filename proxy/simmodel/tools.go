package simmodel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// shellNames are the tools agents declare to run a command, best first.
var shellNames = []string{
	"bash", "exec_command", "run_shell_command", "shell", "local_shell", "run_commands", "shell_command", "execute_command",
	"run_command", "execute_bash", "terminal", "execute_shell", "python_interpreter", "ipython", "python", "exec",
}

// terminalTools end a run when called; a text instead would make the agent ask again.
var terminalTools = map[string]bool{
	"submit_and_exit": true, "final_answer": true, "final_result": true, "attempt_completion": true, "submit": true,
}

func (t *tool) callable() bool {
	return t.kind == "function" || t.kind == "custom" || t.kind == "local_shell" || t.kind == "shell"
}

// findTool finds a declared tool by its name, its "namespace.name", or either in another case.
func (q *request) findTool(name string) *tool {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for i := range q.tools {
			t := &q.tools[i]
			if t.callable() && (same(t.name, name) || t.namespace != "" && (same(t.full(), name) || same(t.namespace+"__"+t.name, name))) {
				return t
			}
		}
	}
	return nil
}

func (q *request) shellTool() *tool {
	for _, name := range shellNames {
		if t := q.findTool(name); t != nil && (t.kind != "function" || t.commandField() != "") {
			return t
		}
	}
	return nil
}

func (q *request) terminalTool() *tool {
	for i := range q.tools {
		if t := &q.tools[i]; t.kind == "function" && terminalTools[t.name] {
			return t
		}
	}
	return nil
}

type schemaNode struct {
	Ref        string                     `json:"$ref"`
	Type       json.RawMessage            `json:"type"`
	Enum       []json.RawMessage          `json:"enum"`
	Const      json.RawMessage            `json:"const"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Items      json.RawMessage            `json:"items"`
	MinItems   int                        `json:"minItems"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
	OneOf      []json.RawMessage          `json:"oneOf"`
	AllOf      []json.RawMessage          `json:"allOf"`
	Minimum    *float64                   `json:"minimum"`
	MinLength  int                        `json:"minLength"`
	Format     string                     `json:"format"`
	Defs       map[string]json.RawMessage `json:"$defs"`
	Defs2      map[string]json.RawMessage `json:"definitions"`
}

func (n schemaNode) types() []string {
	var one string
	if json.Unmarshal(n.Type, &one) == nil {
		return []string{one}
	}
	var many []string
	json.Unmarshal(n.Type, &many)
	return many
}

func parseSchema(raw json.RawMessage) schemaNode {
	var n schemaNode
	json.Unmarshal(raw, &n)
	return n
}

// commandField is the argument in which a shell-like tool takes its command, or "".
func (t *tool) commandField() string {
	n := parseSchema(t.schema)
	for _, f := range []string{"command", "cmd", "commands", "args", "script", "code", "input"} {
		if _, ok := n.Properties[f]; ok {
			return f
		}
	}
	return ""
}

// shellArgs builds the arguments with which t runs a command line.
func (t *tool) shellArgs(cmd string) json.RawMessage {
	argv := fmt.Appendf(nil, `["bash","-lc",%s]`, quote(cmd))
	switch t.kind {
	case "local_shell":
		return fmt.Appendf(nil, `{"command":%s,"env":{},"type":"exec","timeout_ms":null,"user":null,"working_directory":null}`, argv)
	case "shell":
		return fmt.Appendf(nil, `{"commands":[%s],"max_output_length":4096,"timeout_ms":10000}`, quote(cmd))
	case "custom":
		if t.name != "exec" {
			return quote(cmd)
		}
		return quote(fmt.Sprintf("const r = await tools.exec_command({cmd: %s}); text(r);", quote(cmd)))
	}
	field := t.commandField()
	n := parseSchema(t.schema)
	value := json.RawMessage(quote(cmd))
	switch f := parseSchema(n.Properties[field]); {
	case field == "code":
		value = quote(fmt.Sprintf("import subprocess\nprint(subprocess.run(%s, shell=True, capture_output=True, text=True).stdout)", quote(cmd)))
	case slices.Contains(f.types(), "array") && field == "commands":
		value = fmt.Appendf(nil, `[%s]`, quote(cmd))
	case slices.Contains(f.types(), "array"):
		value = argv
	case field == "commands" && len(f.types()) == 0 && len(f.AnyOf) > 0:
		value = fmt.Appendf(nil, `[%s]`, quote(cmd))
	}
	return synthesize(t.schema, map[string]json.RawMessage{field: value})
}

// terminalArgs builds the arguments of a terminal tool that carry the final text: in the first required string, or, when
// the text is itself a JSON object, as it is.
func (t *tool) terminalArgs(text string) json.RawMessage {
	if json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{") {
		return json.RawMessage(text)
	}
	n := parseSchema(t.schema)
	for _, f := range append([]string{"answer", "summary", "result", "response"}, n.Required...) {
		p, ok := n.Properties[f]
		if !ok {
			continue
		}
		if ts := parseSchema(p).types(); len(ts) == 0 || slices.Contains(ts, "string") {
			return synthesize(t.schema, map[string]json.RawMessage{f: quote(text)})
		}
	}
	return synthesize(t.schema, nil)
}

func (t *tool) defaultArgs(round int) json.RawMessage {
	if t.kind != "function" || t.commandField() != "" && slices.Contains(shellNames, strings.ToLower(t.name)) {
		return t.shellArgs(fmt.Sprintf("echo hello-%d", round+1))
	}
	return synthesize(t.schema, nil)
}

// synthesize writes the smallest value a schema allows: required properties only, in their order, given ones as they are.
func synthesize(schema json.RawMessage, given map[string]json.RawMessage) json.RawMessage {
	root := parseSchema(schema)
	y := synthesizer{root: root}
	if len(schema) == 0 || string(schema) == "null" {
		root.Type = json.RawMessage(`"object"`)
	}
	return y.object(nil, &root, given, 0)
}

// synthesizeAny is synthesize for a schema that need not be an object.
func synthesizeAny(schema json.RawMessage) json.RawMessage {
	y := synthesizer{root: parseSchema(schema)}
	return y.value(nil, schema, "", 0)
}

type synthesizer struct{ root schemaNode }

func (y *synthesizer) object(b []byte, n *schemaNode, given map[string]json.RawMessage, depth int) []byte {
	names := append([]string(nil), n.Required...)
	var extra []string
	for k := range given {
		if !slices.Contains(names, k) {
			extra = append(extra, k)
		}
	}
	slices.Sort(extra)
	b = append(b, '{')
	for i, k := range append(extra, names...) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, k), ':')
		if v, ok := given[k]; ok {
			b = append(b, v...)
			continue
		}
		b = y.value(b, n.Properties[k], k, depth+1)
	}
	return append(b, '}')
}

func (y *synthesizer) value(b []byte, raw json.RawMessage, name string, depth int) []byte {
	n := parseSchema(raw)
	if depth > 16 {
		return append(b, "null"...)
	}
	if n.Ref != "" {
		key := n.Ref[strings.LastIndexByte(n.Ref, '/')+1:]
		def, ok := y.root.Defs[key]
		if !ok {
			def = y.root.Defs2[key]
		}
		return y.value(b, def, name, depth+1)
	}
	for _, union := range [][]json.RawMessage{n.AnyOf, n.OneOf} {
		for _, u := range union {
			if slices.Contains(parseSchema(u).types(), "null") {
				return append(b, "null"...)
			}
		}
		if len(union) > 0 {
			return y.value(b, union[0], name, depth+1)
		}
	}
	switch {
	case len(n.AllOf) > 0:
		return y.value(b, n.AllOf[0], name, depth+1)
	case len(n.Const) > 0:
		return append(b, n.Const...)
	case len(n.Enum) > 0:
		return append(b, n.Enum[0]...)
	}
	types := n.types()
	if slices.Contains(types, "null") {
		return append(b, "null"...)
	}
	typ := "string"
	if len(types) > 0 {
		typ = types[0]
	} else if n.Properties != nil {
		typ = "object"
	}
	return y.plain(b, &n, typ, name, depth)
}

func (y *synthesizer) plain(b []byte, n *schemaNode, typ, name string, depth int) []byte {
	switch typ {
	case "object":
		return y.object(b, n, nil, depth)
	case "array":
		b = append(b, '[')
		for i := range min(n.MinItems, 64) {
			if i > 0 {
				b = append(b, ',')
			}
			b = y.value(b, n.Items, name, depth+1)
		}
		return append(b, ']')
	case "integer", "number":
		v := 1.0
		if strings.Contains(name, "timeout") || strings.HasSuffix(name, "_ms") {
			v = 10000
		}
		if n.Minimum != nil && *n.Minimum > v {
			v = *n.Minimum
		}
		return fmt.Appendf(b, "%v", v)
	case "boolean":
		return append(b, map[bool]string{true: "true", false: "false"}[name == "verified" || name == "success"]...)
	}
	s := name
	switch name {
	case "":
		s = "text"
	case "workdir", "directory", "cwd", "path", "working_directory":
		s = "."
	}
	switch n.Format {
	case "date":
		s = "2026-01-01"
	case "date-time":
		s = "2026-01-01T00:00:00Z"
	case "uri":
		s = "https://example.com/"
	}
	for len(s) < n.MinLength && len(s) < 4096 {
		s += "."
	}
	return appendQuoted(b, s)
}
