package filtertest

import (
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A Host runs one exchange through two rings of filters, between an agent and an upstream that Case describes.
//
// Run returns when the exchange is over: every stream closed, or about to be within a second. It uses tb only to say that
// the host itself could not work. What it must not do is to look at the filters to find out what is expected.
type Host interface {
	Run(tb testing.TB, c Case) Outcome
}

// A Case is one exchange to run.
type Case struct {
	Dialect wire.Dialect
	Stream  bool   // the agent asks for a stream
	Path    string // where the agent posts Request, e.g. "/v1/chat/completions"
	Request []byte // the agent's body
	// Fields are the agent's header lines besides Host, Content-Type and framing.
	Fields [][2]string

	Outer, Inner []filters.Filter

	// Answers are what the upstream does with the requests that reach it, in order. After the last it answers 500 with
	// the body "unplanned", which no case expects.
	Answers []Answer
	// Attempts is how many attempts the host allows for one call; 0 means 2. Back-off must be short: 10 ms, say. An answer
	// 503 is worth another attempt, all others here are not, and when no attempt is left it goes to the agent.
	Attempts int

	// Leave says when the agent closes its connection before it has the whole answer.
	Leave Leave
}

// A Leave is a moment at which the agent goes away. The zero value means never.
type Leave struct {
	// On closes when the agent shall go; nil means never by this.
	On <-chan struct{}
	// After is the number of body bytes after whose receipt it goes; 0 means never by this.
	After int
	// Waiting makes it go when the upstream has got the request; its answer is Silent or Stalled.
	Waiting bool
}

// An Answer is what the upstream does with one request.
type Answer struct {
	Status int         // 0 means 200
	Fields [][2]string // header lines besides Content-Type and framing
	// Body is the whole body; with Stream it is SSE frames and goes out as text/event-stream, else as application/json with
	// its length.
	Body   []byte
	Stream bool
	Chunk  int // size of the pieces that the body is written in; 0 means one
	How    How
}

// How an answer ends.
type How uint8

const (
	// Whole is a clean end after Body.
	Whole How = iota
	// Cut drops the connection after Body, which is then not all that was promised.
	Cut
	// Dropped drops the connection before the first byte of an answer. It is not worth another attempt: the upstream may
	// have done the work.
	Dropped
	// Stalled sends Body and then nothing more, until the host closes the connection.
	Stalled
	// Silent sends nothing at all until the host closes the connection.
	Silent
)

// An Outcome is what the agent got.
type Outcome struct {
	Status int    // 0 when no answer came
	Code   string // the x-trapgate-error header
	Body   []byte // without transfer framing
	// Cut says that the connection ended before the answer had its clean end. When the agent left by itself it says nothing.
	Cut bool
	// Requests is how many requests reached the upstream, Sent are their bodies.
	Requests int
	Sent     [][]byte
}
