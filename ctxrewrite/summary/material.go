package summary

import (
	"strconv"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// Bytes of one text in the material: user and assistant texts may be so many times as long as results.
const (
	longestResult = 1600
	leastResult   = 100
	textFactor    = 4
)

// material renders messages [From, To) for a model to read, in at most so many tokens: results are shortened first and texts with
// them; what is still too long loses its beginning.
func (s *Source) material(most int) string {
	text := ""
	for limit := longestResult; limit >= leastResult; limit /= 2 {
		if text = s.render(limit); tokens.Estimate([]byte(text)) <= most {
			return text
		}
	}
	for keep := len(text) / 2; keep > 0 && tokens.Estimate([]byte(text)) > most; keep /= 2 {
		text = lastOf(text, keep)
	}
	return text
}

func (s *Source) render(limit int) string {
	var b strings.Builder
	for i := max(s.From, 0); i < min(s.To, len(s.View.Msgs)); i++ {
		if s.Keep == nil || !s.Keep(i) {
			s.message(&b, i, limit)
		}
	}
	return b.String()
}

func (s *Source) message(b *strings.Builder, i, limit int) {
	v, m := s.View, &s.View.Msgs[i]
	if m.Kind == wire.Reasoning || m.Kind == wire.ToolsItem {
		return
	}
	for k := m.Text.From; k < m.Text.To; k++ {
		if !s.ofResult(m, k) {
			line(b, speaker(m.Role), v.Text(v.Texts[k]), limit*textFactor)
		}
	}
	for _, c := range v.Calls[m.Call.From:m.Call.To] {
		args := string(v.Raw(c.Args))
		if strings.HasPrefix(args, `"`) {
			args = v.Text(c.Args)
		}
		line(b, "CALL "+v.Text(c.Name), args, limit)
	}
	for _, r := range v.Results[m.Result.From:m.Result.To] {
		name := "RESULT"
		if r.Fail {
			name = "RESULT (failed)"
		}
		if r.Text.From == r.Text.To {
			line(b, name, "(no text)", limit)
		}
		for k := r.Text.From; k < r.Text.To; k++ {
			line(b, name, v.Text(v.Texts[k]), limit)
		}
	}
}

func (s *Source) ofResult(m *wire.Message, text int32) bool {
	for _, r := range s.View.Results[m.Result.From:m.Result.To] {
		if text >= r.Text.From && text < r.Text.To {
			return true
		}
	}
	return false
}

func speaker(r wire.Role) string {
	switch r {
	case wire.User:
		return "USER"
	case wire.System, wire.Developer:
		return "SYSTEM"
	case wire.Tool:
		return "RESULT"
	}
	return "ASSISTANT"
}

// line writes a text under a name; of a long one the beginning and the end.
func line(b *strings.Builder, name, text string, limit int) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	b.WriteString(name + ": ")
	if len(text) > limit+limit/4 {
		head, tail := firstOf(text, limit*2/3), lastOf(text, limit/3)
		text = head + " … " + strconv.Itoa(len(text)-len(head)-len(tail)) + " bytes left out … " + tail
	}
	b.WriteString(text + "\n")
}

// firstOf is the longest beginning of at most n bytes that cuts no character.
func firstOf(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n]
}

// lastOf is the longest end of at most n bytes that cuts no character.
func lastOf(text string, n int) string {
	from := max(len(text)-n, 0)
	for from < len(text) && text[from]&0xC0 == 0x80 {
		from++
	}
	return text[from:]
}
