package filters

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
)

// Field and Fields are header lines in their order, as they came.
type (
	Field  = head.Field
	Fields = head.Fields
)

// An Exchange is one request of an agent and its response, as filters see it. The host fills everything above Identity
// before the outer ring opens. It is used by one goroutine at a time. It is the host's again once the last stream has been
// closed: what outlives that, background work say, copies what it needs.
type Exchange struct {
	ID       string // also x-trapgate-request-id
	Start    time.Time
	Route    wire.Route
	Method   string
	Target   string     // raw request target, query included
	Fields   Fields     // the agent's headers; x-trapgate-* are still here, they never leave
	View     *wire.View // nil when nobody reads the body (wire.Pass and friends)
	AuthName string     // name of the auth key that admitted the request; "" without auth
	Remote   string     // address of the agent

	Identity Identity

	Edits     Edits // exchange edits
	CallEdits Edits // of the attempt under way; emptied by the host before each attempt
	Trail     Trail

	Call    int     // number of the call, from 0; the host counts it up when a filter has asked for another
	Attempt Attempt // the attempt under way, for the inner ring
	// Answer is what the host has read of the attempt's answer: it grows while events pass, is complete in End and Close, and
	// is only to be read. nil outside of an attempt.
	Answer *wire.Answer

	// KeepAlive sends a comment to an agent that waits for a stream, so that it goes on waiting. The first one commits a
	// status of 200: what fails from then on reaches the agent as an error event. nil when this exchange cannot have one.
	KeepAlive func() error
	// Waited is how long filters have held the exchange for its turn, in all: the host does not count it as added by us.
	Waited time.Duration

	// Decide says whether a tool call may run. nil means yes.
	Decide func(call ToolCall) error
	// Background runs f with a Caller whose requests pass the inner ring only, in the given class, charged to this
	// exchange's program. nil when the host has none; it returns an error when the class is not configured.
	Background func(class string, f func(ctx context.Context, call Caller)) error

	later []func()
	few   [2]func() // memory of later, which seldom needs more
	ran   int       // of later
	aside aside
	where atomic.Pointer[string]
}

// An Attempt is one try of a call at one upstream.
type Attempt struct {
	Number     int    // from 0 within the call
	Upstream   string // its configured name
	Model      string // the model's name there, after rename
	Credential Credential
	More       bool // another candidate would follow: better refuse with Reply.Local than wait where nothing moves
	Sent       bool // the whole request is on its way; before that nobody has worked on it
	Plain      bool // the attempt before was refused for what a filter had added (ErrPlain): add nothing that can be left out
	// Left is what a filter of the inner ring has left for the next attempt of the exchange, by the filter's name.
	Left Left
}

// Credential says whose credential an attempt carries.
type Credential uint8

const (
	AgentsCredential Credential = iota // what the agent sent
	OurCredential                      // the upstream's configured key
	NoCredential
)

// Left holds what filters leave from one attempt to the next. The zero value is empty.
type Left struct{ list []left }

type left struct {
	filter string
	value  any
}

// Put leaves a value, in the place of the filter's last one.
func (l *Left) Put(filter string, value any) {
	for i := range l.list {
		if l.list[i].filter == filter {
			l.list[i].value = value
			return
		}
	}
	l.list = append(l.list, left{filter, value})
}

// Get returns what a filter has left, nil for nothing.
func (l *Left) Get(filter string) any {
	for i := range l.list {
		if l.list[i].filter == filter {
			return l.list[i].value
		}
	}
	return nil
}

// A ToolCall is what Decide is asked about.
type ToolCall struct {
	ID, Name  string
	Arguments []byte // JSON
}

// A Caller makes one model request and returns the whole body of the answer.
type Caller func(ctx context.Context, d wire.Dialect, body []byte) (status int, answer []byte, err error)

