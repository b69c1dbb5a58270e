package wire

// toolCalls reads chat's tool_calls.
func (v *View) toolCalls() bool {
	s := &v.scan
	if s.peek() != '[' {
		return s.skip()
	}
	if !s.open() {
		return false
	}
	for more := s.peek() != ']'; more; {
		if !s.element() || !v.toolCall() {
			return false
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			more = false
		default:
			return s.unexpected("a comma or the end of the array")
		}
	}
	s.close()
	return true
}

// toolCall reads {"id", "type", "function": {"name", "arguments"}}, or with "custom": {"name", "input"}.
func (v *View) toolCall() bool {
	s := &v.scan
	if s.peek() != '{' {
		return s.skip()
	}
	at := int32(s.i)
	var o object
	var c, custom ToolCall
	isFunction := false
	more, ok := s.enter(&o)
	for more && ok {
		var id keyID
		if id, ok = s.key(&o); !ok {
			return false
		}
		switch {
		case id == kFunction && s.peek() == '{':
			isFunction = true
			ok = v.callBody(&c)
		case id == kCustom && s.peek() == '{':
			ok = v.callBody(&custom)
		default:
			var sp Span
			var first byte
			if sp, first, ok = s.value(); first == '"' {
				switch id {
				case kID:
					c.ID = sp
				case kType:
					c.Type = sp
				}
			}
		}
		if ok {
			more, ok = s.next(&o)
		}
	}
	if !isFunction {
		c.Name, c.Args = custom.Name, custom.Args
	}
	c.Span = Span{at, int32(s.i)}
	v.Calls = append(v.Calls, c)
	return ok
}

// callBody reads the object that holds a call's name and arguments.
func (v *View) callBody(c *ToolCall) bool {
	s := &v.scan
	var o object
	more, ok := s.enter(&o)
	for more && ok {
		var id keyID
		if id, ok = s.key(&o); !ok {
			return false
		}
		var sp Span
		var first byte
		if sp, first, ok = s.value(); !ok {
			return false
		}
		switch {
		case id == kName && first == '"':
			c.Name = sp
		case id == kArguments && first != 'n':
			c.Args = sp
		case id == kInput && first != 'n' && c.Args.Empty():
			c.Args = sp
		}
		more, ok = s.next(&o)
	}
	return ok
}

// oldFunctionCall reads chat's function_call, the one call of its time; null in most bodies.
func (v *View) oldFunctionCall() bool {
	s := &v.scan
	if s.peek() != '{' {
		return s.skip()
	}
	var c ToolCall
	at := int32(s.i)
	if !v.callBody(&c) {
		return false
	}
	c.Span = Span{at, int32(s.i)}
	v.Calls = append(v.Calls, c)
	return true
}

// rootTools reads top-level `tools`, or chat's old `functions`.
func (v *View) rootTools(id keyID) bool {
	if id == kFunctions {
		_, ok := v.tools(ToolFlat, Span{})
		return ok
	}
	v.scan.peek()
	n := v.note(kTools)
	if v.recall(kTools) {
		v.ToolsSpan, v.toolsSum = Span{n.span.Start, int32(v.scan.i)}, v.from.toolsSum
		return true
	}
	sp, ok := v.tools(ToolFlat, Span{})
	v.noted = append(v.noted, v.ended(n))
	v.ToolsSpan = sp
	return ok
}

// tools reads an array of declared tools; place is where an element without an object of its own stands.
func (v *View) tools(place ToolPlace, namespace Span) (Span, bool) {
	s := &v.scan
	if s.peek() != '[' {
		sp, _, ok := s.value()
		return sp, ok
	}
	at := int32(s.i)
	if !s.open() {
		return Span{}, false
	}
	for more := s.peek() != ']'; more; {
		if !s.element() || !v.tool(place, namespace) {
			return Span{}, false
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			more = false
		default:
			return Span{}, s.unexpected("a comma or the end of the array")
		}
	}
	s.close()
	return Span{at, int32(s.i)}, true
}

// tool reads one declared tool, or a namespace of tools.
func (v *View) tool(place ToolPlace, namespace Span) bool {
	s := &v.scan
	if s.peek() != '{' {
		return s.skip()
	}
	at, tools := int32(s.i), len(v.Tools)
	t := ToolDecl{Place: place, Namespace: namespace}
	var o object
	more, ok := s.enter(&o)
	for more && ok {
		var id keyID
		if id, ok = s.key(&o); ok {
			ok = v.toolMember(&t, id, namespace)
		}
		if ok {
			more, ok = s.next(&o)
		}
	}
	if !ok {
		return false
	}
	t.Span = Span{at, int32(s.i)}
	if string(v.decoded(t.Type)) == "namespace" {
		for i := tools; i < len(v.Tools); i++ {
			v.Tools[i].Namespace = t.Name
		}
		return true
	}
	v.Tools = v.Tools[:tools]
	t.Name = first(t.Name, t.Type)
	v.Tools = append(v.Tools, t)
	return true
}

func (v *View) toolMember(t *ToolDecl, id keyID, namespace Span) bool {
	s := &v.scan
	switch {
	case (id == kFunction || id == kCustom) && v.Dialect == Chat && s.peek() == '{':
		return v.toolBody(t)
	case id == kTools && v.Dialect == Responses && namespace.Empty():
		_, ok := v.tools(ToolNamespaced, Span{int32(s.i), int32(s.i) + 1}) // the real name follows in tool
		return ok
	}
	sp, c, ok := s.value()
	switch {
	case !ok:
		return false
	case id == kName && c == '"':
		t.Name = sp
	case id == kType && c == '"':
		t.Type = sp
	case (id == kParameters || id == kInputSchema) && c != 'n':
		t.Schema = sp
	}
	return true
}

// toolBody reads chat's tools[].function.
func (v *View) toolBody(t *ToolDecl) bool {
	s := &v.scan
	t.Place = ToolNested
	var o object
	more, ok := s.enter(&o)
	for more && ok {
		var id keyID
		if id, ok = s.key(&o); !ok {
			return false
		}
		sp, c, valid := s.value()
		switch {
		case !valid:
			return false
		case id == kName && c == '"':
			t.Name = sp
		case id == kParameters && c != 'n':
			t.Schema = sp
		}
		more, ok = s.next(&o)
	}
	return ok
}
