package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/admin"
)

// A memoryAPI looks at memory and changes it, by HTTP. What it answers is JSON, an export lines of it; errors are text.
type memoryAPI struct {
	engine *memory.Engine
	store  store.Store
}

// routes are below admin.MemoryPath.
func (a *memoryAPI) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]func(ctx context.Context, q url.Values, r *http.Request) (any, error){
		"GET " + admin.MemoryPath:             a.list,
		"POST " + admin.MemoryPath:            a.remember,
		"GET " + admin.MemoryPath + "/search": a.search,
		"GET " + admin.MemoryPath + "/stats":  a.stats,
		"GET " + admin.MemoryPath + "/audit":  a.audit,
		"POST " + admin.MemoryPath + "/audit": a.audit,
		"POST " + admin.MemoryPath + "/forget": func(ctx context.Context, q url.Values, r *http.Request) (any, error) {
			var what memoryWhat
			if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxForgetRequest)).Decode(&what); err != nil {
				return nil, errAsk("forget: not a request: " + err.Error())
			}
			return a.forget(ctx, q, &what)
		},
		"POST " + admin.MemoryPath + "/import": a.take,
		"GET " + admin.MemoryPath + "/{id}":    a.show,
		"DELETE " + admin.MemoryPath + "/{id}": a.forgetOne,

		"POST " + admin.MemoryPath + "/{id}/undo": a.undo,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r.Context(), r.URL.Query(), r)
			answerMemory(w, v, err)
		})
	}
	mux.HandleFunc("GET "+admin.MemoryPath+"/export", a.export)
	return mux
}

const maxForgetRequest = 16 << 20

// answerMemory writes an answer, or what went wrong.
func answerMemory(w http.ResponseWriter, v any, err error) {
	var ask errAsk
	status := http.StatusInternalServerError
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
		return
	case errors.As(err, &ask), errors.Is(err, store.ErrForget), errors.Is(err, memory.ErrScope), errors.Is(err, memory.ErrNothing),
		errors.Is(err, memory.ErrNotExtracted):
		status = http.StatusBadRequest
	case errors.Is(err, errNoMemory):
		status = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, err)
}

// errNoMemory is returned for an id that stands for nothing.
var errNoMemory = errors.New("no memory has this id: it was forgotten, has expired, or never was\nhint: trapgate memory list")

// serveMemory is memoryAPI of the running process.
func (g *gateway) serveMemory(w http.ResponseWriter, r *http.Request) {
	m := g.memory.Load()
	if m == nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, "memory is off there\nhint: memory: {} in the configuration switches it on")
		return
	}
	(&memoryAPI{m.engine, m.store}).routes().ServeHTTP(w, r)
}

// tenant is whose memory is meant: the one that was named, else the only one that there is.
func (a *memoryAPI) tenant(ctx context.Context, q url.Values) (string, error) {
	if t := q.Get("tenant"); t != "" {
		return t, nil
	}
	stats, err := a.store.Stats(ctx, "")
	if err != nil {
		return "", err
	}
	some, err := a.store.List(ctx, store.Filter{}, record.ID{}, 1)
	switch {
	case err != nil:
		return "", err
	case len(some) == 0:
		return "", errAsk("nothing is remembered yet, so nobody knows whose memory is meant\n" +
			"hint: --tenant, a name of auth.keys, or as the log shows it")
	case stats.Tenants > 1:
		return "", errAsk("there is memory of several tenants\nhint: --tenant, as trapgate memory list shows them")
	}
	return some[0].Scope.Tenant, nil
}

// scope is whose memory is asked: of a tenant's user or session.
func (a *memoryAPI) scope(ctx context.Context, q url.Values) (s record.Scope, err error) {
	if s.Tenant, err = a.tenant(ctx, q); err != nil {
		return s, err
	}
	s.User, s.Session = named(q.Get("user")), q.Get("session")
	if !s.Valid() {
		return s, errAsk("memory is of a user, or of a session\nhint: --user or --session")
	}
	return s, nil
}

