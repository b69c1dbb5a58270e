package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
)

// applicationID marks the file as ours, in its header: "TGst".
const applicationID = 0x54477374

// busyMillis is how long a statement waits for a lock of somebody else's program, a backup for example.
const busyMillis = 5000

// checkpointMillis is how long a checkpoint waits for readers.
const checkpointMillis = 20

// A conn is the writer's connection. Only one goroutine uses it at a time.
type conn struct {
	db    *sql.DB
	sql   *sql.Conn
	stmts map[string]*sql.Stmt
	tx    Tx
}

// A Tx is the transaction that a write runs in. It is valid until the write's function returns.
type Tx struct{ c *conn }

func dsn(path, query string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query
}

func openWriter(ctx context.Context, path string) (*conn, error) {
	connector, err := sqlite.NewConnector(dsn(path, fmt.Sprintf("_busy_timeout=%d&_journal_mode=WAL&_synchronous=NORMAL&_foreign_keys=1&_pragma=secure_delete(1)", busyMillis)))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	c, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	w := &conn{db: db, sql: c, stmts: map[string]*sql.Stmt{}}
	w.tx.c = w
	var mode string
	if err := w.scan("PRAGMA journal_mode", &mode); err != nil || mode != "wal" {
		w.close()
		if err == nil {
			err = fmt.Errorf("no write-ahead log on this file system (journal mode %s)", mode)
		}
		return nil, err
	}
	return w, nil
}

func openPool(path string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn(path, fmt.Sprintf("_busy_timeout=%d&_query_only=1&mode=rw", busyMillis)))
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// Exec runs one statement; it stays prepared, so its text should be a constant.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	s, err := tx.c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.Exec(args...)
}

// Query runs one query, prepared as in Exec. The rows are closed before the next statement.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) { return tx.c.Query(query, args...) }

func (tx *Tx) script(text string) error {
	_, err := tx.c.sql.ExecContext(context.Background(), text)
	return err
}

func (c *conn) prepare(query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.sql.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) Query(query string, args ...any) (*sql.Rows, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.Query(args...)
}

func (c *conn) scan(query string, into ...any) error {
	return c.sql.QueryRowContext(context.Background(), query).Scan(into...)
}

// transaction runs f between BEGIN and COMMIT. ctx is asked before, never in between: a transaction is short.
func (c *conn) transaction(ctx context.Context, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.tx.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f(&c.tx)
	if err == nil {
		_, err = c.tx.Exec("COMMIT")
	}
	if err != nil {
		// SQLite has already undone it after some errors, and then has nothing to roll back.
		_, _ = c.tx.Exec("ROLLBACK")
	}
	return err
}

// checkpoint empties the write-ahead log into the file. It waits for readers only as long as short queries take, because other writes
// wait for it; but that long, because new readers come with new commits.
func (c *conn) checkpoint() error {
	var busy, frames, moved int
	if err := c.scan(fmt.Sprint("PRAGMA busy_timeout = ", checkpointMillis), &busy); err != nil {
		return err
	}
	defer func() { _ = c.scan(fmt.Sprint("PRAGMA busy_timeout = ", busyMillis), &busy) }()
	if err := c.scan("PRAGMA wal_checkpoint(TRUNCATE)", &busy, &frames, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("readers are at work: the log could not be emptied")
	}
	return nil
}

// close ends the connection; SQLite checkpoints the log when it is the last one.
func (c *conn) close() error {
	for _, s := range c.stmts {
		s.Close()
	}
	return errors.Join(c.sql.Close(), c.db.Close())
}
