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

// A lineField is a field's key as slog takes it, and spelt for both formats.
type lineField struct{ key, json, text string }

func newField(key string) lineField { return lineField{key, `,"` + key + `":`, " " + key + "="} }

var (
	fieldId           = newField("id")
	fieldTenant       = newField("tenant")
	fieldAgent        = newField("agent")
	fieldSession      = newField("session")
	fieldProgram      = newField("program")
	fieldDialect      = newField("dialect")
	fieldMethod       = newField("method")
	fieldPath         = newField("path")
	fieldModel        = newField("model")
	fieldUpstream     = newField("upstream")
	fieldStatus       = newField("status")
	fieldOutcome      = newField("outcome")
	fieldState        = newField("state")
	fieldCode         = newField("code")
	fieldAttempts     = newField("attempts")
	fieldTokensIn     = newField("tokens_in")
	fieldTokensOut    = newField("tokens_out")
	fieldTokensCached = newField("tokens_cached")
	fieldEstimated    = newField("estimated")
	fieldTtftMs       = newField("ttft_ms")
	fieldTotalMs      = newField("total_ms")
	fieldAddedMs      = newField("added_ms")
	fieldQueuedMs     = newField("queued_ms")
	fieldError        = newField("error")
)

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
	enc.open(t.lines, e.At, level)
	ex.fields(&enc, e)
	enc.close()
	ex.scratch = enc.b
	_, _ = t.lines.sink.Write(enc.b)
}

func (ex *Exchange) fields(enc *lineEncoder, e *ExchangeEnd) {
	enc.str(&fieldId, ex.id)
	enc.str(&fieldTenant, ex.tenant)
	enc.str(&fieldAgent, ex.agent)
	enc.str(&fieldSession, ex.session)
	enc.str(&fieldProgram, ex.program)
	enc.str(&fieldDialect, ex.dialect.String())
	enc.str(&fieldMethod, ex.method)
	enc.str(&fieldPath, path(ex.target))
	enc.str(&fieldModel, ex.model)
	enc.str(&fieldUpstream, ex.upstream)
	enc.num(&fieldStatus, int64(e.Status))
	enc.str(&fieldOutcome, e.Outcome.String())
	if e.Outcome == OutcomeAgentGone {
		enc.str(&fieldState, e.State.String())
	}
	enc.str(&fieldCode, e.Code)
	enc.num(&fieldAttempts, int64(e.Attempts))
	if a := e.Answer; a != nil && (a.Usage.Known || e.Estimated) {
		enc.num(&fieldTokensIn, a.Usage.Input)
		enc.num(&fieldTokensOut, a.Usage.Output)
		enc.num(&fieldTokensCached, a.Usage.CachedInput)
		if e.Estimated {
			enc.yes(&fieldEstimated)
		}
	}
	if !ex.first.IsZero() {
		enc.ms(&fieldTtftMs, ex.first.Sub(ex.start))
	}
	enc.ms(&fieldTotalMs, e.At.Sub(ex.start))
	enc.ms(&fieldAddedMs, e.Added)
	if e.Queued > 0 {
		enc.ms(&fieldQueuedMs, e.Queued)
	}
	enc.str(&fieldError, Redact(e.Err))
}

// A stamp is a second as it is spelt in lines: spelling one anew for each line would cost more than all else in it.
type stamp struct {
	second int64
	loc    *time.Location
	text   string // up to the seconds
	zone   string
}

func (h *lineHandler) stampOf(at time.Time) *stamp {
	second, loc := at.Unix(), at.Location()
	if s := h.stamp.Load(); s != nil && s.second == second && s.loc == loc {
		return s
	}
	s := &stamp{second, loc, at.Format("2006-01-02T15:04:05"), at.Format("Z07:00")}
	h.stamp.Store(s)
	return s
}

func (enc *lineEncoder) open(h *lineHandler, at time.Time, level slog.Level) {
	s := h.stampOf(at)
	if enc.json {
		enc.b = append(append(enc.b, `{"time":"`...), s.text...)
		enc.fraction(at.Nanosecond())
		enc.b = append(append(enc.b, s.zone...), `","level":"`...)
		enc.b = append(append(enc.b, level.String()...), `","msg":"`+lineMessage+`"`...)
		return
	}
	enc.b = append(append(enc.b, "time="...), s.text...)
	ms := at.Nanosecond() / 1e6
	enc.b = append(enc.b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	enc.b = append(append(enc.b, s.zone...), " level="...)
	enc.b = append(append(enc.b, level.String()...), " msg="+lineMessage...)
}

// fraction writes the nanoseconds of a second as time.RFC3339Nano does: without zeros at the end.
func (enc *lineEncoder) fraction(ns int) {
	if ns == 0 {
		return
	}
	var digits [10]byte
	digits[0] = '.'
	for i := len(digits) - 1; i > 0; i-- {
		digits[i] = byte('0' + ns%10)
		ns /= 10
	}
	n := len(digits)
	for digits[n-1] == '0' {
		n--
	}
	enc.b = append(enc.b, digits[:n]...)
}

func (enc *lineEncoder) close() {
	if enc.json {
		enc.b = append(enc.b, '}')
	}
	enc.b = append(enc.b, '\n')
}

func (enc *lineEncoder) key(f *lineField) {
	if enc.json {
		enc.b = append(enc.b, f.json...)
		return
	}
	enc.b = append(enc.b, f.text...)
}

// str writes a string, or nothing when it is empty.
func (enc *lineEncoder) str(k *lineField, v string) {
	switch {
	case v == "":
	case enc.slow:
		enc.attrs = append(enc.attrs, slog.String(k.key, v))
	case enc.json:
		enc.key(k)
		enc.b = appendJSON(enc.b, v)
	default:
		enc.key(k)
		enc.b = appendText(enc.b, v)
	}
}

func (enc *lineEncoder) num(k *lineField, v int64) {
	if enc.slow {
		enc.attrs = append(enc.attrs, slog.Int64(k.key, v))
		return
	}
	enc.key(k)
	enc.b = strconv.AppendInt(enc.b, v, 10)
}

func (enc *lineEncoder) yes(k *lineField) {
	if enc.slow {
		enc.attrs = append(enc.attrs, slog.Bool(k.key, true))
		return
	}
	enc.key(k)
	enc.b = append(enc.b, "true"...)
}

// ms writes a duration in milliseconds, to the microsecond.
func (enc *lineEncoder) ms(k *lineField, d time.Duration) {
	us := max(d.Round(time.Microsecond).Microseconds(), 0)
	if enc.slow {
		enc.attrs = append(enc.attrs, slog.Float64(k.key, float64(us)/1000))
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

// asIs tells the bytes that neither JSON nor text has to spell another way; text alone quotes what has a space or an equals sign.
var asIs = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if !asIs[s[i]] {
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
