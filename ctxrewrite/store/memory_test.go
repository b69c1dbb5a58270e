package store

import (
	"fmt"
	"testing"
	"time"
)

// Sessions that nobody asks for again take no memory for ever.
func TestMemorySweeps(t *testing.T) {
	now := time.Now()
	m := NewMemory(Options{TTL: time.Hour, Now: func() time.Time { return now }})
	for i := range 1000 {
		if _, err := m.PutEpoch(t.Context(), Key{Session: fmt.Sprint(i)}, 1, []byte("e")); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	if n := len(m.sessions); n < 60 || n > 63 || m.bytes != int64(n) {
		t.Errorf("%d sessions of %d bytes are in memory after an hour without use each", n, m.bytes)
	}
}
