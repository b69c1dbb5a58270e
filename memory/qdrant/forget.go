package qdrant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// passes bounds how often Forget looks again for what came meanwhile.
const passes = 32

// Forget puts the tombstones first, so that a crash leaves nothing that can come back, and then removes; asked again it finishes what
// it began. It looks until it finds nothing: that is the proof in the receipt. The server returns when the points are gone from what
// can be searched; its segments are rewritten in its own time, and snapshots that were made keep what they hold.
func (s *Store) Forget(ctx context.Context, what store.Forget) (store.Receipt, error) {
	if err := what.Check(); err != nil {
		return store.Receipt{}, err
	}
	if err := s.Ready(ctx); err != nil {
		return store.Receipt{}, err
	}
	s.forget.Lock()
	defer s.forget.Unlock()
	if what.At.IsZero() {
		what.At = s.o.Now()
	}
	f := &forgetting{s: s, ctx: ctx, what: &what, sessions: map[record.Scope]bool{}, texts: map[string]bool{}}
	if of := &what.Filter; what.Whole() {
		f.receipt.Whole = true
		f.in(record.Scope{Tenant: of.Tenant, User: of.User, Session: of.Session})
	}
	if err := f.bury(f.asked()); err != nil {
		return f.receipt, err
	}
	for range passes {
		n, err := f.pass()
		if err != nil {
			return f.receipt, err
		}
		if n == 0 {
			f.receipt.Verified = true
			return f.receipt, nil
		}
	}
	return f.receipt, fmt.Errorf("qdrant: what is forgotten is learned again as fast, %d times\n"+
		"hint: all who share a collection must be of one version: is another at work?", passes)
}

type forgetting struct {
	s        *Store
	ctx      context.Context
	what     *store.Forget
	removed  []*record.Record
	sessions map[record.Scope]bool
	texts    map[string]bool
	receipt  store.Receipt
}

// asked are tombstones of what is asked for by name, whether it is there or on its way.
func (f *forgetting) asked() (ids []pointID) {
	w := f.what.Filter
	if len(f.what.Texts) > 0 && len(f.what.IDs) == 0 && w.Whole() {
		user, session := everyone, everyone
		if w.User != "" {
			user = exactly(w.User)
		}
		if w.Session != "" {
			session = exactly(w.Session)
		}
		for _, text := range f.what.Texts {
			ids = append(ids, f.s.tombOfText(w.Tenant, user, session, record.TextKey(text)))
		}
	}
	if w == (store.Filter{Tenant: w.Tenant}) && len(f.what.Texts) == 0 {
		for _, id := range f.what.IDs {
			ids = append(ids, f.s.tombOfID(w.Tenant, id))
		}
	}
	return ids
}

// bury puts tombstones.
func (f *forgetting) bury(ids []pointID) error {
	stand, err := f.s.standing(f.ctx, ids)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id pointID) bool { return stand[id] != nil })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for part := range slices.Chunk(ids, page) {
		var stones []*pb.PointStruct
		for _, id := range part {
			stones = append(stones, stone(id, f.what.Filter.Tenant, f.what.At))
		}
		if err := f.s.write(f.ctx, insert(stones...)); err != nil {
			return err
		}
	}
	f.receipt.Tombstones += len(ids)
	return nil
}

// pass forgets what it finds, and returns how much that was.
func (f *forgetting) pass() (int, error) {
	found, err := f.matching()
	if err != nil {
		return 0, err
	}
	for derived := found; len(derived) > 0; {
		if derived, err = f.derived(derived, found); err != nil {
			return 0, err
		}
		found = append(found, derived...)
	}
	var stones, gone []pointID
	for _, r := range found {
		at := recordPoint(r.Scope.Tenant, r.ID)
		gone = append(gone, at)
		stones = append(stones, f.s.tombOfID(r.Scope.Tenant, r.ID))
		if r.Scope.Valid() {
			stones = append(stones, f.s.tombInSpace(r.Scope.Space(), record.TextKey(r.Text)))
		}
	}
	aliases, more, err := f.s.aliasesOf(f.ctx, f.what.Filter.Tenant, found)
	if err != nil {
		return 0, err
	}
	gone = append(gone, aliases...)
	if err := f.bury(append(stones, more...)); err != nil {
		return 0, err
	}
	if err := f.unname(found); err != nil {
		return 0, err
	}
	if err := f.s.removeIDs(f.ctx, gone); err != nil {
		return 0, err
	}
	f.note(found)
	notes, err := f.notes()
	return len(found) + notes, err
}

