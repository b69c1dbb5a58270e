package assemble

import (
	"bytes"
)

// chunk takes one chat.completion.chunk.
func (a *Assembler) chunk(event []byte) {
	s := &a.s
	if s.peek() != '{' {
		s.fail()
		return
	}
	whole := s.b[s.i:]
	told := string(event) == "error"
	if len(event) > 0 && !told && s.find("choices") == nil { // no event of this dialect has a name
		return
	}
	usage, choices := []byte(nil), false
	a.top.next = 0
	for more := s.first(); more; more = s.another('}') {
		if a.repeated() {
			continue
		}
		switch key := s.key(); string(key) {
		case "choices":
			choices = a.choices()
		case "usage":
			if usage = s.value(); len(usage) > 0 && usage[0] != '{' {
				usage = nil
			}
		case "error":
			told = s.peek() != 'n' || told
			s.skip()
		case "object":
			told = string(s.value()) == `"error"` || told
		case "obfuscation", "prompt_progress": // of the stream, not of the answer
			s.skip()
		case "id", "model", "system_fingerprint":
			a.latest(key, once)
		default:
			a.latest(key, last)
		}
	}
	switch {
	case s.bad || !s.end():
		s.bad = true
	case told:
		a.upstreamError(whole)
	case usage != nil:
		a.usage(usage, choices)
	}
}

// repeated takes the member that is next if it is the same, byte for byte, as in the chunk before: nearly all are.
func (a *Assembler) repeated() bool {
	s, m := &a.s, &a.top.members
	s.peek()
	if m.next >= len(m.all) {
		return false
	}
	o := &m.all[m.next]
	rest, at := s.b[s.i:], len(o.key)+1
	end := at + 2 + len(o.node.buf)
	if o.node.kind != verbatim || len(rest) <= end || rest[0] != '"' || rest[at] != '"' || rest[at+1] != ':' ||
		!bytes.Equal(rest[1:at], o.key) || !bytes.Equal(rest[at+2:end], o.node.buf) || rest[end] != ',' && rest[end] != '}' {
		return false
	}
	s.i += end
	m.next++
	return true
}

// latest takes the value of a chunk's member, of which the last one counts.
func (a *Assembler) latest(key []byte, r rule) {
	s := &a.s
	if s.bad {
		return
	}
	n := a.member(&a.top.members, key)
	if n == nil {
		return
	}
	switch raw := s.value(); {
	case len(raw) == 0, string(raw) == "null" && n.kind != absent, r == once && string(raw) == `""` && n.kind != absent:
	default:
		a.set(n, raw)
	}
}

// usage keeps the usage of a chunk. llama.cpp sends one behind each of several choices, and its unary answer has that of the
// first choice; where a chunk has choices beside it, the last one counts.
func (a *Assembler) usage(raw []byte, choices bool) {
	if !choices && a.owner >= 0 && a.last > a.owner {
		return
	}
	if !choices && a.last >= 0 {
		a.owner = a.last
	}
	if n := a.member(&a.top.members, []byte("usage")); n != nil {
		a.set(n, raw)
	}
}

// choices takes the choices of a chunk and reports whether there were any.
func (a *Assembler) choices() (any bool) {
	s := &a.s
	if s.peek() != '[' {
		s.skip()
		return false
	}
	for more := s.first(); more; more = s.another(']') {
		any = true
		if s.peek() != '{' {
			s.fail()
			return
		}
		if e := a.element(&a.list, max(s.indexOf(), 0)); e != nil {
			a.choice(e)
		}
	}
	return any
}

// choice takes a choice of a chunk.
func (a *Assembler) choice(e *element) {
	s := &a.s
	e.node.next = 0
	for more := s.first(); more; more = s.another('}') {
		key := s.key()
		if s.bad {
			return
		}
		to := key
		if string(key) == "delta" {
			to = []byte("message")
		}
		n := a.member(&e.node.members, to)
		switch {
		case n == nil:
		case string(key) == "delta" && s.peek() == '{':
			a.delta(n)
		case string(key) == "finish_reason":
			if s.peek() != 'n' {
				a.last = e.index
			}
			a.merge(n, last)
		case string(to) == "message": // a delta that is null, or a whole message that some repeat at the end
			s.skip()
		default:
			a.merge(n, deep)
		}
	}
}

// delta takes the delta of a choice into its message.
func (a *Assembler) delta(message *node) {
	s := &a.s
	a.become(message, object)
	message.next = 0
	for more := s.first(); more; more = s.another('}') {
		key := s.key()
		if s.bad {
			return
		}
		n := a.member(&message.members, key)
		switch {
		case n == nil:
		case string(key) == "tool_calls" && s.peek() == '[':
			a.calls(n)
		default:
			if string(key) == "refusal" {
				a.refusal = true
			}
			a.merge(n, delta.of(key))
		}
	}
}