// named is a user's name as identity writes it.
func named(user string) string {
	if user == "" {
		return ""
	}
	return identity.UserSource{Name: user}.Of(nil)
}

// filter chooses records as the query says.
func filterOf(q url.Values) (f store.Filter, err error) {
	f = store.Filter{
		Tenant: q.Get("tenant"), User: named(q.Get("user")), Agent: q.Get("agent"), Session: q.Get("session"), Current: q.Get("all") == "",
	}
	switch kind := q.Get("kind"); kind {
	case "":
	case "episode":
		f.Kind = record.Episode
	case "fact":
		f.Kind = record.Fact
	default:
		return f, errAsk(fmt.Sprintf("kind: must be episode or fact (got %q)", kind))
	}
	if name := q.Get("origin"); name != "" {
		if f.Origin = memory.ParseOrigin(name); f.Origin == 0 {
			return f, errAsk(fmt.Sprintf("origin: must be captured, ruled, extracted, told or imported (got %q)", name))
		}
	}
	for name, t := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		if *t, err = time.Parse(time.RFC3339, text); err != nil {
			if *t, err = time.Parse(time.DateOnly, text); err != nil {
				return f, errAsk(fmt.Sprintf("%s: must be a day such as %s, or a time (got %q)", name, time.Now().UTC().Format(time.DateOnly), text))
			}
		}
	}
	return f, nil
}

func number(q url.Values, name string, byDefault, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, errAsk(fmt.Sprintf("%s: must be from 1 to %d (got %q)", name, most, text))
	}
	return n, nil
}

func (a *memoryAPI) list(ctx context.Context, q url.Values, _ *http.Request) (any, error) {
	f, err := filterOf(q)
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", 100, 1000)
	if err != nil {
		return nil, err
	}
	var after record.ID
	if text := q.Get("after"); text != "" {
		if after, err = record.ParseID(text); err != nil {
			return nil, errAsk("after: " + err.Error())
		}
	}
	list, err := a.engine.List(ctx, f, after, limit)
	if err != nil {
		return nil, err
	}
	page := memoryPage{Records: recordsOf(list)}
	if len(list) == limit {
		page.Next = list[limit-1].ID.String()
	}
	return page, nil
}

func (a *memoryAPI) search(ctx context.Context, q url.Values, _ *http.Request) (any, error) {
	if strings.TrimSpace(q.Get("q")) == "" {
		return nil, errAsk("q: what to search for")
	}
	s, err := a.scope(ctx, q)
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", 10, 1000)
	if err != nil {
		return nil, err
	}
	hits, err := a.engine.Search(ctx, s, q.Get("q"), limit, q.Get("all") != "")
	all := make([]memoryHit, len(hits))
	for i, h := range hits {
		all[i] = memoryHit{recordOf(h.Record), h.Score, legsOf(h.Legs)}
	}
	return map[string]any{"hits": all}, err
}

// find is a record by the id in the path, of any tenant unless one is named.
func (a *memoryAPI) find(ctx context.Context, q url.Values, r *http.Request) (*memory.Shown, error) {
	id, err := record.ParseID(r.PathValue("id"))
	if err != nil {
		return nil, errAsk(err.Error())
	}
	shown, err := a.engine.Show(ctx, q.Get("tenant"), id)
	if err == nil && shown == nil {
		err = errNoMemory
	}
	if err == nil && q.Get("tenant") == "" {
		shown, err = a.engine.Show(ctx, shown.Record.Scope.Tenant, id) // which knows why it was told
	}
	return shown, err
}

func (a *memoryAPI) show(ctx context.Context, q url.Values, r *http.Request) (any, error) {
	x, err := a.find(ctx, q, r)
	if err != nil {
		return nil, err
	}
	shown := memoryShown{Record: recordOf(x.Record), Told: []memoryTelling{}}
	for _, t := range x.Told {
		shown.Told = append(shown.Told, memoryTelling{t.At, t.Session, t.Score, legsOf(t.Legs)})
	}
	return shown, nil
}

