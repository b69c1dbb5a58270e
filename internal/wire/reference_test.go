package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// A reading is what a request says, read by encoding/json with none of the package's code.
type reading struct {
	Model, User, Previous string
	Stream                bool
	Msgs                  []refMsg
	Tools                 []string
}

type refMsg struct {
	Role    string
	Texts   []string
	Calls   []refCall
	Results []refResult
}

type refCall struct{ ID, Name, Args string }

type refResult struct {
	ID    string
	Texts []string
}

type obj map[string]any

// get finds a member as encoding/json finds the field of a struct.
func (o obj) get(name string) any {
	if v, ok := o[name]; ok {
		return v
	}
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

func (o obj) str(name string) string {
	s, _ := o.get(name).(string)
	return s
}

func (o obj) list(name string) []any {
	l, _ := o.get(name).([]any)
	return l
}

func (o obj) obj(name string) obj {
	m, _ := o.get(name).(map[string]any)
	return m
}

func parse(body []byte) (obj, bool) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var root map[string]any
	if dec.Decode(&root) != nil || root == nil {
		return nil, false
	}
	return root, true
}

func refRead(d Dialect, body []byte) (reading, bool) {
	root, ok := parse(body)
	if !ok {
		return reading{}, false
	}
	r := reading{Model: root.str("model"), Stream: root.get("stream") == true, Previous: root.str("previous_response_id")}
	r.User = root.str("user")
	if d == Messages {
		r.User = ""
		// metadata's own keys are exact: they are nobody's business
		if id, ok := root.obj("metadata")["user_id"].(string); ok {
			r.User = id
		}
	}
	switch d {
	case Chat, Messages:
		for _, e := range root.list("messages") {
			m, _ := e.(map[string]any)
			r.Msgs = append(r.Msgs, refMessage(d, m))
		}
	case Responses:
		if s, ok := root.get("input").(string); ok {
			r.Msgs = append(r.Msgs, refMsg{Role: "user", Texts: []string{s}})
		}
		for _, e := range root.list("input") {
			m, _ := e.(map[string]any)
			r.Msgs = append(r.Msgs, refItem(m))
		}
	}
	return r, true
}

func refMessage(d Dialect, m obj) refMsg {
	out := refMsg{Role: m.str("role")}
	blocks, isList := m.get("content").([]any)
	if s, ok := m.get("content").(string); ok {
		out.Texts = []string{s}
	}
	if isList {
		for _, b := range blocks {
			refBlock(d, b, &out)
		}
	}
	if d != Chat {
		return out
	}
	for _, c := range m.list("tool_calls") {
		if call, ok := c.(map[string]any); ok {
			f := obj(call).obj("function")
			if f == nil {
				f = obj(call).obj("custom")
			}
			args := f.get("arguments")
			if args == nil {
				args = f.get("input")
			}
			out.Calls = append(out.Calls, refCall{obj(call).str("id"), f.str("name"), refValue(args)})
		}
	}
	if f := m.obj("function_call"); f != nil {
		out.Calls = append(out.Calls, refCall{"", f.str("name"), refValue(f.get("arguments"))})
	}
	if out.Role == "tool" || out.Role == "function" {
		out.Results = append(out.Results, refResult{m.str("tool_call_id"), out.Texts})
	}
	return out
}

func refBlock(d Dialect, b any, out *refMsg) {
	if s, ok := b.(string); ok {
		out.Texts = append(out.Texts, s)
		return
	}
	m, ok := b.(map[string]any)
	if !ok {
		return
	}
	o := obj(m)
	switch t := o.str("type"); t {
	case "text", "input_text", "output_text", "":
		if s, ok := o.get("text").(string); ok {
			out.Texts = append(out.Texts, s)
		}
	case "tool_use":
		if d == Messages {
			out.Calls = append(out.Calls, refCall{o.str("id"), o.str("name"), refValue(o.get("input"))})
		}
	case "tool_result":
		if d == Messages {
			var inner refMsg
			if s, ok := o.get("content").(string); ok {
				inner.Texts = []string{s}
			}
			for _, b := range o.list("content") {
				refBlock(Other, b, &inner)
			}
			out.Texts = append(out.Texts, inner.Texts...)
			out.Results = append(out.Results, refResult{o.str("tool_use_id"), inner.Texts})
		}
	}
}

func refItem(m obj) refMsg {
	typ := m.str("type")
	id, hasID := m.get("call_id").(string)
	if !hasID {
		id, hasID = m.get("id").(string)
	}
	switch {
	case typ == "message" || typ == "" && (m.get("role") != nil || m.get("content") != nil):
		return refMessage(Responses, m)
	case len(typ) > 7 && strings.HasSuffix(typ, "_output"):
		inner := refMessage(Responses, obj{"content": m.get("output")})
		if !hasID {
			return refMsg{Role: m.str("role")}
		}
		return refMsg{Role: m.str("role"), Texts: inner.Texts, Results: []refResult{{id, inner.Texts}}}
	}
	_, hasCallID := m.get("call_id").(string)
	switch typ {
	case "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call":
	case "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call":
		return refMsg{Role: m.str("role")}
	default:
		if len(typ) < 6 || !strings.HasSuffix(typ, "_call") || !hasCallID {
			return refMsg{Role: m.str("role")}
		}
	}
	name, ok := m.get("name").(string)
	if !ok {
		name = typ
	}
	return refMsg{Role: m.str("role"), Calls: []refCall{{id, name, refValue(refArguments(m))}}}
}

