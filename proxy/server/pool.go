package server

import "sync"

// Buffers for request bodies: small ones in a sync.Pool; a few large ones are held apart, because the collector empties
// pools, and zeroing and faulting in half a megabyte again costs more than reading it.
const (
	largeBody = 64 << 10 // bytes from which on a buffer is held apart
	keepBody  = 1 << 20  // the largest buffer that is kept at all
	keepLarge = 4        // how many large ones
)

var bodies = struct {
	small sync.Pool
	mu    sync.Mutex
	large []*[]byte
}{}

func acquireBody(n int) *[]byte {
	if n >= largeBody {
		if b := largeEnough(n); b != nil {
			return b
		}
	} else if b, ok := bodies.small.Get().(*[]byte); ok && cap(*b) >= n {
		return b
	}
	b := make([]byte, 0, max(n+n/8, 2048)) // a conversation grows
	return &b
}

func largeEnough(n int) *[]byte {
	bodies.mu.Lock()
	defer bodies.mu.Unlock()
	for i, b := range bodies.large {
		if cap(*b) >= n {
			last := len(bodies.large) - 1
			bodies.large[i] = bodies.large[last]
			bodies.large = bodies.large[:last]
			return b
		}
	}
	return nil
}

func releaseBody(b *[]byte) {
	*b = (*b)[:0]
	switch n := cap(*b); {
	case n > keepBody:
	case n < largeBody:
		bodies.small.Put(b)
	default:
		bodies.mu.Lock()
		defer bodies.mu.Unlock()
		if len(bodies.large) < keepLarge {
			bodies.large = append(bodies.large, b)
			return
		}
		for i, old := range bodies.large { // a longer one is of more use
			if cap(*old) < n {
				bodies.large[i] = b
				return
			}
		}
	}
}
