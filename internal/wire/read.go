package wire

import (
	"bytes"
	"math"
	"sync"
)

// Limits bound what a body may hold. A zero field means its default.
type Limits struct {
	Bytes    int // length of the body; default 64 MiB, never above 2 GiB - 1
	Depth    int // nesting of objects and arrays, the top-level object being 1; default 512
	Elements int // history elements, content blocks, tool calls and tools in all; default 1 << 18
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 64 << 20
	}
	l.Bytes = min(l.Bytes, math.MaxInt32-1)
	if l.Depth <= 0 {
		l.Depth = 512
	}
	if l.Elements <= 0 {
		l.Elements = 1 << 18
	}
	return l
}

var views = sync.Pool{New: func() any { return new(View) }}

// Acquire reads body, which must stay unchanged until Release. The error is a *SyntaxError; there is no view then.
func Acquire(d Dialect, body []byte, lim Limits) (*View, error) {
	v, _, err := AcquireFrom(nil, d, body, lim)
	return v, err
}

// Release gives the view back to the pool; it and its slices must not be used afterwards. The body is the caller's.
func (v *View) Release() {
	const most = 1 << 16 // elements; a view that grew beyond is left to the collector
	if cap(v.Msgs) > most || cap(v.Texts) > most || cap(v.Calls) > most || cap(v.scan.keys) > most {
		return
	}
	v.reset()
	views.Put(v)
}

// reset empties the view and keeps its memory.
func (v *View) reset() {
	s := &v.scan
	*v = View{
		Msgs: v.Msgs[:0], Texts: v.Texts[:0], Calls: v.Calls[:0], Results: v.Results[:0], Tools: v.Tools[:0],
		extras: v.extras[:0], hashes: v.hashes[:0], noted: v.noted[:0],
		scan: scanner{keys: s.keys[:0], stack: s.stack[:0], tmp: s.tmp[:0], start: headState{keys: s.start.keys[:0]}},
	}
}

// acquire makes an empty view over body, or says why there can be none.
func acquire(d Dialect, body []byte, lim Limits) (*View, error) {
	lim = lim.withDefaults()
	trimmed := bytes.TrimLeft(body[:min(len(body), 64)], " \t\r\n")
	switch {
	case len(body) > lim.Bytes:
		return nil, &SyntaxError{lim.Bytes, CodeTooLarge, "the body is larger than the limit"}
	case len(body) == 0 || len(trimmed) == 0 && len(bytes.TrimLeft(body, " \t\r\n")) == 0:
		return nil, &SyntaxError{0, CodeEmptyBody, "the body is empty"}
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")), bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return nil, &SyntaxError{0, CodeBOM, "the body begins with a byte order mark; send plain UTF-8"}
	}
	v := views.Get().(*View)
	v.Dialect, v.Body = d, body
	v.scan.b, v.scan.lim = body, lim
	return v, nil
}

// done releases the view when reading failed.
func (v *View) done(ok bool) (*View, error) {
	if ok {
		return v, nil
	}
	err := v.scan.err
	v.Release()
	return nil, err
}

// A headState is what is known where the history array begins: enough to go on behind any of its elements.
type headState struct {
	set     bool
	root    object
	keys    []uint64
	tools   int32 // len(View.Tools)
	scalars scalars
}

// scalars are the members of View that are no slices and no history.
type scalars struct {
	model, modelVal, streamSpan, maxTokens, user, metadata, cacheKey, previous, options, system, tools, toolChoice, conversation Span

	root, history      int32
	stream, background bool
	maxRank            uint8
	systemText         Range
}

func (v *View) saveScalars() scalars {
	return scalars{
		v.Model, v.modelVal, v.StreamSpan, v.MaxTokens, v.UserField, v.Metadata, v.CacheKey, v.PreviousID, v.Options, v.System,
		v.ToolsSpan, v.ToolChoice, v.Conversation, v.Root.Start, v.History.Start, v.Stream, v.Background, v.maxRank, v.SystemText,
	}
}

func (v *View) loadScalars(c *scalars) {
	v.Model, v.modelVal, v.StreamSpan, v.MaxTokens, v.UserField = c.model, c.modelVal, c.streamSpan, c.maxTokens, c.user
	v.Metadata, v.CacheKey, v.PreviousID, v.Options, v.System = c.metadata, c.cacheKey, c.previous, c.options, c.system
	v.ToolsSpan, v.ToolChoice, v.Conversation, v.Root.Start, v.History.Start = c.tools, c.toolChoice, c.conversation, c.root, c.history
	v.Stream, v.Background, v.maxRank, v.SystemText = c.stream, c.background, c.maxRank, c.systemText
}

// readRoot reads the whole body.
func (v *View) readRoot() bool {
	s := &v.scan
	if s.peek() != '{' {
		at := s.i
		if !s.skip() {
			return false
		}
		return s.fail(at, CodeNotObject, "the body is not a JSON object")
	}
	v.Root.Start = int32(s.i)
	var o object
	more, ok := s.enter(&o)
	if !ok {
		return false
	}
	if more && !v.members(&o) {
		return false
	}
	return v.readEnd()
}