func refArguments(m obj) any {
	if x := m.get("arguments"); x != nil {
		return x
	}
	if s, ok := m.get("input").(string); ok {
		return s
	}
	for _, name := range []string{"action", "operation"} {
		if x := m.get(name); x != nil {
			if _, isText := x.(string); !isText {
				return x
			}
		}
	}
	return nil
}

// refValue is an argument as a view shows it: text, or JSON written again; nothing when absent.
func refValue(x any) string {
	if s, ok := x.(string); ok || x == nil {
		return s
	}
	out, _ := json.Marshal(x)
	return string(out)
}

// viewReading turns a view into a reading.
func viewReading(v *View) reading {
	r := reading{Model: v.ModelName(), User: v.User(), Previous: v.PreviousResponse(), Stream: v.Stream}
	for i := range v.Msgs {
		m := &v.Msgs[i]
		out := refMsg{Role: v.Text(m.RoleSpan), Texts: v.texts(m.Text)}
		if m.RoleSpan.Empty() && m.Role == User {
			out.Role = "user"
		}
		for _, c := range v.Calls[m.Call.From:m.Call.To] {
			out.Calls = append(out.Calls, refCall{v.Text(c.ID), v.Text(c.Name), v.args(c.Args)})
		}
		for _, x := range v.Results[m.Result.From:m.Result.To] {
			out.Results = append(out.Results, refResult{v.Text(x.ID), v.texts(x.Text)})
		}
		r.Msgs = append(r.Msgs, out)
	}
	return r
}

func (v *View) texts(r Range) (out []string) {
	for _, t := range v.Texts[r.From:r.To] {
		out = append(out, v.Text(t))
	}
	return out
}

func (v *View) args(s Span) string {
	raw := v.Raw(s)
	if len(raw) == 0 || raw[0] == '"' {
		return String(raw)
	}
	var x any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	_ = dec.Decode(&x)
	out, _ := json.Marshal(x)
	return string(out)
}

// refDuplicates reports whether any object at any depth has keys that fold to one, and how deep the body is.
func refDuplicates(body []byte) (dup bool, depth int) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		keys  []string
		isObj bool
		isKey bool
	}
	var stack []*level
	for {
		tok, err := dec.Token()
		if err != nil {
			return dup, depth
		}
		var top *level
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		if d, ok := tok.(json.Delim); ok {
			if d == '}' || d == ']' {
				stack = stack[:len(stack)-1]
				continue
			}
			if top != nil && top.isObj {
				top.isKey = true
			}
			stack = append(stack, &level{isObj: d == '{', isKey: true})
			depth = max(depth, len(stack))
			continue
		}
		if top == nil || !top.isObj {
			continue
		}
		if top.isKey {
			k := tok.(string)
			for _, other := range top.keys {
				dup = dup || strings.EqualFold(k, other)
			}
			top.keys = append(top.keys, k)
		}
		top.isKey = !top.isKey
	}
}

// plainUTF8 reports whether a body is text that the view reads at all.
func plainUTF8(body []byte) bool {
	return utf8.Valid(body) && !bytes.HasPrefix(body, []byte("\ufeff"))
}

// dataDir finds ../shared/data beside the repository; "" when it is absent.
func dataDir() string {
	dir, _ := os.Getwd()
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

type sample struct {
	name string
	d    Dialect
	body []byte
}

// corpus is what real agents sent, and long histories; nothing when ../shared/data is absent.
func corpus(t testing.TB) (out []sample) {
	dir := dataDir()
	if dir == "" {
		return nil
	}
	heads, err := os.ReadFile(filepath.Join(dir, "captured", "headers.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(heads) {
		var h struct{ File, Path string }
		if json.Unmarshal(line, &h) != nil {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, "captured", h.File))
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(h.Path, "?")
		out = append(out, sample{h.File, Match("POST", path).Dialect, body})
	}
	if body, err := os.ReadFile(filepath.Join(dir, "swe_agent_marshmallow.json")); err == nil {
		out = append(out, sample{"swe_agent", Chat, body})
	}
	var session struct {
		Tools json.RawMessage
		Raw   []string
	}
	if b, err := os.ReadFile(filepath.Join(dir, "tau_session_dev.json")); err == nil && json.Unmarshal(b, &session) == nil {
		body := `{"model":"m","tools":` + string(session.Tools) + `,"messages":[` + strings.Join(session.Raw, ",") + `]}`
		out = append(out, sample{"tau_session", Chat, []byte(body)})
	}
	var dialogues []struct{ Messages json.RawMessage }
	if b, err := os.ReadFile(filepath.Join(dir, "tau_airline_dev.json")); err == nil && json.Unmarshal(b, &dialogues) == nil {
		for i, d := range dialogues {
			if i%10 == 0 {
				out = append(out, sample{"tau_airline", Chat, []byte(`{"model":"m","messages":` + string(d.Messages) + `}`)})
			}
		}
	}
	return out
}
