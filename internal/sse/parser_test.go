package sse

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// an is an Event as text, for comparison. Absent and empty differ.
func an(e Event) string {
	show := func(b []byte) string {
		if b == nil {
			return "-"
		}
		return fmt.Sprintf("%q", b)
	}
	s := fmt.Sprintf("raw=%q name=%s data=%s id=%s retry=%s", e.Raw, show(e.Name), show(e.Data), show(e.ID), show(e.Retry))
	if e.Comment {
		s += " comment"
	}
	if e.Partial {
		s += " partial"
	}
	return s
}

// feed parses the pieces and returns the events as text and what is left. The memory of a piece is overwritten as soon as
// the parser no longer needs it.
func feed(p *Parser, pieces ...[]byte) (events []string, rest string) {
	for _, piece := range pieces {
		chunk := bytes.Clone(piece)
		p.Feed(chunk)
		for e, ok := p.Next(); ok; e, ok = p.Next() {
			events = append(events, an(e))
		}
		if p.Err() != nil {
			break
		}
		for i := range chunk {
			chunk[i] = '#'
		}
	}
	return events, string(p.Rest())
}

func TestParser(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string
		rest     string
	}{
		{name: "nothing"},
		{name: "one event", in: "data: a\n\n", want: []string{`raw="data: a\n\n" name=- data="a" id=- retry=-`}},
		{name: "no space", in: "data:a\n\n", want: []string{`raw="data:a\n\n" name=- data="a" id=- retry=-`}},
		{name: "one space only is taken", in: "data:  a \n\n", want: []string{`raw="data:  a \n\n" name=- data=" a " id=- retry=-`}},
		{
			name: "name, id, retry", in: "event: m\nid: 7\nretry: 10\ndata: a\n\n",
			want: []string{`raw="event: m\nid: 7\nretry: 10\ndata: a\n\n" name="m" data="a" id="7" retry="10"`},
		},
		{
			name: "bad id and retry", in: "id: a\x00b\nretry: 1s\nretry:\ndata: a\n\n",
			want: []string{`raw="id: a\x00b\nretry: 1s\nretry:\ndata: a\n\n" name=- data="a" id=- retry=-`},
		},
		{
			name: "the last name counts", in: "event: m\nevent: n\ndata: a\n\n",
			want: []string{`raw="event: m\nevent: n\ndata: a\n\n" name="n" data="a" id=- retry=-`},
		},
		{
			name: "lines of data", in: "data: a\ndata:\ndata\ndata: b\n\n",
			want: []string{`raw="data: a\ndata:\ndata\ndata: b\n\n" name=- data="a\n\n\nb" id=- retry=-`},
		},
		{name: "empty data is data", in: "data\n\n", want: []string{`raw="data\n\n" name=- data="" id=- retry=-`}},
		{name: "comment", in: ": hi\n\n", want: []string{`raw=": hi\n\n" name=- data=- id=- retry=- comment`}},
		{
			name: "comment in an event", in: ":hi\ndata: a\n:\n\n",
			want: []string{`raw=":hi\ndata: a\n:\n\n" name=- data="a" id=- retry=-`},
		},
		{name: "name only", in: "event: ping\n\n", want: []string{`raw="event: ping\n\n" name="ping" data=- id=- retry=- comment`}},
		{
			name: "unknown fields", in: "foo: 1\nbar\ndataset: 2\n data: 3\ndata : 4\nData: 5\ndata: a\n\n",
			want: []string{`raw="foo: 1\nbar\ndataset: 2\n data: 3\ndata : 4\nData: 5\ndata: a\n\n" name=- data="a" id=- retry=-`},
		},
		{
			name: "colons in the value", in: "data: {\"a\":1}\nevent: a:b\n\n",
			want: []string{`raw="data: {\"a\":1}\nevent: a:b\n\n" name="a:b" data="{\"a\":1}" id=- retry=-`},
		},
		{
			name: "two events", in: "data: a\n\ndata: b\n\n",
			want: []string{`raw="data: a\n\n" name=- data="a" id=- retry=-`, `raw="data: b\n\n" name=- data="b" id=- retry=-`},
		},
		{
			name: "crlf", in: "event: m\r\ndata: a\r\n\r\ndata: b\r\n\r\n",
			want: []string{
				`raw="event: m\r\ndata: a\r\n\r\n" name="m" data="a" id=- retry=-`, `raw="data: b\r\n\r\n" name=- data="b" id=- retry=-`,
			},
		},
		{
			name: "cr", in: "event: m\rdata: a\rdata: b\r\rdata: c\r\r",
			want: []string{
				`raw="event: m\rdata: a\rdata: b\r\r" name="m" data="a\nb" id=- retry=-`, `raw="data: c\r\r" name=- data="c" id=- retry=-`,
			},
		},
		{
			name: "mixed", in: "event: m\rdata: a\r\ndata: b\n\r\ndata: c\r\n\ndata: d\n\rdata: e\r\n\rdata: f\n\n",
			want: []string{
				`raw="event: m\rdata: a\r\ndata: b\n\r\n" name="m" data="a\nb" id=- retry=-`,
				`raw="data: c\r\n\n" name=- data="c" id=- retry=-`, `raw="data: d\n\r" name=- data="d" id=- retry=-`,
				`raw="data: e\r\n\r" name=- data="e" id=- retry=-`, `raw="data: f\n\n" name=- data="f" id=- retry=-`,
			},
		},
		{
			name: "cr cr lf: the event does not wait for its lf", in: "data: a\r\r\ndata: b\r\r\n",
			want: []string{
				`raw="data: a\r\r" name=- data="a" id=- retry=-`, `raw="\n" name=- data=- id=- retry=- comment`,
				`raw="data: b\r\r" name=- data="b" id=- retry=-`, `raw="\n" name=- data=- id=- retry=- comment`,
			},
		},
		{
			name: "stray blank lines", in: "\n\r\n\ndata: a\n\n\n",
			want: []string{
				`raw="\n" name=- data=- id=- retry=- comment`, `raw="\r\n" name=- data=- id=- retry=- comment`,
				`raw="\n" name=- data=- id=- retry=- comment`, `raw="data: a\n\n" name=- data="a" id=- retry=-`,
				`raw="\n" name=- data=- id=- retry=- comment`,
			},
		},
		{name: "byte order mark", in: bom + "data: a\n\n", want: []string{`raw="\ufeffdata: a\n\n" name=- data="a" id=- retry=-`}},
		{
			name: "byte order mark and a blank line", in: bom + "\ndata: a\n\n",
			want: []string{`raw="\ufeff\n" name=- data=- id=- retry=- comment`, `raw="data: a\n\n" name=- data="a" id=- retry=-`},
		},
		{
			name: "byte order mark later is a field", in: "data: a\n" + bom + "data: b\n\n" + bom + "data: c\n\n",
			want: []string{
				`raw="data: a\n\ufeffdata: b\n\n" name=- data="a" id=- retry=-`,
				`raw="\ufeffdata: c\n\n" name=- data=- id=- retry=- comment`,
			},
		},
		{name: "half a byte order mark", in: "\xef\xbb\n\n", want: []string{`raw="\xef\xbb\n\n" name=- data=- id=- retry=- comment`}},
		{name: "not UTF-8", in: "data: \xff\x00\n\n", want: []string{`raw="data: \xff\x00\n\n" name=- data="\xff\x00" id=- retry=-`}},
		{name: "rest", in: "data: a\n\ndata: b\n", want: []string{`raw="data: a\n\n" name=- data="a" id=- retry=-`}, rest: "data: b\n"},
		{name: "rest in a crlf", in: "data: b\r\n\r", rest: "data: b\r\n\r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(c.in)
			for cut := 0; cut <= len(in); cut++ {
				got, rest := feed(new(Parser), in[:cut], in[cut:])
				if d := cmp.Diff(c.want, got); d != "" || rest != c.rest {
					t.Fatalf("cut at %d: rest %q, want %q, events (-want +got):\n%s", cut, rest, c.rest, d)
				}
			}
			bytewise := make([][]byte, len(in))
			for i := range in {
				bytewise[i] = in[i : i+1]
			}
			if got, rest := feed(new(Parser), bytewise...); rest != c.rest || !cmp.Equal(c.want, got) {
				t.Errorf("byte by byte: rest %q, events (-want +got):\n%s", rest, cmp.Diff(c.want, got))
			}
		})
	}
}

