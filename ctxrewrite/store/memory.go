package store

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a Store of one process that forgets when it ends.
type Memory struct {
	opt      Options
	mu       sync.Mutex
	sessions map[Key]*session
	bytes    int64
	swept    time.Time // when sessions were removed last whose time to live was over
}

type session struct {
	epochs   records
	notes    records
	contents map[string]Content
	handles  []string // of contents, oldest first
	bytes    int64
	used     time.Time
}

type records []struct {
	name  uint64
	bytes []byte
}

// put keeps a record unless one of its name stands, and returns the one that stands, which is the caller's.
func (r *records) put(name uint64, record []byte) (stands []byte, added bool) {
	for _, old := range *r {
		if old.name == name {
			return bytes.Clone(old.bytes), false
		}
	}
	*r = append(*r, struct {
		name  uint64
		bytes []byte
	}{name, bytes.Clone(record)})
	return bytes.Clone(record), true
}

func (r records) all() (all [][]byte) {
	for i := range r {
		all = append(all, bytes.Clone(r[i].bytes))
	}
	return all
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store.
func NewMemory(opt Options) *Memory {
	opt = opt.withDefaults(DefaultMemoryBytes)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Memory{opt: opt, sessions: map[Key]*session{}}
}

// PutEpoch implements Store.
func (m *Memory) PutEpoch(_ context.Context, k Key, chain uint64, record []byte) ([]byte, error) {
	return m.put(k, func(s *session) *records { return &s.epochs }, chain, record), nil
}

// PutNote implements Store.
func (m *Memory) PutNote(_ context.Context, k Key, name uint64, note []byte) ([]byte, error) {
	return m.put(k, func(s *session) *records { return &s.notes }, name, note), nil
}

func (m *Memory) put(k Key, to func(*session) *records, name uint64, record []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.touch(k)
	stands, added := to(s).put(name, record)
	if added {
		m.grow(s, len(record))
		m.bound(k)
	}
	return stands
}

// Epochs implements Store.
func (m *Memory) Epochs(_ context.Context, k Key) (all [][]byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.find(k); s != nil {
		all = s.epochs.all()
	}
	return all, nil
}

// Notes implements Store.
func (m *Memory) Notes(_ context.Context, k Key) (all [][]byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.find(k); s != nil {
		all = s.notes.all()
	}
	return all, nil
}

// PutContents implements Store.
func (m *Memory) PutContents(_ context.Context, k Key, contents []Content) error {
	kept, err := keepable(contents)
	if len(kept) == 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.touch(k)
	for _, c := range kept {
		if _, stands := s.contents[c.Handle]; !stands {
			c.Body = bytes.Clone(c.Body)
			s.contents[c.Handle] = c
			s.handles = append(s.handles, c.Handle)
			m.grow(s, c.size())
		}
	}
	m.bound(k)
	return err
}

// Content implements Store.
func (m *Memory) Content(_ context.Context, tenant, handle string) (Content, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, s := range m.sessions {
		if c, ok := s.contents[handle]; ok && k.Tenant == tenant && !m.old(s) {
			c.Body = bytes.Clone(c.Body)
			return c, nil
		}
	}
	return Content{}, ErrUnknown
}

// Sessions implements Store.
func (m *Memory) Sessions(_ context.Context, tenant string) (all []Session, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, s := range m.sessions {
		if (tenant == "" || tenant == k.Tenant) && !m.old(s) {
			all = append(all, Session{Key: k, Epochs: len(s.epochs), Contents: len(s.contents), Bytes: s.bytes, Used: s.used})
		}
	}
	slices.SortFunc(all, func(a, b Session) int { return b.Used.Compare(a.Used) })
	return all, nil
}

// Forget implements Store.
func (m *Memory) Forget(_ context.Context, k Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(k)
	return nil
}

// Purge implements Store.
func (m *Memory) Purge(_ context.Context, tenant string, match func([]byte) bool) (removed int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, s := range m.sessions {
		if k.Tenant != tenant {
			continue
		}
		for _, r := range [...]*records{&s.epochs, &s.notes} {
			freed, gone := r.purge(match)
			m.grow(s, -freed)
			removed += gone
		}
		s.handles = slices.DeleteFunc(s.handles, func(handle string) bool {
			c := s.contents[handle]
			if !c.matches(match) {
				return false
			}
			delete(s.contents, handle)
			m.grow(s, -c.size())
			removed++
			return true
		})
	}
	return removed, nil
}

func (r *records) purge(match func([]byte) bool) (freed, gone int) {
	kept := (*r)[:0]
	for _, old := range *r {
		if match(old.bytes) {
			freed, gone = freed+len(old.bytes), gone+1
		} else {
			kept = append(kept, old)
		}
	}
	clear((*r)[len(kept):])
	*r = kept
	return freed, gone
}

func (m *Memory) find(k Key) *session {
	s := m.sessions[k]
	if s == nil || m.old(s) {
		return nil
	}
	s.used = m.opt.Now()
	return s
}

func (m *Memory) touch(k Key) *session {
	if s := m.find(k); s != nil {
		return s
	}
	m.drop(k)
	m.sweep()
	s := &session{contents: map[string]Content{}, used: m.opt.Now()}
	m.sessions[k] = s
	return s
}

// sweep removes sessions whose time to live is over, now and then, because it looks at all.
func (m *Memory) sweep() {
	if now := m.opt.Now(); now.Sub(m.swept) > m.opt.TTL/64 {
		m.swept = now
		for k, s := range m.sessions {
			if m.old(s) {
				m.drop(k)
			}
		}
	}
}

func (m *Memory) old(s *session) bool { return m.opt.Now().Sub(s.used) > m.opt.TTL }

func (m *Memory) grow(s *session, n int) {
	s.bytes += int64(n)
	m.bytes += int64(n)
}

// bound drops what is over the bound: the session not used for longest first, and of the one just written, when it alone is too
// large, the oldest contents.
func (m *Memory) bound(written Key) {
	for m.bytes > m.opt.Bytes && len(m.sessions) > 1 {
		var oldest Key
		var at time.Time
		for k, s := range m.sessions {
			if k != written && (at.IsZero() || s.used.Before(at)) {
				oldest, at = k, s.used
			}
		}
		m.drop(oldest)
	}
	s := m.sessions[written]
	for m.bytes > m.opt.Bytes && len(s.handles) > 0 {
		c := s.contents[s.handles[0]]
		delete(s.contents, c.Handle)
		s.handles = s.handles[1:]
		m.grow(s, -c.size())
	}
}

func (m *Memory) drop(k Key) {
	if s := m.sessions[k]; s != nil {
		m.bytes -= s.bytes
		delete(m.sessions, k)
	}
}
