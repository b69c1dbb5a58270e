package decide

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// worthless says why a text is not worth an episode, or Kept.
func worthless(text string, redacted bool) Reason {
	if redacted {
		rest := strings.ReplaceAll(text, Placeholder, " ")
		if content, _, _ := contentWords(rest); content < 3 {
			return SecretOnly
		}
	}
	switch {
	case strings.TrimSpace(text) == "":
		return Empty
	case failure(text):
		return Error
	case noise(text):
		return Noise
	}
	content, acks, informs := contentWords(text)
	switch {
	case content == 0 && !informs:
		if acks > 0 {
			return Ack
		}
		return Short
	case content+acks < 4 && content < 2 && !informs:
		return Short
	}
	return Kept
}

// contentWords counts the words that say something, and those that only acknowledge, and reports whether a number, a name in the
// middle of a sentence, or a whole sentence of a script without spaces is there, which make even a short text worth keeping.
func contentWords(text string) (content, acks int, informs bool) {
	if len(text) > 400 { // nobody acknowledges at such length
		return len(text), 0, true
	}
	lex := tables()
	toks := tokenize(nil, text, 0, len(text))
	single := 0
	for i := range toks {
		t := &toks[i]
		first, size := utf8.DecodeRuneInString(t.norm)
		switch {
		case t.mark:
			continue
		case lex.acks[t.norm]:
			acks++
			continue
		case lex.functionWords[t.norm] || lex.adverbs[t.norm] || t.norm == "'s":
			continue
		case size == len(t.norm) && first >= 0x3040:
			if single++; single%2 == 0 {
				content++
			}
			continue
		}
		content++
		begins := i == 0 || toks[i-1].mark && strings.Contains(".!?", toks[i-1].norm)
		name := t.upper && (!begins || len(toks) <= 3 && len(t.norm) > 2)
		informs = informs || name || hasDigit(t.norm)
	}
	return content, acks, informs || single >= 6
}

var failures = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:` + strings.Join([]string{
		`(?:\w+\.)*(?:\w*error|\w*exception|fatal|panic)\b ?(?:\[[^\]]*\])?:`, `traceback \(most recent call last\)`, `error:?\s+\d{3}\b`,
		`(?:http )?(?:status )?(?:code )?[45]\d\d\b[ :]`, `(?:api )?(?:request )?error\b`, `rate limit`, `too many requests`,
		`internal server error`,
		`service unavailable`, `connection (?:refused|reset|timed out|error)`, `timed? ?out`, `command not found`, `permission denied`,
		`i'?m sorry,? (?:but )?i (?:can(?:'|no)t|am unable|am not able|do not|don't)`,
		`i(?:'m| am) (?:unable|not able) to`,
		`i can(?:'|no)t (?:help|assist|comply)`, `sorry,? (?:but )?i can(?:'|no)t`, `as an ai\b`, `an error occurred`, `something went wrong`,
		`\{"?error"?:`, `\{"type":\s*"error"`, `<html>.*(?:error|[45]\d\d)`, `usage: `, `fatal: `, `goroutine \d+ \[`, `exit (?:code|status) \d`,
		`segmentation fault`, `killed$`, `bash: `, `sh: \d*:? ?`, `npm err!`, `[\w/.-]+: (?:no such file|command not found|permission denied)`,
	}, "|") + `)`)
})

// failure reports whether a text is an error or a refusal and nothing else.
func failure(text string) bool {
	text = strings.TrimLeft(text, " \t\n*#`'\"")
	text = strings.ReplaceAll(text[:min(len(text), 400)], "’", "'")
	if strings.HasPrefix(text, "Traceback (") {
		return true
	}
	return len(strings.TrimSpace(text)) < 400 && failures().MatchString(text)
}

// noise reports whether a text is mostly encoded or binary: long runs without spaces of the alphabet of base64 or hex, or bytes that
// are no text.
func noise(text string) bool {
	if len(text) < 40 {
		return false
	}
	encoded, odd, words := 0, 0, 0
	for word := range strings.FieldsSeq(text[:min(len(text), 16<<10)]) {
		switch {
		case len(word) >= 40 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-,;:") == "":
			encoded += len(word)
		case len(word) <= 8 && strings.Trim(word, "0123456789abcdefABCDEFx,") == "" && (len(word) == 2 || hasDigit(word)):
			encoded += len(word)
		default:
			words += len(word)
		}
		for _, c := range word {
			if c == utf8.RuneError || unicode.IsControl(c) {
				odd++
			}
		}
	}
	return encoded > 4*words || odd*5 > len(text)
}
