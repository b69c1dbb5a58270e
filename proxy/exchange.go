package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// An exchange is one request of an agent on its way through the pipeline.
type exchange struct {
	p     *pipeline
	rt    *runtime
	agent *server.Agent
	x     *filters.Exchange
	outer *filters.Flow
	span  *telemetry.Exchange
	body  []byte // of the request, as it came

	meter      wire.Meter
	parser     sse.Parser
	status     int               // as shown to the agent
	edited     []byte            // the body of the attempt under way, when a filter has changed it
	unary      []byte            // a JSON answer as it came, for the meter
	document   []byte            // the JSON answer that the rings have made
	lines      head.Fields       // of the answer's head, reused
	silent     bool              // what reaches the sink has been sent already
	relay      relay             // of the attempt under way
	try        upstream.Request  // likewise
	onSent     func()            // requestSent
	timing, id []byte            // values of header lines, reused
	parts      []telemetry.Piece // reused
	shown      *wire.Answer      // what the agent was shown

	attempts, retries, fallbacks int
	refusals                     int           // of the upstream, that sent the call back to the queue
	tries                        int           // of the call under way
	waited                       time.Duration // back-off so far
	held                         *heldAnswer

	sent      time.Time     // the attempt's request had been written
	commented time.Time     // when the last comment went
	queued    time.Time     // the attempt may have begun to wait for its turn
	head      time.Time     // the attempt's head had been read, or it failed
	waiting   time.Duration // in upstreams, over all attempts, up to the head
	added     time.Duration // by us, up to the head
	outcome   telemetry.Outcome
	state     telemetry.State
	code      string
	err       error
	key       uint64 // of the body's beginning, for views
	modelName string
	noInner   filters.Flow        // of an inner ring without filters
	inner     *filters.Flow       // of the attempt under way, or the last one
	plain     bool                // the next attempt goes without what we had added
	asked     bool                // a filter knew a way out of a refusal of this call
	refusal   int                 // its status, or the one that it stood for in a stream
	doubted   *upstream.Upstream  // it may refuse streams: the plain attempt will tell
	committed bool                // a comment of ours has gone out, and a status of 200 with it
	told      bool                // the dialect\'s error event has ended it
	answering bool                // behind it, bytes of an answer have
	assembly  *assemble.Assembler // of the attempt under way, when a unary call was sent as a stream
	keepalive func() error        // keepAlive
	beside    startJob            // background
	terminal  bool                // the dialect's last event has come
	estimated bool                // the usage of the last attempt was counted by us
	recorded  bool                // who made the response is known
	deferred  bool                // runLater is due
	unread    int                 // bytes of a body that did not go on from a known one
}

func (p *pipeline) begin(a *server.Agent) *exchange {
	e := exchanges.Get().(*exchange)
	e.p, e.rt, e.agent = p, p.current.Load(), a
	path, _, _ := strings.Cut(a.Target, "?")
	x := e.x
	x.ID, x.Start, x.Route = newID(), a.Start, wire.Match(a.Method, path)
	x.Method, x.Target, x.Fields, x.Remote = a.Method, a.Target, a.Fields, a.Remote()
	x.Background = e.beside
	if x.Route.Op == wire.Generate {
		x.KeepAlive = e.keepalive // until it is known that no stream was asked for
	}
	e.span = p.telemetry.Begin(telemetry.ExchangeStart{
		Start: a.Start, ID: e.x.ID, Method: a.Method, Target: a.Target, Route: e.x.Route, Fields: a.Fields,
		Where: e.x,
	})
	return e
}

var exchanges = sync.Pool{New: func() any {
	e := &exchange{x: new(filters.Exchange)}
	e.onSent, e.keepalive, e.beside = e.requestSent, e.keepAlive, e.background
	return e
}}

// keepUnary is the largest answer buffer that is kept for another exchange, in bytes.
const keepUnary = 64 << 10

// keepEdited is the same for a changed request: agents' bodies are large, and the next one is as large.
const keepEdited = 1 << 20

// recycle keeps the exchange's memory for another one.
func (e *exchange) recycle() {
	e.parser.Reset()
	clear(e.lines)
	if cap(e.edited) > keepEdited {
		e.edited = nil
	}
	if cap(e.unary) > keepUnary {
		e.unary = nil
	}
	e.x.Reset()
	*e = exchange{
		x: e.x, meter: e.meter, parser: e.parser, edited: e.edited[:0], unary: e.unary[:0], lines: e.lines[:0], timing: e.timing,
		id: e.id, parts: e.parts[:0], onSent: e.onSent, keepalive: e.keepalive, beside: e.beside,
	}
	exchanges.Put(e)
}

// newID returns 20 characters that are unique enough to find one exchange in logs and traces.
func newID() string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	b := []byte("tg-00000000000000000")
	r, s := rand.Uint64(), rand.Uint64()
	for i := 3; i < len(b); i++ {
		b[i] = digits[r&31]
		if r >>= 5; i == 14 {
			r = s
		}
	}
	return string(b)
}

// read takes the request in and makes the view of it.
func (e *exchange) read() (*filters.Reply, error) {
	if enc := e.agent.Fields.Get("content-encoding"); len(enc) > 0 && !head.Is(enc, "identity") {
		return &filters.Reply{
			Status: 415, Code: "unsupported_encoding", Message: "the request body is compressed (content-encoding): send it plain",
		}, nil
	}
	if reply, err := e.takeBody(); reply != nil || err != nil {
		return reply, err
	}
	view, err := e.view()
	if err != nil {
		return malformed(err), nil
	}
	e.x.View = view
	if !view.Stream {
		e.x.KeepAlive = nil
	}
	e.span.Model(e.model())
	return e.checkIDs(), nil
}

