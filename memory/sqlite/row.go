package sqlite

import (
	"errors"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// A stored is a record with its row.
type stored struct {
	*record.Record
	n, space, model int64
	size            int
	damaged         bool // its body cannot be read: what is known is in the other columns
}

const storedColumns = `SELECT r.n, r.space, r.model, r.kind, r.closed, r.id, r.body, s.user, s.session FROM memory_records r
	JOIN memory_spaces s ON s.id = r.space `

// find returns a record of the tenant, or nil.
func (w *writing) find(id record.ID) (*stored, error) {
	return w.one(storedColumns+`WHERE r.tenant = ? AND r.id = ?`, w.tenant, id[:])
}

// row returns the record of a row, or nil if it is none of the tenant's.
func (w *writing) row(n int64) (*stored, error) {
	return w.one(storedColumns+`WHERE r.n = ? AND r.tenant = ?`, n, w.tenant)
}

func (w *writing) one(query string, args ...any) (*stored, error) {
	r := &stored{Record: new(record.Record)}
	var id, body []byte
	var kind uint8
	var closed bool
	var in record.Space
	err := row(w.Tx, query, args, &r.n, &r.space, &r.model, &kind, &closed, &id, &body, &in.User, &in.Session)
	if errors.Is(err, errNone) {
		return nil, nil
	}
	if err == nil && len(id) != len(r.ID) {
		err = errBody
	}
	if err != nil {
		return nil, err
	}
	known := record.Record{ID: record.ID(id), Scope: record.Scope{Tenant: w.name, User: in.User}}
	*r.Record, r.size = known, len(body)
	if unpack(r.Record, body) != nil {
		known.Kind, known.Scope.Session = record.Kind(kind), in.Session
		if closed {
			known.Closed = time.Unix(0, 0)
		}
		*r.Record, r.damaged = known, true
	}
	return r, nil
}

// change changes the record under an ID, if there is one and f says so.
func (w *writing) change(id record.ID, f func(*record.Record) bool) error {
	r, err := w.find(id)
	if err != nil || r == nil {
		return err
	}
	return w.changeRow(r, f)
}

func (w *writing) changeRow(r *stored, f func(*record.Record) bool) error {
	before := r.Closed.IsZero()
	if r.damaged || !f(r.Record) {
		return nil
	}
	body := pack(r.Record)
	after := r.Closed.IsZero()
	if _, err := w.Exec(`UPDATE memory_records SET closed = ?, body = ? WHERE n = ?`, !after, body, r.n); err != nil {
		return err
	}
	c := w.of(r.space)
	c.bytes += int64(len(body) - r.size)
	if before && !after {
		c.closed++
	}
	w.touch(r.Scope.Space(), r.ID)
	return nil
}
