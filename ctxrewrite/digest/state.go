package digest

import (
	"slices"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// A state is what one digest hands to the next. Texts named raw are escaped content.
type state struct {
	Operator   []string // the operator's rules, raw
	Pins       []pin
	Users      []item // newest first, within the budget
	Decisions  []item // oldest first
	Facts      []fact
	Errors     []item // exact error lines, oldest first
	Calls      []call // calls done, oldest first, repeats collapsed
	Files      []file // in the order of their first touch
	Open       []item
	Next       item
	Stubs      []stub // newest first
	Spans      []string
	Index      string   // handle of the list of older spans
	Older      []string // the spans in it
	Dropped    []string
	Tools      []string // names of all tools ever called, sorted
	Messages   int      // evicted so far
	WorkBudget int      // tokens for calls
	CallsDone  int      // ever
	LostFacts  loss
	LostFiles  loss
	Summary    string `json:",omitempty"` // a model's, raw
	SummaryAt  int    `json:",omitempty"` // Messages when it was written
}

type item struct {
	Raw  string
	Cost int // tokens
}

type pin struct {
	item
	Rank rank
}

// A rank orders what is kept when not all can be: lower ranks go first.
type rank uint8

const (
	weakRule rank = iota + 1
	strongRule
	protected
	marked // <ctx:pin>, operator patterns
)

// A class is where a fact was found, and so what it is worth. Values that nobody can ask for again come first.
type class uint8

const (
	plainValue    class = iota + 1 // ids, paths, URLs and quantities in user text that are short or easy to find again
	toolValue                      // distinctive and labelled, in a tool result
	assistantText                  // the same in assistant text
	argumentText                   // the same in arguments of a call
	userText                       // the same in user text
)

type call struct {
	Tool, Args string // Args raw
	Count      int
	Failed     bool // the last one
	Cost       int
}

type stub struct {
	item
	Key string // tool and arguments, to collapse repeats
}

func (s *state) clone() state {
	c := *s
	c.Pins = slices.Clone(s.Pins)
	c.Users = slices.Clone(s.Users)
	c.Decisions = slices.Clone(s.Decisions)
	c.Facts = slices.Clone(s.Facts)
	c.Errors = slices.Clone(s.Errors)
	c.Calls = slices.Clone(s.Calls)
	c.Files = slices.Clone(s.Files)
	c.Open = slices.Clone(s.Open)
	c.Stubs = slices.Clone(s.Stubs)
	c.Spans = slices.Clone(s.Spans)
	c.Older = slices.Clone(s.Older)
	c.Dropped = slices.Clone(s.Dropped)
	c.Tools = slices.Clone(s.Tools)
	return c
}

// newItem copies raw, which is escaped content.
func newItem(raw []byte) item { return item{Raw: string(raw), Cost: cost(raw)} }

// cost is the number of tokens of a line with this content: the model sees it decoded.
func cost(raw []byte) int { return tokens.Estimate(unescape(raw)) + 2 }