// TestNoDelay: an event comes out with the byte that ends it, and not with one that follows.
func TestNoDelay(t *testing.T) {
	for _, frame := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r", "event: e\rdata: a\r\r", "data: a\r\n\n", ": c\n\n"} {
		var p Parser
		for round := range 3 { // also when another event went before
			for i := range len(frame) {
				p.Feed([]byte(frame[i : i+1]))
				e, ok := p.Next()
				if last := i == len(frame)-1; ok != last {
					t.Fatalf("%q, round %d: event after byte %d: %v", frame, round, i, ok)
				} else if last && string(e.Raw) != frame {
					t.Fatalf("%q, round %d: raw %q", frame, round, e.Raw)
				}
				if ok {
					if _, more := p.Next(); more {
						t.Fatalf("%q: a second event", frame)
					}
				}
			}
		}
	}
}

func TestAliasing(t *testing.T) {
	var p Parser
	chunk := []byte(": first\n\nevent: e\ndata: abc\n\ndata: x\r\n\r\ndata: cut")
	p.Feed(chunk)
	within := func(b []byte) bool { // what is written into the chunk shows in b
		before := bytes.Clone(b)
		for i := range chunk {
			chunk[i]++
		}
		after := bytes.Clone(b)
		for i := range chunk {
			chunk[i]--
		}
		return len(b) > 0 && !bytes.Equal(before, after)
	}
	for e, ok := p.Next(); ok; e, ok = p.Next() {
		if !within(e.Raw) || !e.Comment && !within(e.Data) || e.Name != nil && !within(e.Name) {
			t.Errorf("%s is a copy", an(e))
		}
		if cap(e.Raw) != len(e.Raw) {
			t.Errorf("an append to Raw would write into the chunk: cap %d, len %d", cap(e.Raw), len(e.Raw))
		}
	}
}

