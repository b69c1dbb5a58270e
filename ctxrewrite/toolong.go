package ctxrewrite

import (
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// TooLong learns from an upstream's refusal of a planned request. again says that the next Fit of it, with Again set, makes less of it,
// and that this may be enough: not where nothing more can be left out, nor where the answer that the agent asks for is what does not
// fit. Nothing of r may have been changed since Fit.
func (e *Engine) TooLong(r *Request, p *Plan, status int, body []byte) (again bool) {
	said, answer, ok := e.learn(r, p, status, body)
	if !ok || e.config.Load().Mode == Observe {
		return false
	}
	var call wire.Edits
	next := *r
	next.Call, next.Again, next.trial = &call, true, true
	then := e.Fit(&next)
	if growth(&call) >= growth(r.Call) {
		return false
	}
	return said.Window == 0 || then.To+answer <= then.Window // a window that nobody named is a guess
}

// Learn is TooLong for a refusal that the agent has been given: it only learns.
func (e *Engine) Learn(r *Request, p *Plan, status int, body []byte) { e.learn(r, p, status, body) }

// learn notes what a refusal says of the window and of the request. answer is what the upstream counted besides the prompt.
func (e *Engine) learn(r *Request, p *Plan, status int, body []byte) (said tokens.TooLong, answer int, ok bool) {
	said, ok = tokens.ParseTooLong(status, body)
	if !ok || len(r.View.Msgs) == 0 {
		return said, 0, false
	}
	sent := p.raw
	if sent == 0 { // nothing was known of the model
		sent = tokens.Estimate(r.View.Body)
	}
	prompt, most := max(p.To, sent), int(min(r.View.MaxTokensValue(), maxAnswer))
	window := said.Window
	switch {
	case window > 0:
	case prompt <= p.Window && p.Window < prompt+most:
		window = p.Window // as we knew it: with the answer it is passed
	default:
		window = int(float64(max(prompt+most, said.Requested)) * 0.9)
	}
	answer = answerIn(said.Requested, prompt, window, most)
	e.sessions.taught(r).Refused(&e.calibration, r.Upstream, r.Model, sent, max(said.Requested, window+1)-answer)
	e.config.Load().windows.Learn(r.Upstream, r.Model, window)
	e.counts.learnt.Add(1)
	return said, answer, true
}

// maxAnswer is above any window, in tokens.
const maxAnswer = 1 << 30

// answerIn is most, the limit of the answer that the agent asks for, if the upstream counted it with the prompt, else 0. It did when
// that makes what it named, requested, look more like our estimate of the prompt; where it named nothing, when the prompt alone would
// have fitted.
func answerIn(requested, prompt, window, most int) int {
	without := requested - most
	switch {
	case requested == 0 && prompt <= window:
	case without > 0 && float64(requested)*float64(without) > float64(prompt)*float64(prompt):
	default:
		return 0
	}
	return most
}

// growth is by how many bytes edits make a body longer.
func growth(edits *wire.Edits) (n int) {
	edits.All(func(at wire.Span, with []byte) { n += len(with) - int(at.End-at.Start) })
	return n
}
