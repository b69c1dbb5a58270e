package simmodel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// A conversation is one request being answered.
type conversation struct {
	m   *Model
	w   http.ResponseWriter
	r   *http.Request
	d   dialect
	id  string
	key string
	f   faultSet

	start   time.Time
	charged charge
	gone    atomic.Int64 // when the agent left, unix nanoseconds
	state   atomic.Pointer[string]
}

func (c *conversation) fail(e *apiError) { c.m.fail(c.w, c.d, c.id, e) }

func (c *conversation) enter(state string) { c.state.Store(&state) }

// left notes that the agent is gone.
func (c *conversation) left() {
	now := time.Now()
	c.gone.Store(now.UnixNano())
	if f := c.m.opt.OnAbandon; f != nil {
		f(*c.state.Load(), now)
	}
}

// parse reads and checks the request.
func (c *conversation) parse(count bool) (*request, *apiError) {
	body, err := readBody(c.r)
	if err != nil {
		return nil, bad("", "The request body could not be read: %v", err)
	}
	var q *request
	var e *apiError
	switch c.d {
	case responses:
		q, e = parseResponses(body, c.m.store)
	case messages:
		q, e = parseMessages(body, c.r.Header, !c.m.opt.LooseHistory, count)
	default:
		q, e = parseChat(body, c.d)
	}
	if e != nil {
		return nil, e
	}
	if e := c.m.checkModel(q.model); e != nil {
		return nil, e
	}
	if !c.m.opt.LooseHistory {
		if e := q.checkHistory(c.r.Header); e != nil {
			return nil, e
		}
	}
	q.render()
	q.hash = hash64(body)
	return q, nil
}

// occurrence counts how often a body came before.
func (m *Model) occurrence(hash uint64) int {
	m.seenMu.Lock()
	defer m.seenMu.Unlock()
	n, _ := m.seen.Get(hash)
	m.seen.Add(hash, n+1)
	return n
}

func (c *conversation) count() {
	q, err := c.parse(true)
	switch {
	case err != nil:
		c.fail(err)
	case c.d == messages:
		c.writeBody(fmt.Appendf(nil, `{"input_tokens":%d}`, q.prompt))
	default:
		c.writeBody(fmt.Appendf(nil, `{"object":"response.input_tokens","input_tokens":%d}`, q.prompt))
	}
}

func (c *conversation) generate() {
	m := c.m
	m.stats.requests.Add(1)
	m.stats.inFlight.Add(1)
	defer m.stats.inFlight.Add(-1)
	c.start, c.key = m.clock.Now(), credential(c.r)
	q, err := c.parse(false)
	if err != nil {
		c.fail(err)
		return
	}
	q.nth = m.occurrence(q.hash)
	step, final := m.plan(q)
	if c.f, err = m.faultsFor(c.r.Header.Get("x-sim-fault"), step.Fault, q); err != nil {
		c.fail(err)
		return
	}
	if c.struck(q) {
		return
	}
	if err := c.admit(q); err != nil {
		m.limits.headers(c.w.Header(), c.d, c.key)
		c.fail(err)
		return
	}
	if f, ok := c.f["huge"]; ok {
		step = Step{Tokens: tokens(f.n)}
	}
	a := m.compose(q, step, final)
	if c.d == responses && q.resp.background {
		c.background(q, a)
		return
	}
	c.answer(q, a)
}

// struck applies the faults that come before the answer and reports whether one of them was the answer.
func (c *conversation) struck(q *request) bool {
	for _, f := range c.f {
		switch f.kind {
		case "slow_headers":
			if c.m.clock.Wait(c.r.Context(), c.m.clock.Now().Add(f.d)) != nil {
				c.m.stats.abandoned.Add(1)
				return true
			}
		case "info":
			c.w.Header().Set("Link", "</style.css>; rel=preload")
			c.w.WriteHeader(f.n)
			c.w.Header().Del("Link")
		}
	}
	for _, f := range c.f {
		switch f.kind {
		case "hang_headers":
			<-c.r.Context().Done()
			c.enter("fault")
			c.left()
			c.m.stats.abandoned.Add(1)
			return true
		case "429":
			c.fail(&apiError{status: 429, typ: "requests", code: "rate_limit_exceeded", kind: "fault", retryIn: time.Duration(f.n) * time.Second, msg: "Rate limit reached for requests (fault)."})
			return true
		case "status":
			c.fail(&apiError{status: f.n, typ: "server_error", kind: "fault", msg: "The server had an error while processing your request. Sorry about that!"})
			return true
		case "drop":
			c.sever(errCut)
			return true
		case "malformed":
			if !q.stream {
				c.writeBody([]byte(`{"id":"broken","object":"chat.completion","choices":[{"index":0,"message":{"role":"assis`))
				return true
			}
		}
	}
	return false
}

// admit checks the context window and the budgets and charges the latter.
func (c *conversation) admit(q *request) *apiError {
	m := c.m
	if !m.opt.LateOverflow {
		if err := c.overflow(q); err != nil {
			return err
		}
	}
	if !m.limits.on() {
		return nil
	}
	uncached := q.prompt
	if m.opt.Limits.ITPM > 0 {
		uncached -= m.cachedTokens(q, m.chain(q, c.key))
	}
	ch := charge{1, float64(q.prompt + q.max), float64(uncached), float64(q.max)}
	if err := m.limits.take(c.key, q.model, ch); err != nil {
		return err
	}
	c.charged = ch
	return nil
}