// calls takes pieces of tool calls. Index tells them apart. Where it is missing, the id does, and a piece without either
// belongs to the last call. Some engines give every call the index 0: another id with a name begins another call.
func (a *Assembler) calls(n *node) {
	s := &a.s
	a.become(n, list)
	l := &n.list
	for more := s.first(); more; more = s.another(']') {
		if s.peek() != '{' {
			s.fail()
			return
		}
		e := a.call(l)
		if e == nil {
			return
		}
		a.merge(&e.node, delta)
	}
}

// call returns the tool call that the piece that is next belongs to.
func (a *Assembler) call(l *array) *element {
	s := &a.s
	index, id := s.indexOf(), unquoted(s.find("id"))
	var e *element
	switch {
	case index >= 0:
		e = l.find(index)
		if e != nil && len(id) > 0 && !e.isCall(id) && a.named() {
			e = nil
		}
	case len(id) > 0:
		for i := len(l.keyed) - 1; i >= 0 && e == nil; i-- {
			if l.keyed[i].isCall(id) {
				e = &l.keyed[i]
			}
		}
	case len(l.keyed) > 0:
		e = &l.keyed[len(l.keyed)-1]
	}
	if e != nil {
		return e
	}
	if index < 0 {
		index = int64(len(l.keyed))
	}
	return a.add(l, index)
}

// isCall reports whether the call has this id, or none yet.
func (e *element) isCall(id []byte) bool {
	n := e.node.get("id")
	return n.isNull() || len(n.buf) == 0 || n.kind == text && bytes.Equal(n.buf, id)
}

// named reports whether the tool call that is next tells the name of what is called.
func (a *Assembler) named() bool {
	for _, kind := range [...]string{"function", "custom"} {
		f := scanner{b: a.s.find(kind)}
		if f.peek() == '{' && len(unquoted(f.find("name"))) > 0 {
			return true
		}
	}
	return false
}

// chatBody appends the chat.completion.
func (a *Assembler) chatBody(dst []byte) ([]byte, error) {
	if len(a.list.keyed) == 0 {
		return nil, ErrIncomplete
	}
	a.llama = isLlama(a.top.get("system_fingerprint"))
	for i := range a.list.keyed {
		n := &a.list.keyed[i].node
		if n.get("finish_reason").isNull() {
			return nil, ErrIncomplete
		}
		a.finishChoice(n)
	}
	dst = append(dst, '{')
	dst = a.head(dst, "id")
	dst = append(dst, `"object":"chat.completion",`...)
	for _, name := range [...]string{"created", "model"} {
		dst = a.head(dst, name)
	}
	dst = append(dst, `"choices":`...)
	dst = a.list.append(dst)
	a.top.front("usage")
	for i := range a.top.all {
		m := &a.top.all[i]
		switch string(m.key) {
		case "id", "created", "model":
			continue
		}
		dst = append(append(append(dst, `,"`...), m.key...), `":`...)
		dst = m.node.append(dst)
	}
	return append(dst, '}'), nil
}

// head appends a member of the answer with a comma behind, if there is one.
func (a *Assembler) head(dst []byte, name string) []byte {
	n := a.top.get(name)
	if n == nil {
		return dst
	}
	dst = append(append(append(dst, '"'), name...), `":`...)
	return append(n.append(dst), ',')
}

// finishChoice makes a choice what it is in a unary answer.
func (a *Assembler) finishChoice(choice *node) {
	m := a.ensure(&choice.members, "message", "")
	if m.kind != object {
		*m = node{kind: object}
	}
	a.ensure(&m.members, "role", `"assistant"`)
	content := a.ensure(&m.members, "content", "null")
	calls := m.get("tool_calls")
	switch {
	case a.llama && content.isNull():
		*content = node{kind: text}
	case !a.llama && content.kind == text && len(content.buf) == 0 && (calls != nil || m.get("function_call") != nil):
		*content = node{kind: verbatim, buf: []byte("null")} // calls alone: streams begin with "" all the same
	}
	if a.refusal {
		a.ensure(&m.members, "annotations", "[]")
	}
	if calls := m.get("tool_calls"); calls != nil && calls.kind == list { // ensure may have moved it
		for i := range calls.list.keyed {
			calls.list.keyed[i].node.drop("index") // of the stream, not of the answer
		}
	}
	m.front("role", "content")
}

// ensure returns a member, and adds it with a value when it is missing.
func (a *Assembler) ensure(m *members, key, value string) *node {
	n := m.get(key)
	if n == nil {
		n = m.add([]byte(key))
		*n = node{kind: verbatim, buf: []byte(value)}
	}
	return n
}
