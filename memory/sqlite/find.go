package sqlite

import (
	"context"
	"slices"

	"github.com/trapgate/trapgate/memory/record"
)

// find returns what is asked for.
func (f *forgetting) find(ctx context.Context) (found []record.ID, err error) {
	match := f.Matcher()
	see := func(r *record.Record) bool {
		if match(r) {
			found = append(found, r.ID)
		}
		return true
	}
	if len(f.IDs) == 0 {
		err = f.s.walk(ctx, f.Filter.Tenant, f.Filter.User, record.ID{}, true, see)
		return found, err
	}
	for _, id := range f.IDs {
		r, err := f.s.get(ctx, f.Filter.Tenant, id)
		if err != nil {
			return nil, err
		}
		if r != nil {
			if see(r); match(r) {
				err = f.standsOn(ctx, r, &found)
			}
			if err != nil {
				return nil, err
			}
		} else if f.anyID() {
			found = append(found, id) // swept, but something that was made from it may stand
		}
	}
	return found, nil
}

// standsOn adds what a fact stands on in its space: that says the same. What of it is swept is to leave a tombstone.
func (f *forgetting) standsOn(ctx context.Context, r *record.Record, found *[]record.ID) error {
	if r.Kind != record.Fact {
		return nil
	}
	for _, id := range r.Sources {
		if slices.Contains(*found, id) {
			continue
		}
		source, err := f.s.get(ctx, f.Filter.Tenant, id)
		if err != nil {
			return err
		}
		if source == nil || source.Scope.Space() == r.Scope.Space() {
			*found = append(*found, id)
		}
		if source == nil {
			f.sources = append(f.sources, id)
		} else if err := f.standsOn(ctx, source, found); err != nil {
			return err
		}
	}
	return nil
}

// anyID reports whether the IDs are meant wherever they stand, so that they may stand nowhere.
func (f *forgetting) anyID() bool {
	of := &f.Filter
	return of.Whole() && of.User == "" && of.Session == "" && len(f.Texts) == 0
}
