package ctxrewrite

import (
	"regexp"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// A Mode says what the engine does with what it finds.
type Mode uint8

const (
	On      Mode = iota // rewrites
	Observe             // changes no byte and says what it would do
)

// Marks as shares of the usable window.
const (
	DefaultHigh    = 0.80
	DefaultLow     = 0.30
	DefaultReserve = 4096 // tokens

	prepareMark = 0.65  // an epoch is prepared in the background
	cutMark     = 0.92  // not ready by now: it is built in the path
	tailShare   = 0.203 // of the usable window stands verbatim at the end: a fifth, and what estimates may be wrong by
	lowSlack    = 0.06  // below the low mark: whole turns come on top
	headShare   = 0.45  // of it the messages up to the task may take; more, and only the first ones count as such
	breakShare  = 0.70  // what cannot be left out takes more than this: no more epochs
)

// A Config is one immutable configuration. Zero fields mean their defaults.
type Config struct {
	Mode    Mode
	Windows []tokens.Rule // the first that matches a model counts
	Reserve int           // tokens kept free for the answer when the agent asks for fewer
	High    float64       // an epoch is swapped in from here on
	Low     float64       // and brings the request down to about this
	Pins    Pins
	Summary Summary
}

// Pins say what every rewrite keeps besides system text, user messages before the first tool call, and constraints.
type Pins struct {
	Patterns []*regexp.Regexp // sentences that match are pins; in system, developer and user text only
	Tools    []string         // names of tools whose calls and results are pins
	Budget   float64          // the most that constraints may take of the usable window; 0: a twenty-fifth
	Recent   float64          // recent user messages kept verbatim, as a share of it; 0: 1 in 250
}

func (c Config) withDefaults() Config {
	if c.Reserve == 0 {
		c.Reserve = DefaultReserve
	}
	if c.High == 0 {
		c.High = DefaultHigh
	}
	if c.Low == 0 {
		c.Low = DefaultLow
	}
	return c
}

// usable is how many tokens of a window a prompt may take when the agent asks for at most output tokens. A limit of output that
// leaves less than a quarter of the window is not believed: the upstream refuses such a request whatever is in it.
func (c *Config) usable(window int, output int64) int {
	reserve := max(int64(c.Reserve), output)
	return max(window-int(min(reserve, int64(window))), window/4)
}
