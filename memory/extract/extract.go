package extract

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Batch is what a model is asked about. It is borrowed while Run runs.
type Batch struct {
	Said      []Said  // in the order of time
	Known     []Known // facts that stand, of which the model may name one by its number
	MaxTokens int     // of the answer
}

// A Said is one message of a user.
type Said struct {
	Statements []string // sentences in the user's own words, verbatim
	Speaker    string   // the user's own name, where messages carry one
	At         time.Time
}

// A Known is a fact that stands.
type Known struct {
	Subject, Predicate, Object string
	From                       time.Time // since when it holds
}

// A Prompt is what a model is asked.
type Prompt struct {
	System, User string
	MaxTokens    int // of the answer
}

// An Ask sends a prompt to a model and returns the text of its answer. ErrCut, or an error that wraps it, says that the answer was cut
// off at MaxTokens.
type Ask func(ctx context.Context, p Prompt) (string, error)

// What can be wrong with a whole answer.
var (
	ErrCut  = errors.New("the model had more to say than it was allowed to")
	ErrForm = errors.New("the model's answer is not a list of facts")
)

// A Change is what a model proposes and the batch bears out.
type Change struct {
	Supersedes                 int    // index in Batch.Known; -1: the fact is new
	Said                       int    // index in Batch.Said: who said it, and when
	Sentence                   string // the statement that the quote stands in, verbatim
	Subject, Predicate, Object string
}

// A Reason says why an element of an answer was not taken. They are written in metrics and logs.
type Reason string

// The reasons.
const (
	Malformed  Reason = "malformed"  // no such operation, or a field that is missing or too long
	Unquoted   Reason = "unquoted"   // no statement has the quote
	Ungrounded Reason = "ungrounded" // a name or number that the statement does not have
	NoSuchFact Reason = "no-fact"    // it supersedes a number that was not shown, or a fact about something else
	Repeated   Reason = "repeated"   // the answer says it twice, or it is what stands
	TooMany    Reason = "too-many"
)

// A Result is what came of a batch.
type Result struct {
	Changes  []Change
	Noops    int
	Rejected map[Reason]int
}

func (r *Result) reject(why Reason) {
	if r.Rejected == nil {
		r.Rejected = map[Reason]int{}
	}
	r.Rejected[why]++
}

// Run asks once. An answer that cannot be read is ErrForm; other errors are Ask's. A batch in which nobody said anything asks nobody.
func Run(ctx context.Context, ask Ask, b *Batch) (Result, error) {
	if b.empty() {
		return Result{}, nil
	}
	answer, err := ask(ctx, b.prompt())
	if err != nil {
		return Result{}, fmt.Errorf("extract: %w", err)
	}
	return b.Read(answer)
}

func (b *Batch) empty() bool {
	for i := range b.Said {
		if len(b.Said[i].Statements) > 0 {
			return false
		}
	}
	return true
}
