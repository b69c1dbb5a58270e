package simmodel

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Server is a model behind one listener.
type Server struct {
	srv  *http.Server
	l    net.Listener
	done chan struct{}
	wg   sync.WaitGroup // handlers: http.Server's Close does not wait for them
	URL  string         // base URL without /v1, for TCP listeners
}

// Start listens on addr ("127.0.0.1:0", or "unix:/path") and serves.
func (m *Model) Start(addr string) (*Server, error) {
	network := "tcp"
	if p, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", p
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("simmodel: %w", err)
	}
	return m.Serve(l), nil
}

// Serve serves on l, a TLS listener for one, and takes it over. The caller closes the Server.
func (m *Model) Serve(l net.Listener) *Server {
	s := &Server{l: l, done: make(chan struct{}), URL: "http://" + l.Addr().String()}
	s.srv = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.wg.Add(1)
		defer s.wg.Done()
		m.ServeHTTP(w, r)
	})}
	go func() {
		defer close(s.done)
		if err := s.srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			l.Close()
		}
	}()
	return s
}

// Addr returns the listener's address.
func (s *Server) Addr() net.Addr { return s.l.Addr() }

// Close ends all connections at once and waits until the handlers have left.
func (s *Server) Close() error {
	err := s.srv.Close()
	<-s.done
	s.wg.Wait()
	return err
}
