package qdrant

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Errors of a call, wrapped in what a store returns, for errors.Is.
var (
	ErrUnreachable  = errors.New("the server cannot be reached")
	ErrUnauthorised = errors.New("the server refuses the API key")
	ErrBusy         = errors.New("the server has too much to do")
	ErrSchema       = errors.New("the collection does not fit")
	ErrVersion      = errors.New("the server is too old")
)

func withKey(key string) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		if key != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "api-key", key)
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

// call makes one call of the server when a slot is free. It ends with ctx, or after the store's own timeout.
func call[Req, Resp any](
	ctx context.Context, s *Store, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req,
) (Resp, error) {
	var none Resp
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	bounded, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	resp, err := do(bounded, req)
	if err == nil {
		return resp, nil
	}
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	// The connection may notice the end of the caller's time before the caller's context does.
	if theirs, ok := ctx.Deadline(); ok && status.Code(err) == codes.DeadlineExceeded {
		if end, _ := bounded.Deadline(); end.Equal(theirs) {
			return none, context.DeadlineExceeded
		}
	}
	return none, s.explain(err)
}

// explain says what an error of a call means, and what can be done about it.
func (s *Store) explain(err error) error {
	wrap := func(kind error, hint string) error {
		return fmt.Errorf("qdrant: %s: %w: %w\nhint: %s", s.o.Addr, kind, err, hint)
	}
	switch status.Code(err) {
	case codes.Unavailable:
		return wrap(ErrUnreachable, "is it running, is this its gRPC port (6334, not 6333), and does memory.qdrant.tls say what it expects?")
	case codes.DeadlineExceeded:
		return wrap(ErrUnreachable, fmt.Sprintf("it did not answer within %v; raise memory.qdrant.timeout if it is that slow", s.o.Timeout))
	case codes.Unauthenticated, codes.PermissionDenied:
		return wrap(ErrUnauthorised, "memory.qdrant.api_key must be a key that may read and write the collection")
	case codes.ResourceExhausted:
		return wrap(ErrBusy, "what was to be learned is tried again; look at its limits and its load")
	case codes.Unimplemented:
		return wrap(ErrVersion, "it must be "+leastVersion+" or later")
	}
	return fmt.Errorf("qdrant: %s: %w", s.o.Addr, err)
}
