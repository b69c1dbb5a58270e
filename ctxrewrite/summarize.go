package ctxrewrite

import (
	"context"
	"errors"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// A Summary says how summaries are written. The zero value: not at all, digests are extractive only.
type Summary struct {
	Model     string // that writes; "": the conversation's own
	MaxTokens int    // of a summary; 0: none are written
}

// DefaultSummary is the usual Summary.MaxTokens.
const DefaultSummary = 800

// A Background runs job once on a goroutine of its own, with a model to ask. job goes on when the request is over, until ctx ends,
// which is when the process does. An error means that job will not run.
type Background func(job func(ctx context.Context, ask summary.Ask)) error

// summaryTimeout bounds the writing of one summary, all tries together. The conversation has gone on by then.
const summaryTimeout = 5 * time.Minute

// beside runs a build on a goroutine of its own, with a model to ask when the configuration wants summaries and the request
// brings one.
func (f *fit) beside(job func(ctx context.Context, ask summary.Ask)) {
	e := f.e
	e.running.Add(1)
	run := func(ctx context.Context, ask summary.Ask) {
		defer e.running.Done()
		job(ctx, ask)
	}
	if f.r.Background != nil && f.c.Summary.MaxTokens > 0 && f.c.Mode == On {
		err := f.r.Background(run)
		if err == nil {
			return
		}
		e.log.Warn("context: no summary is written, the digest is extractive", "session", f.r.Session, "err", err)
	}
	go run(context.Background(), nil)
}

// A writing is what a build needs for its summary.
type writing struct {
	ask       summary.Ask // nil: none is written
	maxTokens int
	maxInput  int

	forgotten func(message []byte) bool // what no model is asked about

	upstream, model string // that the conversation goes to
	taught          *tokens.Session
}

// writing is what this request's configuration says. A model is given half of what its window has room for.
func (f *fit) writing() writing {
	usable := f.usable
	if m := f.c.Summary.Model; m != "" {
		if window, known := f.c.windows.Of(f.r.Upstream, m); known {
			usable = min(usable, f.c.usable(window, int64(f.c.Summary.MaxTokens)))
		}
	}
	return writing{
		upstream: f.r.Upstream, model: f.r.Model, taught: f.e.sessions.taught(f.r), forgotten: f.e.guards.of(f.r.Tenant).says,
		maxTokens: f.c.Summary.MaxTokens, maxInput: f.unscaled(usable) / 2,
	}
}

// summarize has a model write the prose of an epoch's digest. Whatever fails, the extractive digest stands.
func (e *Engine) summarize(ctx context.Context, ep *Epoch, v *wire.View, w writing, session string) {
	if w.ask == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, summaryTimeout)
	defer cancel()
	from := ep.Task + 1
	for p := ep.parent; p != nil; p = p.parent {
		if _, current := p.digest.Summary(); current {
			from = p.Cover
			break
		}
	}
	before, _ := ep.digest.Summary()
	text, err := summary.Write(ctx, w.ask, &summary.Source{
		View: v, From: from, To: ep.Cover, Before: before,
		Keep:   func(i int) bool { return history.Stays(v, &v.Msgs[i]) || w.forgotten(v.Raw(v.Msgs[i].Span)) },
		Digest: ep.digest, MaxTokens: w.maxTokens, MaxInput: w.maxInput,
	})
	if err != nil {
		var refused *summary.Refused
		if errors.As(err, &refused) {
			e.log.Warn("context: a summary could not be used, the extractive digest stands", "session", session, "err", err)
		} else {
			e.log.Warn("context: no summary was written, the extractive digest stands", "session", session, "err", err)
		}
		return
	}
	ep.hold(ep.digest.WithSummary(text))
}
