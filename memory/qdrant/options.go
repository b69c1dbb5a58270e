package qdrant

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/trapgate/trapgate/memory/store"
)

// Options say where the server is. Only Addr is needed.
type Options struct {
	Addr       string        // host:port of its gRPC; without a port 6334
	TLS        *tls.Config   // nil: none
	APIKey     string        // sent with every call, never logged. Without TLS it is sent in plain text
	Collection string        // default "trapgate_memory"
	Timeout    time.Duration // of a call, at most; default 5 s. A search ends with its context
	Calls      int           // under way at a time, at most; default 32
	// Dims are the lengths of embeddings that a collection is made for; default Dims. Vectors of others are refused. The server
	// keeps room for each length in every record, embedded or not: 4 bytes for each dimension, so name only what is used.
	Dims []int
	// Key makes tombstones say nothing to who reads the collection: they are HMACs under it. All who share a collection must have
	// the same, or what one forgets another learns again. nil: plain hashes, with which guesses of what was forgotten can be checked.
	Key []byte
	// Now replaces the clock where the interface gives no time, and for what caches keep; for tests.
	Now func() time.Time
}

// Dims are what small models for sentences have.
var Dims = []int{384}

func (o Options) withDefaults() (Options, error) {
	if o.Addr == "" {
		return o, errors.New("qdrant: no address\nhint: set memory.qdrant.address to host:port of its gRPC (6334)")
	}
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		o.Addr = net.JoinHostPort(o.Addr, "6334")
	}
	if o.Collection == "" {
		o.Collection = "trapgate_memory"
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Calls <= 0 {
		o.Calls = 32
	}
	if len(o.Dims) == 0 {
		o.Dims = Dims
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// Store is memory in a Qdrant collection. It keeps no records in this process, so that all who share the collection see the same.
type Store struct {
	o       Options
	conn    *grpc.ClientConn
	health  pb.QdrantClient
	colls   pb.CollectionsClient
	points  pb.PointsClient
	slots   chan struct{} // calls under way
	counts  counts
	forget  sync.RWMutex // held for writing by Forget: within this process nothing is added while it looks
	prepare prepare
}

var _ store.Store = (*Store)(nil)

// Open makes a store. It reaches for the server only when it is used: see Ready.
func Open(o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if o.TLS != nil {
		creds = credentials.NewTLS(o.TLS)
	}
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second}
	conn, err := grpc.NewClient("dns:///"+o.Addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithUnaryInterceptor(withKey(o.APIKey)),
		grpc.WithUserAgent("trapgate"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: o.Timeout}),
		// A server that is gone without a word is noticed within 12 s; it allows pings every 10.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("qdrant: %w\nhint: memory.qdrant.address is host:port", err)
	}
	s := &Store{
		o: o, conn: conn, slots: make(chan struct{}, o.Calls),
		health: pb.NewQdrantClient(conn), colls: pb.NewCollectionsClient(conn), points: pb.NewPointsClient(conn),
	}
	s.counts.init(o.Now)
	return s, nil
}

// Close ends the connection. Calls under way fail.
func (s *Store) Close() error { return s.conn.Close() }
