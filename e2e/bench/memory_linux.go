package main

import (
	"fmt"
	"time"
)

// A footprint is the resident memory of one side's processes, in MiB.
type footprint struct {
	Idle  float64 `json:"idle"`
	Small float64 `json:"small"` // while 64 streams with small bodies are under way
	Big   float64 `json:"big"`   // the same with bodies of 435 KB
	Peak  float64 `json:"peak"`  // the highest that the system has seen
}

// footprintOf measures a side that has just been started.
func footprintOf(s *side, settle time.Duration) (footprint, error) {
	time.Sleep(settle)
	var f footprint
	f.Idle, _ = memory(s.pid)
	spec := "4000 50000000" // 50 ms apart: as good as endless
	var err error
	f.Small, err = inFlight(s, 64, settle, func(i int) [][]byte {
		return [][]byte{newSmall(s.addr, spec, seed()).next()}
	})
	if err != nil {
		return f, err
	}
	f.Big, err = inFlight(s, 64, settle, func(int) [][]byte {
		return newConversation(s.addr, spec, 0, seed()/1_000_000).request(0)
	})
	_, f.Peak = memory(s.pid)
	return f, err
}

// inFlight opens n streams at once, waits for the first token of each, and returns the most memory that it then sees.
func inFlight(s *side, n int, settle time.Duration, request func(int) [][]byte) (float64, error) {
	type opened struct {
		c   *conn
		err error
	}
	done := make(chan opened, n)
	for i := range n {
		parts := request(i)
		go func() {
			c, err := dial(s.addr, nil)
			if err == nil {
				if err = c.send(parts...); err == nil {
					if _, err = c.head(); err == nil {
						_, err = c.chunk(nil)
					}
				}
			}
			done <- opened{c, err}
		}()
	}
	var conns []*conn
	var err error
	for range n {
		o := <-done
		if o.c != nil {
			conns = append(conns, o.c)
		}
		if o.err != nil {
			err = fmt.Errorf("bench: %s: %w", s.name, o.err)
		}
	}
	most := 0.0
	for end := time.Now().Add(settle); err == nil && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		now, _ := memory(s.pid)
		most = max(most, now)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	time.Sleep(settle / 2)
	return most, err
}
