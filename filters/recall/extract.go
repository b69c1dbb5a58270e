package recall

import (
	"context"
	"errors"
	"fmt"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/ask"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/extract"
)

// extract lets memory have a model read what the user has said, in the background and at the expense of the exchange's program, when
// it is configured to and there is enough.
func (s *stream) extract() {
	defer s.rescue("extract")
	if s.known == nil || s.off || s.mode == memory.Off || s.x.Background == nil {
		return
	}
	s.f.engine.Extract(s.scope, reader(s.x))
}

// reader is how memory may ask a model for x, in its dialect. It is called before x ends.
func reader(x *filters.Exchange) memory.Start {
	return func(model string, job func(ctx context.Context, ask extract.Ask)) error {
		m := ask.Of(x, model)
		return x.Background(ask.Class, func(ctx context.Context, call filters.Caller) {
			job(ctx, func(ctx context.Context, p extract.Prompt) (string, error) {
				text, err := m.Ask(ctx, call, &ask.Prompt{System: p.System, User: p.User, MaxTokens: p.MaxTokens})
				if errors.Is(err, ask.ErrLength) {
					err = fmt.Errorf("%w: %w", extract.ErrCut, err)
				}
				return text, err
			})
		})
	}
}
