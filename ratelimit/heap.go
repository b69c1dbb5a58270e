package ratelimit

// A heap keeps the first of its items at hand. Each item knows its place (at: index + 1, 0 when it is in none), so that any
// of them can be removed or moved in O(log n).
type heap[T any] struct {
	items  []*T
	before func(a, b *T) bool
	at     func(*T) *int
}

func (h *heap[T]) len() int { return len(h.items) }

func (h *heap[T]) min() *T {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

func (h *heap[T]) push(x *T) {
	h.items = append(h.items, x)
	h.up(len(h.items) - 1)
}

func (h *heap[T]) remove(x *T) {
	i, last := *h.at(x)-1, len(h.items)-1
	moved := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	*h.at(x) = 0
	if i == last {
		return
	}
	h.items[i] = moved
	*h.at(moved) = i + 1
	h.fix(moved)
}

// fix restores the order after x's key has changed.
func (h *heap[T]) fix(x *T) {
	i := *h.at(x) - 1
	if h.up(i) == i {
		h.down(i)
	}
}

func (h *heap[T]) up(i int) int {
	x := h.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(x, h.items[parent]) {
			break
		}
		h.items[i] = h.items[parent]
		*h.at(h.items[i]) = i + 1
		i = parent
	}
	h.items[i] = x
	*h.at(x) = i + 1
	return i
}

func (h *heap[T]) down(i int) {
	x := h.items[i]
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if r := child + 1; r < len(h.items) && h.before(h.items[r], h.items[child]) {
			child = r
		}
		if !h.before(h.items[child], x) {
			break
		}
		h.items[i] = h.items[child]
		*h.at(h.items[i]) = i + 1
		i = child
	}
	h.items[i] = x
	*h.at(x) = i + 1
}

// visit calls f with at most n items in order until it returns false. It costs O(n²) whatever the heap's size: n is small.
func (h *heap[T]) visit(n int, f func(*T) bool) bool {
	if len(h.items) == 0 {
		return true
	}
	front := append(make([]int, 0, 2*n+1), 0)
	for ; n > 0 && len(front) > 0; n-- {
		best := 0
		for i := range front {
			if h.before(h.items[front[i]], h.items[front[best]]) {
				best = i
			}
		}
		at := front[best]
		front[best] = front[len(front)-1]
		front = front[:len(front)-1]
		for c := 2*at + 1; c <= 2*at+2 && c < len(h.items); c++ {
			front = append(front, c)
		}
		if !f(h.items[at]) {
			return false
		}
	}
	return true
}
