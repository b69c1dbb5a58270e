package state

import (
	"context"
	"errors"
	"fmt"
)

// A Migration brings the tables of one piece to their present form. A step that was ever released is never changed: a new
// form is a new step. A file that knows more steps than this program is refused, so an old program never misreads new rows.
type Migration struct {
	Piece string // names the piece in the file, and the prefix of its tables by convention
	Steps []Step // all of them, oldest first; the n-th brings the piece to version n
}

// A Step changes the schema, or rows. It runs in one transaction with all other steps that are due.
type Step func(tx *Tx) error

// SQL is a step of SQL statements, separated by semicolons.
func SQL(script string) Step {
	return func(tx *Tx) error { return tx.script(script) }
}

// A NewerError says that the file was written by a newer program. Nothing was changed.
type NewerError struct {
	Path, Piece string
	Have, Known int // versions of the piece: in the file, in this program
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("state: %s: written by a newer version: %s is at %d, this one knows %d\nhint: run the newer version, or give another data directory",
		e.Path, e.Piece, e.Have, e.Known)
}

func checkMigrations(all []Migration) error {
	seen := map[string]bool{layout: true}
	for _, m := range all {
		if m.Piece == "" || seen[m.Piece] {
			return fmt.Errorf("state: migrations: piece %q: empty or given twice", m.Piece)
		}
		seen[m.Piece] = true
	}
	return nil
}

// layout is the piece of this package itself.
const layout = "state"

var layoutSteps = []Step{SQL(`CREATE TABLE state_pieces (piece TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID`)}

// migrate applies what is due, in one transaction: a step that fails, or a kill, leaves the file as it was.
func migrate(ctx context.Context, c *conn, path string, all []Migration) error {
	have, err := versions(c)
	if err != nil {
		return explain(path, err)
	}
	all = append([]Migration{{Piece: layout, Steps: layoutSteps}}, all...)
	due := false
	for _, m := range all {
		if have[m.Piece] > len(m.Steps) {
			return &NewerError{Path: path, Piece: m.Piece, Have: have[m.Piece], Known: len(m.Steps)}
		}
		due = due || have[m.Piece] < len(m.Steps)
	}
	if !due {
		return nil
	}
	err = c.transaction(ctx, func(tx *Tx) error {
		for _, m := range all {
			if err := apply(tx, m, have[m.Piece]); err != nil {
				return err
			}
		}
		return tx.script(fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	})
	if err != nil {
		return explain(path, err)
	}
	return nil
}

func apply(tx *Tx, m Migration, have int) error {
	for n := have; n < len(m.Steps); n++ {
		if err := m.Steps[n](tx); err != nil {
			return fmt.Errorf("migrating %s to version %d: %w", m.Piece, n+1, err)
		}
	}
	if have == len(m.Steps) {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO state_pieces VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version`, m.Piece, len(m.Steps))
	return err
}

// versions reads what the file knows; none of an empty file.
func versions(c *conn) (map[string]int, error) {
	have := map[string]int{}
	var n int
	if err := c.scan(`SELECT count(*) FROM sqlite_schema WHERE name = 'state_pieces'`, &n); err != nil || n == 0 {
		return have, err
	}
	rows, err := c.Query(`SELECT piece, version FROM state_pieces`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var piece string
		if err := rows.Scan(&piece, &n); err != nil {
			return nil, err
		}
		have[piece] = n
	}
	return have, errors.Join(rows.Err(), rows.Close())
}
