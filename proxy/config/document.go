package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFile  = 256 << 10 // bytes; a configuration is written by hand
	maxDepth = 32        // levels; the deepest key stands at 7
	maxKeys  = 10_000    // the parser takes a time that grows with the square of a mapping's keys
)

// A mark is a place in the file.
type mark struct{ line, col int }

// document parses data into the root node of its one document, nil when it is empty. The parser stops at the first syntax
// error, so there is one problem at most.
func document(name string, data []byte) (ast.Node, *Problem) {
	fail := func(at mark, hint, format string, args ...any) (ast.Node, *Problem) {
		return nil, &Problem{File: name, Line: at.line, Col: at.col, Msg: fmt.Sprintf(format, args...), Hint: hint}
	}
	if len(data) > maxFile {
		return fail(mark{1, 1}, "", "file is too large (%d bytes; at most %d)", len(data), maxFile)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if at, why := badText(data); why != "" {
		return fail(at, "", "%s", why)
	}
	if at := deepLine(data); at.line > 0 {
		return fail(at, "", "nested too deeply (at most %d levels)", maxDepth)
	}
	tokens := lexer.Tokenize(string(data))
	if at := tooDeep(tokens); at.line > 0 {
		return fail(at, "", "nested too deeply (at most %d levels)", maxDepth)
	}
	if at := tooMany(tokens); at.line > 0 {
		return fail(at, "", "too many keys (at most %d)", maxKeys)
	}
	file, at, err := parse(tokens)
	if err != "" {
		if at.line == 0 {
			at = mark{1, 1}
		}
		return fail(at, syntaxHint(data, at), "syntax error: %s", err)
	}
	var root ast.Node
	for _, doc := range file.Docs {
		body := doc.Body
		if body == nil || isNothing(body) {
			continue
		}
		if root != nil {
			return fail(place(body), "", "a second document: one file holds one configuration")
		}
		root = body
	}
	return root, nil
}

// parse calls the parser, whose panics on strange input become errors.
func parse(tokens token.Tokens) (file *ast.File, at mark, msg string) {
	defer func() {
		if recover() != nil {
			file, at, msg = nil, mark{1, 1}, "cannot be read as YAML"
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file, mark{}, ""
	}
	// The error's own text shows lines of the file, which may hold secrets.
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		return nil, tokenMark(syntax.Token), syntax.Message
	}
	return nil, mark{1, 1}, "cannot be read as YAML"
}

func isNothing(n ast.Node) bool {
	switch n.Type() {
	case ast.NullType, ast.CommentType, ast.CommentGroupType, ast.DirectiveType:
		return true
	}
	return false
}

// place is where a node begins. A mapping's own token is its first colon, so its first key counts.
func place(n ast.Node) mark {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return place(n.Values[0])
		}
		return tokenMark(n.Start)
	case *ast.MappingValueNode:
		return place(n.Key)
	case nil:
		return mark{}
	}
	return tokenMark(n.GetToken())
}

func tokenMark(t *token.Token) mark {
	if t == nil || t.Position == nil {
		return mark{}
	}
	return mark{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// badText finds bytes that no text file holds.
func badText(data []byte) (mark, string) {
	at := mark{1, 1}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return at, "is not UTF-8"
		case r < ' ' && r != '\n' && r != '\t' || r == 0x7f:
			return at, fmt.Sprintf("holds a control character (%U)", r)
		case r == '\n':
			at = mark{at.line + 1, 0}
		}
		at.col++
		i += n
	}
	return mark{}, ""
}

// deepLine finds a line that opens many levels by itself ("- - - -", "? ? ?"): the lexer and the parser recurse on them.
func deepLine(data []byte) mark {
	line := 0
	for l := range bytes.Lines(data) {
		line++
		opened := 0
		for i, c := range l {
			if c == ' ' {
				continue
			}
			if c != '-' && c != '?' || i+1 < len(l) && l[i+1] != ' ' && l[i+1] != '\n' {
				break
			}
			if opened++; opened > maxDepth {
				return mark{line, i + 1}
			}
		}
	}
	return mark{}
}

// tooDeep finds the token where nesting passes maxDepth, before the recursive parser meets it.
func tooDeep(tokens token.Tokens) mark {
	flow := 0
	var columns []int // of the open block levels
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			if flow++; flow > maxDepth {
				return tokenMark(t)
			}
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			if flow > 0 || t.Position == nil {
				continue
			}
			column := t.Position.Column
			if t.Type == token.MappingValueType && t.Prev != nil && t.Prev.Position != nil {
				column = t.Prev.Position.Column
			}
			for len(columns) > 0 && columns[len(columns)-1] >= column {
				columns = columns[:len(columns)-1]
			}
			if columns = append(columns, column); len(columns) > maxDepth {
				return tokenMark(t)
			}
		}
	}
	return mark{}
}

// tooMany finds the key that is one too many.
func tooMany(tokens token.Tokens) mark {
	keys := 0
	for _, t := range tokens {
		if t.Type == token.MappingValueType {
			if keys++; keys > maxKeys {
				return tokenMark(t)
			}
		}
	}
	return mark{}
}

// syntaxHint explains the slips that are easy to make in this file.
func syntaxHint(data []byte, at mark) string {
	line := 0
	for l := range bytes.Lines(data) {
		if line++; line < at.line {
			continue
		}
		switch trimmed := bytes.TrimLeft(l, " "); {
		case bytes.ContainsRune(l, '\t'):
			return "YAML is indented with spaces, not tabs"
		case bytes.Contains(trimmed, []byte("[*")) || bytes.Contains(trimmed, []byte("- *")) || bytes.Contains(trimmed, []byte(", *")):
			return `quote a glob that begins with *: "*-mini"`
		}
		break
	}
	return ""
}