func TestUndrainedFeed(t *testing.T) {
	var p Parser
	p.Feed([]byte("data: a\n\ndata: b\n\nda"))
	first, _ := p.Next()
	if string(first.Data) != "a" {
		t.Fatalf("got %s", an(first))
	}
	got, rest := feed(&p, []byte("ta: c\n\nx"))
	want := []string{
		`raw="data: b\n\n" name=- data="b" id=- retry=-`, `raw="data: c\n\n" name=- data="c" id=- retry=-`,
	}
	if d := cmp.Diff(want, got); d != "" || rest != "x" {
		t.Errorf("rest %q, events (-want +got):\n%s", rest, d)
	}
}

func TestRestInTheMiddle(t *testing.T) {
	var p Parser
	p.Feed([]byte("data: a\n"))
	p.Next()
	p.Feed([]byte("\ndata: b\n\nc"))
	if got := string(p.Rest()); got != "data: a\n\ndata: b\n\nc" {
		t.Errorf("before the first event: rest %q", got)
	}
	if e, ok := p.Next(); !ok || string(e.Raw) != "data: a\n\n" {
		t.Errorf("got %s", an(e))
	}
	if got := string(p.Rest()); got != "data: b\n\nc" {
		t.Errorf("after the first event: rest %q", got)
	}
}

func TestFinish(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"data: a\n\n", ""},
		{"data: a\n\ndata: b", `raw="data: b" name=- data="b" id=- retry=- partial`},
		{"data: a\n\ndata: b\n", `raw="data: b\n" name=- data="b" id=- retry=- partial`},
		{"data: b\r", `raw="data: b\r" name=- data="b" id=- retry=- partial`},
		{"data: b\r\n\r", `raw="data: b\r\n\r" name=- data="b" id=- retry=-`},
		{"da", `raw="da" name=- data=- id=- retry=- comment partial`},
	} {
		var p Parser
		feed(&p, []byte(c.in))
		got := ""
		if e, ok := p.Finish(); ok {
			got = an(e)
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
		if rest := p.Rest(); len(rest) != 0 {
			t.Errorf("%q: rest %q after Finish", c.in, rest)
		}
	}
}

