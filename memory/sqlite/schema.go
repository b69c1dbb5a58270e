package sqlite

import "github.com/trapgate/trapgate/internal/state"

// Migration makes the tables; give it to state.Open.
//
// A space counts its records, so that caps and Stats need not. links has which records point to which ID: 0 as a source, 1 as what
// superseded it. sessions are those of notes. forgettings are those under way. aliases
// are episodes that a record stands for, with the keys of their texts.
func Migration() state.Migration {
	return state.Migration{Piece: "memory", Steps: []state.Step{state.SQL(`
CREATE TABLE memory_tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE memory_models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE memory_spaces (
	id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, user TEXT NOT NULL, session TEXT NOT NULL,
	episodes INTEGER NOT NULL DEFAULT 0, facts INTEGER NOT NULL DEFAULT 0, closed INTEGER NOT NULL DEFAULT 0,
	vectors INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, UNIQUE (tenant, user, session)
) STRICT;
CREATE TABLE memory_records (
	n INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, space INTEGER NOT NULL, id BLOB NOT NULL, kind INTEGER NOT NULL,
	closed INTEGER NOT NULL, model INTEGER NOT NULL, expires INTEGER, body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX memory_records_id ON memory_records (tenant, id);
CREATE INDEX memory_records_space ON memory_records (space);
CREATE INDEX memory_records_facts ON memory_records (space) WHERE kind = 2 AND closed = 0;
CREATE INDEX memory_records_bare ON memory_records (tenant, model) WHERE closed = 0;
CREATE INDEX memory_records_expires ON memory_records (expires) WHERE expires IS NOT NULL;
CREATE TABLE memory_links (
	target BLOB NOT NULL, how INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (target, how, record)
) STRICT, WITHOUT ROWID;
CREATE TABLE memory_vectors (record INTEGER PRIMARY KEY, model INTEGER NOT NULL, unit BLOB NOT NULL) STRICT;
CREATE TABLE memory_tombstones (name BLOB PRIMARY KEY, tenant INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX memory_tombstones_at ON memory_tombstones (at);
CREATE TABLE memory_sessions (
	id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, user TEXT NOT NULL, session TEXT NOT NULL, used INTEGER NOT NULL,
	UNIQUE (tenant, user, session)
) STRICT;
CREATE INDEX memory_sessions_used ON memory_sessions (used);
CREATE TABLE memory_notes (
	n INTEGER PRIMARY KEY, session INTEGER NOT NULL, chain INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (session, chain)
) STRICT`), state.SQL(`CREATE TABLE memory_forgettings (n INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT`), state.SQL(`
CREATE TABLE memory_aliases (
	id BLOB NOT NULL, record INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (id, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_aliases_record ON memory_aliases (record)`)}}
}

// What links say.
const (
	linkSource     = 0
	linkSuperseded = 1
)
