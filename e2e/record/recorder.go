package record

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sort"
	"sync"
	"syscall"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	copyBuffer  = 64 << 10
)

// An End says how one direction of a connection ended.
type End int

const (
	// Open is a direction that has not ended yet.
	Open End = iota
	// Closed is an orderly end (FIN).
	Closed
	// Reset is a connection reset by its sender.
	Reset
	// Stopped is a direction that the recorder gave up because the receiver was gone.
	Stopped
)

// String returns the word for logs and diffs.
func (e End) String() string {
	return [...]string{"open", "closed", "reset", "stopped"}[e]
}

// A Flow is one direction of a connection: its bytes in order and when they came.
type Flow struct {
	Data  []byte
	Marks []Mark // ascending in Offset; one for each read
	End   End
	EndAt time.Time
}

// A Mark says that the bytes from Offset on (up to the next mark) arrived at At.
type Mark struct {
	Offset int
	At     time.Time
}

// At returns the time at which byte i of the flow arrived, or the zero time when it never did.
func (f *Flow) At(i int) time.Time {
	if i < 0 || i >= len(f.Data) {
		return time.Time{}
	}
	k := sort.Search(len(f.Marks), func(k int) bool { return f.Marks[k].Offset > i }) - 1
	if k < 0 {
		return time.Time{}
	}
	return f.Marks[k].At
}

// A Conn is a snapshot of one recorded connection: Up from the agent's side, Down back to it.
type Conn struct {
	ID     int // counts from 1 in order of accept
	Opened time.Time
	Up     Flow
	Down   Flow
}

// A Recorder is a TCP relay on loopback that keeps what passed. Safe for concurrent use.
type Recorder struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  []*liveConn
}

// Start listens on a free loopback port and relays every connection to target ("host:port").
func Start(target string) (*Recorder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("record: listen: %w", err)
	}
	r := &Recorder{target: target, listener: l}
	r.wg.Add(1)
	go r.accept()
	return r, nil
}

// Addr is the "host:port" that an agent connects to.
func (r *Recorder) Addr() string { return r.listener.Addr().String() }

// URL is "http://" and Addr.
func (r *Recorder) URL() string { return "http://" + r.Addr() }

// Close stops listening, cuts what is still open and waits until every copy has ended. The recording stays readable.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	live := append([]*liveConn(nil), r.conns...)
	r.mu.Unlock()
	err := r.listener.Close()
	for _, c := range live {
		c.cut()
	}
	r.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Conns returns a copy of what was recorded so far, in order of accept.
func (r *Recorder) Conns() []Conn {
	r.mu.Lock()
	live := append([]*liveConn(nil), r.conns...)
	r.mu.Unlock()
	out := make([]Conn, len(live))
	for i, c := range live {
		out[i] = c.snapshot()
	}
	return out
}

// Exchanges parses what was recorded so far, see Parse.
func (r *Recorder) Exchanges() ([]Exchange, error) {
	var out []Exchange
	var errs []error
	for _, c := range r.Conns() {
		x, err := Parse(c)
		out = append(out, x...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	sortByStart(out)
	return out, errors.Join(errs...)
}

// Settle waits until no byte has passed for quiet and no exchange is half done, at most limit. An agent that has ended
// may leave bytes of the proxy's on the way.
func (r *Recorder) Settle(quiet, limit time.Duration) {
	deadline := time.Now().Add(limit)
	last, since := -1, time.Now()
	for time.Now().Before(deadline) {
		n := 0
		for _, c := range r.Conns() {
			n += len(c.Up.Data) + len(c.Down.Data) + int(c.Up.End) + int(c.Down.End)
		}
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) >= quiet {
			return
		}
		time.Sleep(quiet / 4)
	}
}

func (r *Recorder) accept() {
	defer r.wg.Done()
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		live := &liveConn{agent: c.(*net.TCPConn)}
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			_ = c.Close()
			return
		}
		live.rec = Conn{ID: len(r.conns) + 1, Opened: time.Now()}
		r.conns = append(r.conns, live)
		r.wg.Add(1)
		r.mu.Unlock()
		go func() {
			defer r.wg.Done()
			live.run(r.target)
		}()
	}
}

type liveConn struct {
	agent *net.TCPConn

	mu     sync.Mutex
	target *net.TCPConn
	isCut  bool
	rec    Conn
}

func (c *liveConn) run(target string) {
	defer c.agent.Close()
	t, err := net.DialTimeout("tcp", target, dialTimeout)
	if err != nil {
		reset(c.agent)
		c.end(&c.rec.Up, Stopped)
		c.end(&c.rec.Down, Reset)
		return
	}
	tc := t.(*net.TCPConn)
	defer tc.Close()
	c.mu.Lock()
	c.target = tc
	gone := c.isCut
	c.mu.Unlock()
	if gone {
		return
	}
	_ = c.agent.SetNoDelay(true)
	_ = tc.SetNoDelay(true)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		c.copy(tc, c.agent, &c.rec.Up)
	}()
	c.copy(c.agent, tc, &c.rec.Down)
	wg.Wait()
}

// copy forwards first and records after; the two are one critical step for readers because f is only read under mu.
func (c *liveConn) copy(dst, src *net.TCPConn, f *Flow) {
	buf := make([]byte, copyBuffer)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			at := time.Now()
			_, werr := dst.Write(buf[:n])
			c.mu.Lock()
			f.Marks = append(f.Marks, Mark{Offset: len(f.Data), At: at})
			f.Data = append(f.Data, buf[:n]...)
			c.mu.Unlock()
			if werr != nil {
				// The receiver is gone. The sender learns it as it would have without us.
				c.end(f, Stopped)
				reset(src)
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			c.end(f, Closed)
			_ = dst.CloseWrite()
			return
		case errors.Is(err, syscall.ECONNRESET):
			c.end(f, Reset)
			reset(dst)
			return
		default:
			c.end(f, Stopped)
			reset(dst)
			return
		}
	}
}

func (c *liveConn) end(f *Flow, e End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.End == Open {
		f.End, f.EndAt = e, time.Now()
	}
}

func (c *liveConn) cut() {
	c.mu.Lock()
	t := c.target
	c.isCut = true
	c.mu.Unlock()
	_ = c.agent.Close()
	if t != nil {
		_ = t.Close()
	}
}

func (c *liveConn) snapshot() Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.rec
	out.Up, out.Down = c.rec.Up.clone(), c.rec.Down.clone()
	return out
}

func (f Flow) clone() Flow {
	f.Data = append([]byte(nil), f.Data...)
	f.Marks = append([]Mark(nil), f.Marks...)
	return f
}

// reset closes with RST, so that the peer sees an abort and not an end.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