// resume goes on behind a history element.
func (v *View) resume(o *object) bool {
	s := &v.scan
	if !v.historyRest() {
		return false
	}
	v.History.End = int32(s.i)
	more, ok := s.next(o)
	if !ok || more && !v.members(o) {
		return false
	}
	return v.readEnd()
}

func (v *View) readEnd() bool {
	s := &v.scan
	v.Root.End = int32(s.i)
	if s.peek(); s.i != len(s.b) {
		return s.unexpected("nothing behind the top-level object")
	}
	return true
}

// members reads the top-level members from a key on, up to and with the closing brace.
func (v *View) members(o *object) bool {
	s := &v.scan
	for {
		id, ok := s.key(o)
		if !ok || !v.member(o, id) {
			return false
		}
		more, ok := s.next(o)
		if !ok {
			return false
		}
		if !more {
			return true
		}
	}
}

// member reads the value of one top-level member.
func (v *View) member(o *object, id keyID) bool {
	s := &v.scan
	switch id {
	case kMessages:
		if v.Dialect == Chat || v.Dialect == Messages {
			return v.history(o)
		}
	case kInput:
		if v.Dialect == Responses {
			return v.history(o)
		}
	case kTools, kFunctions:
		if v.Dialect <= Messages && v.Dialect != Other {
			return v.rootTools(id)
		}
	case kSystem, kInstructions:
		if id == kSystem && v.Dialect == Messages || id == kInstructions && v.Dialect == Responses {
			return v.system()
		}
	case kMetadata:
		if v.Dialect == Messages {
			return v.userMetadata()
		}
	}
	sp, c, ok := s.value()
	if !ok {
		return false
	}
	v.setScalar(id, sp, c)
	return true
}

// setScalar keeps the span of a member that is only looked at; c is its first byte.
func (v *View) setScalar(id keyID, sp Span, c byte) {
	str := c == '"'
	switch id {
	case kModel:
		v.modelVal = sp
		if str {
			v.Model = sp
		}
	case kStream:
		v.StreamSpan, v.Stream = sp, c == 't'
	case kStreamOptions:
		v.Options = sp
	case kMaxTokens, kMaxOutputTokens, kMaxCompletionTokens:
		v.setMax(id, sp, c)
	case kUser:
		if str && v.Dialect != Messages {
			v.UserField = sp
		}
	case kMetadata:
		v.Metadata = sp
	case kPromptCacheKey:
		if str {
			v.CacheKey = sp
		}
	case kPreviousResponseID:
		if str {
			v.PreviousID = sp
		}
	case kToolChoice:
		v.ToolChoice = sp
	case kConversation:
		v.Conversation = sp
	case kBackground:
		v.Background = c == 't'
	}
}

// setMax prefers the newer names over max_tokens.
func (v *View) setMax(id keyID, sp Span, c byte) {
	rank := uint8(2)
	if id == kMaxTokens {
		rank = 1
	}
	if (c == '-' || '0' <= c && c <= '9') && rank > v.maxRank {
		v.MaxTokens, v.maxRank = sp, rank
	}
}

// userMetadata reads `metadata` of the messages dialect, where user_id lives. Its other keys are nobody's business.
func (v *View) userMetadata() bool {
	s := &v.scan
	if s.peek() != '{' {
		sp, _, ok := s.value()
		v.Metadata = sp
		return ok
	}
	at := s.i
	if !s.open() {
		return false
	}
	for more := s.peek() != '}'; more; {
		if s.peek() != '"' {
			return s.unexpected("a key")
		}
		k := s.i
		if !s.str() {
			return false
		}
		s.tmp = appendUnescaped(s.tmp[:0], s.b[k+1:s.i-1])
		id := keyOf(s.tmp)
		if !s.colon() {
			return false
		}
		sp, c, ok := s.value()
		if !ok {
			return false
		}
		if id == kUserID {
			if v.UserField = sp; c != '"' {
				v.UserField = Span{}
			}
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			more = false
		default:
			return s.unexpected("a comma or the end of the object")
		}
	}
	s.close()
	v.Metadata = Span{int32(at), int32(s.i)}
	return true
}

// system reads the text that stands before the history: a string or content blocks.
func (v *View) system() bool {
	from := int32(len(v.Texts))
	v.scan.peek()
	n := v.note(kSystem)
	if v.recall(kSystem) {
		v.System, v.sysSum = Span{n.span.Start, int32(v.scan.i)}, v.from.sysSum
		v.SystemText = Range{from, int32(len(v.Texts))}
		return true
	}
	extras := len(v.extras)
	sp, ok := v.content(0)
	v.noted = append(v.noted, v.ended(n))
	v.System = sp
	v.SystemText = Range{from, int32(len(v.Texts))}
	v.extras = v.extras[:extras]
	return ok
}
