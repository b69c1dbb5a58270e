package sharedmemory

import (
	"context"
	"errors"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A request holds the arguments of one call; each method uses some.
type request struct {
	Method  string
	Within  time.Duration // the call is to end; 0: whenever
	Changes *store.Changes
	Query   *query
	Filter  *store.Filter
	Note    *store.Note
	Forget  *store.Forget
	Caps    *store.Caps
	Scope   record.Scope
	IDs     []record.ID
	After   record.ID
	Kind    record.Kind
	Sim     uint64
	Bits    int
	Limit   int
	// Tenant, Subject, Predicate and Model are those of the methods that have such.
	Tenant    string
	Subject   string
	Predicate string
	Model     string
}

// A query is a store.Query as it travels: without Skip, which stays at home.
type query struct {
	Text   string
	Vector []float32
	Model  string
	Now    time.Time
	Limit  int
	Past   bool
}

// An answer holds the results of one call.
type answer struct {
	Hits    []store.Hit
	Records []*record.Record
	Has     []bool
	Notes   []store.Note
	ID      record.ID
	Found   bool
	Receipt *store.Receipt
	Swept   *store.Swept
	Stats   *store.Stats
	Error   string
}

// calls answer each method of store.Store but Close.
var calls = map[string]func(ctx context.Context, s store.Store, r *request, a *answer) error{
	"apply": func(ctx context.Context, s store.Store, r *request, _ *answer) error {
		if r.Changes == nil {
			return errIncomplete
		}
		return s.Apply(ctx, *r.Changes)
	},
	"search": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		if r.Query == nil {
			return errIncomplete
		}
		q := r.Query
		a.Hits, err = s.Search(ctx, r.Scope, &store.Query{
			Text: q.Text, Vector: q.Vector, Model: q.Model, Now: q.Now, Limit: q.Limit, Past: q.Past,
		})
		return err
	},
	"near": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		a.ID, a.Found, err = s.Near(ctx, r.Scope, r.Kind, r.Sim, r.Bits)
		return err
	},
	"facts": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		a.Records, err = s.Facts(ctx, r.Scope, r.Subject, r.Predicate)
		return err
	},
	"get": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		a.Records, err = s.Get(ctx, r.Scope, r.IDs)
		return err
	},
	"has": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		a.Has, err = s.Has(ctx, r.Tenant, r.IDs)
		return err
	},
	"list": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		if r.Filter == nil {
			return errIncomplete
		}
		a.Records, err = s.List(ctx, *r.Filter, r.After, r.Limit)
		return err
	},
	"bare": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		a.Records, err = s.Bare(ctx, r.Tenant, r.Model, r.Limit)
		return err
	},
	"putnote": func(ctx context.Context, s store.Store, r *request, a *answer) error {
		if r.Note == nil {
			return errIncomplete
		}
		stands, err := s.PutNote(ctx, r.Scope, *r.Note)
		a.Notes = []store.Note{stands}
		return err
	},
	"notes": func(ctx context.Context, s store.Store, r *request, a *answer) (err error) {
		a.Notes, err = s.Notes(ctx, r.Scope)
		return err
	},
	"forget": func(ctx context.Context, s store.Store, r *request, a *answer) error {
		if r.Forget == nil {
			return errIncomplete
		}
		receipt, err := s.Forget(ctx, *r.Forget)
		a.Receipt = &receipt
		return err
	},
	"sweep": func(ctx context.Context, s store.Store, r *request, a *answer) error {
		if r.Caps == nil {
			return errIncomplete
		}
		swept, err := s.Sweep(ctx, *r.Caps)
		a.Swept = &swept
		return err
	},
	"stats": func(ctx context.Context, s store.Store, r *request, a *answer) error {
		stats, err := s.Stats(ctx, r.Tenant)
		a.Stats = &stats
		return err
	},
}

var errIncomplete = errors.New("a request without its argument")
