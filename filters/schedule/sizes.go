package schedule

import (
	"slices"
	"sync"

	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// sizes estimate tokens before a provider counts them, and learn from what it counts.
type sizes struct {
	lengths bool // of output too: the engine estimates them for itself, so they are for budgets only
	mu      sync.Mutex
	sent    *limit.Estimator // of output, and of input by the bytes of a body
	shown   *limit.Estimator // of output by the characters that have been seen
}

func (z *sizes) init(lengths bool) {
	z.lengths = lengths
	z.sent = limit.NewEstimator(limit.EstimatorOptions{})
	z.shown = limit.NewEstimator(limit.EstimatorOptions{})
}

// A size is what a request is estimated by.
type size struct {
	bytes int // of text and JSON
	parts int // messages with something large in them that is no text: an image, a document
}

const (
	// largePart is from which size on what is no text in a message is taken for an encoded image or document. Its bytes say
	// nothing of its tokens: what providers count for one is partTokens, about.
	largePart  = 16 << 10
	partTokens = 1500
)

// sizeOf measures a request as it is sent: without what a filter before us has left out of it, and with what it put in.
func sizeOf(v *wire.View, edits *wire.Edits) size {
	s := size{bytes: len(v.Body)}
	var gone []wire.Span // with large parts in them, perhaps
	edits.All(func(at wire.Span, with []byte) {
		s.bytes += len(with) - int(at.End-at.Start)
		if at.End-at.Start >= largePart {
			gone = append(gone, at)
		}
	})
	if s.bytes < largePart {
		return s
	}
	for i := range v.Msgs {
		m := &v.Msgs[i]
		whole := int(m.Span.End - m.Span.Start)
		if whole < largePart || slices.ContainsFunc(gone, func(g wire.Span) bool { return g.Start <= m.Span.Start && m.Span.End <= g.End }) {
			continue
		}
		for _, t := range v.Texts[m.Text.From:m.Text.To] {
			whole -= int(t.End - t.Start)
		}
		for _, c := range v.Calls[m.Call.From:m.Call.To] {
			whole -= int(c.Span.End - c.Span.Start)
		}
		if whole >= largePart && m.Kind == wire.Msg {
			s.bytes -= whole
			s.parts++
		}
	}
	return s
}

// guess are the estimates for one attempt, in tokens.
type guess struct {
	input, output int64
	perChar       float64 // output tokens for a character
}

// guess estimates an attempt of so many choices; most is the call's own limit of output for all of them, 0 for none.
func (z *sizes) guess(tenant, agent, model string, s size, most, choices int64) (g guess) {
	z.mu.Lock()
	defer z.mu.Unlock()
	g.input = int64(z.sent.Input(model, s.bytes)+0.5) + int64(s.parts)*partTokens
	if z.lengths {
		g.output = int64(z.sent.Output(limit.Key{Tenant: tenant, Model: model, Agent: agent}, int(most/choices), limit.P80)*float64(choices) + 0.5)
	}
	if most > 0 {
		g.output = min(g.output, most)
	}
	g.perChar = z.shown.Input(model, perCharOf) / perCharOf
	return g
}

// perCharOf is large enough for the ratio to be exact.
const perCharOf = 1 << 20

// learn takes what a provider counted for an attempt that ended well. chars is what was seen of the output; what a provider
// hides of it (reasoning) makes no ratio.
func (z *sizes) learn(tenant, agent, model string, s size, choices, chars int64, u *wire.Usage) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if s.parts == 0 && u.Input > 0 {
		z.sent.ObserveInput(model, s.bytes, int(u.Input))
	}
	if z.lengths {
		z.sent.Observe(limit.Key{Tenant: tenant, Model: model, Agent: agent}, int(u.Output/choices))
	}
	if u.Reasoning == 0 && u.Output >= leastRatio && chars >= leastRatio {
		z.shown.ObserveInput(model, int(chars), int(u.Output))
	}
}

// leastRatio is how many tokens, or characters, make a ratio worth learning.
const leastRatio = 16
