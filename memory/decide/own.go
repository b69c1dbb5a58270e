package decide

import (
	"strings"
	"unicode/utf8"
)

// A span is a part of a text, in bytes.
type span struct{ from, to int }

// ownWords visits what of a user's message are the user's own words: no code, quotes, logs, tables, mail, chat lines of others, and
// nothing after "translate this:".
func ownWords(text string, lex *lexicon) (out []span) {
	fenced := false
	for from := 0; from < len(text); {
		to := len(text)
		if nl := strings.IndexByte(text[from:], '\n'); nl >= 0 {
			to = from + nl + 1
		}
		line := strings.TrimSpace(text[from:to])
		switch {
		case strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~"):
			fenced = !fenced
		case fenced || line == "" || foreignLine(line):
		default:
			own, more := ownPart(text, from, to, lex)
			if own.to > own.from {
				out = unquoted(out, text, own)
			}
			if !more {
				return out
			}
		}
		from = to
	}
	return out
}

// foreignLine reports whether a line is quoted, markup, a log line or code.
func foreignLine(line string) bool {
	switch line[0] {
	case '>', '|', '$', '{', '}', '<', '+', '@', '\\', '/':
		return !strings.HasPrefix(line, "+1")
	case '#':
		return strings.HasPrefix(line, "#!") || strings.HasPrefix(line, "#include")
	}
	trace := strings.HasPrefix(line, "at ") && strings.Contains(line, "(")
	if trace || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "Traceback") {
		return true
	}
	if last := line[len(line)-1]; last == '{' || last == ';' && strings.ContainsAny(line, "=(){}") || last == '\\' {
		return true
	}
	if line[0] >= '0' && line[0] <= '9' || line[0] == '[' { // 2024-05-01 12:00:00 INFO ..., [ERROR] ...
		head := line[:min(len(line), 40)]
		for _, level := range [...]string{"INFO", "WARN", "ERROR", "DEBUG", "TRACE", "FATAL"} {
			if strings.Contains(head, level) {
				return true
			}
		}
		return strings.Count(head, ":") >= 2
	}
	return false
}

// ownPart is what of a line are own words, and whether own words may follow in later lines.
func ownPart(text string, from, to int, lex *lexicon) (own span, more bool) {
	colon := -1
	for i := from; i < to; i++ {
		if text[i] == ':' && (i+1 >= to || text[i+1] == ' ' || text[i+1] == '\n' || text[i+1] == '"') {
			colon = i
			break
		}
	}
	if colon < 0 {
		return span{from, to}, true
	}
	lead := tokenize(nil, text, from, colon)
	task, upper, alien := false, len(lead) > 0, true
	for i := range lead {
		task = task || lex.tasks[lead[i].norm]
		upper = upper && (lead[i].upper || lead[i].mark)
		alien = alien && !lex.labels[lead[i].norm]
	}
	switch {
	case len(lead) <= 4 && len(lead) > 0 && mailHead(lead):
		return span{}, false
	case task:
		return span{from, colon}, false
	case len(lead) <= 3 && upper && alien && colon+2 < to && lead[0].norm != "i" && lead[0].norm != "my": // "Bob: I moved"
		return span{}, true
	}
	return span{from, to}, true
}

func mailHead(lead []token) bool {
	for i := range lead {
		switch lead[i].norm {
		case "from", "subject", "to", "cc", "sent", "von", "betreff", "de", "asunto":
			return i == 0 && (len(lead) == 1) || lead[i].norm == "from"
		}
	}
	return false
}

// unquoted appends the parts of a span outside of quotation marks that hold more than a name.
func unquoted(out []span, text string, s span) []span {
	start := s.from
	for i := s.from; i < s.to; {
		r, n := utf8.DecodeRuneInString(text[i:s.to])
		i += n
		end := ""
		switch r {
		case '"':
			end = "\""
		case '“':
			end = "”"
		case '„':
			end = "“"
		case '«':
			end = "»"
		case '「':
			end = "」"
		default:
			continue
		}
		length := strings.Index(text[i:s.to], end)
		if length < 0 {
			continue
		}
		if len(strings.Fields(text[i:i+length])) > 3 {
			if i-n > start {
				out = append(out, span{start, i - n})
			}
			start = i + length + len(end)
		}
		i += length + len(end)
	}
	if s.to > start {
		out = append(out, span{start, s.to})
	}
	return out
}
