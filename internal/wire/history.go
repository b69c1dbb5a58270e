package wire

import "slices"

// history reads the value of `messages` or `input`.
func (v *View) history(o *object) bool {
	s := &v.scan
	c := s.peek()
	at := int32(s.i)
	v.History.Start = at
	switch {
	case c == '[':
		st := &s.start
		st.set, st.root, st.tools, st.scalars = true, object{seen: o.seen}, int32(len(v.Tools)), v.saveScalars()
		st.keys = append(st.keys[:0], s.keys...)
		if !s.open() {
			return false
		}
		if s.peek() == ']' {
			s.close()
		} else if !v.element() || !v.historyRest() {
			return false
		}
	case c == '"' && v.Dialect == Responses:
		if !s.element() || !s.str() {
			return false
		}
		sp := Span{at, int32(s.i)}
		m := v.begin(sp.Start)
		m.Span, m.Role, m.Content = sp, User, sp
		m.odd = true
		v.Texts = append(v.Texts, sp)
		v.finish(m)
	default:
		if !s.skip() {
			return false
		}
	}
	v.History.End = int32(s.i)
	return true
}

// historyRest reads from behind an element to behind the closing bracket.
func (v *View) historyRest() bool {
	s := &v.scan
	for {
		switch s.peek() {
		case ',':
			s.i++
			if !v.element() {
				return false
			}
		case ']':
			s.close()
			return true
		default:
			return s.unexpected("a comma or the end of the array")
		}
	}
}

// begin starts a message at the present ends of the view's slices, finish closes its ranges and appends it.
func (v *View) begin(at int32) Message {
	n := func(l int) Range { return Range{int32(l), int32(l)} }
	return Message{
		Span: Span{at, at}, Text: n(len(v.Texts)), Call: n(len(v.Calls)), Result: n(len(v.Results)), Tool: n(len(v.Tools)),
		extra: n(len(v.extras)),
	}
}

func (v *View) finish(m Message) {
	m.Text.To, m.Call.To, m.Result.To = int32(len(v.Texts)), int32(len(v.Calls)), int32(len(v.Results))
	m.Tool.To, m.extra.To = int32(len(v.Tools)), int32(len(v.extras))
	m.count = int32(v.scan.count)
	v.Msgs = append(v.Msgs, m)
}

// dropText forgets the texts and extras of m, for elements whose content is not part of the conversation's text.
func (v *View) dropText(m *Message) {
	v.Texts, v.extras = v.Texts[:m.Text.From], v.extras[:m.extra.From]
}

// parts are the members of an element that matter only once its type is known.
type parts struct {
	call, id, name, namespace, arguments, input, action, operation, output Span
	contentText, contentExtra, outputText, outputExtra                     Range
}

// element reads one element of the history array.
func (v *View) element() bool {
	s := &v.scan
	if !s.element() {
		return false
	}
	c := s.peek()
	at, odd := int32(s.i), s.odd
	m := v.begin(at)
	if c != '{' {
		m.Kind = OtherItem
		if !s.skip() {
			return false
		}
	} else {
		var o object
		p := parts{contentText: m.Text, contentExtra: m.extra, outputText: m.Text, outputExtra: m.extra}
		more, ok := s.enter(&o)
		for more && ok {
			var id keyID
			if id, ok = s.key(&o); ok && v.elementMember(&m, &p, id) {
				more, ok = s.next(&o)
			} else {
				ok = false
			}
		}
		if !ok {
			return false
		}
		m.Span.End = int32(s.i)
		v.classify(&m, &p)
	}
	m.Span = Span{at, int32(s.i)}
	m.odd = s.odd != odd
	v.finish(m)
	return true
}

// elementMember reads the value of one member of a message or item.
func (v *View) elementMember(m *Message, p *parts, id keyID) bool {
	s := &v.scan
	items := v.Dialect == Responses
	switch {
	case id == kContent:
		p.contentText.From, p.contentExtra.From = int32(len(v.Texts)), int32(len(v.extras))
		sp, ok := v.content(0)
		m.Content = sp
		p.contentText.To, p.contentExtra.To = int32(len(v.Texts)), int32(len(v.extras))
		return ok
	case id == kToolCalls && v.Dialect == Chat:
		return v.toolCalls()
	case id == kFunctionCall && v.Dialect == Chat:
		return v.oldFunctionCall()
	case id == kOutput && items:
		p.outputText.From, p.outputExtra.From = int32(len(v.Texts)), int32(len(v.extras))
		sp, ok := v.content(0)
		p.output = sp
		p.outputText.To, p.outputExtra.To = int32(len(v.Texts)), int32(len(v.extras))
		return ok
	case id == kTools && items:
		_, ok := v.tools(ToolInItem, Span{})
		return ok
	}
	sp, c, ok := s.value()
	if !ok {
		return false
	}
	if c == '"' {
		v.elementString(m, p, id, sp)
	} else if items && c != 'n' {
		switch id {
		case kArguments:
			p.arguments = sp
		case kAction:
			p.action = sp
		case kOperation:
			p.operation = sp
		}
	}
	return true
}