// malformed says what is wrong with a body.
func malformed(err error) *filters.Reply {
	var bad *wire.SyntaxError
	if errors.As(err, &bad) {
		return &filters.Reply{Status: 400, Code: bad.Code, Message: bad.Error()}
	}
	return &filters.Reply{Status: 400, Code: "invalid_json", Message: err.Error()}
}

// takeBody reads the whole request body.
func (e *exchange) takeBody() (*filters.Reply, error) {
	limit := int(e.rt.config.Limits.Body)
	body, err := e.agent.ReadBody(limit)
	switch {
	case errors.Is(err, server.ErrBodyTooLarge):
		return tooLarge(limit), nil
	case err != nil:
		return nil, errors.Join(filters.ErrAgentGone, err)
	}
	e.body = body
	return nil, nil
}

// longBody is from which length on it pays to remember how a body begins, in bytes.
const longBody = 16 << 10

// view reads the body; of a known conversation only what is new in it.
func (e *exchange) view() (*wire.View, error) {
	d := e.x.Route.Dialect
	e.unread = len(e.body)
	if len(e.body) < longBody {
		return wire.Acquire(d, e.body, wire.Limits{})
	}
	e.key = e.bodyKey()
	view, known, err := e.p.views.Lookup(e.key, d, e.body, wire.Limits{})
	if known {
		e.unread = 0
	}
	return view, err
}

// model returns the model that the agent asked for, "" when it named none.
func (e *exchange) model() string {
	if e.modelName == "" {
		if v := e.x.View; v != nil && !v.Model.Empty() {
			e.modelName = v.ModelName()
		} else {
			e.modelName = e.x.Route.Deployment
		}
	}
	return e.modelName
}

// wait is a back-off that ends early when the agent leaves.
func (e *exchange) wait(d time.Duration) error {
	e.stillHere()
	e.enter(telemetry.StateBackoff)
	e.waited += d
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-e.agent.Done():
		return e.gone(context.Canceled)
	}
}

// why is err, or the agent's leaving if that is what it comes from.
func (e *exchange) why(err error) error {
	if err != nil && e.agent.Gone() && filters.AsReply(err) == nil && !errors.Is(err, filters.ErrAgentGone) {
		return e.gone(err)
	}
	return err
}

// gone names the reason for which the agent's context ended.
func (e *exchange) gone(err error) error {
	if errors.Is(e.agent.Cause(), server.ErrShutdown) {
		return errors.Join(filters.ErrShutdown, err)
	}
	return errors.Join(filters.ErrAgentGone, err)
}

func (e *exchange) enter(s telemetry.State) {
	e.state = s
	e.span.Enter(s, "")
}

// stream reports whether the agent asked for events.
func (e *exchange) stream() bool { return e.x.View != nil && e.x.View.Stream }

// trace hands spans what only they show: the filters' shares and the trail.
func (e *exchange) trace() {
	if !e.span.Recording() {
		return
	}
	if e.outer != nil {
		for _, t := range e.outer.Timings(nil) {
			e.span.Filter(t.Name, t.Start, t.Spent)
		}
	}
	for _, entry := range e.x.Trail.Entries() {
		telemetry.Trail(e.span, entry.At, entry.Filter, entry.Kind, entry.Attrs)
	}
}

// headArrived books the time since the request was sent on the upstream's account.
func (e *exchange) headArrived() {
	e.head = e.clock()
	e.waiting += e.head.Sub(e.sent)
	e.sent = e.head
}

func (e *exchange) clock() time.Time { return time.Now() }

func (e *exchange) logClose(err error) {
	if err != nil {
		slog.Error("a filter failed to close", "id", e.x.ID, "err", err)
	}
}

// finish closes the outer ring and writes the record of the exchange.
func (e *exchange) finish() {
	if v := recover(); v != nil {
		e.refuseOr(nil, panicked(v))
	}
	if e.outer != nil {
		e.logClose(e.outer.Close(e.closeCause()))
	}
	e.dropHeld()
	end := telemetry.ExchangeEnd{
		At: e.clock(), Status: e.status, Outcome: e.outcome, State: e.state, Answer: e.shown,
		Attempts: e.attempts, Retries: e.retries + e.refusals, Fallbacks: e.fallbacks, Added: e.added,
		Code: e.code, Estimated: e.estimated, Queued: e.x.Waited,
	}
	if e.err != nil {
		end.Err = e.err.Error()
	}
	end.Pieces = e.pieces()
	e.trace()
	e.span.End(end)
	if e.x.View != nil {
		if len(e.body) >= longBody {
			e.p.views.Store(e.key, e.x.View) // with what filters have found out about it
		}
		e.x.View.Release()
	}
	e.recycle()
}

func (e *exchange) closeCause() error {
	switch e.outcome {
	case telemetry.OutcomeOK, telemetry.OutcomeError:
		return nil
	case telemetry.OutcomeAgentGone:
		return filters.ErrAgentGone
	case telemetry.OutcomeTruncated:
		return filters.ErrTruncated
	case telemetry.OutcomeShutdown:
		return filters.ErrShutdown
	}
	if e.err != nil {
		return e.err
	}
	return io.ErrUnexpectedEOF
}