// Identity says who an exchange belongs to. The zero value means not known yet.
type Identity struct {
	Tenant  string // the trust boundary: the auth key's name, else cred-XXXXXXXX, else "anonymous"
	User    string
	Agent   string
	Session string // one conversation
	Program string // all calls that serve one task
	Class   string // as the agent asked in x-trapgate-class; "" for the default
	Parent  string // session of the parent when this one is a child
	Side    bool   // a side call (a title, say): not the conversation
	Retry   bool   // a repeated body after a failure
	RetryOf string // id of the exchange it repeats
	Twin    bool   // another live exchange cannot be told apart from this one: Session is empty then

	Chain  uint64   // the prefix chain up to and including the last message
	Chains []uint64 // the chain after each message of View.Msgs
}

// Reset makes the exchange ready for another one. It is for hosts.
func (x *Exchange) Reset() {
	x.Edits.Reset()
	x.CallEdits.Reset()
	x.Trail.entries = x.Trail.entries[:0]
	chains, later := x.Identity.Chains[:0], x.later[:0]
	clear(later[:cap(later)])
	x.ID, x.Start, x.Route = "", time.Time{}, wire.Route{}
	x.Method, x.Target, x.Fields, x.View = "", "", nil, nil
	x.AuthName, x.Remote = "", ""
	x.Identity = Identity{Chains: chains}
	x.Call, x.Attempt, x.Answer = 0, Attempt{}, nil
	x.KeepAlive, x.Waited = nil, 0
	x.Decide, x.Background = nil, nil
	x.later, x.ran = later, 0
	x.where.Store(nil)
}

// Later registers work that need not be done before the request has gone upstream. The host calls RunLater once the bytes
// are on their way, or a filter does when it needs the result earlier. f runs on the exchange's goroutine.
func (x *Exchange) Later(f func()) {
	if x.later == nil {
		x.later = x.few[:0]
	}
	x.later = append(x.later, f)
}

// RunLater runs what Later registered, in order, once. When one panics the rest is dropped and the panic comes back as a
// *PanicError for the host to log: the request is on its way by then, and what was deferred must not be what an answer needs.
//
// After RunLaterAside it waits for that instead.
func (x *Exchange) RunLater() error {
	if x.aside.begun {
		x.aside.begun = false
		x.aside.Wait()
		return x.aside.err
	}
	return x.runLater()
}

// RunLaterAside is RunLater on another goroutine, for a host whose own has better things to do while much is deferred. It has
// ended when RunLater returns the next time, which is due before any Event, End or Close; until then Identity is not to be
// touched, and what is deferred does not call RunLater.
func (x *Exchange) RunLaterAside() {
	if x.aside.begun || x.ran == len(x.later) {
		return
	}
	x.aside.begun = true
	x.aside.Add(1)
	go func() {
		defer x.aside.Done()
		x.aside.err = x.runLater()
	}()
}

// aside is work under way on another goroutine.
type aside struct {
	sync.WaitGroup
	begun bool // RunLater has not waited for it yet
	err   error
}

func (x *Exchange) runLater() (err error) {
	defer func() {
		if v := recover(); v != nil {
			x.later, x.ran, err = x.later[:0], 0, caught(v)
		}
	}()
	for x.ran < len(x.later) {
		f := x.later[x.ran]
		x.ran++
		f()
	}
	x.later, x.ran = x.later[:0], 0
	return nil
}

// Allowed asks Decide whether a tool call may run. A Decide that panics has not allowed it.
func (x *Exchange) Allowed(call ToolCall) (err error) {
	if x.Decide == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	return x.Decide(call)
}

// Enter notes where the exchange is, for /debug/state: a filter's name (the chain does that in Open, Head, End and Close,
// not for each event) or a word of the host's such as "upstream". where must not change any more; nil means nowhere.
func (x *Exchange) Enter(where *string) { x.where.Store(where) }

// Where returns what Enter noted last, "" for nowhere. Unlike everything else here it may be called from any goroutine.
func (x *Exchange) Where() string {
	if p := x.where.Load(); p != nil {
		return *p
	}
	return ""
}
