package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	loadRows    = 2048 // rows that one query of a load reads, so that no reader holds the log for long
	loadsAtOnce = 2
	mostSpaces  = 1 << 16
	preloadRows = 4096 // how many of the last rows name the spaces to load at the start
	preloadMost = 8    // and how many of those
)

// spaces are the indexes that are in memory, the least recently used first to go.
type spaces struct {
	mu    sync.Mutex
	known *simplelru.LRU[record.Space, *space]
	bytes int64
	loads chan struct{} // a place for each load at work
}

// A space is the index of one space, or what is being loaded.
type space struct {
	name  record.Space
	index *index.Index
	ready chan struct{} // closed when it is loaded, or err says why not
	err   error

	mu      sync.Mutex // held while the index is changed
	loading bool
	pending []record.ID // touched by commits while it loads
	texts   int64       // bytes of the bodies that were put, for an estimate
	puts    int64

	bytes int64 // as spaces counts it; under spaces.mu
}

func (x *spaces) init() {
	x.known, _ = simplelru.NewLRU(mostSpaces, func(_ record.Space, e *space) { x.bytes -= e.bytes })
	x.loads = make(chan struct{}, loadsAtOnce)
}

// space returns the index of a space, which begins to be loaded if it is not in memory.
func (s *Store) space(name record.Space) *space {
	x := &s.spaces
	x.mu.Lock()
	defer x.mu.Unlock()
	if e, ok := x.known.Get(name); ok {
		return e
	}
	e := &space{name: name, index: index.New(index.Options{}), ready: make(chan struct{}), loading: true}
	x.known.Add(name, e)
	s.work.Go(func() { s.load(e) })
	return e
}

// loaded waits for an index. What it waits for goes on when ctx ends.
func (s *Store) loaded(ctx context.Context, name record.Space) (*index.Index, error) {
	e := s.space(name)
	select {
	case <-e.ready:
	default:
		select {
		case <-e.ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("memory: waiting for the index: %w", ctx.Err())
		}
	}
	return e.index, e.err
}

func (s *Store) load(e *space) {
	defer close(e.ready)
	select {
	case s.spaces.loads <- struct{}{}:
		defer func() { <-s.spaces.loads }()
	case <-s.life.Done():
	}
	err := s.fill(e)
	e.mu.Lock()
	defer e.mu.Unlock()
	for err == nil && len(e.pending) > 0 {
		ids := e.pending
		e.pending = nil
		err = s.refresh(e, ids)
	}
	e.loading = false
	if err != nil {
		e.err = err
		s.drop(e)
		if s.life.Err() == nil {
			s.log.Error("memory: an index could not be loaded", "tenant", e.name.Tenant, "err", err)
		}
		return
	}
	s.weigh(e)
}

// A loadedRow is a record and its vector, on the way from a row into the index.
type loadedRow struct {
	*record.Record
	size  int
	model string
	unit  []byte
}

