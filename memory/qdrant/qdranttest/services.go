package qdranttest

import (
	"context"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refused makes what an engine says the answer of a server: INVALID_ARGUMENT, unless it names another code.
func refused(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.InvalidArgument, err.Error())
}

type collections struct {
	pb.UnimplementedCollectionsServer
	engine Engine
}

func (c *collections) Get(_ context.Context, q *pb.GetCollectionInfoRequest) (*pb.GetCollectionInfoResponse, error) {
	info, err := c.engine.Info(q.GetCollectionName())
	if err != nil {
		return nil, refused(err)
	}
	if info == nil {
		return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", q.GetCollectionName())
	}
	return &pb.GetCollectionInfoResponse{Result: info}, nil
}

func (c *collections) CollectionExists(_ context.Context, q *pb.CollectionExistsRequest) (*pb.CollectionExistsResponse, error) {
	info, err := c.engine.Info(q.GetCollectionName())
	return &pb.CollectionExistsResponse{Result: &pb.CollectionExists{Exists: info != nil}}, refused(err)
}

func (c *collections) Create(_ context.Context, q *pb.CreateCollection) (*pb.CollectionOperationResponse, error) {
	info, err := c.engine.Info(q.GetCollectionName())
	if err != nil {
		return nil, refused(err)
	}
	if info != nil {
		return nil, status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", q.GetCollectionName())
	}
	return &pb.CollectionOperationResponse{Result: true}, refused(c.engine.Create(q))
}

func (c *collections) Delete(_ context.Context, q *pb.DeleteCollection) (*pb.CollectionOperationResponse, error) {
	return &pb.CollectionOperationResponse{Result: true}, refused(c.engine.Drop(q.GetCollectionName()))
}

type points struct {
	pb.UnimplementedPointsServer
	engine Engine
}

func completed() *pb.UpdateResult { return &pb.UpdateResult{Status: pb.UpdateStatus_Completed} }

func (p *points) CreateFieldIndex(_ context.Context, q *pb.CreateFieldIndexCollection) (*pb.PointsOperationResponse, error) {
	return &pb.PointsOperationResponse{Result: completed()}, refused(p.engine.Index(q))
}

// UpdateBatch does one operation after the other, and stops at the first that is refused: what was done before it stays.
func (p *points) UpdateBatch(_ context.Context, q *pb.UpdateBatchPoints) (*pb.UpdateBatchResponse, error) {
	resp := &pb.UpdateBatchResponse{}
	for _, op := range q.GetOperations() {
		if err := p.engine.Update(q.GetCollectionName(), op); err != nil {
			return nil, refused(err)
		}
		resp.Result = append(resp.Result, completed())
	}
	return resp, nil
}

func (p *points) Query(_ context.Context, q *pb.QueryPoints) (*pb.QueryResponse, error) {
	hits, err := p.engine.Query(q)
	return &pb.QueryResponse{Result: hits}, refused(err)
}

func (p *points) QueryBatch(_ context.Context, q *pb.QueryBatchPoints) (*pb.QueryBatchResponse, error) {
	resp := &pb.QueryBatchResponse{}
	for _, one := range q.GetQueryPoints() {
		hits, err := p.engine.Query(one)
		if err != nil {
			return nil, refused(err)
		}
		resp.Result = append(resp.Result, &pb.BatchResult{Result: hits})
	}
	return resp, nil
}

func (p *points) Scroll(_ context.Context, q *pb.ScrollPoints) (*pb.ScrollResponse, error) {
	resp, err := p.engine.Scroll(q)
	return resp, refused(err)
}

func (p *points) Count(_ context.Context, q *pb.CountPoints) (*pb.CountResponse, error) {
	n, err := p.engine.Count(q)
	return &pb.CountResponse{Result: &pb.CountResult{Count: n}}, refused(err)
}

func (p *points) Facet(_ context.Context, q *pb.FacetCounts) (*pb.FacetResponse, error) {
	hits, err := p.engine.Facet(q)
	return &pb.FacetResponse{Hits: hits}, refused(err)
}
