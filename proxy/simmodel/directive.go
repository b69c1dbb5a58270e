package simmodel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strconv"
	"strings"
)

const directiveOpen = "[[sim:"

// FindDirective returns the steps of the first directive in a prompt. A directive that an agent quoted (as JSON string
// content) or escaped (as HTML) is found too; one that cannot be parsed is answered with a step that says why.
func FindDirective(text string) ([]Step, bool) {
	i := strings.Index(text, directiveOpen)
	if i < 0 {
		return nil, false
	}
	// An agent that sends the whole prompt as a JSON string (opencode) is taken at its word.
	if whole := strings.TrimSpace(text); whole[0] == '"' {
		var s string
		if json.Unmarshal([]byte(whole), &s) == nil {
			text, i = s, strings.Index(s, directiveOpen)
		}
	}
	if i < 0 {
		return nil, false
	}
	text = text[i+len(directiveOpen):]
	steps, err := parseDirective(text)
	if err != nil {
		for _, plain := range []string{unquoteOnce(text), html.UnescapeString(text)} {
			if plain != text {
				if s, err := parseDirective(plain); err == nil {
					return s, true
				}
			}
		}
		return []Step{{Say: "simmodel: bad directive: " + err.Error()}}, true
	}
	return steps, true
}

// unquoteOnce undoes one level of JSON string quoting.
func unquoteOnce(s string) string {
	if !strings.Contains(s, `\"`) {
		return s
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n", `\t`, "\t", `\/`, "/").Replace(s)
}

// parseDirective reads "STEP; STEP ]]": see the package comment for the grammar.
func parseDirective(s string) ([]Step, error) {
	p := &directiveParser{s: s}
	var steps []Step
	for {
		step, err := p.step()
		if err != nil {
			return nil, fmt.Errorf("%w at %.20q", err, p.s)
		}
		steps = append(steps, step)
		p.space()
		switch {
		case p.eat("]]"):
			return steps, nil
		case p.eat(";"):
			p.space()
			if p.eat("]]") {
				return steps, nil
			}
		default:
			return nil, fmt.Errorf("want ; or ]] at %.20q", p.s)
		}
	}
}

type directiveParser struct{ s string }

func (p *directiveParser) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

func (p *directiveParser) eat(prefix string) bool {
	rest, ok := strings.CutPrefix(p.s, prefix)
	if ok {
		p.s = rest
	}
	return ok
}

func (p *directiveParser) word() string {
	p.space()
	i := strings.IndexAny(p.s, " \t\r\n;\"{[]")
	if i < 0 {
		i = len(p.s)
	}
	w := p.s[:i]
	p.s = p.s[i:]
	return w
}

func (p *directiveParser) step() (Step, error) {
	var s Step
	for {
		if err := p.action(&s); err != nil {
			return s, err
		}
		p.space()
		if !p.eat("&") {
			return s, nil
		}
	}
}

func (p *directiveParser) action(s *Step) (err error) {
	switch w := p.word(); w {
	case "parallel":
		return p.action(s)
	case "call":
		name := p.word()
		if name == "" {
			return errors.New("call: want a tool name")
		}
		args, err := p.value()
		s.Calls = append(s.Calls, Call{Tool: name, Args: args})
		return err
	case "shell":
		text, err := p.text()
		s.Calls = append(s.Calls, Call{Tool: "shell", Args: quote(text)})
		return err
	case "say":
		s.Say, err = p.text()
	case "think":
		s.Think, err = p.text()
	case "tokens":
		s.Tokens, err = p.number()
	case "stamp":
		s.Tokens, err = p.number()
		s.Stamp = true
	case "fault":
		if s.Fault, err = p.text(); err == nil {
			_, err = parseFaults(s.Fault)
		}
	default:
		return fmt.Errorf("unknown action %q", w)
	}
	return err
}

func (p *directiveParser) number() (int, error) {
	n, err := strconv.Atoi(p.word())
	if err != nil || n < 0 || n > 10_000_000 {
		return 0, errors.New("want a number of tokens")
	}
	return n, nil
}

// value reads a JSON object or string, or nothing.
func (p *directiveParser) value() (json.RawMessage, error) {
	p.space()
	if p.s == "" || p.s[0] != '{' && p.s[0] != '"' {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(p.s))
	var v json.RawMessage
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	p.s = p.s[d.InputOffset():]
	return bytes.TrimSpace(v), nil
}

// text reads a JSON string, or bare text up to ";", "]]" or "& ACTION".
func (p *directiveParser) text() (string, error) {
	p.space()
	if strings.HasPrefix(p.s, `"`) {
		v, err := p.value()
		if err != nil {
			return "", err
		}
		var s string
		return s, json.Unmarshal(v, &s)
	}
	if strings.HasPrefix(p.s, `\"`) || strings.HasPrefix(p.s, "&quot;") {
		return "", errors.New("an escaped quote")
	}
	end := len(p.s)
	for _, stop := range []string{";", "]]"} {
		if i := strings.Index(p.s, stop); i >= 0 && i < end {
			end = i
		}
	}
	for i := 0; i < end; i++ {
		if strings.HasPrefix(p.s[i:], " & ") && startsAction(p.s[i+3:]) {
			end = i
		}
	}
	s := strings.TrimSpace(p.s[:end])
	p.s = p.s[end:]
	return s, nil
}

func startsAction(s string) bool {
	for _, w := range []string{"call ", "shell ", "say ", "think ", "tokens ", "stamp ", "fault ", "parallel "} {
		if strings.HasPrefix(strings.TrimLeft(s, " "), w) {
			return true
		}
	}
	return false
}
