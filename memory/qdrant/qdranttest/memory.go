package qdranttest

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Memory is an Engine in this process.
type Memory struct {
	mu  sync.RWMutex
	all map[string]*collection
}

type collection struct {
	made    *pb.CreateCollection
	indexes map[string]*pb.PayloadSchemaInfo
	points  map[string]*point // by key
	tenant  string            // the field that tells tenants apart; "": none does
	tenants map[string]map[string]*point
}

// NewMemory returns an engine without collections.
func NewMemory() *Memory { return &Memory{all: map[string]*collection{}} }

// key is a UUID in its one form, so that keys sort as IDs do.
func key(id *pb.PointId) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(id.GetUuid(), "-", ""))
	if err != nil || len(raw) != 16 {
		return "" // is refused by update
	}
	return string(raw)
}

func (m *Memory) find(name string) (*collection, error) {
	if c := m.all[name]; c != nil {
		return c, nil
	}
	return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
}

// Info is part of Engine, as are the methods below.
func (m *Memory) Info(name string) (*pb.CollectionInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c := m.all[name]
	if c == nil {
		return nil, nil
	}
	return &pb.CollectionInfo{
		Status: pb.CollectionStatus_Green,
		Config: &pb.CollectionConfig{Params: &pb.CollectionParams{
			VectorsConfig: c.made.GetVectorsConfig(), SparseVectorsConfig: c.made.GetSparseVectorsConfig(),
		}},
		PayloadSchema: maps.Clone(c.indexes),
		PointsCount:   pb.PtrOf(uint64(len(c.points))),
	}, nil
}

// Create makes a collection.
func (m *Memory) Create(q *pb.CreateCollection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[q.GetCollectionName()] = &collection{
		made: q, indexes: map[string]*pb.PayloadSchemaInfo{}, points: map[string]*point{}, tenants: map[string]map[string]*point{},
	}
	return nil
}

// Drop removes a collection.
func (m *Memory) Drop(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
	return nil
}

var schemas = map[pb.FieldType]pb.PayloadSchemaType{
	pb.FieldType_FieldTypeKeyword:  pb.PayloadSchemaType_Keyword,
	pb.FieldType_FieldTypeInteger:  pb.PayloadSchemaType_Integer,
	pb.FieldType_FieldTypeBool:     pb.PayloadSchemaType_Bool,
	pb.FieldType_FieldTypeDatetime: pb.PayloadSchemaType_Datetime,
}

// Index notes that a field is indexed: Facet and OrderBy ask for it, as Qdrant does.
func (m *Memory) Index(q *pb.CreateFieldIndexCollection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(q.GetCollectionName())
	if err != nil {
		return err
	}
	schema, ok := schemas[q.GetFieldType()]
	if !ok {
		return fmt.Errorf("index %v is not known here", q.GetFieldType())
	}
	if q.GetFieldIndexParams().GetKeywordIndexParams().GetIsTenant() {
		if len(c.points) > 0 {
			return fmt.Errorf("an index of tenants over points that are there is not known here")
		}
		c.tenant = q.GetFieldName()
	}
	c.indexes[q.GetFieldName()] = &pb.PayloadSchemaInfo{DataType: schema, Params: q.GetFieldIndexParams()}
	return nil
}

// Update does one operation, whole or not at all.
func (m *Memory) Update(name string, op *pb.PointsUpdateOperation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(name)
	if err != nil {
		return err
	}
	switch op := op.GetOperation().(type) {
	case *pb.PointsUpdateOperation_Upsert:
		return c.upsert(op.Upsert)
	case *pb.PointsUpdateOperation_SetPayload_:
		chosen, err := c.chosen(op.SetPayload.GetPointsSelector())
		for _, p := range chosen {
			c.drop(p) // its tenant may change
			p.payload = maps.Clone(p.payload)
			maps.Copy(p.payload, op.SetPayload.GetPayload())
			c.put(p)
		}
		return err
	case *pb.PointsUpdateOperation_UpdateVectors_:
		return c.setVectors(op.UpdateVectors)
	case *pb.PointsUpdateOperation_DeletePoints_:
		chosen, err := c.chosen(op.DeletePoints.GetPoints())
		for _, p := range chosen {
			c.drop(p)
		}
		return err
	}
	return fmt.Errorf("operation %T is not known here", op.GetOperation())
}

