package redisconn

import (
	"context"
	"net"
	"testing"
	"time"
)

// TestOpen: a server that is not there, or does not answer, costs a command its timeout at most, and less with an earlier deadline.
func TestOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: connections come about and stay mute
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	const most = 2 * time.Second // on a loaded machine
	for _, x := range []struct {
		name, addr              string
		timeout, deadline, from time.Duration
	}{
		{"gone", gone.Addr().String(), time.Minute, time.Minute, 0},
		{"mute", l.Addr().String(), 100 * time.Millisecond, time.Minute, 100 * time.Millisecond},
		{"deadline", l.Addr().String(), time.Minute, 100 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, err := Open("redis://"+x.addr+"/0", x.timeout)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), x.deadline)
			defer cancel()
			began := time.Now()
			if err := c.Ping(ctx).Err(); err == nil {
				t.Error("an answer of nobody")
			}
			if took := time.Since(began); took < x.from || took > x.from+most {
				t.Errorf("took %v", took)
			}
		})
	}
	if _, err := Open("http://h", time.Second); err == nil {
		t.Error("not a Redis, and opened")
	}
}
