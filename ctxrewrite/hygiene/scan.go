package hygiene

import (
	"bytes"
	"math/bits"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/internal/wire"
)

// A scan is one reading of a system text. It is pooled.
type scan struct {
	masked []byte    // the text with what may change masked; escaped content
	segs   []segment // those in which something is masked, in order
	line   []segment // sentences of the line that is being read
	from   int32     // where in the body the unread bytes that go to masked begin
	number int32     // of the line
	chain  []uint64
}

// A segment is a line of the system text or, when the line is long, a sentence of it.
type segment struct {
	at     wire.Span // in the body, escaped content
	line   int32     // from 1
	hash   uint64    // of the bytes
	masked bool      // something in it is
}

const (
	mask        = 1   // never a byte of escaped content
	longLine    = 400 // masked bytes: a longer line is split into sentences
	maxMoved    = 1024
	maxSegments = 512 // more are not looked at
)

// systemTexts calls f with each text of the system prompt: of the member of its own, and of the system messages in front.
func systemTexts(v *wire.View, f func(wire.Span)) {
	for _, t := range v.Texts[v.SystemText.From:v.SystemText.To] {
		f(t)
	}
	for i := range v.Msgs {
		m := &v.Msgs[i]
		if m.Role != wire.System && m.Role != wire.Developer {
			return
		}
		for _, t := range v.Texts[m.Text.From:m.Text.To] {
			f(t)
		}
	}
}

// systemHash is the hash of the bytes of the system prompt, 0 when there is none.
func systemHash(v *wire.View) (sum uint64) {
	systemTexts(v, func(t wire.Span) { sum = bits.RotateLeft64(sum, 23) ^ xxh3.Hash(v.Raw(t)) })
	return sum
}

// read finds the segments and masks the text; it returns the hash of the masked text.
func (s *scan) read(v *wire.View) uint64 {
	s.masked, s.segs, s.number = s.masked[:0], s.segs[:0], 1
	systemTexts(v, func(t wire.Span) {
		s.text(v.Body, wire.Span{Start: t.Start + 1, End: t.End - 1})
		s.masked = append(s.masked, '"')
		s.number++
	})
	return xxh3.Hash(s.masked)
}

// text reads one text, without its quotes.
func (s *scan) text(body []byte, t wire.Span) {
	s.from, s.line = t.Start, s.line[:0]
	begin, maskedFrom := t.Start, len(s.masked) // of the sentence; of the line
	some := false
	for i := t.Start; i < t.End; {
		switch c := body[i]; {
		case c == '\\' && body[i+1] == 'n':
			s.line = append(s.line, segment{at: wire.Span{Start: begin, End: i}, masked: some})
			s.flush(body, i)
			s.endLine(body, len(s.masked)-maskedFrom)
			i += 2
			begin, maskedFrom, some = i, len(s.masked), false
		case c == '\\' && body[i+1] == 'u':
			i += 6
		case c == '\\':
			i += 2
		case wordByte[c] != 0:
			end, hide := word(body[:t.End], i)
			if hide {
				s.flush(body, i)
				s.pad()
				end = masked(body[:t.End], end)
				s.masked = append(s.masked, mask)
				s.from, some = end, true
			}
			i = end
		case (c == '.' || c == '!' || c == '?') && i+1 < t.End && body[i+1] == ' ':
			i += 2
			s.line = append(s.line, segment{at: wire.Span{Start: begin, End: i}, masked: some})
			begin, some = i, false
		default:
			i++
		}
	}
	s.line = append(s.line, segment{at: wire.Span{Start: begin, End: t.End}, masked: some})
	s.flush(body, t.End)
	s.endLine(body, len(s.masked)-maskedFrom)
}

func (s *scan) flush(body []byte, to int32) {
	s.masked = append(s.masked, body[s.from:to]...)
	s.from = to
}

// pad makes one of several blanks, with which clocks pad numbers.
func (s *scan) pad() {
	for n := len(s.masked); n > 1 && s.masked[n-1] == ' ' && s.masked[n-2] == ' '; n-- {
		s.masked = s.masked[:n-1]
	}
}

// endLine makes segments of the line that was read. How long it is goes by its masked bytes, so that equal masks have equal segments.
func (s *scan) endLine(body []byte, length int) {
	if length <= longLine && len(s.line) > 1 {
		first := &s.line[0]
		for _, x := range s.line[1:] {
			first.at.End, first.masked = x.at.End, first.masked || x.masked
		}
		s.line = s.line[:1]
	}
	for _, x := range s.line {
		if x.masked && len(s.segs) < maxSegments {
			x.line, x.hash = s.number, xxh3.Hash(x.at.Of(body))
			s.segs = append(s.segs, x)
		}
	}
	s.line = s.line[:0]
	s.number++
}

// Classes of bytes in words.
const (
	inWord  uint8 = 1 << iota
	isDigit       // 0 to 9
	isHex         // of hexadecimal numbers, with hyphens
	begins        // a part of a date or of a time of day
)

var wordByte = func() (table [256]uint8) {
	for class, all := range map[uint8]string{
		inWord: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", isDigit: "0123456789",
		isHex: "0123456789abcdefABCDEF-", begins: "ADFJMNOPSTWap",
	} {
		for _, c := range []byte(all) {
			table[c] |= class
		}
	}
	return table
}()

// word finds the end of the word that begins at from, and whether it is one of those that change: with a digit, hexadecimal and not
// short, a part of a date, or the value of a nonce.
func word(body []byte, from int32) (end int32, hide bool) {
	some, all := uint8(0), ^uint8(0)
	for end = from; int(end) < len(body); end++ {
		class := wordByte[body[end]]
		if class == 0 {
			break
		}
		some |= class
		all &= class
	}
	switch n := end - from; {
	case some&isDigit != 0, all&isHex != 0 && n >= 8:
		return end, true
	case n >= 2 && n <= 9 && wordByte[body[from]]&begins != 0 && dateWord(body[from:end]):
		return end, true
	case n > 0 && from > 0 && body[from-1] == '=':
		return end, bytes.HasSuffix(body[:from], []byte("cch=")) || bytes.HasSuffix(body[:from], []byte("nonce="))
	}
	return end, false
}

func dateWord(w []byte) bool {
	switch string(w) {
	case "AM", "PM", "am", "pm",
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
		"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
		"January", "February", "March", "April", "June", "July", "August", "September", "October", "November", "December":
		return true
	}
	return false
}

// masked goes on behind a masked word over what belongs to it: 10:30:07.25+02:00 is one, and is one without the fraction too.
func masked(body []byte, end int32) int32 {
	for end+1 < int32(len(body)) {
		switch body[end] {
		case ':', '.', ',', '/', '+':
		default:
			return end
		}
		next, hide := word(body, end+1)
		if !hide || next == end+1 {
			return end
		}
		end = next
	}
	return end
}
