package index

import (
	"slices"
	"strings"
	"sync"

	"github.com/trapgate/trapgate/memory/record"
)

// Options of an index. The zero value is what everybody uses.
type Options struct {
	// Stats take the place of the index's own counts: for a few candidates of a space that is kept elsewhere.
	Stats *Stats
	// Weights take the place of Default: for tuning.
	Weights *Weights
}

// Stats are the counts of a space.
type Stats struct {
	Records int                   // how many there are
	Length  float64               // terms of a record, on average
	DF      func(term string) int // how many records have a term, as Terms names it
}

// An Index is the index of one space. It is safe for concurrent use: searches run beside each other, and wait for a Put, which is short.
// It keeps the records that it is given and does not change them.
type Index struct {
	stats   *Stats
	weights *Weights
	stemmer stemmer
	scratch sync.Pool

	mu       sync.RWMutex
	byID     map[record.ID]uint32
	docs     []doc
	places   []place  // of docs: what a search reads of each record that it touches
	free     []uint32 // slots of docs
	length   int64    // terms of all records
	postings int64
	vocabulary
	sessions sessions
	speakers speakers
	facts    map[record.ID][]uint32 // by their first source
	bands    map[band]uint32
	beside   [][bands]uint32 // by slot: the next one in each of its bands
	models   []string
	vectors  int64 // their bytes
}

// none is no slot.
const none = ^uint32(0)

// A doc is a record in the index.
type doc struct {
	rec     *record.Record
	session *session
	terms   []posting // of this record
	vec     *vector
	trust   float32 // 0 to 1
}

// A place is where a record stands and what it is like.
type place struct {
	prev, next uint32 // neighbours in the session
	anchor     uint32 // of a fact: the episode that it was found in
	session    uint32
	day        int32  // Said, in days since 1970; 0: not known
	length     uint16 // terms of the text, with repetitions
	near, wide uint16 // the same of the windows around it
	traits     traits
	speaker    uint16
}

// A posting is a slot, or in a doc a term, and in the low 8 bits how often the term occurs there.
type posting uint32

func post(of uint32, tf int) posting { return posting(of<<8 | uint32(min(tf, 255))) }
func (p posting) of() uint32         { return uint32(p >> 8) }
func (p posting) tf() float32        { return float32(p & 255) }

// most is how many records or terms an index can have.
const most = 1 << 24

// New returns an empty index.
func New(o Options) *Index {
	x := &Index{
		stats: o.Stats, weights: o.Weights,
		byID: map[record.ID]uint32{}, facts: map[record.ID][]uint32{}, bands: map[band]uint32{}, vocabulary: newVocabulary(),
	}
	x.sessions.named = map[string]*session{}
	x.speakers.named = map[string]uint16{}
	if x.weights == nil {
		x.weights = &Default
	}
	return x
}

// Len is how many records there are.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.byID)
}

// Bytes is about how much memory the index takes, without the records themselves.
func (x *Index) Bytes() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	const aDoc, aTerm, aPosting = 104 + 32 + 80, 160, 2*4 + 2 // with their places in maps, and room to grow
	return int64(len(x.docs))*aDoc + int64(len(x.lists))*aTerm + x.postings*aPosting + x.vectors
}

// Put adds a record, or puts it in the place of the one with its ID.
func (x *Index) Put(r *record.Record) {
	a := analysed.Get().(*analysis)
	defer func() {
		clear(a.words) // they are of a text that may be forgotten
		analysed.Put(a)
	}()
	x.mu.RLock()
	slot, ok := x.byID[r.ID]
	same := ok && x.docs[slot].rec.Text == r.Text
	x.mu.RUnlock()
	if !same {
		a.read(&x.stemmer, r.Text)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if slot, ok = x.byID[r.ID]; ok {
		if old := x.docs[slot].rec; same && sameplace(old, r) {
			x.docs[slot].rec = r
			x.setVector(slot, r.Model, r.Vector)
			return
		}
		x.remove(slot)
	}
	if same {
		a.read(&x.stemmer, r.Text)
	}
	x.add(r, a)
}

// sameplace reports whether two records of the same text stand in the same places of the index.
func sameplace(a, b *record.Record) bool {
	return a.Text == b.Text && a.Scope == b.Scope && a.Seq == b.Seq && a.Kind == b.Kind && a.Role == b.Role && a.Speaker == b.Speaker &&
		a.Said.Equal(b.Said) && len(a.Times) == len(b.Times) && a.Sim == b.Sim && slices.Equal(a.Sources, b.Sources)
}

func (x *Index) add(r *record.Record, a *analysis) {
	slot := x.slot()
	if slot == none {
		return
	}
	d := &x.docs[slot]
	*d = doc{rec: r, session: x.sessions.of(r.Scope.Session), terms: x.enter(slot, a.words), trust: float32(r.Trust) / float32(record.High)}
	at := &x.places[slot]
	*at = place{
		prev: none, next: none, anchor: none, session: d.session.number, length: a.length(), traits: a.traits, speaker: x.speakers.of(r.Speaker),
	}
	if r.Kind == record.Fact {
		at.traits |= stated
	}
	if len(r.Times) > 0 {
		at.traits |= timed
	}
	if r.Role == record.User {
		at.traits |= asker
	}
	x.length += int64(at.length)
	x.postings += int64(len(d.terms))
	if !r.Said.IsZero() {
		at.day = day(r.Said)
	}
	if r.Sim != 0 {
		x.link(slot, r.Sim)
	}
	x.byID[r.ID] = slot
	x.place(slot)
	x.setVector(slot, r.Model, r.Vector)
}

func (x *Index) slot() uint32 {
	if n := len(x.free); n > 0 {
		slot := x.free[n-1]
		x.free = x.free[:n-1]
		return slot
	}
	if len(x.docs) >= most {
		return none
	}
	x.docs = append(x.docs, doc{})
	x.places = append(x.places, place{})
	x.beside = append(x.beside, [bands]uint32{})
	return uint32(len(x.docs) - 1)
}

// Delete removes a record and everything that the index made of it.
func (x *Index) Delete(id record.ID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	slot, ok := x.byID[id]
	if ok {
		x.remove(slot)
	}
	return ok
}

func (x *Index) remove(slot uint32) {
	d := &x.docs[slot]
	r := d.rec
	x.leave(slot, d.terms)
	x.displace(slot)
	x.length -= int64(x.places[slot].length)
	x.postings -= int64(len(d.terms))
	if r.Sim != 0 {
		x.unlink(slot, r.Sim)
	}
	x.setVector(slot, "", nil)
	x.sessions.release(d.session)
	delete(x.byID, r.ID)
	x.docs[slot] = doc{}
	x.places[slot] = place{prev: none, next: none, anchor: none}
	x.free = append(x.free, slot)
	x.stemmer.clear()
}

func without(slots []uint32, slot uint32) []uint32 {
	return slices.DeleteFunc(slots, func(s uint32) bool { return s == slot })
}

// speakers are numbered; 0 is nobody.
type speakers struct {
	named map[string]uint16
	names []string
}

func (s *speakers) of(name string) uint16 {
	if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
		return 0
	}
	n, ok := s.named[name]
	if !ok && len(s.names) < 1<<16-1 {
		s.names = append(s.names, name)
		n = uint16(len(s.names))
		s.named[name] = n
	}
	return n
}
