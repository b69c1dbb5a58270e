package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/internal/state"
)

// scrubRows is how many entries are removed at a time.
const scrubRows = 256

// Purge implements Store. It also scrubs the file; an error of that says that some may be left in it, and the next Forget or Purge
// scrubs whatever it finds. Entries that cannot be read go too.
func (s *SQLite) Purge(ctx context.Context, tenant string, match func([]byte) bool) (removed int, err error) {
	if err := s.db.Flush(ctx); err != nil {
		return 0, fmt.Errorf("context: %w", err)
	}
	record := func(sealed []byte) bool {
		text, err := unseal(sealed)
		return err != nil || match(text)
	}
	for _, t := range [...]struct {
		list, drop string
		match      func([]byte) bool
	}{
		{`SELECT r.id, r.record FROM context_epochs r JOIN context_sessions s ON s.id = r.session WHERE s.tenant = ?`, `DELETE FROM context_epochs WHERE id = ?`, record},
		{`SELECT r.id, r.record FROM context_notes r JOIN context_sessions s ON s.id = r.session WHERE s.tenant = ?`, `DELETE FROM context_notes WHERE id = ?`, record},
		{
			`SELECT r.id, r.content FROM context_contents r JOIN context_sessions s ON s.id = r.session WHERE s.tenant = ?`, `DELETE FROM context_contents WHERE id = ?`,
			func(packed []byte) bool {
				c, err := unpack("", packed)
				return err != nil || c.matches(match)
			},
		},
	} {
		ids, err := s.matching(ctx, t.list, tenant, t.match)
		if err == nil {
			err = s.remove(ctx, t.drop, ids)
		}
		if err != nil {
			return removed, fmt.Errorf("context: %w", err)
		}
		removed += len(ids)
	}
	if err := s.scrub(ctx); err != nil {
		return removed, fmt.Errorf("context: %d entries are removed, but the state file may still have some of them: %w", removed, err)
	}
	return removed, nil
}

func (s *SQLite) matching(ctx context.Context, list, tenant string, match func([]byte) bool) (ids []int64, err error) {
	rows, err := s.db.Reader().QueryContext(ctx, list, tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var stored []byte
		if err := rows.Scan(&id, &stored); err != nil {
			return nil, err
		}
		if match(stored) {
			ids = append(ids, id)
		}
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}

func (s *SQLite) remove(ctx context.Context, drop string, ids []int64) error {
	for part := range slices.Chunk(ids, scrubRows) {
		err := s.db.WriteSync(ctx, func(tx *state.Tx) error {
			for _, id := range part {
				if _, err := tx.Exec(drop, id); err != nil {
					return err
				}
			}
			return nil
		})
		s.removals.Add(1) // with an error it may happen yet
		if err != nil {
			return err
		}
	}
	return nil
}

// Purge implements Store. Every content of the tenant comes over the wire.
func (s *Redis) Purge(ctx context.Context, tenant string, match func([]byte) bool) (removed int, err error) {
	if tenant == "" {
		return 0, nil
	}
	sessions, err := s.Sessions(ctx, tenant)
	if err != nil {
		return 0, err
	}
	for _, x := range sessions {
		for _, kind := range [...]string{"epoch", "note"} {
			n, err := s.scrub(ctx, kind+"s", x.Key, func(_, stored string) bool {
				text, err := unseal([]byte(stored[min(10, len(stored)):]))
				return err != nil || match(text)
			})
			if removed += n; err != nil {
				return removed, err
			}
		}
		n, err := s.scrub(ctx, "stored", x.Key, func(handle, stored string) bool {
			c, err := unpack(handle, []byte(stored))
			return err != nil || c.matches(match)
		})
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// scrub removes what matches of the entries that a call of the script lists: names and what is stored under them, in turn.
func (s *Redis) scrub(ctx context.Context, list string, k Key, match func(name, stored string) bool) (removed int, err error) {
	found, err := s.run(ctx, list, member(k)).StringSlice()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("context: redis: %w", err)
	}
	var names []any
	for i := 0; i+1 < len(found); i += 2 {
		if match(found[i], found[i+1]) {
			names = append(names, found[i])
		}
	}
	for part := range slices.Chunk(names, scrubRows) {
		args := append([]any{list, member(k), counted(k.Tenant)}, part...)
		if err := s.run(ctx, "scrub", args...).Err(); err != nil {
			return removed, fmt.Errorf("context: redis: %w", err)
		}
		removed += len(part)
	}
	return removed, nil
}
