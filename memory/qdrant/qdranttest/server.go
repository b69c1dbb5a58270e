package qdranttest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// An Engine holds collections and answers. It is safe for concurrent use.
type Engine interface {
	// Info returns nil for a collection that is not there.
	Info(collection string) (*pb.CollectionInfo, error)
	Create(*pb.CreateCollection) error
	Drop(collection string) error
	Index(*pb.CreateFieldIndexCollection) error
	Update(collection string, op *pb.PointsUpdateOperation) error
	Query(*pb.QueryPoints) ([]*pb.ScoredPoint, error)
	Scroll(*pb.ScrollPoints) (*pb.ScrollResponse, error)
	Count(*pb.CountPoints) (uint64, error)
	Facet(*pb.FacetCounts) ([]*pb.FacetHit, error)
}

// Options of a server. The zero value listens on a free port of loopback.
type Options struct {
	Addr    string
	TLS     *tls.Config
	APIKey  string // "": none is asked for
	Version string // that it says it has; default Version
}

// Version is what a Server says it is.
const Version = "1.17.1"

// A Server is a Qdrant server on loopback.
type Server struct {
	Addr string // host:port

	engine Engine
	o      Options
	grpc   *grpc.Server
	calls  atomic.Int64
	fault  atomic.Pointer[Fault]
	once   sync.Once
}

// A Fault is asked before every call, named as in "/qdrant.Points/Query". What it returns is the answer; nil: go on. It may wait.
type Fault func(ctx context.Context, method string) error

// Start starts a server over an engine, which stays the caller's.
func Start(e Engine, o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Version == "" {
		o.Version = Version
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("qdranttest: %w", err)
	}
	s := &Server{Addr: l.Addr().String(), engine: e, o: o}
	opts := []grpc.ServerOption{grpc.UnaryInterceptor(s.around), grpc.MaxRecvMsgSize(64 << 20)}
	if o.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	s.grpc = grpc.NewServer(opts...)
	pb.RegisterQdrantServer(s.grpc, &health{s: s})
	pb.RegisterCollectionsServer(s.grpc, &collections{engine: e})
	pb.RegisterPointsServer(s.grpc, &points{engine: e})
	go func() { _ = s.grpc.Serve(l) }()
	return s, nil
}

// Close ends the server and its connections at once.
func (s *Server) Close() { s.once.Do(s.grpc.Stop) }

// SetFault makes every later call ask f first; nil: none.
func (s *Server) SetFault(f Fault) {
	if f == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&f)
}

// Calls counts the calls so far.
func (s *Server) Calls() int { return int(s.calls.Load()) }

func (s *Server) around(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	s.calls.Add(1)
	if s.o.APIKey != "" {
		md, _ := metadata.FromIncomingContext(ctx)
		if keys := md.Get("api-key"); len(keys) != 1 || keys[0] != s.o.APIKey {
			return nil, status.Error(codes.Unauthenticated, "Must provide an API key or an Authorization bearer token")
		}
	}
	if f := s.fault.Load(); f != nil {
		if err := (*f)(ctx, info.FullMethod); err != nil {
			return nil, err
		}
	}
	return handle(ctx, req)
}

type health struct {
	pb.UnimplementedQdrantServer
	s *Server
}

func (h *health) HealthCheck(context.Context, *pb.HealthCheckRequest) (*pb.HealthCheckReply, error) {
	return &pb.HealthCheckReply{Title: "qdrant - vector search engine", Version: h.s.o.Version}, nil
}
