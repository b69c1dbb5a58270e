package wire

import (
	"math/rand/v2"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// A keyID names a member that the view reads; kUnknown is any other.
type keyID uint8

const (
	kUnknown keyID = iota
	kAction
	kArguments
	kBackground
	kCallID
	kContent
	kConversation
	kCustom
	kFunction
	kFunctionCall
	kFunctions
	kID
	kInput
	kInputSchema
	kInstructions
	kIsError
	kMaxCompletionTokens
	kMaxOutputTokens
	kMaxTokens
	kMessages
	kMetadata
	kModel
	kName
	kNamespace
	kOperation
	kOutput
	kParameters
	kPreviousResponseID
	kPromptCacheKey
	kRole
	kStream
	kStreamOptions
	kSystem
	kText
	kToolCallID
	kToolCalls
	kToolChoice
	kToolUseID
	kTools
	kType
	kUser
	kUserID
)

// keyOf finds the id of a plain lower-case key. The switch makes no string.
func keyOf(k []byte) keyID {
	switch string(k) {
	case "action":
		return kAction
	case "arguments":
		return kArguments
	case "background":
		return kBackground
	case "call_id":
		return kCallID
	case "content":
		return kContent
	case "conversation":
		return kConversation
	case "custom":
		return kCustom
	case "function":
		return kFunction
	case "function_call":
		return kFunctionCall
	case "functions":
		return kFunctions
	case "id":
		return kID
	case "input":
		return kInput
	case "input_schema":
		return kInputSchema
	case "instructions":
		return kInstructions
	case "is_error":
		return kIsError
	case "max_completion_tokens":
		return kMaxCompletionTokens
	case "max_output_tokens":
		return kMaxOutputTokens
	case "max_tokens":
		return kMaxTokens
	case "messages":
		return kMessages
	case "metadata":
		return kMetadata
	case "model":
		return kModel
	}
	return keyOf2(k)
}

func keyOf2(k []byte) keyID {
	switch string(k) {
	case "name":
		return kName
	case "namespace":
		return kNamespace
	case "operation":
		return kOperation
	case "output":
		return kOutput
	case "parameters":
		return kParameters
	case "previous_response_id":
		return kPreviousResponseID
	case "prompt_cache_key":
		return kPromptCacheKey
	case "role":
		return kRole
	case "stream":
		return kStream
	case "stream_options":
		return kStreamOptions
	case "system":
		return kSystem
	case "text":
		return kText
	case "tool_call_id":
		return kToolCallID
	case "tool_calls":
		return kToolCalls
	case "tool_choice":
		return kToolChoice
	case "tool_use_id":
		return kToolUseID
	case "tools":
		return kTools
	case "type":
		return kType
	case "user":
		return kUser
	case "user_id":
		return kUserID
	}
	return kUnknown
}

// An object remembers the keys of one checked object. Two keys are the same when they decode to the same letters but for
// case: encoding/json, for one, takes "Model", and even the Kelvin sign for a k. A single key in another spelling is read
// as the plain one for the same reason.
type object struct {
	seen uint64 // of known keys
	base int    // where its unknown keys begin in scanner.keys
	many map[uint64]struct{}
}

// keySeed keeps anybody from building keys, or bodies, whose hashes collide.
var keySeed = rand.Uint64()

// manyKeys is where comparing with each key before gives way to a map.
const manyKeys = 64

// enter takes the opening brace of a checked object; more is false when it is empty (and taken) or an error.
func (s *scanner) enter(o *object) (more, ok bool) {
	o.base = len(s.keys)
	if !s.open() {
		return false, false
	}
	if s.peek() == '}' {
		s.close()
		return false, true
	}
	return true, true
}

// next takes a comma or the closing brace behind a member.
func (s *scanner) next(o *object) (more, ok bool) {
	switch s.peek() {
	case ',':
		s.i++
		return true, true
	case '}':
		s.close()
		s.keys = s.keys[:o.base]
		return false, true
	}
	return false, s.unexpected("a comma or the end of the object")
}

// key takes a key and its colon, and refuses one that the object has already.
func (s *scanner) key(o *object) (keyID, bool) {
	if s.peek() != '"' {
		return kUnknown, s.unexpected("a key")
	}
	at := s.i
	if !s.str() {
		return kUnknown, false
	}
	raw := s.b[at+1 : s.i-1]
	id := keyOf(raw)
	if id == kUnknown {
		name := raw
		if !plainKey(raw) {
			s.tmp = foldKey(s.tmp[:0], raw)
			name = s.tmp
			id = keyOf(name)
		}
		if id == kUnknown && !s.fresh(o, xxh3.HashSeed(name, keySeed)) {
			return kUnknown, s.fail(at, CodeDuplicateKey, "duplicate key "+printable(raw))
		}
	}
	if id != kUnknown {
		if o.seen>>id&1 != 0 {
			return kUnknown, s.fail(at, CodeDuplicateKey, "duplicate key "+printable(raw))
		}
		o.seen |= 1 << id
	}
	return id, s.colon()
}

func (s *scanner) fresh(o *object, h uint64) bool {
	mine := s.keys[o.base:]
	if len(mine) < manyKeys {
		for _, k := range mine {
			if k == h {
				return false
			}
		}
	} else {
		if o.many == nil {
			o.many = make(map[uint64]struct{}, 2*manyKeys)
			for _, k := range mine {
				o.many[k] = struct{}{}
			}
		}
		if _, dup := o.many[h]; dup {
			return false
		}
		o.many[h] = struct{}{}
	}
	s.keys = append(s.keys, h)
	return true
}

// plainKey reports whether a key is its own folded form.
func plainKey(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// foldKey appends the decoded key with the letters that fold to ASCII folded.
func foldKey(dst, raw []byte) []byte {
	dst = appendUnescaped(dst, raw)
	out := dst[:0]
	for i := 0; i < len(dst); {
		c := dst[i]
		switch {
		case 'A' <= c && c <= 'Z':
			out, i = append(out, c|0x20), i+1
		case c == 0xe2 && i+2 < len(dst) && dst[i+1] == 0x84 && dst[i+2] == 0xaa: // U+212A, the Kelvin sign
			out, i = append(out, 'k'), i+3
		case c == 0xc5 && i+1 < len(dst) && dst[i+1] == 0xbf: // U+017F, the long s
			out, i = append(out, 's'), i+2
		default:
			out, i = append(out, c), i+1
		}
	}
	return out
}

// printable shows a key in a message, shortened.
func printable(raw []byte) string {
	const most = 64
	if len(raw) > most {
		raw = raw[:most]
		for len(raw) > 0 && !utf8.Valid(raw) {
			raw = raw[:len(raw)-1]
		}
		return `"` + string(raw) + `..."`
	}
	return `"` + string(raw) + `"`
}
