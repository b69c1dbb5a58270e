package rewrite

import (
	"context"
	"errors"
	"fmt"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/summary"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/ask"
)

// background is how the engine may ask a model for x, in its dialect: the one of that name, "" for its own; nil when it may not.
func background(x *filters.Exchange, model string) ctxrewrite.Background {
	if x.Background == nil {
		return nil
	}
	return func(job func(ctx context.Context, ask summary.Ask)) error {
		m := ask.Of(x, model)
		return x.Background(ask.Class, func(ctx context.Context, call filters.Caller) {
			job(ctx, func(ctx context.Context, p summary.Prompt) (string, error) {
				text, err := m.Ask(ctx, call, &ask.Prompt{System: p.System, User: p.User, MaxTokens: p.MaxTokens})
				if errors.Is(err, ask.ErrLength) {
					err = fmt.Errorf("%w: %w", summary.ErrLength, err)
				}
				return text, err
			})
		})
	}
}
