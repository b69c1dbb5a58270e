package memory

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A kit is an engine with a store and a clock that a test moves.
type kit struct {
	*testing.T
	*Engine
	store store.Store
	fake  *fake
	now   atomic.Int64
	chain uint64
	seq   map[string]int64
}

var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func newKit(t *testing.T, s store.Store, change ...func(*Config, *Options)) *kit {
	t.Helper()
	k := &kit{T: t, store: s, seq: map[string]int64{}}
	if s == nil {
		k.fake = newFake()
		k.store = k.fake
	}
	k.now.Store(begin.UnixMilli())
	c := Config{}
	o := Options{
		Store: k.store, Log: slog.New(slog.DiscardHandler), Deadline: 5 * time.Second,
		Now: func() time.Time { return time.UnixMilli(k.now.Load()).UTC() },
	}
	for _, f := range change {
		f(&c, &o)
	}
	e, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	k.Engine = e
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func (k *kit) days(n int) { k.now.Add(int64(n) * day.Milliseconds()) }

func user(name, session string) record.Scope {
	return record.Scope{Tenant: "t1", User: name, Agent: "a", Session: session}
}

// say learns what a user says in a session, and returns once it is stored.
func (k *kit) say(s record.Scope, texts ...string) {
	k.Helper()
	k.learn(s, record.User, texts...)
}

func (k *kit) learn(s record.Scope, role record.Role, texts ...string) {
	k.Helper()
	t := Turn{Scope: s}
	for _, text := range texts {
		k.chain++
		t.Messages = append(t.Messages, Message{Role: role, Text: text, Chain: k.chain, Seq: k.seq[s.Session], Document: role == record.Tool})
		k.seq[s.Session]++
	}
	if !k.Learn(t) {
		k.Fatal("not accepted")
	}
	k.flush()
}

func (k *kit) flush() {
	k.Helper()
	if err := k.Flush(k.Context()); err != nil {
		k.Fatal(err)
	}
}

// ask recalls at a new message of a session.
func (k *kit) ask(s record.Scope, text string, change ...func(*Question)) Recollection {
	k.Helper()
	k.chain++
	q := &Question{Scope: s, Text: text, Chain: k.chain}
	for _, f := range change {
		f(q)
	}
	r, err := k.Recall(k.Context(), q)
	if err != nil {
		k.Fatal(err)
	}
	return r
}

func (k *kit) records(f store.Filter) (found []*record.Record) {
	k.Helper()
	f.Tenant = "t1"
	found, err := k.List(context.Background(), f, record.ID{}, 1<<20)
	if err != nil {
		k.Fatal(err)
	}
	return found
}

func (k *kit) has(note, want string) {
	k.Helper()
	if !strings.Contains(note, want) {
		k.Errorf("no %q in the note:\n%s", want, note)
	}
}

func (k *kit) hasNot(note, bad string) {
	k.Helper()
	if strings.Contains(note, bad) {
		k.Errorf("%q is in the note:\n%s", bad, note)
	}
}

func texts(records []*record.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s %s|%s|%s %q closed=%v\n", r.Kind, r.Subject, r.Predicate, r.Object, r.Text, !r.Closed.IsZero())
	}
	return b.String()
}

// borrowed is a string over bytes that change later, as those of a request do.
func borrowed(b []byte) string { return unsafe.String(&b[0], len(b)) }
