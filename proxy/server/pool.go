package server

import "sync"

// keepBody is the largest body buffer, in bytes, that is kept for another exchange.
const keepBody = 1 << 20

var bodies sync.Pool

func acquireBody(n int) *[]byte {
	if b, ok := bodies.Get().(*[]byte); ok {
		if cap(*b) >= n {
			return b
		}
		bodies.Put(b)
	}
	b := make([]byte, 0, max(n, 2048))
	return &b
}

func releaseBody(b *[]byte) {
	if cap(*b) <= keepBody {
		*b = (*b)[:0]
		bodies.Put(b)
	}
}