func TestLimit(t *testing.T) {
	const limit = 20
	fits, above := "data: 012345678901\n\n", "data: 0123456789012\n\n"
	for name, c := range map[string]struct {
		in    string
		fails bool
	}{
		"fits":            {fits, false},
		"above":           {above, true},
		"above, later":    {fits + fits + above, true},
		"above, crlf":     {"data: 01234567890\r\n\r\n", true},
		"open, fits":      {above[:limit], false},
		"open, above":     {above[:limit+1], true},
		"many short ones": {strings.Repeat("data: a\n\n", 10), false},
		"many lines":      {strings.Repeat("data: a\n", 3), true},
	} {
		for _, size := range []int{1, 3, 7, 100} {
			p := Parser{Limit: limit}
			var events []string
			fed := 0
			for fed < len(c.in) && p.Err() == nil {
				n := min(size, len(c.in)-fed)
				p.Feed([]byte(c.in[fed : fed+n]))
				fed += n
				for e, ok := p.Next(); ok; e, ok = p.Next() {
					events = append(events, string(e.Raw))
				}
			}
			if errors.Is(p.Err(), ErrTooLong) != c.fails {
				t.Errorf("%s, by %d: error %v", name, size, p.Err())
			}
			p.Feed([]byte("data: late\n\n"))
			if _, ok := p.Next(); ok && c.fails {
				t.Errorf("%s, by %d: an event after the error", name, size)
			}
			if got := strings.Join(events, "") + string(p.Rest()); c.fails && got != c.in[:fed] {
				t.Errorf("%s, by %d: events and rest are %q of %q", name, size, got, c.in[:fed])
			}
		}
	}
}

func TestLineOf64MiB(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: 64 MiB, with -short")
	}
	head, value := []byte("data: "), bytes.Repeat([]byte("x"), 64<<20-len("data: "))
	var p Parser
	seen := 0
	take := func(chunk []byte) {
		p.Feed(chunk)
		for e, ok := p.Next(); ok; e, ok = p.Next() {
			seen++
			if len(e.Data) != len(value) {
				t.Fatalf("%d bytes of data", len(e.Data))
			}
		}
	}
	take(head)
	for b := value; len(b) > 0; b = b[min(len(b), 32<<10):] {
		take(b[:min(len(b), 32<<10)])
	}
	take([]byte("\r\n\r"))
	take([]byte("\n"))
	if seen != 1 || p.Err() != nil {
		t.Fatalf("%d events, %v", seen, p.Err())
	}
	p.Reset()
	if cap(p.carry) > keep || cap(p.data) > keep {
		t.Error("Reset kept the large buffer")
	}
}

func TestReset(t *testing.T) {
	p := Parser{Limit: 20}
	feed(&p, []byte(strings.Repeat("x", 30)))
	p.Reset()
	got, rest := feed(&p, []byte(bom+"data: a\n\nx"))
	if want := []string{`raw="\ufeffdata: a\n\n" name=- data="a" id=- retry=-`}; !cmp.Equal(want, got) || rest != "x" || p.Limit != 20 {
		t.Errorf("got %v, rest %q, limit %d", got, rest, p.Limit)
	}
}

func TestAllocations(t *testing.T) {
	chunk := bytes.Repeat(append(frame220("\n"), frame220("\r\n")...), 8)
	lines := bytes.Repeat([]byte("event: e\ndata: a\ndata: b\n\n"), 8)
	var p Parser
	if n := testing.AllocsPerRun(100, func() {
		for _, c := range [][]byte{chunk, lines, chunk[:100], chunk[100:]} {
			p.Feed(c)
			for _, ok := p.Next(); ok; _, ok = p.Next() {
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
