package assemble

import (
	"bytes"
	"slices"
)

// A node is a value of the answer while it grows.
type node struct {
	kind    kind
	buf     []byte // verbatim: the value; text: what stands between the quotes
	members        // of an object
	list    array  // of a list
}

type kind uint8

const (
	absent kind = iota
	verbatim
	text
	object
	list
)

// nodeCost is what a member or element is charged beside its bytes: the room that a node takes.
const nodeCost = 256

// members are what an object has, in the order in which it was told.
type members struct {
	all  []member
	next int              // where the next key is looked for first: keys mostly come in one order
	at   map[string]int32 // places of the keys, once there are many
}

type member struct {
	key  []byte // as it stands between its quotes
	node node
}

// many is where a list is searched by a map.
const many = 16

// find returns the value of key, nil when there is none.
func (m *members) find(key []byte) *node {
	if m.next < len(m.all) && bytes.Equal(m.all[m.next].key, key) {
		m.next++
		return &m.all[m.next-1].node
	}
	at := -1
	if m.at != nil {
		if i, ok := m.at[string(key)]; ok {
			at = int(i)
		}
	} else {
		at = slices.IndexFunc(m.all, func(o member) bool { return bytes.Equal(o.key, key) })
	}
	if at < 0 {
		return nil
	}
	m.next = at + 1
	return &m.all[at].node
}

func (m *members) get(key string) *node { return m.find([]byte(key)) }

// member returns the value of key, an absent one when it is new. It is valid until the next call for the same object. nil
// says that the limit was reached.
func (a *Assembler) member(m *members, key []byte) *node {
	if n := m.find(key); n != nil {
		return n
	}
	a.like.changes++
	if !a.charge(nodeCost + len(key)) {
		return nil
	}
	return m.add(key)
}

func (m *members) add(key []byte) *node {
	m.all = append(m.all, member{key: bytes.Clone(key)})
	at := len(m.all) - 1
	if m.next = len(m.all); len(m.all) == many {
		m.at = make(map[string]int32, 2*many)
		for i := range m.all {
			m.at[string(m.all[i].key)] = int32(i)
		}
	} else if m.at != nil {
		m.at[string(key)] = int32(at)
	}
	return &m.all[at].node
}

// drop takes a member away. It is for the end: finding is over.
func (m *members) drop(key string) {
	m.all = slices.DeleteFunc(m.all, func(o member) bool { return string(o.key) == key })
	m.at, m.next = nil, 0
}

// front moves the members of these names to the front, in this order.
func (m *members) front(names ...string) {
	at := 0
	for _, name := range names {
		i := slices.IndexFunc(m.all, func(o member) bool { return string(o.key) == name })
		if i < 0 {
			continue
		}
		o := m.all[i]
		copy(m.all[at+1:i+1], m.all[at:i])
		m.all[at] = o
		at++
	}
	m.at, m.next = nil, 0
}

// An array has elements that are merged by their index, and elements that follow each other as they came.
type array struct {
	keyed []element
	at    map[int64]int32 // places of indexes, once there are many; the last one where two are the same
	raw   []byte          // the others, with commas between
}

type element struct {
	index int64
	node  node
	json  []byte // messages: the inside of the text of `input` so far
}

// find returns the newest element of an index, nil when there is none.
func (l *array) find(index int64) *element {
	if l.at != nil {
		if i, ok := l.at[index]; ok {
			return &l.keyed[i]
		}
		return nil
	}
	for i := len(l.keyed) - 1; i >= 0; i-- {
		if l.keyed[i].index == index {
			return &l.keyed[i]
		}
	}
	return nil
}

// add appends an element; nil says that the limit was reached.
func (a *Assembler) add(l *array, index int64) *element {
	a.like.changes++
	if !a.charge(nodeCost) {
		return nil
	}
	l.keyed = append(l.keyed, element{index: index, node: node{kind: object}})
	if len(l.keyed) == many {
		l.at = make(map[int64]int32, 2*many)
		for i := range l.keyed {
			l.at[l.keyed[i].index] = int32(i)
		}
	} else if l.at != nil {
		l.at[index] = int32(len(l.keyed) - 1)
	}
	return &l.keyed[len(l.keyed)-1]
}

// element returns the element of an index, a new one when there is none.
func (a *Assembler) element(l *array, index int64) *element {
	if e := l.find(index); e != nil {
		return e
	}
	return a.add(l, index)
}

// push appends a raw element.
func (a *Assembler) push(l *array, raw []byte) {
	a.like.changes++
	if len(raw) == 0 || !a.charge(len(raw)+1) {
		return
	}
	if len(l.raw) > 0 {
		l.raw = append(l.raw, ',')
	}
	l.raw = append(l.raw, raw...)
}

// sorted puts the elements in the order of their indexes; those of one index stay as they came.
func (l *array) sorted() []element {
	slices.SortStableFunc(l.keyed, func(a, b element) int { return int(min(max(a.index-b.index, -1), 1)) })
	l.at = nil
	return l.keyed
}

// set makes n a copy of a value.
func (a *Assembler) set(n *node, raw []byte) { a.copy(n, verbatim, raw) }

// setText makes n a string of its own, to be added to.
func (a *Assembler) setText(n *node, inside []byte) { a.copy(n, text, inside) }

func (a *Assembler) copy(n *node, k kind, b []byte) {
	if n.kind == k && bytes.Equal(n.buf, b) {
		return
	}
	a.like.changes++
	if a.charge(max(len(b)-cap(n.buf), 0)) {
		*n = node{kind: k, buf: append(n.buf[:0], b...)}
	}
}

// extend adds the inside of the string that was just taken to one that grows.
func (a *Assembler) extend(to *[]byte, inside []byte) {
	a.like.adds++
	a.like.to, a.like.start, a.like.size = to, a.base+a.s.i-1-len(inside), len(inside)
	if a.charge(len(inside)) {
		*to = append(*to, inside...)
	}
}

// isNull reports whether n says nothing.
func (n *node) isNull() bool {
	return n == nil || n.kind == absent || n.kind == verbatim && string(n.buf) == "null"
}

// append appends n as JSON.
func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case absent:
		return append(dst, "null"...)
	case verbatim:
		return append(dst, n.buf...)
	case text:
		return append(append(append(dst, '"'), n.buf...), '"')
	case object:
		return n.members.append(dst)
	}
	return n.list.append(dst)
}

func (m *members) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range m.all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.all[i].key...), `":`...)
		dst = m.all[i].node.append(dst)
	}
	return append(dst, '}')
}

func (l *array) append(dst []byte) []byte {
	dst = append(dst, '[')
	for i, e := range l.sorted() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.node.append(dst)
	}
	if len(l.keyed) > 0 && len(l.raw) > 0 {
		dst = append(dst, ',')
	}
	return append(append(dst, l.raw...), ']')
}
