package summary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// Ask sends a prompt to a model and returns the text of its answer. ErrLength, or an error that wraps it, says that the answer was
// cut off at MaxTokens.
type Ask func(ctx context.Context, p Prompt) (string, error)

// ErrLength says that a model had more to write than it was allowed to.
var ErrLength = errors.New("the notes were longer than allowed")

// A Source is what a summary is written of. Everything is borrowed while Write runs.
type Source struct {
	View      *wire.View
	From, To  int              // the messages evicted since Before was written
	Keep      func(i int) bool // those that stay raw in the request; nil: none
	Before    string           // the summary of all that came before; "" for none
	Digest    *digest.Digest   // that the summary will stand in
	MaxTokens int              // of the summary
	MaxInput  int              // of the material, in tokens
}

// A Refused is a summary that could not be used, twice.
type Refused struct{ Err error }

func (e *Refused) Error() string { return fmt.Sprintf("summary: refused twice: %v", e.Err) }

// Unwrap says why.
func (e *Refused) Unwrap() error { return e.Err }

// tries is how often a model may write until its summary can be used.
const tries = 2

// Write asks for the summary of a source and returns the first one that can be used: plain text. A *Refused says that none could;
// other errors are Ask's.
func Write(ctx context.Context, ask Ask, s *Source) (string, error) {
	material := s.material(s.MaxInput)
	values := slices.DeleteFunc(s.Digest.Values(s.MaxTokens/4), func(value string) bool { // of what else could it write?
		return !strings.Contains(material, value) && !strings.Contains(s.Before, value)
	})
	why := error(nil)
	for range tries {
		said := ""
		if why != nil {
			said = strings.TrimPrefix(why.Error(), "digest: ")
		}
		text, err := ask(ctx, s.prompt(material, values, said))
		switch {
		case errors.Is(err, ErrLength):
			why = ErrLength
			continue
		case err != nil:
			return "", fmt.Errorf("summary: %w", err)
		}
		text = clean(text)
		if why = s.check(text, values); why == nil {
			return text, nil
		}
	}
	return "", &Refused{why}
}

// check says what is wrong with a summary.
func (s *Source) check(text string, values []string) error {
	if n := tokens.Estimate([]byte(text)); n > s.MaxTokens+s.MaxTokens/4 { // models count in tokens of their own
		return fmt.Errorf("%w: %d tokens where %d are", ErrLength, n, s.MaxTokens)
	}
	return s.Digest.Accepts(text, values, s.View, s.From, s.To)
}

// clean cuts off what models write around an answer: what they thought, and a frame of backquotes.
func clean(text string) string {
	if _, answer, ok := strings.Cut(text, "</think>"); ok {
		text = answer
	}
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "```"); ok && strings.HasSuffix(rest, "```") {
		_, rest, _ = strings.Cut(rest, "\n")
		text = strings.TrimSpace(strings.TrimSuffix(rest, "```"))
	}
	return text
}
