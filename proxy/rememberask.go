package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/share"
)

// A memoryAsk asks for memory: the Trapgate that holds the data directory, or, when none does, what is kept there.
type memoryAsk struct {
	snap   *config.Snapshot
	client *http.Client
	token  string
	close  func()
}

// open finds whom to ask.
func (c *memoryFlags) open(ctx context.Context, s *streams) (m *memoryAsk, err error) {
	snap, err := config.Open(c.Config, s.env, config.Overrides{Admin: c.Admin, Data: c.Data, Memory: "on", User: osUser()})
	if err != nil {
		return nil, err
	}
	addr := adminOf(ctx, snap, c.Admin)
	if c.Admin == "" && addr.Network != "unix" {
		if m, err := openMemory(ctx, snap); m != nil || err != nil {
			return m, err
		}
	}
	if addr.IsZero() {
		return nil, errors.New("memory: the admin listener is off: set admin in the configuration")
	}
	token, err := admin.ReadToken(snap.Data)
	if err != nil {
		return nil, fmt.Errorf("%w\nhint: nothing is kept in %s, and no Trapgate holds it: --data", err, snap.Data)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, addr.Network, addr.Address)
	}}
	return &memoryAsk{snap, &http.Client{Transport: transport}, token, func() {}}, nil
}

// openMemory opens what a Trapgate that has ended left; nil: there is nothing, or somebody holds the directory.
func openMemory(ctx context.Context, snap *config.Snapshot) (*memoryAsk, error) {
	var s store.Store
	db, err := keptState(ctx, snap)
	closeState := func() {
		if db != nil {
			db.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	switch {
	case snap.Memory.Qdrant != nil:
		s, err = openQdrant(snap.Memory.Qdrant)
	case db == nil:
		return nil, nil
	default:
		s, err = openKept(db, snap.Data)
	}
	if err != nil {
		closeState()
		return nil, err
	}
	c := snap.Memory.Engine
	c.Mode = memory.Off
	e, err := memory.New(c, memory.Options{Store: s, Forgotten: func(ctx context.Context, tenant string, r store.Receipt, words []string) error {
		return forgetContext(ctx, db, tenant, copiesOf(r, words))
	}})
	if err != nil {
		s.Close()
		closeState()
		return nil, err
	}
	end := func() {
		e.Close()
		s.Close()
		closeState()
	}
	return &memoryAsk{snap, &http.Client{Transport: direct{(&memoryAPI{e, s}).routes()}}, "", end}, nil
}

// keptState opens the state file of a directory that nobody holds; nil: it is not there, or somebody does.
func keptState(ctx context.Context, snap *config.Snapshot) (*state.DB, error) {
	if _, err := os.Stat(filepath.Join(snap.Data, state.File)); snap.Data == "" || err != nil {
		return nil, nil
	}
	db, err := state.Open(ctx, state.Options{Dir: snap.Data, Migrations: share.Migrations})
	if held := (*state.HeldError)(nil); errors.As(err, &held) {
		return nil, nil
	}
	return db, err
}

// askTenant and askWho put into a query whose memory is meant.
func (c *memoryFlags) askTenant(q url.Values) { set(q, "tenant", c.Tenant) }

func (w *whoFlags) askWho(q url.Values) {
	set(q, "user", w.User)
	set(q, "session", w.Session)
}

// one asks one thing that needs no user.
func (c *memoryFlags) one(ctx context.Context, s *streams, method, path string, body, to any) error {
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{}
	c.askTenant(q)
	return m.do(ctx, method, path, q, body, to)
}

// whose is askWho where somebody must be meant: without a word it is the user that the configuration names, else that of this machine.
func whose(m *memoryAsk, s *streams, w *whoFlags, q url.Values) error {
	w.askWho(q)
	if w.User != "" || w.Session != "" {
		return nil
	}
	users := m.snap.Memory.Users
	if users.Name == "" {
		return errors.New("memory: requests say who their user is, so say it here too\nhint: --user or --session")
	}
	if m.snap.Memory.OSUser {
		fmt.Fprintf(s.err, "of user %s\n", users.Name)
	}
	q.Set("user", users.Name)
	return nil
}

// do asks, and reads the answer.
func (m *memoryAsk) do(ctx context.Context, method, path string, q url.Values, body, to any) error {
	answer, err := m.send(ctx, method, path, q, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(to); err != nil {
		return fmt.Errorf("memory: not an answer: %w", err)
	}
	return nil
}

// send asks. A body is sent as JSON unless it can be read. Whoever asks closes the answer.
func (m *memoryAsk) send(ctx context.Context, method, path string, q url.Values, body any) (io.ReadCloser, error) {
	in, ok := body.(io.Reader)
	if !ok {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("memory: %w", err)
		}
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+admin.MemoryPath+path+"?"+q.Encode(), in)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+m.token)
	resp, err := m.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("memory: %w\nhint: is Trapgate running, and is this its admin address?", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return nil, fmt.Errorf("memory: %s", printable(strings.TrimSpace(string(why))))
}

// direct asks a handler in this process.
type direct struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	body, end := io.Pipe()
	w := &directWriter{fields: http.Header{}, body: end, begun: make(chan struct{})}
	go func() {
		defer func() {
			if recover() != nil { // as a server does, it cuts the answer
				w.WriteHeader(http.StatusInternalServerError)
				end.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.WriteHeader(http.StatusOK)
			end.Close()
		}()
		d.handler.ServeHTTP(w, r)
	}()
	<-w.begun
	return &http.Response{StatusCode: w.status, Header: w.fields, Body: body, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

type directWriter struct {
	fields http.Header
	body   *io.PipeWriter
	once   sync.Once
	status int
	begun  chan struct{}
}

// Header implements http.ResponseWriter.
func (w *directWriter) Header() http.Header { return w.fields }

// WriteHeader implements http.ResponseWriter.
func (w *directWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status = status
		close(w.begun)
	})
}

// Write implements http.ResponseWriter.
func (w *directWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
