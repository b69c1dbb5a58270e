package qdrant

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
)

const pin = "qdrant-edge-py==0.9.0"

//go:embed edge.py
var script []byte

// Edge is Qdrant's in-process engine in a process of ours. It answers one request at a time.
type Edge struct {
	proc *rig.Proc
	file string

	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
	all  map[string]*pb.CollectionInfo
}

var _ qdranttest.Engine = (*Edge)(nil)

// StartEdge starts the engine. What it needs is installed on the first start, into the cache.
func StartEdge() (*Edge, error) {
	python, err := wheels()
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "edge-*.py")
	if err != nil {
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	_, err = file.Write(script)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	e := &Edge{file: file.Name(), all: map[string]*pb.CollectionInfo{}}
	var port string
	e.proc, port, err = rig.Start(exec.Command(python, "-B", e.file), 30*time.Second, func(line string) (string, bool) {
		return strings.CutPrefix(line, "ready ")
	})
	if err != nil {
		_ = os.Remove(e.file)
		return nil, err
	}
	if e.conn, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err != nil {
		e.Close()
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	e.in = bufio.NewReader(e.conn)
	return e, nil
}

// Close ends the engine and forgets everything.
func (e *Edge) Close() {
	if e.conn != nil {
		_ = e.conn.Close()
	}
	_ = e.proc.CloseStdin()
	_ = os.Remove(e.file)
}

// wheels returns the python of a virtual environment that holds the engine.
func wheels() (string, error) {
	base, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("qdrant: python3 is needed: %w", err)
	}
	version, err := exec.Command(base, "-VV").Output()
	if err != nil {
		return "", fmt.Errorf("qdrant: python3 -VV: %w", err)
	}
	sum := sha256.Sum256(append([]byte(pin), version...))
	dir, err := rig.Once(fmt.Sprintf("qdrant-%x", sum[:6]), func(dir string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := rig.Run(ctx, dir, base, "-m", "venv", "."); err != nil {
			return err
		}
		return rig.Run(ctx, dir, filepath.Join(dir, "bin", "python"),
			"-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", pin)
	})
	return filepath.Join(dir, "bin", "python"), err
}

// call sends one request and reads its answer.
func (e *Edge) call(name, collection string, request proto.Message, result any) error {
	body := []byte("{}")
	if request != nil {
		var err error
		if body, err = protojson.Marshal(request); err != nil {
			return err
		}
	}
	line, err := json.Marshal(map[string]any{"call": name, "collection": collection, "request": json.RawMessage(body)})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w\n%s", err, e.proc.Log())
	}
	if line, err = e.in.ReadBytes('\n'); err != nil {
		return fmt.Errorf("%w\n%s", err, e.proc.Log())
	}
	answer := struct {
		Result json.RawMessage
		Error  string
	}{}
	if err := json.Unmarshal(line, &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	if m, ok := result.(proto.Message); ok {
		return protojson.Unmarshal(answer.Result, m)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// Info is part of qdranttest.Engine, as are the methods below.
func (e *Edge) Info(collection string) (*pb.CollectionInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	info := e.all[collection]
	if info == nil {
		return nil, nil
	}
	return proto.Clone(info).(*pb.CollectionInfo), nil
}

// Create makes a collection.
func (e *Edge) Create(q *pb.CreateCollection) error {
	if err := e.call("create", q.GetCollectionName(), q, nil); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all[q.GetCollectionName()] = &pb.CollectionInfo{
		Status: pb.CollectionStatus_Green, PayloadSchema: map[string]*pb.PayloadSchemaInfo{},
		Config: &pb.CollectionConfig{Params: &pb.CollectionParams{
			VectorsConfig: q.GetVectorsConfig(), SparseVectorsConfig: q.GetSparseVectorsConfig(),
		}},
	}
	return nil
}

// Drop removes a collection.
func (e *Edge) Drop(collection string) error {
	e.mu.Lock()
	delete(e.all, collection)
	e.mu.Unlock()
	return e.call("drop", collection, nil, nil)
}

// Index makes an index of a field.
func (e *Edge) Index(q *pb.CreateFieldIndexCollection) error {
	if err := e.call("index", q.GetCollectionName(), q, nil); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	kind := strings.TrimPrefix(q.GetFieldType().String(), "FieldType")
	e.all[q.GetCollectionName()].PayloadSchema[q.GetFieldName()] = &pb.PayloadSchemaInfo{
		DataType: pb.PayloadSchemaType(pb.PayloadSchemaType_value[kind]), Params: q.GetFieldIndexParams(),
	}
	return nil
}

// Update does one operation.
func (e *Edge) Update(collection string, op *pb.PointsUpdateOperation) error {
	return e.call("update", collection, op, nil)
}

// Query finds the nearest points to a vector.
func (e *Edge) Query(q *pb.QueryPoints) (hits []*pb.ScoredPoint, err error) {
	var list []json.RawMessage
	if err := e.call("query", q.GetCollectionName(), q, &list); err != nil {
		return nil, err
	}
	for _, raw := range list {
		hit := &pb.ScoredPoint{}
		if err := protojson.Unmarshal(raw, hit); err != nil {
			return nil, err
		}
		hits = append(hits, hit)
	}
	return hits, nil
}

// Scroll goes through points.
func (e *Edge) Scroll(q *pb.ScrollPoints) (*pb.ScrollResponse, error) {
	resp := &pb.ScrollResponse{}
	return resp, e.call("scroll", q.GetCollectionName(), q, resp)
}

// Count counts points.
func (e *Edge) Count(q *pb.CountPoints) (n uint64, err error) {
	var text json.Number
	if err := e.call("count", q.GetCollectionName(), q, &text); err != nil {
		return 0, err
	}
	return strconv.ParseUint(text.String(), 10, 64)
}

// Facet counts points by the values of a field.
func (e *Edge) Facet(q *pb.FacetCounts) (hits []*pb.FacetHit, err error) {
	var list []json.RawMessage
	if err := e.call("facet", q.GetCollectionName(), q, &list); err != nil {
		return nil, err
	}
	for _, raw := range list {
		hit := &pb.FacetHit{}
		if err := protojson.Unmarshal(raw, hit); err != nil {
			return nil, err
		}
		hits = append(hits, hit)
	}
	return hits, nil
}
