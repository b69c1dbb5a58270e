package server

import (
	"context"
	"errors"
	"testing"
)

// A context made from an agent ends with it and leaves nothing behind when it ends before, on a connection whose next exchange begins
// at once: nobody asks the agent for its error after that.
func TestContextsOfAgent(t *testing.T) {
	a := &Agent{}
	for range 1000 {
		early, cancel := context.WithCancel(a)
		cancel()
		late, cancelLate := context.WithCancel(a)
		ran := make(chan error, 1)
		stop := context.AfterFunc(late, func() { ran <- late.Err() })
		if early.Err() == nil || late.Err() != nil || len(a.after) != 1 {
			t.Fatalf("%v, %v, %d", early.Err(), late.Err(), len(a.after))
		}
		a.leave(errors.New("gone"))
		if late.Err() == nil {
			t.Fatal("the agent has left, and its context goes on")
		}
		if err := <-ran; err == nil || stop() || len(a.after) != 0 {
			t.Fatalf("%v, %d", err, len(a.after))
		}
		gone, cancelGone := context.WithCancel(a)
		<-gone.Done()
		cancelGone()
		cancelLate()
		a.ends.Wait()
		a.reset()
	}
}
