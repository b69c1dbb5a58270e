package lease

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The protocol of Remote and ServeConn: a line of JSON each way, one exchange after the other.
type request struct {
	Reports []Report `json:"reports"`
}

type response struct {
	Grants []Grant `json:"grants,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// maxLine bounds a request and an answer, in bytes.
const maxLine = 4 << 20

// Remote is a store that another process serves with ServeConn, usually over a Unix socket. It dials when it is first used and
// after every failure. An answer that comes too late dies with its connection.
type Remote struct {
	dial func(context.Context) (net.Conn, error)

	turn chan struct{} // holds a token while nobody uses conn
	conn net.Conn
	in   *bufio.Reader

	mu     sync.Mutex
	closed bool
}

var _ Store = (*Remote)(nil)

// NewRemote makes a store of what dial reaches. Close it.
func NewRemote(dial func(context.Context) (net.Conn, error)) *Remote {
	r := &Remote{dial: dial, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// Exchange is one line there and one back.
func (r *Remote) Exchange(ctx context.Context, reports []Report) ([]Grant, error) {
	if err := check(reports); err != nil {
		return nil, err
	}
	select {
	case <-r.turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrStore, ctx.Err())
	}
	defer func() { r.turn <- struct{}{} }()
	var answer response
	err := r.roundTrip(ctx, request{reports}, &answer)
	if err != nil {
		r.hangUp()
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%w: the other side: %s", ErrStore, answer.Error)
	}
	if len(answer.Grants) != len(reports) {
		r.hangUp()
		return nil, fmt.Errorf("%w: %d grants for %d reports", ErrStore, len(answer.Grants), len(reports))
	}
	return answer.Grants, nil
}

func (r *Remote) roundTrip(ctx context.Context, req request, answer *response) error {
	if r.isClosed() {
		return net.ErrClosed
	}
	if r.conn == nil {
		conn, err := r.dial(ctx)
		if err != nil {
			return err
		}
		r.conn, r.in = conn, bufio.NewReader(conn)
	}
	conn := r.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return errors.Join(err, ctx.Err())
	}
	line, err = readLine(r.in)
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	if !stop() {
		return ctx.Err() // the deadline is set, or about to be: this connection is spoilt
	}
	return json.Unmarshal(line, answer)
}

func (r *Remote) hangUp() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn, r.in = nil, nil
	}
}

func (r *Remote) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Close hangs up, after an exchange that is under way.
func (r *Remote) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	<-r.turn
	r.hangUp()
	r.turn <- struct{}{}
	return nil
}

// ServeConn answers the exchanges of one peer from store until the peer hangs up, which is no error, sends what is no
// request, or ctx is done. It closes conn. Whoever may connect may hold as much as the limits allow: the socket must be
// private to those who share them.
func ServeConn(ctx context.Context, conn net.Conn, store Store) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	in := bufio.NewReader(conn)
	for {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return errors.Join(fmt.Errorf("lease: serve: %w", err), ctx.Err())
		}
		answer, bad := serve(ctx, line, store)
		if _, err := conn.Write(append(answer, '\n')); err != nil {
			return errors.Join(fmt.Errorf("lease: serve: %w", err), ctx.Err())
		}
		if bad != nil {
			return fmt.Errorf("lease: serve: %w", bad)
		}
	}
}

// serve answers one line. bad says that it was no request.
func serve(ctx context.Context, line []byte, store Store) (answer []byte, bad error) {
	var req request
	var res response
	if bad = json.Unmarshal(line, &req); bad != nil {
		res.Error = "no request: " + bad.Error()
	} else if grants, err := store.Exchange(ctx, req.Reports); err != nil {
		res.Error = err.Error()
	} else {
		res.Grants = grants
	}
	answer, err := json.Marshal(res)
	if err != nil {
		answer = []byte(`{"error":"the store answered what JSON cannot hold"}`)
	}
	return answer, bad
}

// readLine reads up to a newline, which it cuts off, and at most maxLine bytes. With an error it returns what there was.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}
