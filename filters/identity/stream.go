package identity

import (
	"sync"

	"github.com/tidwall/gjson"
	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A stream is one exchange under way.
type stream struct {
	f *Filter
	x *filters.Exchange // until resolve has run

	claim
	kind     *agentKind
	said     bool // the user is what the agent says it is
	headOnly bool
	failed   bool
	closed   bool

	t     *tenant
	p     *place
	watch watch
	q     query  // of resolve
	later func() // resolve, made once
}

// streams are used again once they are closed. One that still waits to be resolved is left to the exchange that will call it.
var streams = sync.Pool{New: func() any {
	s := new(stream)
	s.later = s.resolve
	return s
}}

// keepPlain is how many chain values are kept for another exchange.
const keepPlain = 1024

func (s *stream) recycle() {
	plain := s.q.plain
	if cap(plain) > keepPlain {
		plain = nil
	}
	*s = stream{q: query{plain: plain[:0]}, later: s.later}
	streams.Put(s)
}

var (
	_ filters.Stream   = (*stream)(nil)
	_ filters.HeadOnly = (*stream)(nil)
	_ filters.Observer = (*stream)(nil)
)

// inherit finds the program of a child whose headers only name its parent.
func (s *stream) inherit(id *filters.Identity) {
	t := s.f.tables.tenant(id.Tenant)
	t.mu.Lock()
	defer t.mu.Unlock()
	id.Program = t.programOf(&query{claim: s.claim, userKey: mixString(s.f.seed, id.User)})
}

// resolve finds the conversation and fills what Open left empty.
func (s *stream) resolve() {
	x := s.x
	s.x = nil
	if s.closed || x == nil || x.View == nil || s.p != nil {
		return
	}
	id := &x.Identity
	q := &s.q
	s.ask(q, x)
	s.t = s.f.tables.tenant(id.Tenant)
	s.t.before(q)
	q.read(id.Agent)

	s.t.mu.Lock()
	p := s.t.find(q)
	s.p = p
	id.Session, id.Program, id.Parent = "", p.program, p.parent
	if p.sess != nil {
		id.Session = p.sess.name
	}
	id.Side, id.Twin = p.side, p.twin
	size := s.t.size()
	s.t.mu.Unlock()

	id.Retry, id.RetryOf = q.retried, q.retryOf
	if id.Chains = q.chains; len(q.chains) > 0 {
		id.Chain = q.chains[len(q.chains)-1]
	}
	s.watch.scope = q.scope
	s.watch.calls = s.watch.calls && q.tools
	s.f.tables.settle(s.t, size)
}

// ask makes the query, without what needs the history.
func (s *stream) ask(q *query, x *filters.Exchange) {
	v, f := x.View, s.f
	q.claim, q.id, q.retried, q.always, q.view = s.claim, x.ID, x.Identity.Retry, s.kind.tools, v
	user, root := bodyUser(v)
	if s.said && x.Identity.User == "" {
		x.Identity.User = user
	}
	if q.session == "" {
		q.root = root
		if c := conversation(v); c != "" {
			q.session = c
			if q.program == "" {
				q.program = c
			}
		}
	}
	q.user = x.Identity.User
	q.userKey = mixString(f.seed, q.user)
	// The library is in the scope: one conversation does not pass from one to another.
	q.scope = mixString(mixString(mixString(q.userKey, s.kind.label), q.program), q.root)
	whole := mixString(mixString(mixString(q.scope, q.session), x.Identity.Agent), x.Target)
	q.body = mix(whole, v.Sum())
}

// conversation is the id of a conversation that the provider keeps, "" when the request names none.
func conversation(v *wire.View) string {
	raw := v.Conversation.Of(v.Body)
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == '{' {
		return cleanField([]byte(gjson.GetBytes(raw, "id").Str))
	}
	return cleanField(wire.Unquote(nil, raw))
}

// before looks up the response that the request goes on from.
func (t *tenant) before(q *query) {
	raw := q.view.PreviousID.Of(q.view.Body)
	if len(raw) == 0 {
		return
	}
	id := wire.Unquote(nil, raw)
	if len(id) == 0 {
		return
	}
	// Known or not, its id stands for the messages that are not here.
	q.start = xxh3.Hash(id) | 1
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.responses.get(callKey(q.userKey, id)); p != nil {
		q.response = *p
	}
}

// Observes reports that no event is changed.
func (s *stream) Observes() bool { return true }

// HeadOnly reports that the answer's events say nothing that is needed: the request declares no tools.
func (s *stream) HeadOnly() bool { return s.headOnly }

// Head sees whether the answer is an error.
func (s *stream) Head(h *filters.ResponseHead) error {
	s.failed = h.Status >= 400
	return nil
}

// Event passes the event on as it is, after a look at the tool calls in it: they are known before the agent can act on them.
func (s *stream) Event(e filters.Event, out *filters.Emitter) error {
	if len(e.Data) > 0 && s.watch.see(&e) {
		s.learn()
	}
	return out.Emit(e)
}

// End learns what the answer's end completes.
func (s *stream) End(*filters.Emitter) error {
	s.watch.finish()
	s.learn()
	return nil
}

// learn notes what the watch has found.
func (s *stream) learn() {
	w := &s.watch
	if s.p == nil {
		w.drop()
		return
	}
	if w.broken {
		s.failed = true
	}
	if len(w.done) == 0 && w.response == "" {
		return
	}
	t, now := s.t, s.f.tables.opt.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range w.done {
		if c.id != "" {
			put(&t.calls, callKey(w.scope, []byte(c.id)), s.p)
		}
	}
	t.open.add(s.p, w.done, now)
	if w.response != "" {
		*t.responses.value(callKey(s.p.user, []byte(w.response))) = s.p
	}
	w.drop()
}

// Close notes how the exchange ended: what failed may be repeated.
func (s *stream) Close(cause error) {
	if s.closed {
		return
	}
	s.closed = true
	if s.p != nil {
		s.end(s.failed || cause != nil)
	}
	if s.x == nil {
		s.recycle()
	}
}

func (s *stream) end(failed bool) {
	p := s.p
	s.t.mu.Lock()
	p.live = false
	if failed {
		p.failed, p.ended = !p.replaced, s.f.tables.opt.Now().UnixNano()
		s.t.open.abandon(p)
	}
	s.t.mu.Unlock()
}
