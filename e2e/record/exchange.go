package record

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A Field is one header line, with the spelling it had on the wire. Value has no surrounding white space.
type Field struct{ Name, Value string }

// Fields are header lines in the order in which they came.
type Fields []Field

// Get returns the value of the first field with that name in any case, or "".
func (f Fields) Get(name string) string {
	for _, x := range f {
		if strings.EqualFold(x.Name, name) {
			return x.Value
		}
	}
	return ""
}

// Has reports whether a field with that name is present.
func (f Fields) Has(name string) bool {
	for _, x := range f {
		if strings.EqualFold(x.Name, name) {
			return true
		}
	}
	return false
}

// An Ending says how a message ended.
type Ending int

const (
	// Complete is a message that ended as its framing promised.
	Complete Ending = iota
	// Cut is a message whose connection ended before it was complete.
	Cut
	// Left is a response that was not complete when its agent closed the connection.
	Left
	// Unfinished is a message on a connection that is still open.
	Unfinished
	// Missing is a response of which no byte came.
	Missing
)

// String returns the word for diffs.
func (e Ending) String() string {
	return [...]string{"complete", "cut", "left by the agent", "unfinished", "missing"}[e]
}

// A Message is one request or response as it stood on the wire.
type Message struct {
	StartLine string // without the line end
	Fields    Fields
	Trailer   Fields
	Body      []byte // de-chunked
	Chunks    int    // data chunks; 0 when the body was not chunked
	Ending    Ending
	StartAt   time.Time // first byte
	HeadAt    time.Time // last byte of the head
	EndAt     time.Time // last byte that belongs to it

	pieces []piece
}

// piece says that the body from Body on lies in the flow from flow on.
type piece struct{ body, flow int }

// An Exchange is a request and the response to it.
type Exchange struct {
	Conn     int // Conn.ID
	Index    int // position on its connection, from 0
	Request  Message
	Response Message
	Interim  []Message // 1xx responses before the response
	Tunnel   bool      // the response switched protocols; what followed is in Conn only

	down *Flow
}

// String names the exchange in diffs: method, target and place.
func (x Exchange) String() string {
	method, target, _ := strings.Cut(x.Request.StartLine, " ")
	target, _, _ = strings.Cut(target, " ")
	return fmt.Sprintf("%s %s (connection %d, exchange %d)", method, target, x.Conn, x.Index+1)
}

// Status is the response's status code, or 0 when there was none.
func (x Exchange) Status() int {
	parts := strings.SplitN(x.Response.StartLine, " ", 3)
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}

// BodyAt returns when byte i of the response body arrived, or the zero time when it never did.
func (x Exchange) BodyAt(i int) time.Time {
	if i < 0 || i >= len(x.Response.Body) || x.down == nil {
		return time.Time{}
	}
	p := x.Response.pieces
	k := sort.Search(len(p), func(k int) bool { return p[k].body > i }) - 1
	if k < 0 {
		return time.Time{}
	}
	return x.down.At(p[k].flow + i - p[k].body)
}

// Streamed reports whether the response was an event stream.
func (x Exchange) Streamed() bool {
	return strings.HasPrefix(strings.ToLower(x.Response.Fields.Get("content-type")), "text/event-stream")
}

// Events counts the blank-line terminated blocks of an event stream that carry data.
func (x Exchange) Events() int {
	body := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(x.Response.Body))
	n := 0
	for _, block := range strings.Split(body, "\n\n") {
		for _, line := range strings.Split(block, "\n") {
			if strings.HasPrefix(line, "data:") {
				n++
				break
			}
		}
	}
	return n
}

func sortByStart(x []Exchange) {
	sort.SliceStable(x, func(i, j int) bool { return x[i].Request.StartAt.Before(x[j].Request.StartAt) })
}
