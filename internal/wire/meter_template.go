package wire

import "unicode/utf8"

// A template is an event with holes: the text, and members such as sequence_number that change from event to event. What fits
// it has the same structure, byte for byte, and needs no walk; most events of a stream do.
type template struct {
	literal []byte // the bytes between the holes, one after the other
	ends    [maxHoles]int
	kinds   [maxHoles]holeKind
	n       int  // holes
	ready   bool // there is a template
	misses  int  // templates in a row that nothing fitted
}

// patience is how many templates may be made in vain before a stream is only walked.
const patience = 8

const maxHoles = 4

type holeKind uint8

const (
	textHole   holeKind = iota // a string that counts
	stringHole                 // a string that does not
	numberHole                 // digits
)

type hole struct {
	span Span
	kind holeKind
}

func (e *event) hole(sp Span, kind holeKind) {
	if e.n == maxHoles {
		e.other = true
		return
	}
	e.holes[e.n] = hole{sp, kind}
	e.n++
}

// learn makes a template of an event that was walked, or forgets the one there was.
func (t *template) learn(data []byte, e *event, ok bool) {
	t.ready = false
	if !ok || e.other || !e.tokens || t.misses >= patience {
		return
	}
	t.literal, t.n = t.literal[:0], e.n
	at := int32(0)
	for i, h := range e.holes[:e.n] {
		in := h.span
		if h.kind != numberHole { // the quotes are literal
			in.Start++
			in.End--
		}
		t.literal = append(t.literal, data[at:in.Start]...)
		t.ends[i], t.kinds[i] = len(t.literal), h.kind
		at = in.End
	}
	t.literal = append(t.literal, data[at:]...)
	t.ready = true
	t.misses++
}

// fits returns the characters of text in an event that the template stands for, -1 when it does not.
func (t *template) fits(data []byte) int64 {
	if !t.ready {
		return -1
	}
	chars := int64(0)
	from, p := 0, 0
	for i := range t.n {
		piece := t.literal[from:t.ends[i]]
		from = t.ends[i]
		if len(data)-p < len(piece) || string(data[p:p+len(piece)]) != string(piece) {
			return -1
		}
		p += len(piece)
		if t.kinds[i] == numberHole {
			q := digits(data, p)
			if q == p {
				return -1
			}
			p = q
			continue
		}
		q, n := stringEnd(data, p)
		if q < 0 {
			return -1
		}
		if p = q; t.kinds[i] == textHole {
			chars += n
		}
	}
	if string(data[p:]) != string(t.literal[from:]) {
		return -1
	}
	t.misses = 0
	return chars
}

// stringEnd finds the closing quote of the string whose inside begins at p, and counts its characters; -1 when there is none.
func stringEnd(data []byte, p int) (end int, chars int64) {
	for p < len(data) {
		switch c := data[p]; {
		case c == '"':
			return p, chars
		case c < ' ':
			return -1, 0
		case c == '\\':
			if p+1 < len(data) && data[p+1] == 'u' {
				p += 4
			}
			p += 2
			chars++
		default:
			if c < utf8.RuneSelf || c >= 0xc0 {
				chars++
			}
			p++
		}
	}
	return -1, 0
}
