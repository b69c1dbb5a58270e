package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing wrong with the configuration, at its place.
type Problem struct {
	File      string // as given; "" when it is not from a file
	Line, Col int    // 1-based, columns in characters; 0 when there is no place
	Key       string // such as upstreams[0].base_url, --listen or $OPENAI_BASE_URL; "" for the file as a whole
	Msg       string // what is wrong; holds no secret
	Hint      string // what to do; may be empty
}

// String returns FILE:LINE:COL: KEY: MSG, and a second line with the hint where there is one.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Msg)
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// Error implements error.
func (p Problem) Error() string { return p.String() }

// Problems are all that is wrong, in the order of the file.
type Problems []Problem

// Error implements error: one line for each problem, and one for each hint.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// err returns ps as an error, nil when there is none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// maxProblems are reported; who has more has the wrong file.
const maxProblems = 100

// sorted orders by place and drops repetitions: what a flag and the environment broke first, then the file from its top. The
// last of too many says how many are left out.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	ps = slices.Compact(ps)
	if left := len(ps) - maxProblems; left > 0 {
		last := ps[maxProblems]
		ps = append(ps[:maxProblems:maxProblems], Problem{File: last.File, Line: last.Line, Col: last.Col, Msg: fmt.Sprintf("and %d more problems from here on", left)})
	}
	return ps
}
