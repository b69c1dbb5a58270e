package tokens

import (
	"math"
	"slices"
	"strings"
	"sync"
)

const (
	otherSessions = 9 // how many sessions' lessons are kept for an upstream and model
	unlearnt      = 2 // and how many imagined ones, which taught nothing new, stand beside them
	sessionPlaces = 8 // upstreams and models that a session remembers
)

// Session is what a session's own requests taught. Its texts may be in a script or of a kind that estimates are wrong about, which says
// nothing of other sessions: these take the median over the last nine sessions and two that taught nothing, so it takes three that agree
// to move them all the way. The zero value is ready, and a nil one stands for requests without a session, whose lessons count for all.
// All methods may be called at once.
type Session struct {
	mu      sync.Mutex
	lessons []lesson // the newest place at the end
}

// lesson is what a session taught of one upstream and model.
type lesson struct {
	by          *Session // only compared
	place       place
	used, exact average
}

// Used is Calibration.Used for a request of this session.
func (s *Session) Used(c *Calibration, upstream, model string, estimated, reported int) {
	if s == nil {
		c.Used(upstream, model, estimated, reported)
		return
	}
	s.learn(c, place{upstream, model}, estimated, reported, func(l *lesson, shared average) {
		l.used.from(shared)
		l.used.add(float64(reported)/float64(estimated), math.Min(1, float64(estimated)/fullRequest))
	})
}

// Exact is Calibration.Exact for a request of this session.
func (s *Session) Exact(c *Calibration, upstream, model string, estimated, exact int) {
	if s == nil {
		c.Exact(upstream, model, estimated, exact)
		return
	}
	s.learn(c, place{upstream, model}, estimated, exact, func(l *lesson, _ average) {
		l.exact.add(float64(exact)/float64(estimated), math.Min(1, float64(estimated)/fullRequest))
	})
}

// Refused is Calibration.Refused for a request of this session.
func (s *Session) Refused(c *Calibration, upstream, model string, estimated, counted int) {
	if s == nil {
		c.Refused(upstream, model, estimated, counted)
		return
	}
	now := s.Factor(c, upstream, model)
	s.learn(c, place{upstream, model}, estimated, counted, func(l *lesson, _ average) {
		if ratio := min(max(float64(counted)/float64(estimated), leastFactor), mostFactor); ratio > now {
			l.used = average{ratio, longWeight}
		}
	})
}

// Factor is Calibration.Factor for a request of this session: by its own lessons where it has any.
func (s *Session) Factor(c *Calibration, upstream, model string) float64 {
	if s == nil {
		return c.Factor(upstream, model)
	}
	s.mu.Lock()
	at := s.find(place{upstream, model})
	if at < 0 {
		s.mu.Unlock()
		return c.Factor(upstream, model)
	}
	own := s.lessons[at]
	s.mu.Unlock()
	if own.used.weight > 0 && own.exact.weight > 0 {
		return combine(own.used, own.exact)
	}
	used, exact := own.used, own.exact
	if r := c.ratios.get(own.place); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		usedByAll, exactByAll := r.shared()
		if used.weight == 0 {
			used = usedByAll
		}
		if exact.weight == 0 {
			exact = exactByAll
		}
	}
	return combine(used, exact)
}

func (s *Session) find(p place) int {
	return slices.IndexFunc(s.lessons, func(l lesson) bool { return l.place == p })
}

// learn changes the session's lesson and hands a copy of it to all others.
func (s *Session) learn(c *Calibration, p place, estimated, counted int, change func(l *lesson, shared average)) {
	if estimated <= 0 || counted <= 0 {
		return // no answer, or one that says nothing
	}
	r := c.ratios.get(p)
	if r == nil {
		r = c.ratios.add(p, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	at := s.find(p)
	if at < 0 {
		s.lessons = newest(s.lessons, lesson{by: s, place: place{strings.Clone(p.upstream), strings.Clone(p.model)}}, sessionPlaces)
		at = len(s.lessons) - 1
	}
	used, _ := r.shared()
	change(&s.lessons[at], used)
	own := s.lessons[at]
	if i := slices.IndexFunc(r.sessions, func(l lesson) bool { return l.by == s }); i >= 0 {
		r.sessions[i] = own
	} else {
		r.sessions = newest(r.sessions, own, otherSessions)
	}
	r.factor.Store(math.Float64bits(r.combined()))
}

// newest appends a lesson, and lets the oldest go when there are too many.
func newest(lessons []lesson, l lesson, most int) []lesson {
	if len(lessons) == most {
		lessons = slices.Delete(lessons, 0, 1)
	}
	return append(lessons, l)
}

// shared is what holds for a session of which nothing is known.
func (r *ratios) shared() (used, exact average) {
	return median(r.used, r.sessions, func(l *lesson) average { return l.used }), median(r.exact, r.sessions, func(l *lesson) average { return l.exact })
}

// median is over sessions, those that taught something, and over what is assumed without them.
func median(assumed average, sessions []lesson, of func(*lesson) average) average {
	var room [otherSessions + unlearnt]float64
	values := room[:0]
	for i := range sessions {
		if a := of(&sessions[i]); a.weight > firstWeight { // more than what it began with
			values = append(values, a.value)
		}
	}
	if len(values) == 0 {
		return assumed
	}
	base := 1.0
	if assumed.weight > 0 {
		base = assumed.value
	}
	for range unlearnt {
		values = append(values, base)
	}
	slices.Sort(values)
	n := len(values)
	return average{(values[(n-1)/2] + values[n/2]) / 2, longWeight}
}

// from lets an average that knows nothing begin with another.
func (a *average) from(b average) {
	if a.weight == 0 && b.weight > 0 {
		*a = average{b.value, firstWeight}
	}
}
