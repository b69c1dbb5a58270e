package store

import (
	"math"
	"slices"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// Match reports whether the filter chooses the record. now is what "current" is asked for.
func (f *Filter) Match(r *record.Record, now time.Time) bool {
	return (f.Tenant == "" || f.Tenant == r.Scope.Tenant) && (f.User == "" || f.User == r.Scope.User) &&
		(f.Agent == "" || f.Agent == r.Scope.Agent) && (f.Session == "" || f.Session == r.Scope.Session) &&
		(f.Kind == 0 || f.Kind == r.Kind) && (f.Origin == 0 || f.Origin == r.Origin) && (!f.Current || r.Current(now)) &&
		(f.Since.IsZero() || !r.Said.Before(f.Since)) && (f.Until.IsZero() || r.Said.Before(f.Until))
}

// Whole reports whether the filter says no more than a tenant, a user and a session, so that it chooses everything of those.
func (f *Filter) Whole() bool {
	return f.Agent == "" && f.Kind == 0 && f.Origin == 0 && !f.Current && f.Since.IsZero() && f.Until.IsZero()
}

// Whole reports whether everything of a tenant, a user or a session is to be forgotten.
func (f *Forget) Whole() bool {
	return f.All && f.Filter.Whole() && len(f.IDs) == 0 && len(f.Texts) == 0
}

// Check returns ErrForget for a Forget that says too little.
func (f *Forget) Check() error {
	if f.Filter.Tenant == "" || !f.All && len(f.IDs) == 0 && len(f.Texts) == 0 {
		return ErrForget
	}
	return nil
}

// Matcher returns what tells whether a record matches all the fields that are set.
func (f *Forget) Matcher() func(*record.Record) bool {
	ids := make(map[record.ID]bool, len(f.IDs))
	for _, id := range f.IDs {
		ids[id] = true
	}
	keys := make([]uint64, len(f.Texts))
	for i, text := range f.Texts {
		keys[i] = record.TextKey(text)
	}
	return func(r *record.Record) bool {
		return f.Filter.Match(r, f.At) && (len(ids) == 0 || ids[r.ID]) &&
			(len(keys) == 0 || slices.Contains(keys, record.TextKey(r.Text)))
	}
}

// Half-lives of what a record is worth when there is too much.
const (
	factHalf    = 365 * 24 * time.Hour
	episodeHalf = 30 * 24 * time.Hour
	lowHalf     = 7 * 24 * time.Hour // of documents and the output of tools
)

// Worth is by what caps choose: the importance, halved for every half-life since it was said: a year for a fact, 30 days for an
// episode, 7 days for what tools said. A closed fact is worth a quarter, and ages as an episode does. Use does not count, because
// what is found often would then never go.
func Worth(r *record.Record, now time.Time) float64 {
	half, share := episodeHalf, 1.0
	switch {
	case r.Trust == record.Low:
		half = lowHalf
	case r.Kind == record.Fact && r.Closed.IsZero():
		half = factHalf
	case r.Kind == record.Fact:
		share = 0.25
	}
	age := max(0, now.Sub(r.Said))
	return share * float64(r.Importance) * math.Exp2(-float64(age)/float64(half))
}
