package assemble

import (
	"github.com/trapgate/trapgate/internal/wire"
)

// Eligible reports whether the answer to a request can be assembled from a stream. All others are to be sent as they are.
func Eligible(v *wire.View) bool { return Why(v) == "" }

// Why says in a few words why a request is not Eligible, "" when it is. The words are fixed but for the name of a member.
//
// A request is eligible when it asks for one JSON answer in one of the three dialects and all its members are known to leave
// the form of the answer alone (members.go): what is not known might change it, and costs only the early end of an abandoned
// call. Known, and sent unary:
//
//   - stream that is already set, and background responses: there is no answer to wait for;
//   - audio, and modalities other than text: a stream has it in another form, or not at all;
//   - logprobs together with tools: llama.cpp refuses them in a stream, and answers them without;
//   - members that show themselves in streams only, or in whole answers only: return_progress, timings_per_token, verbose,
//     echo, prompt_logprobs, return_token_ids and the like.
//
// Several choices (n) are fine, with logprobs too.
func Why(v *wire.View) string {
	known := knownMembers(v.Dialect)
	switch {
	case known == nil:
		return "dialect " + v.Dialect.String()
	case v.Stream || !isFalse(v.Raw(v.StreamSpan)):
		return "stream is set"
	case v.Background:
		return "background"
	}
	s := scanner{b: v.Raw(v.Root)}
	logprobs, tools := false, false
	for more := s.peek() == '{' && s.first(); more; more = s.another('}') {
		key := s.key()
		raw := value(&s, v)
		switch {
		case s.bad:
			return "not JSON"
		case string(raw) == "null":
			continue
		case known[string(key)] == never:
			return "member " + wire.String(append(append([]byte{'"'}, key...), '"'))
		case known[string(key)] == textOnly && !onlyText(raw):
			return "modalities"
		}
		switch string(key) {
		case "logprobs":
			logprobs = string(raw) == "true"
		case "tools", "functions":
			tools = tools || len(raw) > len("[]")
		}
	}
	if logprobs && tools {
		return "logprobs with tools"
	}
	return ""
}

// value is scanner.value that does not read what the view has read already: history and tools are nearly all of a body.
func value(s *scanner, v *wire.View) []byte {
	s.peek()
	at := int32(s.i) + v.Root.Start
	for _, span := range [...]wire.Span{v.History, v.ToolsSpan, v.System} {
		if span.Start == at && !span.Empty() {
			s.i = int(span.End - v.Root.Start)
			return v.Raw(span)
		}
	}
	return s.value()
}

// isFalse reports whether the value of `stream` asks for one answer: absent, null or false.
func isFalse(raw []byte) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == "false"
}

// onlyText reports whether modalities are an array of nothing but "text".
func onlyText(raw []byte) bool {
	s := scanner{b: raw}
	if s.peek() != '[' {
		return false
	}
	for more := s.first(); more; more = s.another(']') {
		if string(s.value()) != `"text"` {
			return false
		}
	}
	return !s.bad
}
