package history

import (
	"slices"

	"github.com/trapgate/trapgate/internal/wire"
	"github.com/zeebo/xxh3"
)

// A Fault is one thing in a request that its provider refuses.
type Fault struct {
	Message    int    // index in View.Msgs
	Code, Text string // a code below; what it means, for people
	self, prev uint64 // hashes of the message's bytes and of the one before: the fault is found again in another body
}

// Codes of faults, beside the demand that is broken.
const (
	OrphanResult     = "orphan_result"      // all: a result without its call; Adjacent: one that stands elsewhere
	DuplicateResult  = "duplicate_result"   // all
	Unanswered       = "unanswered"         // all; at the end only Closed
	DuplicateID      = "duplicate_id"       // all: an id that is still open; UniqueIDs: any
	MissingID        = "missing_id"         // all
	NoContent        = "no_content"         // all: null, or no content at all
	EmptyContent     = "empty_content"      // NonEmpty
	TextBeforeResult = "text_before_result" // ResultsFirst
	CallPlace        = "call_place"         // CallAfterUser
	SameRole         = "same_role"          // Alternate
	AfterResult      = "after_result"       // AssistantAfterResult
	SystemPlace      = "system_place"       // NoSystemAfterAssistant, SystemFirst, NoSystem
	SecondSystem     = "second_system"      // OneSystem
	FirstRole        = "first_role"         // FirstUser
	LastRole         = "last_role"          // LastUser
	ReasoningAlone   = "reasoning_alone"    // Reasoning
	ThinkingBroken   = "thinking_broken"    // Signed
	ReasoningLost    = "reasoning_lost"     // ReasoningContent
	SignatureLost    = "signature_lost"     // ThoughtSignature
)

var faultTexts = map[string]string{
	OrphanResult:     "the result answers no call in front of it",
	DuplicateResult:  "the call has been answered before",
	Unanswered:       "the call has no result where it should be",
	DuplicateID:      "the id of the call is taken by another one",
	MissingID:        "the call or result has no id",
	NoContent:        "the message has no content",
	EmptyContent:     "the content is empty",
	TextBeforeResult: "text stands in front of a result",
	CallPlace:        "calls follow neither a user message nor results",
	SameRole:         "two messages of one role in a row",
	AfterResult:      "something else than the assistant follows results",
	SystemPlace:      "a system message stands where none may be",
	SecondSystem:     "there is more than one system message",
	FirstRole:        "the conversation does not begin with a user message",
	LastRole:         "the conversation ends with the assistant",
	ReasoningAlone:   "a reasoning item is not followed by what it led to",
	ThinkingBroken:   "a thinking block is missing, last or without its signature",
	ReasoningLost:    "a turn with calls has lost its reasoning_content",
	SignatureLost:    "a turn with calls has lost its thought_signature",
}

type checker struct {
	v      *wire.View
	p      *Profile
	faults []Fault
}

// Check reports all faults of v under p, in the order of messages. A request that continues state at the provider
// (previous_response_id, conversation) may answer calls that it does not show.
func Check(v *wire.View, p *Profile) []Fault {
	c := &checker{v: v, p: p}
	newPairs(c).run()
	c.order()
	for i := range v.Msgs {
		c.content(i)
	}
	c.thinking()
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Message - b.Message })
	return c.faults
}

func (c *checker) fault(i int, code string) {
	f := Fault{Message: i, Code: code, Text: faultTexts[code], self: c.hash(i)}
	if i > 0 {
		f.prev = c.hash(i - 1)
	}
	c.faults = append(c.faults, f)
}

func (c *checker) hash(i int) uint64 { return xxh3.Hash(c.v.Raw(c.v.Msgs[i].Span)) }

// Introduced returns the faults of after, a rewritten body, that before, the agent's own, did not have. Two faults are the
// same when they have one code and the message has the same bytes, or the same index and the same message before it, which a
// task message with a digest inside keeps. What agrees best is matched first.
func Introduced(before, after []Fault) []Fault {
	used := make([]bool, len(before))
	left := slices.Clone(after)
	for _, same := range []func(a, b *Fault) bool{
		func(a, b *Fault) bool { return a.self == b.self && a.prev == b.prev },
		func(a, b *Fault) bool { return a.Message == b.Message && a.prev == b.prev },
		func(a, b *Fault) bool { return a.self == b.self },
	} {
		left = slices.DeleteFunc(left, func(a Fault) bool {
			for k := range before {
				if b := &before[k]; !used[k] && a.Code == b.Code && same(&a, b) {
					used[k] = true
					return true
				}
			}
			return false
		})
	}
	if len(left) == 0 {
		return nil
	}
	return left
}