func (c *collection) upsert(q *pb.PointsUpdateOperation_PointStructList) error {
	if q.GetUpdateFilter() != nil {
		return fmt.Errorf("update_filter is not known here")
	}
	for _, p := range q.GetPoints() {
		if key(p.GetId()) == "" {
			return fmt.Errorf("not a UUID: %v", p.GetId())
		}
		if err := c.fits(p.GetVectors().GetVectors().GetVectors()); err != nil {
			return err
		}
	}
	for _, p := range q.GetPoints() {
		_, there := c.points[key(p.GetId())]
		if there && q.GetUpdateMode() == pb.UpdateMode_InsertOnly || !there && q.GetUpdateMode() == pb.UpdateMode_UpdateOnly {
			continue
		}
		if there {
			c.drop(c.points[key(p.GetId())])
		}
		c.put(&point{p.GetId(), key(p.GetId()), maps.Clone(p.GetPayload()), maps.Clone(p.GetVectors().GetVectors().GetVectors())})
	}
	return nil
}

// setVectors changes the vectors of points that are there; Qdrant refuses the operation for one that is not.
func (c *collection) setVectors(q *pb.PointsUpdateOperation_UpdateVectors) error {
	for _, pv := range q.GetPoints() {
		if err := c.fits(pv.GetVectors().GetVectors().GetVectors()); err != nil {
			return err
		}
		p := c.points[key(pv.GetId())]
		if p == nil {
			return status.Errorf(codes.NotFound, "Not found: No point with id %s found", pv.GetId().GetUuid())
		}
		if p.vectors = maps.Clone(p.vectors); p.vectors == nil {
			p.vectors = map[string]*pb.Vector{}
		}
		maps.Copy(p.vectors, pv.GetVectors().GetVectors().GetVectors())
	}
	return nil
}

// fits refuses vectors of names and lengths that the collection was not made for.
func (c *collection) fits(vectors map[string]*pb.Vector) error {
	for name, v := range vectors {
		if v.GetSparse() != nil {
			if c.made.GetSparseVectorsConfig().GetMap()[name] == nil {
				return fmt.Errorf("no vector is named %q", name)
			}
			continue
		}
		params := c.made.GetVectorsConfig().GetParamsMap().GetMap()[name]
		if params == nil {
			return fmt.Errorf("no vector is named %q", name)
		}
		if got := len(v.GetDense().GetData()); got != int(params.GetSize()) {
			return fmt.Errorf("vector of the wrong length: expected %d, got %d", params.GetSize(), got)
		}
	}
	return nil
}

func (c *collection) chosen(s *pb.PointsSelector) ([]*point, error) {
	if f := s.GetFilter(); f != nil {
		return c.filtered(f)
	}
	var chosen []*point
	for _, id := range s.GetPoints().GetIds() {
		if p := c.points[key(id)]; p != nil {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

func (c *collection) put(p *point) {
	c.points[p.key] = p
	of := p.payload[c.tenant].GetStringValue()
	if c.tenants[of] == nil {
		c.tenants[of] = map[string]*point{}
	}
	c.tenants[of][p.key] = p
}

func (c *collection) drop(p *point) {
	delete(c.points, p.key)
	delete(c.tenants[p.payload[c.tenant].GetStringValue()], p.key)
}

// filtered are the points of a filter in the order of their IDs.
func (c *collection) filtered(f *pb.Filter) (all []*point, err error) {
	add := func(p *point) {
		ok, bad := match(f, p)
		if ok {
			all = append(all, p)
		}
		if bad != nil {
			err = bad
		}
	}
	c.few(f, add)
	slices.SortFunc(all, func(a, b *point) int { return cmp.Compare(a.key, b.key) })
	return all, err
}

// few calls add with the points that a filter may choose: of some IDs, of a tenant, or all.
func (c *collection) few(f *pb.Filter, add func(*point)) {
	from := c.points
	for _, cond := range f.GetMust() {
		if ids := cond.GetHasId(); ids != nil {
			seen := map[string]bool{}
			for _, id := range ids.GetHasId() {
				if p := c.points[key(id)]; p != nil && !seen[key(id)] {
					seen[key(id)] = true
					add(p)
				}
			}
			return
		}
		if k, ok := cond.GetField().GetMatch().GetMatchValue().(*pb.Match_Keyword); ok && c.tenant != "" && cond.GetField().GetKey() == c.tenant {
			from = c.tenants[k.Keyword]
		}
	}
	for _, p := range from {
		add(p)
	}
}
