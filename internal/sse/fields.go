package sse

import (
	"bytes"
	"strings"
)

// parse reads the fields of a whole frame.
func (p *Parser) parse(raw []byte) Event {
	e := Event{Raw: raw, Comment: true}
	at := 0
	if !p.begun {
		p.begun = true
		if len(raw) >= len(bom) && string(raw[:len(bom)]) == bom {
			at = len(bom)
		}
	}
	atLF, atCR := -1, len(raw)
	if p.crs {
		p.crs, atCR = false, -1
	}
	for at < len(raw) {
		if atLF < at {
			atLF = index(raw, at, '\n')
		}
		if atCR < at {
			atCR = index(raw, at, '\r')
		}
		end := min(atLF, atCR)
		if end > at {
			e.line(raw[at:end:end], p)
		}
		at = end + 1 // between the CR and LF of a CRLF stands an empty line, which says nothing
	}
	p.join(&e)
	return e
}

// join gives the event the data lines that line has collected, when there was more than one.
func (p *Parser) join(e *Event) {
	if !p.joined {
		return
	}
	e.Data, p.joined = p.data, false
	if cap(p.data) > keep {
		p.data = nil // the event has it
	}
}

// line reads one line of the frame. Data lines after the first are collected in p.
func (e *Event) line(line []byte, p *Parser) {
	value, ok := isData(line)
	switch {
	case !ok:
		e.field(line)
	case e.Comment:
		e.Comment, e.Data = false, value
	default:
		if !p.joined {
			p.joined = true
			p.data = append(p.data[:0], e.Data...)
		}
		p.data = append(append(p.data, '\n'), value...)
	}
}

// isData returns the value of a data field.
func isData(line []byte) ([]byte, bool) {
	if len(line) < 4 || string(line[:4]) != "data" {
		return nil, false
	}
	switch {
	case len(line) == 4:
		return line[4:], true
	case line[4] != ':':
		return nil, false
	case len(line) > 5 && line[5] == ' ':
		return line[6:], true
	}
	return line[5:], true
}

// field reads a line that is not a data field.
func (e *Event) field(line []byte) {
	colon := bytes.IndexByte(line, ':')
	name, value := line, line[len(line):]
	if colon >= 0 {
		name, value = line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
	}
	switch string(name) {
	case "event":
		e.Name = value
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.ID = value
		}
	case "retry":
		if len(value) > 0 && strings.Trim(string(value), "0123456789") == "" {
			e.Retry = value
		}
	}
}
