package main

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// seeds makes every generator's conversations differ from all others of the run.
var seeds atomic.Uint64

func seed() uint64 { return seeds.Add(1) * 1_000_000 }

// closedOne sends n small requests over one connection, each after the answer to the one before.
func closedOne(addr string, n int) (sample, error) {
	c, err := dial(addr, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := newSmall(addr, "", seed())
	out := make(sample, 0, n)
	for i := range n + n/20 + 1 {
		raw := s.next()
		start := time.Now()
		if err := c.ask(raw); err != nil {
			return nil, err
		}
		if i > n/20 {
			out.add(time.Since(start))
		}
	}
	return out, nil
}

// closedMany sends small requests over 64 connections for a while and returns requests per second and CPU per request.
func closedMany(s *side, conns int, d time.Duration) (perSecond, cpuEach float64, err error) {
	var done atomic.Int64
	var count atomic.Bool
	var stop atomic.Bool
	errs := make(chan error, conns)
	var wg sync.WaitGroup
	for range conns {
		c, err := dial(s.addr, nil)
		if err != nil {
			return 0, 0, err
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer c.Close()
			r := newSmall(s.addr, "", seed())
			for !stop.Load() {
				if err := c.ask(r.next()); err != nil {
					errs <- err
					return
				}
				if count.Load() {
					done.Add(1)
				}
			}
		}()
	}
	time.Sleep(d / 5)
	used, start := s.cpu(), time.Now()
	count.Store(true)
	time.Sleep(d)
	count.Store(false)
	took, n := time.Since(start), done.Load()
	used = s.cpu() - used
	stop.Store(true)
	wg.Wait()
	select {
	case err := <-errs:
		return 0, 0, err
	default:
	}
	return float64(n) / took.Seconds(), float64(used) / 1e3 / float64(max(n, 1)), nil
}

// bigKnown sends one conversation n times, each time a turn longer. The first request is not timed.
func bigKnown(addr string, c *conversation, n int) (sample, error) {
	return bigLoop(addr, n, func(i int) [][]byte { return c.request(i) }, c)
}

// bigCold sends n conversations that nobody has seen.
func bigCold(addr string, c *conversation, n int) (sample, error) {
	return bigLoop(addr, n, func(int) [][]byte {
		c.stamp(seed() / 1_000_000)
		return c.request(0)
	}, c)
}

func bigLoop(addr string, n int, next func(int) [][]byte, c *conversation) (sample, error) {
	c.host = addr
	conn, err := dial(addr, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	out := make(sample, 0, n)
	for i := range n + 1 {
		parts := next(i)
		start := time.Now()
		if err := conn.ask(parts...); err != nil {
			return nil, err
		}
		if i > 0 {
			out.add(time.Since(start))
		}
	}
	return out, nil
}

// streams runs streams of tokens a gap apart over some connections at once; it times each first token from the request, and
// each later token one way, from the stamp inside it.
func streams(addr string, conns, each, tokens int, gap time.Duration) (first, delay sample, err error) {
	var mu sync.Mutex
	errs := make(chan error, conns)
	var wg sync.WaitGroup
	for i := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			time.Sleep(time.Duration(i) * gap / time.Duration(conns)) // so that tokens of different streams do not meet
			f, d, err := streamLoop(addr, each, tokens, gap)
			if err != nil {
				errs <- err
				return
			}
			mu.Lock()
			first, delay = append(first, f...), append(delay, d...)
			mu.Unlock()
		}()
	}
	wg.Wait()
	select {
	case err = <-errs:
	default:
	}
	return first, delay, err
}

func streamLoop(addr string, each, tokens int, gap time.Duration) (first, delay sample, err error) {
	c, err := dial(addr, nil)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	req := newSmall(addr, fmt.Sprintf("%d %d", tokens, int64(gap)), seed())
	buf := make([]byte, 64<<10)
	for i := range each + 1 {
		start := time.Now()
		if err := c.send(req.next()); err != nil {
			return nil, nil, err
		}
		if _, err := c.head(); err != nil {
			return nil, nil, err
		}
		seen := 0
		var rest []byte // a token that a chunk border has cut
		for {
			b, err := c.chunk(buf)
			if err != nil {
				return nil, nil, err
			}
			if b == nil {
				break
			}
			now := time.Now()
			var stamps []int64
			if stamps, rest, err = stampsOf(append(rest, b...)); err != nil {
				return nil, nil, err
			}
			for _, ns := range stamps {
				switch {
				case i == 0: // warms the connection up
				case seen == 0:
					first.add(now.Sub(start))
				default:
					delay.add(now.Sub(time.Unix(0, ns)))
				}
				seen++
			}
		}
		if seen != tokens {
			return nil, nil, fmt.Errorf("bench: %d of %d tokens came", seen, tokens)
		}
	}
	return first, delay, nil
}

// stampsOf returns the time stamps of the tokens in b, and what is left of b after the last whole one.
func stampsOf(b []byte) (stamps []int64, rest []byte, err error) {
	for {
		at := bytes.Index(b, []byte(stampStart))
		if at < 0 {
			return stamps, b[max(0, len(b)-len(stampStart)):], nil
		}
		end := bytes.IndexByte(b[at+len(stampStart):], '"')
		if end < 0 {
			return stamps, b[at:], nil
		}
		ns, err := strconv.ParseInt(string(b[at+len(stampStart):][:end]), 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("bench: a token without its time: %w", err)
		}
		stamps = append(stamps, ns)
		b = b[at+len(stampStart)+end:]
	}
}

// fullSpeed streams without a gap and returns the CPU for each token.
func fullSpeed(s *side, conns, tokens int) (cpuEach float64, err error) {
	errs := make(chan error, conns)
	used := s.cpu()
	for range conns {
		go func() {
			c, err := dial(s.addr, nil)
			if err != nil {
				errs <- err
				return
			}
			defer c.Close()
			if err = c.send(newSmall(s.addr, fmt.Sprintf("%d 0", tokens), seed()).next()); err == nil {
				var length int
				if length, err = c.head(); err == nil {
					err = c.discard(length)
				}
			}
			errs <- err
		}()
	}
	for range conns {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return float64(s.cpu()-used) / 1e3 / float64(conns*tokens), err
}
