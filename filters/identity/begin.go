package identity

// follow goes on from a place: in its session, or in a new one of its program.
func (t *tenant) follow(q *query, p, from *place, same bool) {
	from.advanced = true
	p.program, p.parent = from.program, from.parent
	switch {
	case !same:
		t.begin(q, p, from.program, from.parent)
	case from.sess == nil:
		t.split(q, p, from)
	default:
		p.sess = from.sess
	}
}

// split gives a twin its own session, now that it is known apart.
func (t *tenant) split(q *query, p, from *place) {
	t.begin(q, p, from.program, from.parent)
	p.sess.twinned = true
	from.sess, from.twin = p.sess, false
}

// fresh begins a session for a request that goes on from one of several places, nobody knows which.
func (t *tenant) fresh(q *query, p *place, n *node) {
	program, parent := n.shared()
	t.begin(q, p, program, parent)
	p.sess.twinned = true
}

// begin begins a session. Without a program it is a child when its first message stands in an open tool call, else a program
// of its own.
func (t *tenant) begin(q *query, p *place, program, parent string) {
	if program == "" && len(t.open.list) > 0 {
		if from := t.open.parent(q, t.opt.Now().Add(-t.opt.CallWindow)); from != nil {
			program, parent = from.program, ""
			if from.sess != nil {
				parent = from.sess.name
			}
		}
	}
	name := q.root
	own := ""
	if name != "" {
		if s := t.sessions.peek(t.sessionKey(q, name)); s != nil && (*s).tips != [4]uint64{} {
			name = ""
		}
	}
	if name == "" {
		name, own = t.newNames()
	}
	switch {
	case q.program != "":
		program = q.program
	case q.root != "":
		program = q.root
	case program == "":
		program = own // without a root the name is always a new one
	}
	if q.parent != "" {
		parent = q.parent
	}
	both := new(start)
	both.session = session{name: name, program: program, parent: parent}
	p.sess, q.begun = &both.session, &both.place
	p.program, p.parent = program, parent
	t.keep(q, p.sess)
}
