package share

import "github.com/trapgate/trapgate/internal/state"

// DB is the state file of the data directory, for pieces that keep more there than what was used; their migrations are among
// Migrations. nil: a guest, now. It is open until Close.
func (s *Sharing) DB() *state.DB {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db
}
