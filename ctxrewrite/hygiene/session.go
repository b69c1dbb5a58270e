package hygiene

import (
	"slices"
	"sync"

	"github.com/trapgate/trapgate/internal/wire"
)

// A session is what is known of one conversation.
type session struct {
	mu      sync.Mutex
	prompts []*prompt // the one used last is the last
	stamps  stamps

	restored bool               // what was noted by others is here
	volatile map[uint64][]int32 // of it: the volatile segments by the hash of the masked text
}

// A prompt is one system text of a session, whatever stands behind its mask: an agent may use several.
type prompt struct {
	raw, masked uint64
	values      []uint64 // hash of each segment in the request before
	volatile    []int32  // segments that were seen to change, in order
	wild        bool     // too many of them
	moved       bool     // the volatile segments were not in the request before
	tokens      int      // of the request before
	noted       int      // how many volatile segments are in the notes
}

const (
	maxPrompts  = 4 // of a session
	maxVolatile = 8 // segments of a prompt
)

// session finds or begins what is known of a request's session.
func (h *Hygiene) session(r *Request) *session {
	key := sessionKey{r.Tenant, r.Session}
	if s, ok := h.sessions.Get(key); ok {
		return s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.sessions.Get(key); ok {
		return s
	}
	s := new(session)
	h.sessions.Add(key, s)
	return s
}

// volatile compares the system text with that of the session's request before.
func (h *Hygiene) volatile(r *Request, rep *Report) {
	v := r.View
	raw := systemHash(v)
	if raw == 0 {
		return
	}
	move := r.Settings.Volatile == VolatileMove && !r.Observe
	s := h.session(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(func(p *prompt) bool { return p.raw == raw })
	if p != nil && (!move || p.wild || len(p.volatile) == 0) {
		p.tokens, p.moved = r.tokens(), false
		return
	}
	sc := h.scans.Get().(*scan)
	defer h.scans.Put(sc)
	masked := sc.read(v)
	if move {
		h.restore(r, s, sc)
	}
	if p == nil {
		p = h.compare(r, s, sc, raw, masked, rep)
	}
	p.tokens, p.moved = r.tokens(), false
	if move && len(p.volatile) > 0 && !p.wild {
		rep.Why = s.move(h, r, sc, p)
		if p.moved = rep.Why == ""; p.moved {
			h.noteVolatile(r, p)
		}
		rep.Moved = p.moved
	}
}

// find returns a prompt and notes that it was used.
func (s *session) find(fits func(*prompt) bool) *prompt {
	for i := len(s.prompts) - 1; i >= 0; i-- {
		if p := s.prompts[i]; fits(p) {
			if i != len(s.prompts)-1 {
				s.prompts = append(slices.Delete(s.prompts, i, i+1), p)
			}
			return p
		}
	}
	return nil
}

// compare brings the prompt with this mask up to date with a text that is not the one before, and reports what has changed.
func (h *Hygiene) compare(r *Request, s *session, sc *scan, raw, masked uint64, rep *Report) *prompt {
	p := s.find(func(p *prompt) bool { return p.masked == masked && len(p.values) == len(sc.segs) })
	key := knownKey{r.Tenant, r.Agent, masked}
	if p == nil {
		p = &prompt{masked: masked, volatile: s.restoredFor(masked, len(sc.segs))}
		if p.noted = len(p.volatile); p.noted == 0 {
			p.volatile = h.knownFor(key, len(sc.segs))
		}
		if len(s.prompts) == maxPrompts {
			s.prompts = slices.Delete(s.prompts, 0, 1)
		}
		s.prompts = append(s.prompts, p)
		p.take(raw, sc)
		return p
	}
	before, first := len(p.volatile), -1
	for i := range sc.segs {
		if sc.segs[i].hash == p.values[i] {
			continue
		}
		if line := int(sc.segs[i].line); len(rep.Volatile) < maxVolatile && !slices.Contains(rep.Volatile, line) {
			rep.Volatile = append(rep.Volatile, line)
		}
		known := slices.Contains(p.volatile[:before], int32(i))
		if first < 0 && !(known && p.moved) {
			first = i
		}
		switch {
		case known:
		case len(p.volatile) == maxVolatile:
			p.wild = true
		default:
			p.volatile = append(p.volatile, int32(i))
		}
	}
	if first >= 0 {
		rep.Cost = max(0, min(p.tokens, r.tokens())-r.ahead(sc.segs[first].at.Start))
	}
	if slices.Sort(p.volatile); len(p.volatile) > before && !p.wild {
		h.learn(key, p.volatile)
	}
	p.take(raw, sc)
	return p
}

func (p *prompt) take(raw uint64, sc *scan) {
	p.raw, p.values = raw, p.values[:0]
	for i := range sc.segs {
		p.values = append(p.values, sc.segs[i].hash)
	}
}

// learn tells later sessions of the agent.
func (h *Hygiene) learn(key knownKey, volatile []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Clone(volatile)
	old, _ := h.known.Get(key)
	for _, i := range old {
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	if len(all) <= maxVolatile {
		h.known.Add(key, all)
	}
}

// restoredFor is what an earlier process moved out of such a prompt with so many segments.
func (s *session) restoredFor(masked uint64, segments int) []int32 {
	all := s.volatile[masked]
	if len(all) > 0 && int(all[len(all)-1]) >= segments {
		return nil
	}
	return slices.Clone(all)
}

// knownFor is what other sessions have proven of such a prompt with so many segments.
func (h *Hygiene) knownFor(key knownKey, segments int) []int32 {
	all, _ := h.known.Get(key)
	if len(all) > 0 && int(all[len(all)-1]) >= segments { // two texts of one hash
		return nil
	}
	return slices.Clone(all)
}

func (r *Request) tokens() int {
	if r.Tokens > 0 {
		return r.Tokens
	}
	return len(r.View.Body) / 4
}

// ahead is about how many of the request's tokens a provider reads before a byte of the system text: tools, system text and messages
// follow each other in this order.
func (r *Request) ahead(at int32) int {
	v := r.View
	size := func(s wire.Span) int { return int(s.End - s.Start) }
	bytes := size(v.ToolsSpan)
	if !v.System.Empty() && v.System.Start <= at && at < v.System.End {
		bytes += int(at - v.System.Start)
	} else {
		bytes += size(v.System) + int(at-v.History.Start)
	}
	all := size(v.ToolsSpan) + size(v.System) + size(v.History)
	return int(int64(r.tokens()) * int64(bytes) / int64(max(1, all)))
}
