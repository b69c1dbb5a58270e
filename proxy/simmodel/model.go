package simmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// A Model is one simulated model behind the three dialects. It is an http.Handler and safe for concurrent use.
type Model struct {
	opt    Options
	clock  Clock
	eng    *engine
	cache  *prefixCache
	limits *limiter
	store  *respStore
	stats  counters
	ids    atomic.Int64            // request ids handed out
	seen   *lru.Cache[uint64, int] // body hash -> times seen
	seenMu sync.Mutex
	born   time.Time

	ctx    context.Context // of background responses
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New makes a model. The error lists every bad option. Close it when done.
func New(o Options) (*Model, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	m := &Model{opt: o, clock: o.Clock, cache: newPrefixCache(o.Cache), limits: newLimiter(o.Limits, o.Clock), store: newRespStore(), born: o.Clock.Now()}
	m.eng = &engine{clock: o.Clock, slots: o.Slots, maxQueue: o.MaxQueue, prefill: o.PrefillRate, decode: o.DecodeRate, slowdown: o.BatchSlowdown, stats: &m.stats}
	m.seen, _ = lru.New[uint64, int](1 << 16)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Close cancels background responses and waits for them. Servers are closed by themselves.
func (m *Model) Close() error {
	m.cancel()
	m.wg.Wait()
	return nil
}

// maxBody bounds a request body in bytes.
const maxBody = 256 << 20

// ServeHTTP answers a request. Paths match by suffix, so /v1/..., no prefix and Azure's deployment paths all work.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimRight(r.URL.Path, "/")
	post := r.Method == http.MethodPost
	d := dialectOf(r, path)
	id := fmt.Sprintf("req_%016x", mix(m.opt.Seed, hash64([]byte(path)), uint64(m.ids.Add(1))))
	if d == messages {
		lower(w.Header(), "request-id", id)
	} else {
		lower(w.Header(), "x-request-id", id)
	}
	if err := m.authorize(r); err != nil {
		m.fail(w, d, id, err)
		return
	}
	c := &conversation{m: m, w: w, r: r, d: d, id: id}
	switch {
	case path == "" && (r.Method == http.MethodHead || r.Method == http.MethodGet):
		w.WriteHeader(http.StatusOK)
	case strings.HasSuffix(path, "/sim/stats"):
		m.writeJSON(w, m.Stats())
	case strings.HasSuffix(path, "/models") && !post:
		m.listModels(w, r)
	case r.Method == http.MethodGet && strings.Contains(path, "/models/"):
		m.getModel(c, path[strings.LastIndex(path, "/models/")+len("/models/"):])
	case post && strings.HasSuffix(path, "/messages/count_tokens"), post && strings.HasSuffix(path, "/responses/input_tokens"):
		c.count()
	case post && (strings.HasSuffix(path, "/completions") || strings.HasSuffix(path, "/responses") || strings.HasSuffix(path, "/messages")):
		c.generate()
	case post && strings.HasSuffix(path, "/embeddings"):
		c.embed()
	case strings.Contains(path, "/responses/"):
		c.stored(path[strings.LastIndex(path, "/responses/")+len("/responses/"):])
	case strings.HasSuffix(path, "/responses") && r.Header.Get("Upgrade") != "":
		w.Header().Set("Upgrade", "HTTP/1.1")
		m.fail(w, d, id, &apiError{status: 426, typ: "invalid_request_error", msg: "WebSocket is not supported. Use POST.", kind: "invalid"})
	default:
		m.fail(w, d, id, &apiError{status: 404, typ: "invalid_request_error", msg: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path), kind: "path"})
	}
}

func dialectOf(r *http.Request, path string) dialect {
	switch {
	case strings.HasSuffix(path, "/messages"), strings.Contains(path, "/messages/"), r.Header.Get("anthropic-version") != "":
		return messages
	case strings.HasSuffix(path, "/responses"), strings.Contains(path, "/responses/"):
		return responses
	case strings.HasSuffix(path, "/embeddings"):
		return embeddings
	case strings.HasSuffix(path, "/completions") && !strings.HasSuffix(path, "/chat/completions"):
		return completions
	}
	return chat
}

// credential is the key an agent sent, in any of the three ways.
func credential(r *http.Request) string {
	if k := r.Header.Get("x-api-key"); k != "" {
		return k
	}
	if k := r.Header.Get("api-key"); k != "" {
		return k
	}
	k, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return k
}

func (m *Model) authorize(r *http.Request) *apiError {
	if len(m.opt.Keys) == 0 {
		return nil
	}
	got := credential(r)
	for _, k := range m.opt.Keys {
		if k == got {
			return nil
		}
	}
	return &apiError{status: 401, typ: "invalid_request_error", code: "invalid_api_key", kind: "auth", msg: "Incorrect API key provided."}
}

func (m *Model) writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func readBody(r *http.Request) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n <= maxBody {
		b := make([]byte, n)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, err
		}
		// One more read makes the server see the end of the body and begin to watch the connection.
		var one [1]byte
		r.Body.Read(one[:])
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(b) > maxBody {
		err = errors.New("request body is too large")
	}
	return b, err
}

func (m *Model) checkModel(name string) *apiError {
	if !m.opt.StrictModels {
		return nil
	}
	for _, n := range m.opt.Models {
		if n == name {
			return nil
		}
	}
	return &apiError{status: 404, typ: "invalid_request_error", code: "model_not_found", param: "model", kind: "model", msg: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", name)}
}

func (m *Model) listModels(w http.ResponseWriter, r *http.Request) {
	var list []json.RawMessage
	for _, n := range m.opt.Models {
		list = append(list, m.modelObject(n, r))
	}
	if r.Header.Get("anthropic-version") == "" {
		m.writeJSON(w, map[string]any{"object": "list", "data": list})
		return
	}
	first, last := m.opt.Models[0], m.opt.Models[len(m.opt.Models)-1]
	m.writeJSON(w, map[string]any{"data": list, "has_more": false, "first_id": first, "last_id": last})
}

func (m *Model) modelObject(name string, r *http.Request) json.RawMessage {
	if r.Header.Get("anthropic-version") != "" {
		return fmt.Appendf(nil, `{"type":"model","id":%s,"display_name":%[1]s,"created_at":"%s"}`, quote(name), m.born.UTC().Format(time.RFC3339))
	}
	return fmt.Appendf(nil, `{"id":%s,"object":"model","created":%d,"owned_by":"simmodel"}`, quote(name), m.born.Unix())
}

func (m *Model) getModel(c *conversation, name string) {
	for _, n := range m.opt.Models {
		if n == name {
			m.writeJSON(c.w, m.modelObject(n, c.r))
			return
		}
	}
	m.fail(c.w, c.d, c.id, &apiError{status: 404, typ: "invalid_request_error", code: "model_not_found", param: "model", kind: "model", msg: fmt.Sprintf("The model '%s' does not exist", name)})
}
