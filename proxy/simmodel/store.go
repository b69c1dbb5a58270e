package simmodel

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// A respStore keeps responses that were made with store, newest 4096.
type respStore struct {
	mu   sync.Mutex
	byID *lru.Cache[string, *storedResponse]
	item *lru.Cache[string, json.RawMessage] // output items by id, for item_reference
}

type storedResponse struct {
	body     []byte
	input    []json.RawMessage // of this request alone
	history  []json.RawMessage // input with everything before it, and the output
	finished bool
	cancel   context.CancelFunc // background ones
}

func newRespStore() *respStore {
	byID, _ := lru.New[string, *storedResponse](4096)
	item, _ := lru.New[string, json.RawMessage](1 << 14)
	return &respStore{byID: byID, item: item}
}

func (s *respStore) put(id string, r *respRequest, a *answer, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID.Add(id, &storedResponse{body: body, input: r.items, history: s.with(r.history, a), finished: true})
}

// with returns the history with an answer's items, which can be referred to from then on; mu is held.
func (s *respStore) with(history []json.RawMessage, a *answer) []json.RawMessage {
	history = slices.Clone(history)
	for i := range a.parts {
		item := outputItem(&a.parts[i], "completed")
		s.item.Add(a.parts[i].id, item)
		history = append(history, item)
	}
	return history
}

// referred replaces {"type":"item_reference","id":...} by the item.
func (s *respStore) referred(raw json.RawMessage) (json.RawMessage, *apiError) {
	if !bytes.Contains(raw, []byte("item_reference")) {
		return raw, nil
	}
	var ref struct{ Type, ID string }
	if json.Unmarshal(raw, &ref) != nil || ref.Type != "item_reference" {
		return raw, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.item.Get(ref.ID)
	if !ok {
		return nil, bad("input", "Item with id '%s' not found.", ref.ID)
	}
	return item, nil
}

func (s *respStore) get(id string) (*storedResponse, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID.Get(id)
}

func (s *respStore) history(id string) ([]json.RawMessage, bool) {
	r, ok := s.get(id)
	if !ok || !r.finished {
		return nil, false
	}
	return r.history, true
}

// stored answers GET, DELETE, cancel and input_items of one response.
func (c *conversation) stored(rest string) {
	id, op, _ := strings.Cut(rest, "/")
	r, ok := c.m.store.get(id)
	if !ok {
		c.fail(&apiError{status: 404, typ: "invalid_request_error", kind: "path", msg: "Response with id '" + id + "' not found."})
		return
	}
	switch {
	case c.r.Method == http.MethodGet && op == "":
		c.m.store.mu.Lock()
		body := r.body
		c.m.store.mu.Unlock()
		c.writeBody(body)
	case c.r.Method == http.MethodGet && op == "input_items":
		c.inputItems(r)
	case c.r.Method == http.MethodDelete && op == "":
		c.m.store.mu.Lock()
		c.m.store.byID.Remove(id)
		c.m.store.mu.Unlock()
		c.writeBody(append(append([]byte(`{"id":`), quote(id)...), `,"object":"response","deleted":true}`...))
	case c.r.Method == http.MethodPost && op == "cancel":
		if r.cancel == nil {
			c.fail(bad("", "Cannot cancel a synchronous response."))
			return
		}
		r.cancel()
		c.m.store.mu.Lock()
		if !r.finished {
			r.body = []byte(strings.Replace(strings.Replace(string(r.body), `"status":"queued"`, `"status":"cancelled"`, 1), `"status":"in_progress"`, `"status":"cancelled"`, 1))
		}
		body := r.body
		c.m.store.mu.Unlock()
		c.writeBody(body)
	default:
		c.fail(&apiError{status: 404, typ: "invalid_request_error", kind: "path", msg: "Invalid URL (" + c.r.Method + " " + c.r.URL.Path + ")"})
	}
}

// inputItems lists the input, newest first unless order=asc, with ids where items came without.
func (c *conversation) inputItems(r *storedResponse) {
	type named struct {
		id   string
		item json.RawMessage
	}
	var list []named
	for i, raw := range r.input {
		var it respItem
		json.Unmarshal(raw, &it)
		n := named{it.ID, raw}
		if n.id == "" {
			n.id = "item_" + strconv.FormatUint(hash64(raw)^uint64(i), 16)
			n.item = append([]byte(`{"id":"`+n.id+`",`), strings.TrimSpace(string(raw))[1:]...)
		}
		list = append(list, n)
	}
	query := c.r.URL.Query()
	if query.Get("order") != "asc" {
		slices.Reverse(list)
	}
	if after := query.Get("after"); after != "" {
		i := slices.IndexFunc(list, func(n named) bool { return n.id == after })
		list = list[i+1:]
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		limit = 20
	}
	more := len(list) > limit
	list = list[:min(limit, len(list))]
	items := make([]json.RawMessage, 0, len(list))
	var first, last string
	for i, n := range list {
		if i == 0 {
			first = n.id
		}
		last = n.id
		items = append(items, n.item)
	}
	c.m.writeJSON(c.w, map[string]any{"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": more})
}

// background starts a response that the agent polls for.
func (c *conversation) background(q *request, a *answer) {
	if q.stream || !q.resp.store {
		c.fail(bad("background", "This simulated model runs background responses stored and without a stream."))
		return
	}
	m, id, created := c.m, "resp_"+a.id, c.m.clock.Now()
	ctx, cancel := context.WithCancel(m.ctx)
	r := &storedResponse{input: q.resp.items, cancel: cancel, body: q.responseObject(a, "queued", nil, created)}
	m.store.mu.Lock()
	m.store.byID.Add(id, r)
	m.store.mu.Unlock()
	own := &conversation{m: m, d: c.d, id: c.id, key: c.key, start: c.start, charged: c.charged}
	m.wg.Go(func() { own.runBackground(ctx, q, a, r, created) })
	c.writeBody(r.body)
}

func (c *conversation) runBackground(ctx context.Context, q *request, a *answer, r *storedResponse, created time.Time) {
	defer r.cancel()
	u, err := c.m.run(ctx, q, a, c, nil, nil)
	s := c.m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.finished = err == nil; !r.finished {
		c.m.stats.abandoned.Add(1)
		return
	}
	c.m.stats.completed.Add(1)
	r.body = q.responseObject(a, finalStatus(a), &u, created)
	r.history = s.with(q.resp.history, a)
}
