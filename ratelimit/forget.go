package ratelimit

import "time"

// Forget drops a pool, with all that it has learnt, and reports whether it did: only one that no configuration names, and in which
// nothing waits, runs, or is reserved for a next attempt. The name may be used again: that makes another pool. Who still holds
// the Pool must not submit to it any more.
func (s *Scheduler) Forget(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools[name]
	if _, named := s.conf[name]; p == nil || named {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queued > 0 || p.inflight > 0 || p.outstanding != 0 {
		return false
	}
	if p.timer != nil {
		p.timer.Stop()
		p.timer, p.timerAt = nil, time.Time{}
	}
	delete(s.pools, name)
	return true
}
