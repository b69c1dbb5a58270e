package sse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model parses a whole stream the plain way, line by line over a string: what Parser must agree with.
func model(in string) (events []string, rest string) {
	prev := none
	start, at := 0, 0
	var e Event
	e.Comment = true
	for {
		i := strings.IndexAny(in[at:], "\r\n")
		if i < 0 {
			return events, in[start:]
		}
		line, end, kind := in[at:at+i], at+i+1, lf
		if in[at+i] == '\r' {
			kind = cr
			blank := line == "" || at == 0 && line == bom
			switch {
			case end < len(in) && in[end] == '\n' && !(blank && prev == cr):
				end, kind = end+1, crlf
			case end == len(in) && blank && prev != cr:
				return events, in[start:]
			}
		}
		if at == 0 {
			line = strings.TrimPrefix(line, bom)
		}
		at, prev = end, kind
		if line != "" {
			e.modelField(line)
			continue
		}
		e.Raw = []byte(in[start:at])
		events = append(events, an(e))
		start, e = at, Event{Comment: true}
	}
}

func (e *Event) modelField(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "data":
		if e.Comment {
			e.Comment, e.Data = false, []byte(value)
		} else {
			e.Data = []byte(string(e.Data) + "\n" + value)
		}
	case "event":
		e.Name = []byte(value)
	case "id":
		if !strings.Contains(value, "\x00") {
			e.ID = []byte(value)
		}
	case "retry":
		for _, c := range value {
			if c < '0' || c > '9' {
				return
			}
		}
		if value != "" {
			e.Retry = []byte(value)
		}
	}
}

// check holds the two invariants for one way to cut a stream: the events are the model's, and no byte is lost.
func check(t interface {
	Helper()
	Fatalf(string, ...any)
}, in []byte, cuts []int,
) {
	t.Helper()
	want, wantRest := model(string(in))
	var pieces [][]byte
	last := 0
	for _, cut := range cuts {
		if cut = max(last, min(cut, len(in))); cut > last {
			pieces = append(pieces, in[last:cut])
			last = cut
		}
	}
	pieces = append(pieces, in[last:])
	got, rest := feed(new(Parser), pieces...)
	if !cmp.Equal(want, got) || rest != wantRest {
		t.Fatalf("%q in pieces %q:\nrest %q, want %q, events (-want +got):\n%s", in, pieces, rest, wantRest, cmp.Diff(want, got))
	}
	var p Parser
	var raw []byte
	for _, piece := range pieces {
		p.Feed(piece)
		for e, ok := p.Next(); ok; e, ok = p.Next() {
			raw = append(raw, e.Raw...)
		}
	}
	if !bytes.Equal(append(raw, p.Rest()...), in) {
		t.Fatalf("%q came out as %q and %q", in, raw, p.Rest())
	}
	if e, ok := p.Finish(); ok != (rest != "") || string(e.Raw) != rest {
		t.Fatalf("%q: Finish gave %s, rest was %q", in, an(e), rest)
	}
}

func TestCutsRapid(t *testing.T) {
	token := rapid.SampledFrom([]string{
		"\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\r\r", "\r\r\n", "data: a", "data:", "data", ":c", "event: e", "id: 1", "retry: 2", bom, "x", " ", "\x00",
		"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r",
	})
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(token, 0, 12).Draw(t, "in"), "")
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(in)), 0, 8).Draw(t, "cuts")
		check(t, []byte(in), cuts)
	})
}

func FuzzParser(f *testing.F) {
	for _, in := range []string{
		"", "data: a\n\n", "event: e\r\ndata: a\r\n\r\n", "data: a\r\r\ndata: b\r\r", bom + "\ndata: a\n\n", ": c\n\ndata\ndata: b\n\n\n", "id: 1\nretry: 5\n\n",
		"data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: [DONE]\n\n",
	} {
		f.Add([]byte(in), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, in, steps []byte) {
		cuts := make([]int, 0, len(steps))
		at := 0
		for _, s := range steps {
			at += int(s)
			cuts = append(cuts, at)
		}
		check(t, in, cuts)
		if len(in) > 1<<12 {
			return
		}
		bytewise := make([]int, len(in))
		for i := range bytewise {
			bytewise[i] = i
		}
		check(t, in, bytewise)
	})
}