func (a *memoryAPI) remember(ctx context.Context, q url.Values, r *http.Request) (any, error) {
	var what struct {
		Text string `json:"text"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(&what); err != nil {
		return nil, errAsk("remember: not a request: " + err.Error())
	}
	s, err := a.scope(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := a.engine.Remember(ctx, s, what.Text)
	return memoryPage{Records: recordsOf(list)}, err
}

func (a *memoryAPI) forgetOne(ctx context.Context, q url.Values, r *http.Request) (any, error) {
	x, err := a.find(ctx, q, r)
	if err != nil {
		return nil, err
	}
	return receiptOf(a.engine.Forget(ctx, store.Forget{Filter: store.Filter{Tenant: x.Record.Scope.Tenant}, IDs: []record.ID{x.Record.ID}}))
}

func (a *memoryAPI) forget(ctx context.Context, q url.Values, what *memoryWhat) (any, error) {
	if what.Query != "" {
		s, err := a.scope(ctx, q)
		if err != nil {
			return nil, err
		}
		return receiptOf(a.engine.ForgetQuery(ctx, s, what.Query))
	}
	tenant, err := a.tenant(ctx, q)
	if err != nil {
		return nil, err
	}
	return receiptOf(a.engine.Forget(ctx, store.Forget{
		Filter: store.Filter{Tenant: tenant, User: named(q.Get("user")), Session: q.Get("session")},
		IDs:    what.IDs, Texts: what.Texts, All: what.All,
	}))
}

func receiptOf(r store.Receipt, err error) (any, error) {
	ids := append([]record.ID{}, r.IDs...)
	return memoryReceipt{r.Records, r.Facts, r.Notes, r.Vectors, r.Tombstones, len(r.Sessions), r.Verified, ids}, err
}

// export writes lines as they are read; what goes wrong after the first cuts the answer.
func (a *memoryAPI) export(w http.ResponseWriter, r *http.Request) {
	f, err := filterOf(r.URL.Query())
	if err == nil {
		f.Current = false
		f.Tenant, err = a.tenant(r.Context(), r.URL.Query())
	}
	if err != nil {
		answerMemory(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	if _, err := a.engine.Export(r.Context(), w, f); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (a *memoryAPI) take(ctx context.Context, q url.Values, r *http.Request) (any, error) {
	tenant, err := a.tenant(ctx, q)
	if err != nil {
		return nil, err
	}
	n, err := a.engine.Import(ctx, r.Body, record.Scope{Tenant: tenant, User: named(q.Get("user")), Session: q.Get("session")})
	if err != nil {
		return nil, errAsk(fmt.Sprintf("%v\nhint: %d records and %d messages before it were taken", err, n.Records, n.Turns))
	}
	return map[string]int{"records": n.Records, "chats": n.Chats, "messages": n.Turns, "skipped": n.Skipped}, nil
}

// audit looks, by POST it mends too.
func (a *memoryAPI) audit(ctx context.Context, q url.Values, r *http.Request) (any, error) {
	tenant, err := a.tenant(ctx, q)
	if err != nil {
		return nil, err
	}
	n, err := a.engine.Audit(ctx, tenant, r.Method == http.MethodPost)
	return map[string]int{
		"records": n.Records, "exact": n.Exact, "near": n.Near, "never_used": n.NeverUsed, "recall_loop": n.RecallLoop, "secrets": n.Secrets,
		"orphans": n.Orphans, "conflicts": n.Conflicts, "fixed": n.Fixed,
	}, err
}

func (a *memoryAPI) stats(ctx context.Context, q url.Values, _ *http.Request) (any, error) {
	s, err := a.store.Stats(ctx, q.Get("tenant"))
	return memoryStats(s), err
}