// fill reads the rows of a space into its index: one goroutine reads, this one puts.
func (s *Store) fill(e *space) error {
	pages := make(chan []loadedRow, 2)
	var failed error
	var reading sync.WaitGroup
	ctx, end := context.WithCancel(s.life)
	defer reading.Wait()
	defer end()
	reading.Go(func() {
		defer close(pages)
		failed = s.rowsOf(ctx, e.name, func(page []loadedRow) bool {
			select {
			case pages <- page:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	for page := range pages {
		for i := range page {
			e.put(&page[i])
		}
	}
	return failed
}

func (e *space) put(r *loadedRow) {
	e.index.Put(r.Record)
	if len(r.unit) > 0 {
		e.index.SetVector(r.ID, r.model, unpackUnit(r.unit))
	}
	e.texts += int64(r.size)
	e.puts++
}

// rowsOf yields the rows of a space, in pages, oldest first.
func (s *Store) rowsOf(ctx context.Context, of record.Space, yield func([]loadedRow) bool) error {
	var space, vectors int64
	err := s.read(ctx, `SELECT s.id, s.vectors FROM memory_spaces s JOIN memory_tenants t ON t.id = s.tenant
		WHERE t.name = ? AND s.user = ? AND s.session = ?`,
		[]any{of.Tenant, of.User, of.Session}, func(rows *sql.Rows) error { return rows.Scan(&space, &vectors) })
	if err != nil || space == 0 {
		return err
	}
	query := `SELECT r.n, r.id, r.body, '', NULL FROM memory_records r WHERE r.space = ? AND r.n > ? ORDER BY r.n LIMIT ?`
	if vectors > 0 {
		query = `SELECT r.n, r.id, r.body, m.name, v.unit FROM memory_records r LEFT JOIN memory_vectors v ON v.record = r.n
			LEFT JOIN memory_models m ON m.id = v.model WHERE r.space = ? AND r.n > ? ORDER BY r.n LIMIT ?`
	}
	for after := int64(0); ; {
		var page []loadedRow
		count := 0
		err := s.read(ctx, query, []any{space, after, loadRows}, s.passing(func(rows *sql.Rows) error {
			count++
			r, err := loadRow(rows, of, &after)
			if err == nil {
				page = append(page, r)
			}
			return err
		}))
		if err != nil {
			return err
		}
		if !yield(page) {
			return ctx.Err()
		}
		if count < loadRows {
			return nil
		}
	}
}

func loadRow(rows *sql.Rows, of record.Space, n *int64) (r loadedRow, err error) {
	var id, body, model, unit sql.RawBytes
	if err := rows.Scan(n, &id, &body, &model, &unit); err != nil {
		return r, err
	}
	r.Record = &record.Record{Scope: record.Scope{Tenant: of.Tenant, User: of.User}}
	if len(id) != len(r.ID) {
		return r, errBody
	}
	copy(r.ID[:], id)
	r.size = len(body)
	if len(unit) > 0 {
		r.model, r.unit = string(model), append([]byte{}, unit...)
	}
	return r, unpack(r.Record, body)
}

// follow brings the indexes in memory up to date after a commit.
func (s *Store) follow(all touched) {
	for name, ids := range all {
		s.spaces.mu.Lock()
		e, ok := s.spaces.known.Peek(name)
		s.spaces.mu.Unlock()
		if !ok {
			continue // who loads it sees the commit
		}
		e.mu.Lock()
		if e.loading {
			e.pending = append(e.pending, ids...)
		} else if err := s.refresh(e, ids); err != nil {
			s.drop(e)
		} else {
			s.weigh(e)
		}
		e.mu.Unlock()
	}
}

// refresh makes the index say of some records what the rows say. The space must be locked.
func (s *Store) refresh(e *space, ids []record.ID) error {
	for _, id := range ids {
		found := false
		err := s.read(s.life, `SELECT r.n, r.id, r.body, m.name, v.unit FROM memory_records r JOIN memory_spaces s ON s.id = r.space
			LEFT JOIN memory_vectors v ON v.record = r.n LEFT JOIN memory_models m ON m.id = v.model
			WHERE r.tenant = (SELECT id FROM memory_tenants WHERE name = ?) AND r.id = ? AND s.user = ? AND s.session = ?`,
			[]any{e.name.Tenant, id[:], e.name.User, e.name.Session}, s.passing(func(rows *sql.Rows) error {
				r, err := loadRow(rows, e.name, new(int64))
				if err == nil {
					found = true
					e.put(&r)
				}
				return err
			}))
		if err != nil {
			return err
		}
		if !found {
			e.index.Delete(id)
		}
	}
	return nil
}

// weigh counts the bytes of an index anew, and drops others until there is room. The space must be locked.
func (s *Store) weigh(e *space) {
	const aRecord, aSpace = int64(unsafe.Sizeof(record.Record{})), 4096
	bytes := int64(aSpace) + e.index.Bytes() + int64(e.index.Len())*(aRecord+e.texts/max(1, e.puts))
	x := &s.spaces
	x.mu.Lock()
	defer x.mu.Unlock()
	if now, ok := x.known.Peek(e.name); !ok || now != e {
		return // dropped meanwhile
	}
	x.bytes += bytes - e.bytes
	e.bytes = bytes
	for x.bytes > s.most && x.known.Len() > 1 {
		x.known.RemoveOldest()
	}
}

// drop lets an index be loaded anew.
func (s *Store) drop(e *space) {
	x := &s.spaces
	x.mu.Lock()
	defer x.mu.Unlock()
	if now, ok := x.known.Peek(e.name); ok && now == e {
		x.known.Remove(e.name)
	}
}

// preload loads the spaces that were written to last, while they take up to half of the room.
func (s *Store) preload() {
	var names []record.Space
	err := s.read(s.life, `SELECT t.name, s.user, s.session FROM (SELECT space, max(n) AS last FROM
		(SELECT space, n FROM memory_records ORDER BY n DESC LIMIT ?) GROUP BY space ORDER BY last DESC LIMIT ?) l
		JOIN memory_spaces s ON s.id = l.space JOIN memory_tenants t ON t.id = s.tenant WHERE s.bytes < ? ORDER BY l.last DESC`,
		[]any{preloadRows, preloadMost, s.most / 8}, func(rows *sql.Rows) error {
			var n record.Space
			err := rows.Scan(&n.Tenant, &n.User, &n.Session)
			names = append(names, n)
			return err
		})
	if err != nil && s.life.Err() == nil {
		s.log.Error("memory: cannot tell which indexes to load first", "err", err)
	}
	for _, name := range names {
		s.spaces.mu.Lock()
		full := s.spaces.bytes > s.most/2
		s.spaces.mu.Unlock()
		if full {
			return
		}
		if _, err := s.loaded(s.life, name); err != nil {
			return
		}
	}
}

// Search implements store.Store.
func (s *Store) Search(ctx context.Context, of record.Scope, q *store.Query) ([]store.Hit, error) {
	if !of.Valid() {
		return nil, nil
	}
	x, err := s.loaded(ctx, of.Space())
	if err != nil {
		return nil, err
	}
	hits := x.Search(ctx, of, q)
	if err := ctx.Err(); err != nil && len(hits) == 0 {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return hits, nil
}

// Near implements store.Store.
func (s *Store) Near(ctx context.Context, of record.Scope, k record.Kind, sim uint64, bits int) (record.ID, bool, error) {
	if !of.Valid() {
		return record.ID{}, false, nil
	}
	x, err := s.loaded(ctx, of.Space())
	if err != nil {
		return record.ID{}, false, err
	}
	id, ok := x.Near(of, k, sim, bits)
	return id, ok, nil
}
