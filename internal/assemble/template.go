package assemble

import "bytes"

// A template is an event that did nothing but add to one string. Another event that differs from it inside that string alone
// adds to the same one, and needs no walk: most events of most engines.
type template struct {
	name, before, after []byte  // the event's name, and its data up to the string and from its closing quote on
	into                *[]byte // where the string grows; walks move it, so it is good as long as ready
	ready               bool

	// What the walk under way has done.
	adds, changes int
	to            *[]byte // what was added to last
	start, size   int     // where in the event's data what was added stands
}

// begin forgets the template.
func (t *template) begin() { t.ready, t.adds, t.changes = false, 0, 0 }

// learn makes a template of the event that was walked, if it is one.
func (t *template) learn(name, data []byte) {
	if t.adds != 1 || t.changes != 0 {
		return
	}
	t.name = append(t.name[:0], name...)
	t.before = append(t.before[:0], data[:t.start]...)
	t.after = append(t.after[:0], data[t.start+t.size:]...)
	t.into, t.ready = t.to, true
}

// fits returns what an event adds that the template stands for.
func (t *template) fits(name, data []byte) (inside []byte, ok bool) {
	if !t.ready || len(data) < len(t.before)+len(t.after) || !bytes.HasPrefix(data, t.before) ||
		!bytes.HasSuffix(data, t.after) || !bytes.Equal(name, t.name) {
		return nil, false
	}
	s := scanner{b: data, i: len(t.before) - 1}
	inside = s.str()
	return inside, !s.bad && len(t.before)+len(inside)+len(t.after) == len(data)
}
