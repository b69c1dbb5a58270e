package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// A Server answers on a listener until it is closed.
type Server struct {
	http *http.Server
	addr net.Addr
	done chan struct{}
}

// Start serves on l, which it owns from now on.
func Start(l net.Listener, o Options) *Server { return StartHandler(l, New(o)) }

// StartHandler serves a handler that New made, or one around it.
func StartHandler(l net.Listener, h http.Handler) *Server {
	s := &Server{
		http: &http.Server{
			Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
			// A stranger's garbage is no news.
			ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		},
		addr: l.Addr(), done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("admin: stopped serving", "error", err)
		}
	}()
	return s
}

// Addr is the address it listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// URL is its base URL; "" for a Unix socket.
func (s *Server) URL() string {
	if s.addr.Network() == "unix" {
		return ""
	}
	return "http://" + s.addr.String()
}

// Close stops at once; an answer under way is cut, after a moment for it to finish.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}
