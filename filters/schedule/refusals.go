package schedule

import (
	"bytes"
	"errors"
	"time"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// Answered is what the cause given to Close may be, or wrap, when an upstream's answer was shown to no filter because the call is
// tried again. What it returns is only looked at during Close; the body may be cut, or missing.
type Answered interface {
	error
	Answered() (status int, fields filters.Fields, body []byte)
}

// head takes in what an answer's head says of the upstream's limits.
func (s *stream) head(status int, fields filters.Fields) {
	s.status = status
	if status < 300 && !s.p.known.Load() {
		s.p.known.Store(true)
	}
	if s.p.shared {
		return
	}
	if !tells(fields) {
		return
	}
	s.told = limit.Parse(s.now(), fields)
	s.t.Sync(s.told)
}

// tells reports whether a head may say something of limits: most do not, and taking their lines apart costs more than this.
func tells(fields filters.Fields) bool {
	for i := range fields {
		n := fields[i].Name
		if len(n) < len("retry-after") {
			continue
		}
		switch n[0] | 0x20 {
		case 'r':
			if head.Is(n[:2], "re") || head.Is(n[:2], "ra") {
				return true
			}
		case 'x':
			if head.Is(n[:3], "x-r") || head.Is(n[:3], "x-t") || head.Is(n[:3], "x-m") {
				if !head.Is(n, "x-request-id") {
					return true
				}
			}
		case 'a':
			if head.Is(n[:5], "anthr") {
				return true
			}
		}
	}
	return false
}

// maxPause bounds how long an upstream can make everybody stay away: then one call finds out whether it still means it.
const maxPause = time.Hour

// mostOthers is for how long the refusal of an agent's own credential keeps others away, who share its pool only because the
// configuration says so: their credentials may well have room. The call itself stays away for as long as it was told.
const mostOthers = 5 * time.Second

// learn takes in, at the end, that the upstream asked for less: by its status, behind which what it says tells of what, or by
// an error event.
func (s *stream) learn(cause error) {
	switch {
	case cause != nil && (s.status == 0 || s.status < 300):
		s.learnFrom(cause)
	case s.status >= 300 || s.x.Answer.Failed():
		s.learnAnswer()
	}
}

// learnAnswer is learn for an answer that was shown, of which all has been read.
func (s *stream) learnAnswer() {
	var what reason
	a := s.x.Answer
	what.read(a.ErrorType, a.ErrorCode, []byte(a.ErrorMessage))
	status := s.status
	if status < 300 {
		status = what.status()
	}
	s.throttled(status, &what)
}

// learnFrom is learn for an answer of which only the cause tells.
func (s *stream) learnFrom(cause error) {
	var what reason
	var answered Answered
	var inStream *assemble.UpstreamError
	switch {
	case s.status == 0 && errors.As(cause, &answered):
		status, fields, body := answered.Answered()
		s.head(status, fields)
		body = body[:min(len(body), maxReason)]
		kind, code := errorWords(body)
		what.read(kind, code, body)
		s.throttled(status, &what)
	case errors.As(cause, &inStream):
		what.read(inStream.Type, inStream.Code, []byte(inStream.Message))
		s.throttled(inStream.Status, &what)
	case s.x.Answer.Failed(): // and cut off behind it
		s.learnAnswer()
	}
}

// throttled tells the pool.
func (s *stream) throttled(status int, what *reason) {
	pause := min(s.told.RetryAfter, maxPause)
	switch status {
	case 503:
		if pause > 0 && !s.p.shared {
			s.p.breakUntil(s.now().Add(pause))
			s.p.engine.Pause(pause)
		}
	case 429, 529:
		if what.spent {
			break // no money: no rate would help
		}
		if status == 529 {
			s.p.breakUntil(s.now().Add(pause))
		}
		if status == 429 && s.x.Attempt.Credential == filters.AgentsCredential && s.c.configured(s.x.Attempt.Upstream) {
			s.e.shunned = shunned{s.x.Attempt.Upstream, s.now().Add(pause)}
			pause = min(pause, mostOthers)
		}
		if !s.p.shared {
			s.t.Throttled(ratelimit.Refusal{RetryAfter: pause, Tokens: what.tokens, Overload: status == 529 || what.busy})
		}
	default:
		return
	}
	s.f.opt.Metrics.Refused(s.p.name, status)
}

// maxReason is how much of an error's body is looked at, in bytes.
const maxReason = 4 << 10

// Unpaid reports whether the body of a refusal says that there is no money: nothing that a wait or another try would change.
// Only the error's type and code say so: a message may link to where one pays.
func Unpaid(body []byte) bool {
	kind, code := errorWords(body[:min(len(body), maxReason)])
	return unpaid(kind) || unpaid(code)
}

// unpaid reports whether an error's type or code is one of those by which providers say that there is no money.
func unpaid(word string) bool {
	switch word {
	case "insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active":
		return true
	}
	return false
}

// errorWords returns an error body's type and code. The body may be cut.
func errorWords(body []byte) (kind, code string) {
	said := gjson.GetManyBytes(body, "error.type", "error.code")
	return said[0].String(), said[1].String()
}

// A reason is what an error says it is about.
type reason struct{ tokens, busy, spent, limited, overloaded bool }

// read takes an error's type and code, and its message or the whole of it, in which it looks for the words that providers use:
// "tokens per min (TPM)", "input tokens per minute", type "tokens"; "concurrent requests"; "rate_limit_error",
// "rate_limit_exceeded"; "overloaded_error".
func (r *reason) read(kind, code string, text []byte) {
	r.spent = unpaid(kind) || unpaid(code)
	for _, t := range [...][]byte{[]byte(kind), []byte(code), text} {
		if len(t) == 0 {
			continue
		}
		t = bytes.ToLower(t)
		has := func(word string) bool { return bytes.Contains(t, []byte(word)) }
		r.busy = r.busy || has("concurren") || has("overloaded")
		r.overloaded = r.overloaded || has("overloaded_error")
		r.limited = r.limited || has("rate_limit")
		r.tokens = r.tokens || has("tokens per") || has("tpm") || has(`"tokens"`) || string(t) == "tokens"
	}
	r.tokens = r.tokens && !r.busy
}

// status is the one that an error event stands for, 0 for none of interest.
func (r *reason) status() int {
	switch {
	case r.overloaded:
		return 529
	case r.limited:
		return 429
	}
	return 0
}
