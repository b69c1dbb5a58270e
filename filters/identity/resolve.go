package identity

// find decides which conversation a request belongs to and notes where it stands in it. The order is that of what can be
// trusted most: what the agent says, what a failure left behind, the provider's own ids, then the history.
func (t *tenant) find(q *query) *place {
	t.tick++
	if p := t.repeated(q); p != nil {
		return p
	}
	p := &q.place // until it is known whether a conversation begins
	*p = place{id: q.id, program: q.program, parent: q.parent, live: true, tick: t.tick, who: q.who, user: q.userKey, style: q.style}
	if n := len(q.chains); n > 0 {
		p.chain = q.chains[n-1]
	}
	switch {
	case q.session != "":
		t.named(q, p)
	case q.response != nil:
		t.resumed(q, p)
	case p.chain == 0:
		t.begin(q, p, "", "")
	case t.twin(q, p):
	case t.beside(q, p):
	default:
		t.search(q, p)
	}
	kept := q.begun
	if kept == nil {
		kept = new(place)
	}
	*kept = *p
	t.note(q, kept)
	return kept
}

// note makes the place findable for the requests that come after.
func (t *tenant) note(q *query, p *place) {
	put(&t.bodies, q.body, p)
	if s := p.sess; s != nil && !p.side {
		s.advance(q.chains, q.tools)
		t.open.forget(s)
	}
	if len(q.unanswered) > 0 {
		t.open.add(p, q.unanswered, t.opt.Now())
	}
	if q.session != "" || q.response != nil || p.chain == 0 || p.side {
		return // found by other means next time, never by its messages
	}
	m := mark{mix(q.who, p.chain), mix(q.scope, q.plain[len(q.plain)-1]), p.tick}
	put(&t.chains, m.chain, p)
	put(&t.handoffs, m.handoff, p)
	if s := p.sess; s != nil {
		if cut := s.note(m); cut.tick != 0 {
			take(&t.chains, cut.chain, cut.tick)
			take(&t.handoffs, cut.handoff, cut.tick)
		}
	}
}

// repeated recognises a retry: the bytes of an exchange that failed, or one that the agent's SDK counts as a retry. It keeps
// session, program and place of what it repeats, and each failure is taken up once: of two equal twins each gets its own.
func (t *tenant) repeated(q *query) *place {
	n := t.bodies.get(q.body)
	if n == nil {
		return nil
	}
	found := n.failure(t.retriesSince())
	if found == nil && q.retried {
		found = n.givenUp()
	}
	if found == nil {
		return nil
	}
	q.retryOf, q.retried = found.id, true
	if found.live {
		// The agent gave up on it before we knew. It will end by itself, and must not take the place of the retry with it.
		again := *found
		found.replaced, found.advanced = true, true
		found = &again
		t.note(q, found)
	}
	found.id, found.live, found.failed, found.advanced = q.id, true, false, false
	return found
}

// retriesSince is from when on a failure may be repeated, in Unix nanoseconds.
func (t *tenant) retriesSince() int64 { return t.opt.Now().Add(-t.opt.RetryWindow).UnixNano() }

// session is the session of that name, nil when there is none.
func (t *tenant) session(q *query, name string) *session {
	if s := t.sessions.get(t.sessionKey(q, name)); s != nil {
		return *s
	}
	return nil
}

// keep makes a session findable by its name.
func (t *tenant) keep(q *query, s *session) { *t.sessions.value(t.sessionKey(q, s.name)) = s }

// named goes on with a session that the agent names.
func (t *tenant) named(q *query, p *place) {
	s := t.session(q, q.session)
	if s == nil {
		s = &session{name: q.session, program: t.programOf(q), parent: q.parent}
		t.keep(q, s)
	}
	p.sess, p.program, p.parent = s, t.programOf(q), q.parent
	s.program, s.parent = p.program, p.parent
	// A request without tools that does not go on from the conversation is beside it, when the conversation has tools.
	p.side = !q.tools && (s.tools || q.always) && !s.extends(q.chains)
}

// beside recognises a side call by a session that the body names: no tools, in an agent that always has some.
func (t *tenant) beside(q *query, p *place) bool {
	if q.root == "" || q.tools || !q.always {
		return false
	}
	s := t.session(q, q.root)
	switch {
	case s == nil:
		s = &session{name: q.root, program: q.root}
		t.keep(q, s)
	case s.extends(q.chains):
		return false
	}
	p.sess, p.program, p.side = s, s.program, true
	return true
}

// programOf is the program that headers lead to: for a child, that of its parent, which may be a child itself.
func (t *tenant) programOf(q *query) string {
	if q.inherit {
		if s := t.session(q, q.parent); s != nil && s.program != "" {
			return s.program
		}
	}
	return q.program
}

func (t *tenant) sessionKey(q *query, name string) uint64 {
	return mixString(q.userKey, name)
}

// resumed goes on from a response that the provider keeps.
func (t *tenant) resumed(q *query, p *place) {
	from := q.response
	from.advanced = true
	p.program, p.parent = from.program, from.parent
	if p.sess = from.sess; p.sess == nil { // a twin, told apart by the id of its answer
		t.split(q, p, from)
	}
}

// twin recognises an exchange that an equal one under way cannot be told apart from. The one that came first keeps its
// session; this one gets none, and the first of its requests that tells them apart begins one.
func (t *tenant) twin(q *query, p *place) bool {
	n := t.chains.get(mix(q.who, p.chain))
	if n == nil {
		return false
	}
	first := n.live()
	if first == nil {
		return false
	}
	if first.sess != nil {
		first.sess.twinned = true
	}
	p.twin, p.program, p.parent = true, first.program, first.parent
	return true
}

