package memory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// An Entry is a record in an export: one JSON object on a line. Its names stay. The tenant is left out, as it is a name of this
// gateway's key and means nothing elsewhere; so are vectors, which are made anew.
type Entry struct {
	ID           record.ID      `json:"id"`
	Kind         string         `json:"kind"`   // "episode", "fact"
	Role         string         `json:"role"`   // "user", "assistant", "tool"
	Origin       string         `json:"origin"` // "captured", "ruled", "extracted", "told", "imported"
	Trust        string         `json:"trust"`  // "low", "middle", "high"
	User         string         `json:"user,omitempty"`
	Agent        string         `json:"agent,omitempty"`
	Session      string         `json:"session,omitempty"`
	Private      bool           `json:"private,omitempty"` // only its session sees it
	Speaker      string         `json:"speaker,omitempty"`
	Text         string         `json:"text"`
	Handle       string         `json:"handle,omitempty"`
	Subject      string         `json:"subject,omitempty"`
	Predicate    string         `json:"predicate,omitempty"`
	Object       string         `json:"object,omitempty"`
	Single       bool           `json:"single,omitempty"`
	Seq          int64          `json:"seq"`
	Said         time.Time      `json:"said"`
	From         time.Time      `json:"from,omitzero"`
	To           time.Time      `json:"to,omitzero"`
	Created      time.Time      `json:"created"`
	Closed       time.Time      `json:"closed,omitzero"`
	Expires      time.Time      `json:"expires,omitzero"`
	Times        [][2]time.Time `json:"times,omitempty"`
	Sources      []record.ID    `json:"sources,omitempty"`
	SupersededBy *record.ID     `json:"superseded_by,omitempty"`
	Importance   float32        `json:"importance"`
	Uses         int32          `json:"uses,omitempty"`
	Used         time.Time      `json:"used,omitzero"`
}

var (
	kindNames   = map[record.Kind]string{record.Episode: "episode", record.Fact: "fact"}
	roleNames   = map[record.Role]string{record.User: "user", record.Assistant: "assistant", record.Tool: "tool"}
	trustNames  = map[record.Trust]string{record.Low: "low", record.Middle: "middle", record.High: "high"}
	originNames = map[record.Origin]string{
		record.Captured: "captured", record.Ruled: "ruled", record.Extracted: "extracted", record.Told: "told", record.Imported: "imported",
	}
)

// named is the value that has a name; the zero value: none has.
func named[T comparable](names map[T]string, name string) (v T) {
	for value, n := range names {
		if n == name {
			return value
		}
	}
	return v
}

// ParseOrigin is the origin of a name that an Entry has; 0: there is none of that name.
func ParseOrigin(name string) record.Origin { return named(originNames, name) }

// EntryOf is a record as an export shows it.
func EntryOf(r *record.Record) Entry {
	n := Entry{
		ID: r.ID, Kind: kindNames[r.Kind], Role: roleNames[r.Role], Origin: originNames[r.Origin], Trust: trustNames[r.Trust],
		User: r.Scope.User, Agent: r.Scope.Agent, Session: r.Scope.Session, Private: r.Private, Speaker: r.Speaker, Text: r.Text,
		Handle: r.Handle, Subject: r.Subject, Predicate: r.Predicate, Object: r.Object, Single: r.Single, Seq: r.Seq, Said: r.Said.UTC(),
		From: utc(r.From), To: utc(r.To), Created: r.Created.UTC(), Closed: utc(r.Closed), Expires: utc(r.Expires), Sources: r.Sources,
		Importance: r.Importance, Uses: r.Uses, Used: utc(r.Used),
	}
	for _, t := range r.Times {
		n.Times = append(n.Times, [2]time.Time{t.From.UTC(), t.To.UTC()})
	}
	if r.SupersededBy != (record.ID{}) {
		n.SupersededBy = &r.SupersededBy
	}
	return n
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

const (
	maxImported = 64 << 10 // bytes of an entry's text
	pageSize    = 500      // records that are listed or stored at a time
)

// record is the entry in a scope: its tenant, and its user if it has one.
func (n *Entry) record(s record.Scope) (*record.Record, error) {
	r := &record.Record{
		ID: n.ID, Kind: named(kindNames, n.Kind), Role: named(roleNames, n.Role), Origin: named(originNames, n.Origin),
		Trust: named(trustNames, n.Trust), Private: n.Private, Speaker: n.Speaker, Text: n.Text, Handle: n.Handle, Subject: n.Subject,
		Predicate: n.Predicate, Object: n.Object, Single: n.Single, Seq: n.Seq, Said: n.Said, From: n.From, To: n.To, Created: n.Created,
		Closed: n.Closed, Expires: n.Expires, Sources: n.Sources, Importance: min(1, max(0, n.Importance)), Uses: n.Uses, Used: n.Used,
		Scope: record.Scope{Tenant: s.Tenant, User: n.User, Agent: n.Agent, Session: n.Session},
	}
	if s.User != "" {
		r.Scope.User = s.User
	}
	if n.SupersededBy != nil {
		r.SupersededBy = *n.SupersededBy
	}
	for _, t := range n.Times {
		r.Times = append(r.Times, record.Interval{From: t[0], To: t[1]})
	}
	r.Text64, r.Sim = record.TextKey(r.Text), index.SimHash(r.Text)
	if r.Role == record.Tool || r.Trust == record.Low {
		r.Role, r.Trust, r.Private = record.Tool, record.Low, true // whatever the file says
	}
	switch {
	case r.ID == record.ID{} || r.Kind == 0 || r.Role == 0 || r.Origin == 0 || r.Trust == 0 || r.Said.IsZero() || r.Created.IsZero():
		return nil, errors.New("a field is missing or unknown")
	case strings.TrimSpace(r.Text) == "" || len(r.Text) > maxImported:
		return nil, errors.New("no text, or too much")
	case r.Kind == record.Fact && (r.Trust == record.Low || r.Subject == "" || r.Predicate == ""):
		return nil, errors.New("a fact of nobody, or of nothing")
	}
	return r, checkScope(r.Scope)
}

// Export writes what the filter chooses, an Entry in JSON on each line, in the order of IDs, and returns how many.
func (e *Engine) Export(ctx context.Context, w io.Writer, f store.Filter) (n int, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err = e.each(ctx, f, func(r *record.Record) error {
		n++
		return enc.Encode(EntryOf(r))
	})
	if err != nil {
		return n, fmt.Errorf("export: %w", err)
	}
	return n, out.Flush()
}

// each calls do with every record that the filter chooses, in the order of IDs.
func (e *Engine) each(ctx context.Context, f store.Filter, do func(*record.Record) error) error {
	var after record.ID
	for {
		page, err := e.opt.Store.List(ctx, f, after, pageSize)
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := do(r); err != nil {
				return err
			}
			after = r.ID
		}
		if len(page) < pageSize {
			return nil
		}
	}
}
