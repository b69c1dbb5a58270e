package ratelimit

import "iter"

// A list keeps items in the order in which they were pushed. Each item holds its own link, so that any of them can be removed in
// O(1) and nothing is allocated. The zero list is empty, and a zero link is in no list.
type list[T any] struct {
	root link[T]
	n    int
}

type link[T any] struct {
	prev, next *link[T]
	item       *T
}

// push makes x, whose link is k, the last item.
func (l *list[T]) push(x *T, k *link[T]) {
	if l.root.next == nil {
		l.root.prev, l.root.next = &l.root, &l.root
	}
	k.prev, k.next, k.item = l.root.prev, &l.root, x
	k.prev.next, k.next.prev = k, k
	l.n++
}

// remove takes out the item whose link is k. It does nothing for one that is in no list.
func (l *list[T]) remove(k *link[T]) {
	if k.prev == nil {
		return
	}
	k.prev.next, k.next.prev = k.next, k.prev
	*k = link[T]{}
	l.n--
}

// first is the item that was pushed the longest ago; nil when there is none.
func (l *list[T]) first() *T {
	if l.n == 0 {
		return nil
	}
	return l.root.next.item
}

// all yields the items from first to last. The one that is yielded may be removed meanwhile.
func (l *list[T]) all() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for k := l.root.next; k != nil && k != &l.root; {
			next := k.next
			if !yield(k.item) {
				return
			}
			k = next
		}
	}
}