// matching are the records that are asked for.
func (f *forgetting) matching() (found []*record.Record, err error) {
	conds := chosen(&f.what.Filter, f.what.At)
	if len(f.what.Texts) > 0 {
		keys := make([]int64, len(f.what.Texts))
		for i, text := range f.what.Texts {
			keys[i] = int64(record.TextKey(text))
		}
		conds = append(conds, pb.NewMatchInts(fKey, keys...))
	}
	match := f.what.Matcher()
	take := func(r *record.Record) bool {
		found = append(found, r)
		return true
	}
	if len(f.what.IDs) == 0 {
		return found, f.s.records(f.ctx, conds, match, take)
	}
	for part := range slices.Chunk(f.what.IDs, page) {
		at := make([]pointID, len(part))
		for i, id := range part {
			at[i] = recordPoint(f.what.Filter.Tenant, id)
		}
		if err := f.s.records(f.ctx, append(slices.Clip(conds), points(at...)), match, take); err != nil {
			return nil, err
		}
	}
	return f.standOn(found)
}

// standOn adds what facts that are asked for by their IDs stand on in their spaces: that says the same. What of it was swept leaves a
// tombstone.
func (f *forgetting) standOn(found []*record.Record) ([]*record.Record, error) {
	known, tenant := map[record.ID]bool{}, f.what.Filter.Tenant
	for _, r := range found {
		known[r.ID] = true
	}
	for facts := found; len(facts) > 0; {
		spaces, at := map[record.ID]record.Space{}, []pointID(nil)
		for _, r := range facts {
			for _, id := range r.Sources {
				if r.Kind == record.Fact && !known[id] {
					known[id], spaces[id], at = true, r.Scope.Space(), append(at, recordPoint(tenant, id))
				}
			}
		}
		facts = nil
		for part := range slices.Chunk(at, page) {
			err := f.s.records(f.ctx, []cond{ofType(typeRecord), points(part...)}, everybody, func(r *record.Record) bool {
				if r.Scope.Space() == spaces[r.ID] {
					facts = append(facts, r)
				}
				delete(spaces, r.ID)
				return true
			})
			if err != nil {
				return nil, err
			}
		}
		found = append(found, facts...)
		var stones []pointID
		for id := range spaces {
			stones = append(stones, f.s.tombOfID(tenant, id))
		}
		if err := f.bury(stones); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func everybody(*record.Record) bool { return true }

// derived are records that were made from one of these, and are not among those found before.
func (f *forgetting) derived(from, before []*record.Record) (found []*record.Record, err error) {
	known := map[record.ID]bool{}
	for _, r := range before {
		known[r.ID] = true
	}
	for part := range slices.Chunk(from, page) {
		conds := []cond{is(fTenant, f.what.Filter.Tenant), ofType(typeRecord), pb.NewMatchKeywords(fSources, idTexts(part)...)}
		err := f.s.records(f.ctx, conds, func(r *record.Record) bool { return !known[r.ID] }, func(r *record.Record) bool {
			known[r.ID] = true
			found = append(found, r)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func idTexts(records []*record.Record) []string {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = r.ID.String()
	}
	return texts
}

// unname takes the IDs of what is forgotten out of what others say: an ID is made of the text.
func (f *forgetting) unname(gone []*record.Record) error {
	for part := range slices.Chunk(gone, page) {
		ids := idTexts(part)
		mine := []cond{is(fTenant, f.what.Filter.Tenant), ofType(typeRecord)}
		clear := set(payload{fSuperseded: pb.NewValueString("")}, append(slices.Clip(mine), pb.NewMatchKeywords(fSuperseded, ids...))...)
		rows, err := f.s.rows(f.ctx, append(slices.Clip(mine), pb.NewMatchKeywords(fCloses, ids...)))
		if err != nil {
			return err
		}
		ops := []*pb.PointsUpdateOperation{clear}
		for _, r := range rows {
			ops = append(ops, set(without(r.payload, ids), points(r.id)))
		}
		if err := f.s.write(f.ctx, ops...); err != nil {
			return err
		}
	}
	return nil
}

// without is what a record takes the place of, but for some IDs.
func without(p payload, ids []string) payload {
	kept, to := []*pb.Value{}, []*pb.Value{}
	times := p[fClosesTo].GetListValue().GetValues()
	for i, v := range p[fCloses].GetListValue().GetValues() {
		if !slices.Contains(ids, v.GetStringValue()) && i < len(times) {
			kept, to = append(kept, v), append(to, times[i])
		}
	}
	return payload{fCloses: pb.NewValueFromList(kept...), fClosesTo: pb.NewValueFromList(to...)}
}

// note writes the receipt.
func (f *forgetting) note(gone []*record.Record) {
	for _, r := range gone {
		f.removed = append(f.removed, r)
		f.receipt.Records++
		f.receipt.IDs = append(f.receipt.IDs, r.ID)
		if r.Kind == record.Fact {
			f.receipt.Facts++
		}
		if r.Model != "" {
			f.receipt.Vectors++
		}
		if !f.texts[r.Text] {
			f.texts[r.Text] = true
			f.receipt.Texts = append(f.receipt.Texts, r.Text)
		}
		f.in(r.Scope)
	}
}

func (f *forgetting) in(s record.Scope) {
	s.Agent = ""
	if !f.sessions[s] {
		f.sessions[s] = true
		f.receipt.Sessions = append(f.receipt.Sessions, s)
	}
}

// quotable is the shortest text of a record that is looked for within notes, in bytes. What is shorter is in a note that names the
// record, and otherwise everywhere.
const quotable = 8

// notes removes the notes that name or contain what is forgotten, and all of a user or session when that is.
func (f *forgetting) notes() (n int, err error) {
	w := f.what.Filter
	type named struct {
		space record.Space
		id    record.ID
	}
	names := map[named]bool{}
	texts := map[record.Space][]string{}
	for _, r := range f.removed {
		names[named{r.Scope.Space(), r.ID}] = true
		if text := record.Canonical(r.Text); len(text) >= quotable {
			texts[r.Scope.Space()] = append(texts[r.Scope.Space()], text)
		}
	}
	var gone []pointID
	err = f.s.scroll(f.ctx, all(is(fTenant, w.Tenant), ofType(typeNote)), pb.NewWithPayload(true), func(r row) bool {
		scope, note := scopeOf(r.payload), noteOf(r.payload)
		own := (w.User == "" || w.User == scope.User) && (w.Session == "" || w.Session == scope.Session)
		quotes := func(text string) bool { return text != "" && strings.Contains(record.Canonical(note.Text), text) }
		if own && f.what.Whole() ||
			slices.ContainsFunc(note.Records, func(id record.ID) bool { return names[named{scope.Space(), id}] }) ||
			slices.ContainsFunc(texts[scope.Space()], quotes) ||
			own && slices.ContainsFunc(f.what.Texts, func(t string) bool { return quotes(record.Canonical(t)) }) {
			gone = append(gone, r.id)
			f.in(scope)
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	f.receipt.Notes += len(gone)
	return len(gone), f.s.removeIDs(f.ctx, gone)
}

// tombsKept is how long tombstones stand: no agent resends a history that is older.
const tombsKept = 365 * 24 * time.Hour