// search finds the conversation by its history.
func (t *tenant) search(q *query, p *place) {
	loose := t.byCall(q, p)
	if p.sess != nil {
		return
	}
	if t.byChain(q, p) || t.byHandoff(q, p) {
		return
	}
	if loose != nil { // the agent has cut or rewritten its history, and its newest tool calls are still there
		t.follow(q, p, loose, loose.who == p.who || loose.style.same(&p.style))
		return
	}
	t.begin(q, p, "", "")
}

// byCall finds the exchange whose answer made one of the newest tool calls of the history. When the history also contains
// that exchange, this is where the conversation goes on; else the exchange is returned for want of something better.
func (t *tenant) byCall(q *query, p *place) (loose *place) {
	for _, c := range q.recent {
		if c.key == 0 {
			break
		}
		n := t.calls.get(c.key)
		if n == nil {
			continue
		}
		fits := node{many: n.many}
		for i := range n.len() {
			if from := n.at(i); from.who == q.who && passes(q.chains, from.chain) {
				fits.add(from)
			}
		}
		if fits.len() > 0 {
			if from := fits.next(); from != nil {
				t.follow(q, p, from, true)
				return nil
			}
		}
		if c.long && n.len() == 1 && !n.many && loose == nil {
			loose = n.first
		}
	}
	return loose
}

// byChain finds the longest known request whose messages this one begins with.
func (t *tenant) byChain(q *query, p *place) bool {
	last := uint64(0)
	for i := len(q.chains) - 1; i >= 0; i-- {
		if q.chains[i] == last {
			continue
		}
		last = q.chains[i]
		n := t.chains.get(mix(q.who, last))
		if n == nil {
			continue
		}
		if last == p.chain {
			if t.again(q, p, n) {
				return true
			}
			if q.assistant {
				continue
			}
			return false // nothing but the task: somebody has begun it once more
		}
		from := n.next()
		switch {
		case from == nil:
			t.fresh(q, p, n)
		case q.answers(i) > 1 && !t.seen(q, from):
			return false
		default:
			t.follow(q, p, from, true)
		}
		return true
	}
	return false
}

// seen reports whether the turns between a place and the request have passed through us, under whatever instructions: else
// it is another conversation that has begun with the same words.
func (t *tenant) seen(q *query, from *place) bool {
	last := uint64(0)
	for i := len(q.plain) - 1; i >= 0; i-- {
		if q.plain[i] == last {
			continue
		}
		last = q.plain[i]
		if n := t.handoffs.peek(mix(q.scope, last)); n != nil {
			if q.answers(i) > 1 {
				return false
			}
			for i := range n.len() {
				if n.at(i).program == from.program {
					return true
				}
			}
		}
	}
	return false
}

// again deals with a request that ends where known ones have ended: an answer is asked for once more.
func (t *tenant) again(q *query, p *place, n *node) bool {
	if from := n.failure(t.retriesSince()); from != nil { // after a failure, with other settings
		from.failed, from.advanced = false, true
		p.sess, p.program, p.parent, p.twin = from.sess, from.program, from.parent, from.twin
		return true
	}
	if !q.assistant {
		return false
	}
	if from := t.behind(q, p, n); from != nil { // an equal run that is one step behind
		t.follow(q, p, from, true)
		return true
	}
	if n.len() == 1 && !n.many {
		if s := n.first.sess; s != nil && !s.twinned {
			t.follow(q, p, n.first, true)
			return true
		}
	}
	t.fresh(q, p, n)
	return true
}

// behind finds the nearest earlier place that is newer than all in n and that nothing has gone on from: a second run of an
// equal conversation, whose deterministic answers make every step end where one of the first run has ended.
func (t *tenant) behind(q *query, p *place, n *node) *place {
	newest := int64(0)
	for i := range n.len() {
		newest = max(newest, n.at(i).tick)
	}
	last := p.chain
	for i := len(q.chains) - 1; i >= 0; i-- {
		if q.chains[i] == last {
			continue
		}
		last = q.chains[i]
		if o := t.chains.peek(mix(q.who, last)); o != nil {
			if from := o.next(); from != nil && !from.advanced && from.tick > newest {
				return from
			}
			return nil
		}
	}
	return nil
}

// byHandoff finds a request whose messages, without system text, this one begins with and goes on from: the same program
// under other instructions. When only a part of the instructions has changed, the time say, it is the same conversation.
func (t *tenant) byHandoff(q *query, p *place) bool {
	end := len(q.plain) - 1
	last := q.plain[end]
	for i := end; i >= 0 && q.plain[i] != q.start; i-- {
		if q.plain[i] == last {
			continue
		}
		last = q.plain[i]
		n := t.handoffs.get(mix(q.scope, last))
		if n == nil {
			continue
		}
		if q.answers(i) > 1 {
			return false
		}
		if from := n.next(); from != nil {
			// Without tools less tells speakers apart: only one who has been answered goes on.
			t.follow(q, p, from, from.style.same(&p.style) && (p.style.tools != 0 || q.answers(i) == 1))
			return true
		}
		if program, parent := n.shared(); program != "" {
			t.begin(q, p, program, parent)
			return true
		}
		return false
	}
	return false
}