func (v *View) elementString(m *Message, p *parts, id keyID, sp Span) {
	switch id {
	case kRole:
		m.RoleSpan = sp
		m.Role = v.role(sp)
	case kName:
		p.name = sp
	case kToolCallID, kCallID:
		if (id == kCallID) == (v.Dialect == Responses) {
			p.call = sp
		}
	case kID:
		p.id = sp
	case kType:
		if v.Dialect == Responses {
			m.TypeSpan = sp
		}
	case kNamespace:
		p.namespace = sp
	case kArguments:
		p.arguments = sp
	case kInput:
		p.input = sp
	}
}

func (v *View) role(sp Span) Role {
	switch string(v.decoded(sp)) {
	case "system":
		return System
	case "developer":
		return Developer
	case "user":
		return User
	case "assistant":
		return Assistant
	case "tool", "function":
		return Tool
	}
	return OtherRole
}

// decoded returns the text of a raw JSON string, valid until the next call.
func (v *View) decoded(sp Span) []byte {
	if sp.Empty() {
		return nil
	}
	raw := v.Body[sp.Start+1 : sp.End-1]
	for _, c := range raw {
		if c == '\\' {
			v.scan.tmp = appendUnescaped(v.scan.tmp[:0], raw)
			return v.scan.tmp
		}
	}
	return raw
}

// classify decides what a whole element is.
func (v *View) classify(m *Message, p *parts) {
	if v.Dialect != Responses {
		if v.Dialect == Chat && m.Role == Tool {
			v.Results = append(v.Results, ToolResult{
				Span: m.Span, ID: p.call, Body: m.Content, Text: Range{m.Text.From, int32(len(v.Texts))},
			})
		} else if !p.name.Empty() {
			v.extras = append(v.extras, extra{p.name, m.Text.From})
		}
		return
	}
	m.Kind = v.kind(m, p)
	if m.Kind != ToolsItem && m.Kind != ResultItem { // tool_search_output declares what it found
		v.Tools = v.Tools[:m.Tool.From]
	}
	switch m.Kind {
	case CallItem:
		v.dropText(m)
		v.Calls = append(v.Calls, p.toolCall(m))
	case ResultItem:
		v.dropContent(p)
		v.Results = append(v.Results, ToolResult{
			Span: m.Span, ID: first(p.call, p.id), Body: p.output, Text: p.outputText,
		})
		m.Content = p.output
	case Msg:
		v.Texts = slices.Delete(v.Texts, int(p.outputText.From), int(p.outputText.To)) // no part of a message
		v.extras = slices.Delete(v.extras, int(p.outputExtra.From), int(p.outputExtra.To))
	default:
		v.dropText(m)
	}
}

// dropContent forgets the content that an item beside its output may have: what counts of a result is the output.
func (v *View) dropContent(p *parts) {
	v.Texts = slices.Delete(v.Texts, int(p.contentText.From), int(p.contentText.To))
	v.extras = slices.Delete(v.extras, int(p.contentExtra.From), int(p.contentExtra.To))
	if p.contentText.From < p.outputText.From {
		n := p.contentText.To - p.contentText.From
		p.outputText.From -= n
		p.outputText.To -= n
	}
}

// kind names the element by its type. Calls that the provider runs itself carry their result and are no calls here.
func (v *View) kind(m *Message, p *parts) Kind {
	switch t := string(v.decoded(m.TypeSpan)); t {
	case "message":
		return Msg
	case "":
		if m.RoleSpan.Empty() && m.Content.Empty() {
			return OtherItem
		}
		return Msg
	case "reasoning":
		return Reasoning
	case "additional_tools":
		return ToolsItem
	case "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call":
		return CallItem
	case "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call":
		return OtherItem
	default:
		switch n := len(t); {
		case n > 7 && t[n-7:] == "_output" && !(p.call.Empty() && p.id.Empty()):
			return ResultItem
		case n > 5 && t[n-5:] == "_call" && !p.call.Empty():
			return CallItem
		}
		return OtherItem
	}
}

func (p *parts) toolCall(m *Message) ToolCall {
	return ToolCall{
		Span: m.Span, ID: first(p.call, p.id), Name: first(p.name, m.TypeSpan),
		Args: first(p.arguments, p.input, p.action, p.operation), Type: m.TypeSpan, Namespace: p.namespace,
	}
}

func first(spans ...Span) Span {
	for _, s := range spans {
		if !s.Empty() {
			return s
		}
	}
	return Span{}
}
