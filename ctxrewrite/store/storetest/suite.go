// Package storetest is the suite that every store of context rewriting passes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/store"
)

// Run runs the suite. open makes an empty store with these options, for one test.
func Run(t *testing.T, open func(t *testing.T, opt store.Options) store.Store) {
	for _, c := range []struct {
		name string
		run  func(*world)
	}{
		{"epochs in order, the first writer wins", epochs},
		{"notes in order, beside the epochs", notes},
		{"one of many writers wins", writers},
		{"contents by handle", contents},
		{"too large", tooLarge},
		{"many contents at once", many},
		{"time to live", timeToLive},
		{"bound: the oldest session goes first", oldestFirst},
		{"bound: one session alone", alone},
		{"tenants apart", tenants},
		{"names of any kind", names},
		{"list and forget", forget},
		{"purge what matches", purge},
		{"a content of two sessions", shared},
		{"all at once", allAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{T: t, ctx: t.Context(), now: time.Now().Truncate(time.Millisecond)}
			w.Store = open(t, store.Options{TTL: ttl, Bytes: bound, Now: w.clock})
			c.run(w)
		})
	}
}

const (
	ttl   = time.Hour
	bound = 1 << 20
)

// A world is a store and a clock that stands still until it is moved.
type world struct {
	*testing.T
	store.Store
	ctx context.Context

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// settle waits until what was put is written, where that is not at once.
func (w *world) settle() {
	w.Helper()
	if f, ok := w.Store.(interface{ Flush(context.Context) error }); ok {
		w.ok(f.Flush(w.ctx))
	}
}

// later moves the clock.
func (w *world) later(d time.Duration) {
	w.Helper()
	w.settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// stands puts an epoch and says which one must stand then.
func (w *world) stands(k store.Key, chain uint64, record, want string) {
	w.Helper()
	given := []byte(record)
	got, err := w.PutEpoch(w.ctx, k, chain, given)
	w.ok(err)
	if string(got) != want {
		w.Fatalf("epoch %x of %q: %.40q stands, want %.40q", chain, k, got, want)
	}
	clear(got) // each is its owner's
	clear(given)
}

func (w *world) epochs(k store.Key, want ...string) {
	w.Helper()
	all, err := w.Epochs(w.ctx, k)
	w.ok(err)
	if !slices.EqualFunc(all, want, func(b []byte, s string) bool { return string(b) == s }) {
		w.Fatalf("epochs of %q: %.200q, want %.200q", k, all, want)
	}
	for _, b := range all {
		clear(b)
	}
}

// noted puts a note and says which one must stand then.
func (w *world) noted(k store.Key, name uint64, note, want string) {
	w.Helper()
	given := []byte(note)
	got, err := w.PutNote(w.ctx, k, name, given)
	w.ok(err)
	if string(got) != want {
		w.Fatalf("note %x of %q: %.40q stands, want %.40q", name, k, got, want)
	}
	clear(got)
	clear(given)
}

func (w *world) notes(k store.Key, want ...string) {
	w.Helper()
	all, err := w.Notes(w.ctx, k)
	w.ok(err)
	if !slices.EqualFunc(all, want, func(b []byte, s string) bool { return string(b) == s }) {
		w.Fatalf("notes of %q: %.200q, want %.200q", k, all, want)
	}
	for _, b := range all {
		clear(b)
	}
}

func (w *world) put(k store.Key, contents ...store.Content) {
	w.Helper()
	w.ok(w.PutContents(w.ctx, k, contents))
}

func (w *world) has(tenant string, want store.Content) {
	w.Helper()
	c, err := w.Content(w.ctx, tenant, want.Handle)
	w.ok(err)
	if c.Handle != want.Handle || c.Tool != want.Tool || c.Args != want.Args || !bytes.Equal(c.Body, want.Body) {
		w.Fatalf("%s of %q is %.200q", want.Handle, tenant, c)
	}
	clear(c.Body)
}

func (w *world) unknown(tenant, handle string) {
	w.Helper()
	w.settle()
	if c, err := w.Content(w.ctx, tenant, handle); !errors.Is(err, store.ErrUnknown) {
		w.Fatalf("%s of %q: %.40q, %v; want ErrUnknown", handle, tenant, c.Body, err)
	}
}

// list checks which sessions there are, in their order.
func (w *world) list(tenant string, want ...store.Key) []store.Session {
	w.Helper()
	all, err := w.Sessions(w.ctx, tenant)
	w.ok(err)
	if !slices.EqualFunc(all, want, func(s store.Session, k store.Key) bool { return s.Key == k }) {
		w.Fatalf("sessions of %q: %+v, want %q", tenant, all, want)
	}
	return all
}

// content makes one that cannot be compressed.
func content(handle string, size int) store.Content {
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", handle))))
	body := make([]byte, size)
	_, _ = random.Read(body)
	return store.Content{Handle: handle, Tool: "read_file", Args: `{"path":"` + handle + `"}`, Body: body}
}

// key is a session of tenant t.
func key(session string) store.Key { return store.Key{Tenant: "t", Session: session} }
