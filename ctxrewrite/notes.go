package ctxrewrite

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/ctxrewrite/store"
)

// note stores a note beside the path, under the name that stands for its identity. When another replica's stands there already,
// other is called with it.
func (e *Engine) note(key store.Key, identity, note []byte, other func(stands []byte)) {
	if key.Session == "" || e.config.Load().Mode == Observe {
		return
	}
	e.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
		defer cancel()
		stands, err := e.store.PutNote(ctx, key, nameOf(note[0], identity), note)
		switch {
		case err != nil:
			e.log.Warn("context: a note for later processes could not be stored", "session", key.Session, "err", err)
		case other != nil && string(stands) != string(note):
			other(stands)
		}
		e.again(ctx, key.Tenant, note)
	})
}

// nameOf is what a note of a kind is stored under.
func nameOf(kind byte, identity []byte) uint64 { return xxh3.HashSeed(identity, uint64(kind)) }

// Note stores a note of a session beside the path; nothing is stored while the engine only observes.
func (e *Engine) Note(tenant, session string, identity, note []byte) {
	e.note(store.Key{Tenant: tenant, Session: session}, identity, note, nil)
}

// Notes reads the notes of a session, oldest first. A store that is slow or fails has none: it is told in the log.
func (e *Engine) Notes(tenant, session string) [][]byte {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	all, err := e.store.Notes(ctx, store.Key{Tenant: tenant, Session: session})
	if err != nil {
		e.log.Warn("context: notes made before could not be read", "session", session, "err", err)
	}
	return all
}

// recall takes a note from the store. Those of other kinds are not the engine's.
func (c *conversation) recall(note []byte) {
	if len(note) == 0 {
		return
	}
	switch note[0] {
	case store.NotePin:
		c.pin(string(note[1:]))
	case store.NoteCut:
		if t, ok := unmarshalTrim(note); ok {
			c.adopt(t)
		}
	}
}

// maxPins bounds the rules that an agent gives in one session.
const maxPins = 32

// pin adds a rule of the agent and says whether it is new.
func (c *conversation) pin(rule string) bool {
	if rule == "" || len(c.pins) >= maxPins || slices.Contains(c.pins, rule) {
		return false
	}
	c.pins = append(c.pins, rule)
	c.pinSum += xxh3.HashString(rule) // a set: the order in which replicas saw them does not matter
	return true
}

// pin takes the rule that comes with the request. It holds for the session from now on, in later processes too.
func (f *fit) pin() {
	if rule := f.r.Pin; f.conv.pin(rule) {
		f.e.note(f.conv.key, []byte(rule), append([]byte{store.NotePin}, rule...), nil)
	}
}

// pinned is cur with all the rules that the agent gave. Where cur was made before one of them, an epoch of the same cover follows
// it, made in the path: that costs the prompt cache once for each new rule.
func (f *fit) pinned(cur *Epoch) *Epoch {
	if cur == nil || cur.Pins == f.conv.pinSum {
		return cur
	}
	next, off := f.build(cur, cur.Cover)
	f.offer(next, off)
	f.take(next)
	return next
}

// follow is the last of the epochs that have taken cur's place for a rule.
func (f *fit) follow(cur *Epoch) *Epoch {
	for i := 0; cur != nil && i < len(f.conv.epochs); i++ {
		if next := f.conv.epochs[i]; next.parent == cur && next.Cover == cur.Cover && f.covers(next) {
			f.take(next)
			cur = next
		}
	}
	return cur
}

// take puts an epoch in use that differs in rules only: the breaker has nothing to say to it.
func (f *fit) take(ep *Epoch) {
	ep.latch(f.conv.line.chain)
	f.conv.last = ep
	f.plan.Made = true
}

// noteTrims stores cuts, so that the same text is cut in the same way by whoever sees it next.
func (f *fit) noteTrims(trims []trimmed) {
	conv := f.conv
	for i := range trims {
		note, identity := trims[i].marshal()
		f.e.note(conv.key, identity, note, func(stands []byte) {
			if t, ok := unmarshalTrim(stands); ok {
				conv.mu.Lock()
				defer conv.mu.Unlock()
				conv.adopt(t)
			}
		})
	}
}

// adopt takes a cut from the store in place of one of our own of the same text.
func (c *conversation) adopt(t trimmed) {
	i := slices.IndexFunc(c.trims, func(o trimmed) bool { return o.chain == t.chain && o.message == t.message && o.nth == t.nth })
	if i >= 0 {
		c.trims[i] = t
		return
	}
	if len(c.trims) >= maxTrims {
		c.trims = slices.Delete(c.trims, 0, 1)
	}
	c.trims = append(c.trims, t)
}

// marshal is the stored form: kind, message, text and saving as varints, chain, and what stands in its place. identity is the text
// that was cut.
func (t *trimmed) marshal() (note, identity []byte) {
	note = []byte{store.NoteCut}
	for _, n := range [...]int{t.message, t.nth, int(t.saved)} {
		note = binary.AppendUvarint(note, uint64(n))
	}
	note = binary.LittleEndian.AppendUint64(note, t.chain)
	identity = binary.LittleEndian.AppendUint64(nil, t.chain)
	return append(note, t.with...), binary.LittleEndian.AppendUint64(identity, uint64(t.nth))
}

func unmarshalTrim(b []byte) (t trimmed, ok bool) {
	if len(b) == 0 || b[0] != store.NoteCut {
		return t, false
	}
	var saved int
	b = b[1:]
	for _, to := range [...]*int{&t.message, &t.nth, &saved} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<30 {
			return trimmed{}, false
		}
		*to, b = int(n), b[size:]
	}
	if len(b) < 10 || b[8] != '"' || b[len(b)-1] != '"' {
		return trimmed{}, false
	}
	t.chain, t.saved, t.with = binary.LittleEndian.Uint64(b), int32(saved), b[8:]
	return t, true
}
