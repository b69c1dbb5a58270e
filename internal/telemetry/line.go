package telemetry

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// lineMessage is the msg of the line that each exchange writes.
const lineMessage = "exchange"

// A lineEncoder spells the fields of an exchange's line: as JSON, as text, or as slog attributes.
type lineEncoder struct {
	b     []byte
	json  bool
	attrs []slog.Attr // used instead of b when slow
	slow  bool
}

// level is what an operator should look at: our failures and broken streams, not an agent's mistakes.
func (e *ExchangeEnd) level() slog.Level {
	switch e.Outcome {
	case OutcomeFailed, OutcomeTruncated:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// line writes the exchange's line.
func (ex *Exchange) line(e *ExchangeEnd) {
	t := ex.t
	level := e.level()
	if t.log == nil || !t.log.Enabled(context.Background(), level) {
		return
	}
	if t.lines == nil {
		enc := lineEncoder{slow: true}
		ex.fields(&enc, e)
		t.log.LogAttrs(context.Background(), level, lineMessage, enc.attrs...)
		return
	}
	enc := lineEncoder{b: ex.scratch[:0], json: t.lines.json}
	enc.open(e.At, level)
	ex.fields(&enc, e)
	enc.close()
	ex.scratch = enc.b
	_, _ = t.lines.sink.Write(enc.b)
}

func (ex *Exchange) fields(enc *lineEncoder, e *ExchangeEnd) {
	enc.str("id", ex.id)
	enc.str("tenant", ex.tenant)
	enc.str("agent", ex.agent)
	enc.str("session", ex.session)
	enc.str("program", ex.program)
	enc.str("dialect", ex.dialect.String())
	enc.str("method", ex.method)
	enc.str("path", path(ex.target))
	enc.str("model", ex.model)
	enc.str("upstream", ex.upstream)
	enc.num("status", int64(e.Status))
	enc.str("outcome", e.Outcome.String())
	if e.Outcome == OutcomeAgentGone {
		enc.str("state", e.State.String())
	}
	enc.str("code", e.Code)
	enc.num("attempts", int64(e.Attempts))
	if a := e.Answer; a != nil && (a.Usage.Known || e.Estimated) {
		enc.num("tokens_in", a.Usage.Input)
		enc.num("tokens_out", a.Usage.Output)
		enc.num("tokens_cached", a.Usage.CachedInput)
		if e.Estimated {
			enc.yes("estimated")
		}
	}
	if !ex.first.IsZero() {
		enc.ms("ttft_ms", ex.first.Sub(ex.start))
	}
	enc.ms("total_ms", e.At.Sub(ex.start))
	enc.ms("added_ms", e.Added)
	enc.str("error", Redact(e.Err))
}

func (enc *lineEncoder) open(at time.Time, level slog.Level) {
	if enc.json {
		enc.b = append(enc.b, `{"time":"`...)
		enc.b = at.AppendFormat(enc.b, time.RFC3339Nano)
		enc.b = append(enc.b, `","level":"`...)
		enc.b = append(enc.b, level.String()...)
		enc.b = append(enc.b, `","msg":"`+lineMessage+`"`...)
		return
	}
	enc.b = append(enc.b, "time="...)
	enc.b = at.AppendFormat(enc.b, "2006-01-02T15:04:05.000Z07:00")
	enc.b = append(enc.b, " level="...)
	enc.b = append(enc.b, level.String()...)
	enc.b = append(enc.b, " msg="+lineMessage...)
}

func (enc *lineEncoder) close() {
	if enc.json {
		enc.b = append(enc.b, '}')
	}
	enc.b = append(enc.b, '\n')
}

func (enc *lineEncoder) key(k string) {
	if enc.json {
		enc.b = append(enc.b, ',', '"')
		enc.b = append(enc.b, k...)
		enc.b = append(enc.b, '"', ':')
		return
	}
	enc.b = append(enc.b, ' ')
	enc.b = append(enc.b, k...)
	enc.b = append(enc.b, '=')
}

// str writes a string, or nothing when it is empty.
func (enc *lineEncoder) str(k, v string) {
	switch {
	case v == "":
	case enc.slow:
		enc.attrs = append(enc.attrs, slog.String(k, v))
	case enc.json:
		enc.key(k)
		enc.b = appendJSON(enc.b, v)
	default:
		enc.key(k)
		enc.b = appendText(enc.b, v)
	}
}

func (enc *lineEncoder) num(k string, v int64) {
	if enc.slow {
		enc.attrs = append(enc.attrs, slog.Int64(k, v))
		return
	}
	enc.key(k)
	enc.b = strconv.AppendInt(enc.b, v, 10)
}

func (enc *lineEncoder) yes(k string) {
	if enc.slow {
		enc.attrs = append(enc.attrs, slog.Bool(k, true))
		return
	}
	enc.key(k)
	enc.b = append(enc.b, "true"...)
}

// ms writes a duration in milliseconds, to the microsecond.
func (enc *lineEncoder) ms(k string, d time.Duration) {
	us := max(d.Round(time.Microsecond).Microseconds(), 0)
	if enc.slow {
		enc.attrs = append(enc.attrs, slog.Float64(k, float64(us)/1000))
		return
	}
	enc.key(k)
	enc.b = strconv.AppendInt(enc.b, us/1000, 10)
	if frac := us % 1000; frac != 0 {
		enc.b = append(enc.b, '.', byte('0'+frac/100))
		if frac%100 != 0 {
			enc.b = append(enc.b, byte('0'+frac/10%10))
		}
		if frac%10 != 0 {
			enc.b = append(enc.b, byte('0'+frac%10))
		}
	}
}

func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			q, err := marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// marshal is json.Marshal without the escapes for HTML, as slog spells strings.
func marshal(s string) ([]byte, error) {
	var w writer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, err
	}
	return w[:len(w)-1], nil
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == '"' || c == '=' {
				return strconv.AppendQuote(b, s)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, s)
		}
		i += n
	}
	return append(b, s...)
}
