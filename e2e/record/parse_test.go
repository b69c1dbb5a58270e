package record

import (
	"strings"
	"testing"
	"time"
)

func flow(s string, end End) Flow {
	t := time.Unix(1, 0)
	f := Flow{Data: []byte(s), End: end, EndAt: t.Add(time.Hour)}
	for i := range f.Data {
		f.Marks = append(f.Marks, Mark{i, t.Add(time.Duration(i) * time.Millisecond)})
	}
	return f
}

const get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

func TestParse(t *testing.T) {
	post := "POST /v1/x HTTP/1.1\r\nhost: x\r\nContent-Length: 2\r\n\r\n{}"
	tests := []struct {
		name, up, down string
		end            End
		bodies         []string
		endings        []Ending
		bad            bool
	}{
		{
			"length, two on a connection", post + get,
			"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 No Content\r\n\r\n",
			Open,
			[]string{"abc", ""},
			[]Ending{Complete, Complete},
			false,
		},
		{
			"chunks", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
			Open,
			[]string{"abcd"},
			[]Ending{Complete},
			false,
		},
		{
			"chunks without their end, closed", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
			Closed,
			[]string{"abc"},
			[]Ending{Cut},
			false,
		},
		{
			"chunks without their end, open", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
			Open,
			[]string{"ab"},
			[]Ending{Unfinished},
			false,
		},
		{"until close", get, "HTTP/1.1 200 OK\r\n\r\nabc", Closed, []string{"abc"}, []Ending{Complete}, false},
		{"until reset", get, "HTTP/1.1 200 OK\r\n\r\nabc", Reset, []string{"abc"}, []Ending{Cut}, false},
		{"short body", get, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Closed, []string{"abc"}, []Ending{Cut}, false},
		{"no answer", get, "", Closed, []string{""}, []Ending{Missing}, false},
		{"half a head", get, "HTTP/1.1 200 O", Closed, []string{""}, []Ending{Cut}, false},
		{
			"interim", get, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
			Open,
			[]string{"a"},
			[]Ending{Complete},
			false,
		},
		{
			"head", "HEAD / HTTP/1.1\r\n\r\n" + get,
			"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
			Open,
			[]string{"", "a"},
			[]Ending{Complete, Complete},
			false,
		},
		{
			"upgrade", get, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi", Open,
			[]string{""},
			[]Ending{Complete},
			false,
		},
		{"unasked bytes", get, "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Open, []string{""}, []Ending{Complete}, true},
		{
			"bad chunk size", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
			Open,
			[]string{""},
			[]Ending{Complete},
			true,
		},
		{"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "", Open, nil, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := Parse(Conn{ID: 1, Up: flow(tt.up, Open), Down: flow(tt.down, tt.end)})
			if (err != nil) != tt.bad {
				t.Fatalf("error = %v", err)
			}
			if len(x) != len(tt.bodies) {
				t.Fatalf("%d exchanges, want %d", len(x), len(tt.bodies))
			}
			for i := range x {
				if got := string(x[i].Response.Body); got != tt.bodies[i] {
					t.Errorf("body %d = %q, want %q", i, got, tt.bodies[i])
				}
				if got := x[i].Response.Ending; got != tt.endings[i] {
					t.Errorf("ending %d = %v, want %v", i, got, tt.endings[i])
				}
			}
		})
	}
}

func TestParseLeft(t *testing.T) {
	c := Conn{Up: flow(get, Closed), Down: flow("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", Stopped)}
	c.Up.EndAt = c.Down.EndAt.Add(-time.Second)
	x, err := Parse(c)
	if err != nil || len(x) != 1 || x[0].Response.Ending != Left {
		t.Fatalf("got %v, %+v", err, x)
	}
}

func TestBodyAt(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	c := Conn{Up: flow(get, Open), Down: flow(head+"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", Open)}
	x, err := Parse(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]int{0: len(head) + 3, 1: len(head) + 4, 2: len(head) + 10} {
		if got := x[0].BodyAt(i); !got.Equal(time.Unix(1, 0).Add(time.Duration(want) * time.Millisecond)) {
			t.Errorf("byte %d came at %v, want byte %d of the flow", i, got, want)
		}
	}
	if !x[0].BodyAt(3).IsZero() {
		t.Error("a byte that never came has a time")
	}
}

func TestEvents(t *testing.T) {
	for body, want := range map[string]int{
		"data: a\n\ndata: b\n\n": 2, ": ping\n\nevent: x\r\ndata:y\r\n\r\n": 1, "": 0, ": c\n\n": 0,
	} {
		x := Exchange{Response: Message{Body: []byte(body)}}
		if got := x.Events(); got != want {
			t.Errorf("%q has %d events, want %d", body, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true)
	f.Add("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\n", false)
	f.Fuzz(func(t *testing.T, up, down string, closed bool) {
		c := Conn{Up: Flow{Data: []byte(up)}, Down: Flow{Data: []byte(down)}}
		if closed {
			c.Down.End = Closed
		}
		x, _ := Parse(c)
		n := 0
		for _, e := range x {
			n += len(e.Response.Body)
		}
		if n > len(down) || strings.Count(up, "\r\n\r\n") < len(x)-1 {
			t.Fatalf("%d exchanges with %d bytes of body out of %d", len(x), n, len(down))
		}
	})
}