func (c *conversation) overflow(q *request) *apiError {
	window := c.m.opt.ContextWindow
	if window == 0 || q.prompt+q.max <= window && q.prompt < window {
		return nil
	}
	e := bad("messages", "This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the messages, %d in the completion). Please reduce the length of the messages or completion.", window, q.prompt+q.max, q.prompt, q.max)
	e.code, e.kind = "context_length_exceeded", "context"
	switch {
	case q.dialect == responses:
		e.param, e.msg = "input", "Your input exceeds the context window of this model. Please adjust your input and try again."
	case q.dialect == messages && q.prompt >= window:
		e.msg = fmt.Sprintf("prompt is too long: %d tokens > %d maximum", q.prompt, window)
	case q.dialect == messages:
		e.msg = fmt.Sprintf("input length and `max_tokens` exceed context limit: %d + %d > %d, decrease input length or `max_tokens` and try again", q.prompt, q.max, window)
	case q.prompt >= window:
		e.msg = fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens. Please reduce the length of the messages.", window, q.prompt)
	}
	return e
}

// answer generates and writes, and accounts for how it ended.
func (c *conversation) answer(q *request, a *answer) {
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	var s sink
	var ew *eventWriter
	created := c.m.clock.Now()
	if q.stream {
		ew = newEventWriter(ctx, c.w, c.m.clock, c.f, c.d)
		ew.cancel = cancel
		defer ew.close()
		switch c.d {
		case chat:
			s = &chatSink{e: ew, q: q, a: a, created: created}
		case completions:
			s = &completionSink{e: ew, q: q, a: a, created: created}
		case messages:
			s = &messagesSink{e: ew, q: q, a: a}
		case responses:
			s = &responsesSink{e: ew, q: q, a: a, created: created}
		}
	}
	u, err := c.m.run(ctx, q, a, c, s, ew)
	var api *apiError
	switch {
	case errors.As(err, &api):
		c.fail(api)
	case errors.Is(err, errEnd):
		c.m.stats.completed.Add(1)
	case errors.Is(err, errCut), errors.Is(err, errReset):
		if ew.raw != nil {
			reset(ew.raw, err == errReset)
			return
		}
		c.sever(err)
	case err != nil:
		c.m.stats.abandoned.Add(1)
	default:
		c.m.stats.completed.Add(1)
		c.complete(q, a, u, created)
	}
}

// complete stores a response and writes a unary answer.
func (c *conversation) complete(q *request, a *answer, u usage, created time.Time) {
	var body []byte
	if c.d == responses {
		body = q.responseObject(a, finalStatus(a), &u, created)
		if q.resp.store {
			c.m.store.put("resp_"+a.id, q.resp, a, body)
		}
	}
	if q.stream {
		return
	}
	switch c.d {
	case chat:
		body = chatAnswer(q, a, u, created)
	case completions:
		var text string
		for i := range a.parts {
			text += a.parts[i].text
		}
		body = completionJSON(q, a, created, text, a.finish, &u, true)
	case messages:
		body = messagesAnswer(q, a, u)
	}
	c.answerHeaders()
	c.unary(body)
}

// unary writes a whole answer, with the faults that can strike it: cut and reset after n bytes.
func (c *conversation) unary(body []byte) {
	for _, kind := range []string{"cut", "reset"} {
		f, ok := c.f[kind]
		if !ok {
			continue
		}
		c.w.Header().Set("Content-Type", "application/json")
		c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		c.w.Write(body[:min(f.n, len(body)-1)])
		http.NewResponseController(c.w).Flush()
		c.sever(map[string]error{"cut": errCut, "reset": errReset}[kind])
		return
	}
	if f, ok := c.f["hang"]; ok {
		c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		c.w.Write(body[:min(f.n, len(body)-1)])
		http.NewResponseController(c.w).Flush()
		<-c.r.Context().Done()
		return
	}
	c.writeBody(body)
}

func (c *conversation) writeBody(body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.Write(body)
}

// answerHeaders are the provider's own headers, known once the first token is there.
func (c *conversation) answerHeaders() {
	h := c.w.Header()
	if c.d != messages {
		lower(h, "openai-processing-ms", strconv.FormatInt(c.m.clock.Now().Sub(c.start).Milliseconds(), 10))
		lower(h, "openai-version", "2020-10-01")
	}
	c.m.limits.headers(h, c.d, c.key)
}

// sever closes the connection in the middle: with a reset, or as a peer does that dies between two chunks.
func (c *conversation) sever(how error) {
	if how == errReset {
		if conn, _, err := http.NewResponseController(c.w).Hijack(); err == nil {
			reset(conn, true)
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// reset closes a connection below TLS, with an RST when hard.
func reset(conn net.Conn, hard bool) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok && hard {
		t.SetLinger(0)
	}
	conn.Close()
}
