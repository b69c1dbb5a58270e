package decide

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trapgate/trapgate/memory/record"
)

// bound is a text of at most about n bytes: its beginning and its end, cut at white space.
func bound(text string, n int) string {
	if len(text) <= n {
		return text
	}
	head, tail := text[:n/2], text[len(text)-n/2:]
	if cut := strings.LastIndexAny(head, " \n\t"); cut > n/4 {
		head = head[:cut]
	}
	if cut := strings.IndexAny(tail, " \n\t"); cut >= 0 && cut < n/4 {
		tail = tail[cut:]
	}
	return strings.ToValidUTF8(head, "") + "\n" + strings.ToValidUTF8(tail, "")
}

// document keeps the first pieces of a document or of a tool's output.
func (d *Decider) document(text string, at time.Time, redacted int) Decision {
	out := Decision{Redacted: redacted}
	if out.Dropped = worthless(text, redacted > 0); out.Dropped == Ack || out.Dropped == Short && len(text) > 3 {
		out.Dropped = Kept // "42" and "ok" of a tool are its answer
	}
	if out.Dropped == Kept {
		out.Episodes = d.pieces(text, at)
	}
	return out
}

// episodes is the one episode of a message, or its pieces where it is longer than Options.Document.
func (d *Decider) episodes(text string, times []dated) []Episode {
	if len(text) <= d.opt.Document {
		return []Episode{{Text: text, Times: within(times, 0, len(text))}}
	}
	return d.cut(text, times, d.opt.Look)
}

func (d *Decider) pieces(text string, at time.Time) []Episode {
	text = bound(text, 2*d.opt.Document)
	return d.cut(text, findTimes(tokenize(nil, text, 0, len(text)), at), d.opt.Document)
}

// cut makes pieces of Options.Piece characters, cut at the ends of paragraphs, lines or words, of at most limit bytes altogether.
func (d *Decider) cut(text string, times []dated, limit int) (out []Episode) {
	for from := 0; from < len(text) && from < limit; {
		to := from + pieceEnd(text[from:min(len(text), limit)], d.opt.Piece)
		if piece := strings.TrimSpace(text[from:to]); piece != "" {
			out = append(out, Episode{Text: piece, Times: within(times, from, to)})
		}
		from = to
	}
	return out
}

// pieceEnd is where the first piece of a text ends.
func pieceEnd(text string, characters int) int {
	end := 0
	for range characters {
		if end >= len(text) {
			return len(text)
		}
		_, n := utf8.DecodeRuneInString(text[end:])
		end += n
	}
	for _, mark := range [...]string{"\n\n", "\n", ". ", " "} {
		if cut := strings.LastIndex(text[:end], mark); cut > end/2 {
			return cut + len(mark)
		}
	}
	return end
}

func within(times []dated, from, to int) (out []record.Interval) {
	for i := range times {
		if times[i].start >= from && times[i].end <= to {
			out = append(out, times[i].Interval)
		}
	}
	return out
}
