package identity

// A session is one conversation of a tenant. Guarded by its tenant's lock.
type session struct {
	name, program, parent string

	twinned bool // a conversation that could not be told apart has been beside it
	tools   bool // it has declared tools
	nextTip uint8
	tips    [4]uint64 // the chain after the last message of each of its latest requests
	first   mark      // the oldest of its latest places
	later   *[]mark   // the others, oldest first; nil as long as there are none
}

// maxTrail is how many requests back an agent may go by the messages alone. Older places make room for other conversations;
// they are still found by the tool calls in the history.
const maxTrail = 16

// A mark is where the tables have a place.
type mark struct {
	chain, handoff uint64
	tick           int64
}

// note adds the session's latest place. Beyond maxTrail the oldest is cut off and returned; its tick is 0 when there is none.
func (s *session) note(m mark) (cut mark) {
	if s.first.tick == 0 {
		s.first = m
		return mark{}
	}
	if s.later == nil {
		s.later = new([]mark)
	}
	l := append(*s.later, m)
	if len(l) == maxTrail {
		cut, s.first = s.first, l[0]
		l = append(l[:0], l[1:]...)
	}
	*s.later = l
	return cut
}

// A start is the beginning of a conversation: its session and the place of its first request, in one piece of memory.
type start struct {
	session
	place
}

// extends reports whether a request with these chains goes on from one of the session's latest requests.
func (s *session) extends(chains []uint64) bool {
	for _, tip := range s.tips {
		if tip != 0 && passes(chains, tip) {
			return true
		}
	}
	return false
}

// passes reports whether a chain goes through a value. Not at a certain message: agents may leave out reasoning items, which
// are messages that the chain does not count.
func passes(chains []uint64, value uint64) bool {
	for i := len(chains) - 1; i >= 0; i-- {
		if chains[i] == value {
			return true
		}
	}
	return false
}

// advance notes a request of the conversation.
func (s *session) advance(chains []uint64, tools bool) {
	s.tools = s.tools || tools
	if n := len(chains); n > 0 {
		s.tips[s.nextTip] = chains[n-1]
		s.nextTip = (s.nextTip + 1) % uint8(len(s.tips))
	}
}

// A place is one exchange in its conversation: what a later request may repeat or go on from. Guarded by its tenant's lock.
type place struct {
	id              string   // of the exchange
	sess            *session // nil for a twin: it has none until its answer tells it apart
	program, parent string

	who   uint64 // whose chain it is: see query.who
	user  uint64 // query.userKey
	chain uint64 // the chain after the request's last message; 0 when it has none
	style style
	ended int64 // when it failed, in Unix nanoseconds
	tick  int64 // grows from place to place

	side, twin bool
	live       bool // the exchange has not ended
	failed     bool // it ended badly and nobody has taken up where it left off
	advanced   bool // a later request goes on from here
	replaced   bool // its retry has come before its end
}

// A style is what stays the same when an agent only writes the time into its system text, and changes when it hands over to
// another one. Its hashes are 0 where there is too little to know it by.
type style struct {
	tools      uint64 // 0: none
	head, tail uint64 // of the system text
	size       int
}

// sizeSlack is by how many bytes the system texts of one speaker without tools differ at most: a clock and a date do by less.
const sizeSlack = 64

// same reports whether a request with style o comes from the same speaker, although its system text differs.
func (s *style) same(o *style) bool {
	if s.tools != o.tools || s.tools == 0 && max(s.size-o.size, o.size-s.size) > sizeSlack {
		return false
	}
	return s.head != 0 && s.head == o.head || s.tail != 0 && s.tail == o.tail
}

// maxPlaces is how many exchanges that ended in one and the same place are told apart. More of them count as not to be told
// apart.
const maxPlaces = 8

// A node is all places under one key: of one chain, or of one tool call id. Mostly there is one.
type node struct {
	first *place
	more  *[maxPlaces - 1]*place // nil as long as there has been one
	n     uint8
	many  bool // there have been more than are kept
}

func (n *node) len() int { return int(n.n) }

// at returns place i, from the oldest on.
func (n *node) at(i int) *place {
	if i == 0 {
		return n.first
	}
	return n.more[i-1]
}

func (n *node) add(p *place) {
	if n.n == maxPlaces {
		n.drop()
	}
	if n.n++; n.n == 1 {
		n.first = p
		return
	}
	if n.more == nil {
		n.more = new([maxPlaces - 1]*place)
	}
	n.more[n.n-2] = p
}

// cut takes out place i.
func (n *node) cut(i int) {
	n.n--
	if n.more == nil {
		n.first = nil
		return
	}
	if i == 0 {
		n.first, i = n.more[0], 1
	}
	copy(n.more[i-1:], n.more[i:])
	n.more[len(n.more)-1] = nil
}

// drop makes room: the oldest place that nobody needs any more, else the oldest, which leaves a doubt behind.
func (n *node) drop() {
	at := 0
	for i := range n.len() {
		p := n.at(i)
		if p.advanced && !p.live {
			at = i
			break
		}
	}
	if p := n.at(at); !p.advanced || p.live {
		n.many = true
	}
	n.cut(at)
}

// remove takes out the place with that tick, and reports whether none is left.
func (n *node) remove(tick int64) (empty bool) {
	for i := range n.len() {
		p := n.at(i)
		if p.tick == tick && !p.live {
			n.cut(i)
			break
		}
	}
	return n.n == 0 && !n.many
}

// live returns an exchange under way in this very place.
func (n *node) live() *place {
	for i := range n.len() {
		p := n.at(i)
		if p.live {
			return p
		}
	}
	return nil
}

// failure returns the oldest exchange that failed since then and has not been taken up again.
func (n *node) failure(since int64) *place {
	for i := range n.len() {
		p := n.at(i)
		if p.failed && !p.live && p.ended >= since {
			return p
		}
	}
	return nil
}

// givenUp returns the exchange that an agent repeats although we know of no failure: the only one under way, else the newest
// that ended. Of several under way it cannot be said which.
func (n *node) givenUp() (found *place) {
	for i := range n.len() {
		p := n.at(i)
		switch {
		case p.replaced:
		case found == nil || !found.live:
			found = p
		case p.live:
			return nil
		}
	}
	return found
}

// next finds the place that a request goes on from. With several it is the one that nothing has gone on from yet; an exchange
// still under way has no answer that could be gone on from, unless it is the only one. nil: they cannot be told apart.
func (n *node) next() *place {
	if n.many {
		return nil
	}
	if n.n == 1 {
		return n.first
	}
	var open, answered *place
	opens, answers := 0, 0
	for i := range n.len() {
		p := n.at(i)
		if p.advanced || p.failed {
			continue
		}
		open = p
		opens++
		if !p.live {
			answered = p
			answers++
		}
	}
	switch {
	case opens == 1:
		return open
	case answers == 1:
		return answered
	}
	return nil
}

// shared is the program of all places that a request may have gone on from, "" when they do not agree.
func (n *node) shared() (program, parent string) {
	if n.many {
		return "", ""
	}
	for i := range n.len() {
		p := n.at(i)
		switch {
		case p.advanced || p.failed:
		case program == "":
			program, parent = p.program, p.parent
		case program != p.program:
			return "", ""
		}
	}
	return program, parent
}
