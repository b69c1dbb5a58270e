package sqlite

import (
	"context"
	"database/sql"

	"github.com/trapgate/trapgate/internal/state"
)

// begin notes that something is being forgotten. Should the process end before done, what is left of removed rows is overwritten at the
// next start (resume): nobody could ask for it again, since nothing of it is found any more.
func (f *forgetting) begin(ctx context.Context) error {
	return f.s.commit(ctx, func(tx *state.Tx) error {
		done, err := tx.Exec(`INSERT INTO memory_forgettings (at) VALUES (?)`, millis(f.At))
		if err == nil {
			f.mark, err = done.LastInsertId()
		}
		return err
	}, func() {})
}

func (f *forgetting) done(ctx context.Context) error {
	return f.s.commit(ctx, func(tx *state.Tx) error {
		_, err := tx.Exec(`DELETE FROM memory_forgettings WHERE n = ?`, f.mark)
		return err
	}, func() {})
}

// resume ends what a process that was cut off has begun to forget: at once the notes that show it, beside the path the rest.
func (s *Store) resume() {
	var last int64
	err := s.read(s.life, `SELECT ifnull(max(n), 0) FROM memory_forgettings`, nil, func(rows *sql.Rows) error { return rows.Scan(&last) })
	if err == nil && last == 0 {
		return
	}
	if err == nil {
		err = s.dropShown(s.life)
	}
	s.work.Go(func() { s.overwrite(last, err) })
}

// dropShown removes the notes that name what has a tombstone.
func (s *Store) dropShown(ctx context.Context) error {
	type shown struct {
		n, session int64
		stones     []tombstone
	}
	var all []shown
	err := s.read(ctx, `SELECT n.n, n.session, n.chain, n.body, t.name FROM memory_notes n JOIN memory_sessions s ON s.id = n.session
		JOIN memory_tenants t ON t.id = s.tenant`, nil, func(rows *sql.Rows) error {
		var x shown
		var chain int64
		var body sql.RawBytes
		var tenant string
		if err := rows.Scan(&x.n, &x.session, &chain, &body, &tenant); err != nil {
			return err
		}
		note, err := unpackNote(chain, body)
		if err != nil {
			return nil // Notes passes over it
		}
		for _, id := range note.Records {
			x.stones = append(x.stones, s.ofID(tenant, id))
		}
		all = append(all, x)
		return nil
	})
	if err != nil {
		return err
	}
	return s.commit(ctx, func(tx *state.Tx) error {
		for _, x := range all {
			out, err := stands(tx, x.stones)
			if err == nil && out {
				err = dropNotes(tx, x.session, []int64{x.n})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, func() {})
}

// overwrite scrubs the file and takes the marks away, unless something went wrong before.
func (s *Store) overwrite(last int64, err error) {
	if err == nil {
		err = s.scrub(s.life)
	}
	if err == nil {
		err = s.commit(s.life, func(tx *state.Tx) error {
			_, err := tx.Exec(`DELETE FROM memory_forgettings WHERE n <= ?`, last)
			return err
		}, func() {})
	}
	if err != nil && s.life.Err() == nil {
		s.log.Warn("memory: something was being forgotten when the process before ended, and the file may still have some of it", "error", err)
	}
}
