package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/internal/watch"
	"github.com/trapgate/trapgate/proxy/config"
)

// pool keeps the idle connections of one upstream, the last used first.
type pool struct {
	watcher *watch.Watcher
	up      *config.Upstream
	tls     *tls.Config

	mu     sync.Mutex
	idle   []*conn
	timer  *time.Timer
	closed bool
	dials  int64
}

func newPool(w *watch.Watcher, up *config.Upstream) *pool {
	p := &pool{watcher: w, up: up}
	if up.UseTLS {
		p.tls = &tls.Config{
			ServerName: up.ServerName, RootCAs: up.RootCAs, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(8),
		}
	}
	return p
}

// get returns an idle connection, or a new one.
func (p *pool) get(l Leaver) (*conn, error) {
	p.mu.Lock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if time.Since(c.since) < p.up.IdleConn {
			p.mu.Unlock()
			c.reused = true
			return c, nil
		}
		c.close()
	}
	p.mu.Unlock()
	return p.dial(l)
}

// put takes a connection back after a clean end.
func (p *pool) put(c *conn) {
	if c.killed.Load() || c.br.Buffered() > 0 {
		c.close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || c.deaf.Load() {
		c.close()
		return
	}
	c.since = time.Now()
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.up.IdleConn, p.expire)
	}
}

// expire closes what has been idle too long. The timer runs only while something is idle.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := p.idle[:0]
	for _, c := range p.idle {
		if time.Since(c.since) >= p.up.IdleConn {
			c.close()
		} else {
			keep = append(keep, c)
		}
	}
	clear(p.idle[len(keep):])
	p.idle = keep
	p.timer = nil
	if len(keep) > 0 && !p.closed {
		p.timer = time.AfterFunc(max(p.up.IdleConn-time.Since(keep[0].since), time.Millisecond), p.expire)
	}
}

// drop closes a connection if it is idle; one in use notices by itself.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			c.close()
			return
		}
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.close()
	}
	p.idle = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (p *pool) stats() (idle int, dials int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle), p.dials
}

// canceller is what a leaving agent does to a dial.
type canceller func()

// Kill implements what is attached.
func (c canceller) Kill() { c() }

// dial opens a connection, through a proxy when one is configured, TLS included.
func (p *pool) dial(l Leaver) (*conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.up.ConnectTimeout)
	defer cancel()
	if !l.Attach(canceller(cancel)) {
		return nil, connectError(context.Canceled)
	}
	defer l.Detach()
	p.mu.Lock()
	p.dials++
	p.mu.Unlock()
	c := &conn{pool: p}
	var err error
	if u := p.up.Proxy.URL(); u != nil && p.up.Network == "tcp" {
		err = c.dialProxy(ctx, u)
	} else {
		c.raw, err = (&net.Dialer{}).DialContext(ctx, p.up.Network, p.up.Address)
		c.Conn = c.raw
	}
	if err != nil {
		return nil, connectError(err)
	}
	if p.tls != nil {
		under := c.Conn
		if under == c.raw {
			under = counted{c.raw, c}
		}
		t := tls.Client(under, p.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			c.raw.Close()
			return nil, connectError(fmt.Errorf("TLS: %w", err))
		}
		c.Conn = t
	}
	c.br = bufio.NewReaderSize(c.Conn, readBuffer)
	if sc, ok := c.raw.(syscall.Conn); ok {
		if c.token, err = p.watcher.Add(sc, c); err != nil {
			c.raw.Close()
			return nil, connectError(err)
		}
	}
	return c, nil
}

// dialProxy opens a tunnel through an HTTP or HTTPS proxy.
func (c *conn) dialProxy(ctx context.Context, u *url.URL) error {
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"https": "443"}[u.Scheme])
		if u.Scheme != "https" {
			addr = net.JoinHostPort(u.Hostname(), "80")
		}
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	c.raw, c.Conn = raw, raw
	if u.Scheme == "https" {
		t := tls.Client(counted{raw, c}, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return fmt.Errorf("proxy %s: TLS: %w", u.Host, err)
		}
		c.Conn = t
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.Conn.SetDeadline(deadline)
		defer c.Conn.SetDeadline(time.Time{})
	}
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.connect(u); err != nil {
		raw.Close()
		return fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	return nil
}

// connect asks the proxy for a tunnel and reads its answer byte by byte, so that nothing behind it is lost.
func (c *conn) connect(u *url.URL) error {
	req := "CONNECT " + c.pool.up.Address + " HTTP/1.1\r\nHost: " + c.pool.up.Address + "\r\n"
	if u.User != nil {
		pass, _ := u.User.Password()
		req += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+pass)) + "\r\n"
	}
	if err := c.count(c.Conn.Write([]byte(req + "\r\n"))); err != nil {
		return err
	}
	var answer []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		if len(answer) > 16<<10 {
			return errors.New("answer to CONNECT too long")
		}
		if _, err := c.Conn.Read(one); err != nil {
			return err
		}
		answer = append(answer, one[0])
	}
	line, _, _ := bytes.Cut(answer, []byte("\r\n"))
	if f := bytes.Fields(line); len(f) < 2 || len(f[1]) != 3 || f[1][0] != '2' {
		return fmt.Errorf("CONNECT refused: %q", line)
	}
	return nil
}
