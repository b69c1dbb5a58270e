package historytest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// An object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any
}

// with is o with one more member.
func (o object) with(key string, value any) object { return append(o, member{key, value}) }

// halfEmoji stands in texts for the first half of a surrogate pair, which agents do send after cutting a text.
const halfEmoji = '\ue000'

// A spelling is how one agent writes JSON.
type spelling uint8

const (
	compact spelling = iota // as JSON.stringify does it
	ascii                   // as Python's json.dumps does it: spaces, and \u for all else than ASCII
	wild                    // any spelling that JSON allows
	spellings
)

// An encoder writes JSON in one spelling.
type encoder struct {
	buf []byte
	r   *rand.Rand
	how spelling
}

func (e *encoder) value(v any) {
	switch v := v.(type) {
	case object:
		e.object(v)
	case []any:
		e.buf = append(e.buf, '[')
		for i, x := range v {
			if i > 0 {
				e.buf = append(e.buf, ',')
				e.gap()
			}
			e.value(x)
		}
		e.buf = append(e.buf, ']')
	case string:
		e.text(v)
	case json.RawMessage:
		e.buf = append(e.buf, v...)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case nil:
		e.buf = append(e.buf, "null"...)
	default:
		panic(fmt.Sprintf("historytest: cannot encode %T", v))
	}
}

func (e *encoder) object(o object) {
	e.buf = append(e.buf, '{')
	for i, m := range o {
		if i > 0 {
			e.buf = append(e.buf, ',')
			e.gap()
		}
		e.buf = append(append(append(e.buf, '"'), m.key...), '"', ':') // keys are plain everywhere
		e.gap()
		e.value(m.value)
	}
	e.buf = append(e.buf, '}')
}

func (e *encoder) gap() {
	switch e.how {
	case ascii:
		e.buf = append(e.buf, ' ')
	case wild:
		e.buf = append(e.buf, []string{"", " ", "\r\n\t", "\n  "}[e.r.IntN(4)]...)
	}
}

func (e *encoder) text(s string) {
	e.buf = append(e.buf, '"')
	for _, r := range s {
		e.rune(r)
	}
	e.buf = append(e.buf, '"')
}

func (e *encoder) rune(r rune) {
	wildly := e.how == wild && e.r.IntN(30) == 0
	switch {
	case r == halfEmoji:
		e.buf = append(e.buf, `\ud83d`...)
	case r == '\n' && !wildly:
		e.buf = append(e.buf, `\n`...)
	case r == '\r' && !wildly:
		e.buf = append(e.buf, `\r`...)
	case r == '\t' && !wildly:
		e.buf = append(e.buf, `\t`...)
	case (r == '"' || r == '\\') && !wildly:
		e.buf = append(e.buf, '\\', byte(r))
	case r == '/' && e.how == wild:
		e.buf = append(e.buf, `\/`...)
	case r < ' ', wildly, e.how == ascii && r >= utf8.RuneSelf:
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			e.buf = fmt.Appendf(e.buf, `\u%04x\u%04X`, hi, lo)
		} else {
			e.buf = fmt.Appendf(e.buf, `\u%04x`, r)
		}
	default:
		e.buf = utf8.AppendRune(e.buf, r)
	}
}
