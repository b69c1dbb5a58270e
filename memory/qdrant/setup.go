package qdrant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// leastVersion is the first that knows upserts that only insert (UpdateMode).
const leastVersion = "1.17.0"

// again is how long a failed preparation is not tried anew: calls in between get its error at once.
const again = time.Second

// prepare is the state of Ready.
type prepare struct {
	mu    sync.Mutex
	done  bool
	under chan struct{} // closed when the one under way ends; nil: none is
	err   error         // of the last
	at    time.Time     // when it ended
}

// Ready checks the server's version and the collection, and makes that if it is missing. Every other method does so first: an error
// here at start is worth a warning, and no more, because a server that comes later is used from then on. It returns with ctx at the
// latest; what it began goes on.
func (s *Store) Ready(ctx context.Context) error {
	p := &s.prepare
	p.mu.Lock()
	if p.done {
		p.mu.Unlock()
		return nil
	}
	if p.under == nil {
		if p.err != nil && time.Since(p.at) < again {
			defer p.mu.Unlock()
			return p.err
		}
		p.under = make(chan struct{})
		go s.prepareNow()
	}
	under := p.under
	p.mu.Unlock()
	select {
	case <-under:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return nil
	}
	return p.err
}

func (s *Store) prepareNow() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*s.o.Timeout)
	defer cancel()
	err := s.check(ctx)
	if err == nil {
		err = s.collection(ctx)
	}
	p := &s.prepare
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.err, p.at = err == nil, err, time.Now()
	close(p.under)
	p.under = nil
}

// check asks for the version.
func (s *Store) check(ctx context.Context) error {
	reply, err := call(ctx, s, s.health.HealthCheck, &pb.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if !atLeast(reply.GetVersion(), leastVersion) {
		return fmt.Errorf("qdrant: %s: %w: it is %s\nhint: it must be %s or later", s.o.Addr, ErrVersion, reply.GetVersion(), leastVersion)
	}
	return nil
}

// atLeast compares versions of the form 1.17.0, with whatever after it. One that has another form is new enough: a build of its own.
func atLeast(have, least string) bool {
	h, l := strings.Split(strings.TrimPrefix(have, "v"), "."), strings.Split(least, ".")
	for i := range min(len(h), len(l)) {
		digits := strings.TrimRightFunc(h[i], func(r rune) bool { return r < '0' || r > '9' })
		a, err := strconv.Atoi(digits)
		b, _ := strconv.Atoi(l[i])
		if err != nil || a != b {
			return err != nil || a > b
		}
	}
	return true
}

// collection makes the collection if it is missing, else checks that it fits, and makes the indexes that it lacks.
func (s *Store) collection(ctx context.Context) error {
	info, err := s.info(ctx)
	if err != nil {
		return err
	}
	if info == nil {
		_, refused := call(ctx, s, s.colls.Create, s.schema())
		if info, err = s.info(ctx); err != nil {
			return err
		}
		if info == nil { // else another may have made it meanwhile
			return refused
		}
	}
	if err := s.fits(info); err != nil {
		return err
	}
	for _, f := range fields {
		have := info.GetPayloadSchema()[f.name]
		if have.GetDataType() == f.schema {
			continue
		}
		if have != nil {
			return s.misfit("its index of %s is of type %v", f.name, have.GetDataType())
		}
		if _, err := call(ctx, s, s.points.CreateFieldIndex, f.index(s.o.Collection)); err != nil {
			return err
		}
	}
	return nil
}

func code(err error) codes.Code {
	var st interface{ GRPCStatus() *status.Status }
	if errors.As(err, &st) {
		return st.GRPCStatus().Code()
	}
	return codes.Unknown
}

func (s *Store) info(ctx context.Context) (*pb.CollectionInfo, error) {
	resp, err := call(ctx, s, s.colls.Get, &pb.GetCollectionInfoRequest{CollectionName: s.o.Collection})
	if err != nil && code(err) == codes.NotFound {
		return nil, nil
	}
	return resp.GetResult(), err
}

// Names of vectors.
const (
	wordsVector = "words" // terms and how often they occur
	gramsVector = "grams" // runs of characters and how often they occur
)

func denseVector(dims int) string { return "d" + strconv.Itoa(dims) }

// schema is the collection: graphs are made for each tenant, none over all; weights of sparse vectors are ours, because the server's
// are counted over all tenants, which would tell one what another has.
func (s *Store) schema() *pb.CreateCollection {
	dense := map[string]*pb.VectorParams{}
	for _, dims := range s.o.Dims {
		dense[denseVector(dims)] = &pb.VectorParams{Size: uint64(dims), Distance: pb.Distance_Dot, OnDisk: pb.PtrOf(true)}
	}
	return &pb.CreateCollection{
		CollectionName:      s.o.Collection,
		VectorsConfig:       pb.NewVectorsConfigMap(dense),
		SparseVectorsConfig: pb.NewSparseVectorsConfig(map[string]*pb.SparseVectorParams{wordsVector: {}, gramsVector: {}}),
		HnswConfig:          &pb.HnswConfigDiff{M: pb.PtrOf(uint64(0)), PayloadM: pb.PtrOf(uint64(16))},
		OnDiskPayload:       pb.PtrOf(true),
	}
}

// fits reports what a collection lacks.
func (s *Store) fits(info *pb.CollectionInfo) error {
	params := info.GetConfig().GetParams()
	for _, name := range []string{wordsVector, gramsVector} {
		have := params.GetSparseVectorsConfig().GetMap()[name]
		if have == nil {
			return s.misfit("it has no sparse vector %q", name)
		}
		if have.GetModifier() != pb.Modifier_None {
			return s.misfit("its sparse vector %q is weighted over all tenants (modifier %v)", name, have.GetModifier())
		}
	}
	for _, dims := range s.o.Dims {
		have := params.GetVectorsConfig().GetParamsMap().GetMap()[denseVector(dims)]
		if have == nil {
			return s.misfit("it has no vector %q", denseVector(dims))
		}
		if have.GetSize() != uint64(dims) || have.GetDistance() != pb.Distance_Dot {
			return s.misfit("its vector %q has %d dimensions and distance %v", denseVector(dims), have.GetSize(), have.GetDistance())
		}
	}
	return nil
}

func (s *Store) misfit(format string, args ...any) error {
	return fmt.Errorf("qdrant: %s: %w: %q: %s\nhint: give memory another collection (memory.qdrant.collection): it is made when it is missing",
		s.o.Addr, ErrSchema, s.o.Collection, fmt.Sprintf(format, args...))
}
