package store

import "github.com/trapgate/trapgate/internal/state"

// Migration makes the tables of SQLite; give it to state.Open.
//
// A name may have two rows in context_sessions: one whose time to live is over, until it is purged, and the one that is used.
// The triggers keep the sums of bytes, so that no write has to count.
func Migration() state.Migration {
	return state.Migration{Piece: "context", Steps: []state.Step{state.SQL(`
CREATE TABLE context_sessions (
	id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, session TEXT NOT NULL, used INTEGER NOT NULL, bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX context_sessions_name ON context_sessions (tenant, session);
CREATE INDEX context_sessions_used ON context_sessions (used);
CREATE TABLE context_epochs (
	id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES context_sessions ON DELETE CASCADE, chain INTEGER NOT NULL,
	size INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (session, chain)
) STRICT;
CREATE TABLE context_contents (
	id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES context_sessions ON DELETE CASCADE, handle TEXT NOT NULL,
	size INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (session, handle)
) STRICT;
CREATE INDEX context_contents_session ON context_contents (session);
CREATE INDEX context_contents_handle ON context_contents (handle);
CREATE TABLE context_total (bytes INTEGER NOT NULL) STRICT;
INSERT INTO context_total VALUES (0);
CREATE TRIGGER context_epoch_added AFTER INSERT ON context_epochs BEGIN
	UPDATE context_sessions SET bytes = bytes + new.size WHERE id = new.session;
END;
CREATE TRIGGER context_epoch_changed AFTER UPDATE OF size ON context_epochs BEGIN
	UPDATE context_sessions SET bytes = bytes + new.size - old.size WHERE id = new.session;
END;
CREATE TRIGGER context_content_added AFTER INSERT ON context_contents BEGIN
	UPDATE context_sessions SET bytes = bytes + new.size WHERE id = new.session;
END;
CREATE TRIGGER context_content_changed AFTER UPDATE OF size ON context_contents BEGIN
	UPDATE context_sessions SET bytes = bytes + new.size - old.size WHERE id = new.session;
END;
CREATE TRIGGER context_content_gone AFTER DELETE ON context_contents BEGIN
	UPDATE context_sessions SET bytes = bytes - old.size WHERE id = old.session;
END;
CREATE TRIGGER context_session_changed AFTER UPDATE OF bytes ON context_sessions BEGIN
	UPDATE context_total SET bytes = bytes + new.bytes - old.bytes;
END;
CREATE TRIGGER context_session_gone AFTER DELETE ON context_sessions BEGIN
	UPDATE context_total SET bytes = bytes - old.bytes;
END`), state.SQL(`
CREATE TABLE context_notes (
	id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES context_sessions ON DELETE CASCADE, name INTEGER NOT NULL,
	size INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (session, name)
) STRICT;
CREATE TRIGGER context_note_added AFTER INSERT ON context_notes BEGIN
	UPDATE context_sessions SET bytes = bytes + new.size WHERE id = new.session;
END;
CREATE TRIGGER context_note_changed AFTER UPDATE OF size ON context_notes BEGIN
	UPDATE context_sessions SET bytes = bytes + new.size - old.size WHERE id = new.session;
END`), state.SQL(`
CREATE TRIGGER context_epoch_gone AFTER DELETE ON context_epochs BEGIN
	UPDATE context_sessions SET bytes = bytes - old.size WHERE id = old.session;
END;
CREATE TRIGGER context_note_gone AFTER DELETE ON context_notes BEGIN
	UPDATE context_sessions SET bytes = bytes - old.size WHERE id = old.session;
END`)}}
}
