package hygiene

import (
	"strings"
	"sync"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/wire"
)

// kept are notes in a store, written at once.
type kept struct {
	t     testing.TB
	store store.Store
	mu    sync.Mutex
	reads int
}

func (k *kept) Note(tenant, session string, identity, note []byte) {
	if _, err := k.store.PutNote(k.t.Context(), store.Key{Tenant: tenant, Session: session}, xxh3.HashSeed(identity, uint64(note[0])), note); err != nil {
		k.t.Error(err)
	}
}

func (k *kept) Notes(tenant, session string) [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	all, err := k.store.Notes(k.t.Context(), store.Key{Tenant: tenant, Session: session})
	if err != nil {
		k.t.Error(err)
	}
	return all
}

// A process that begins anew, or another replica, goes on with the same bytes.
func TestMovesOutliveRestart(t *testing.T) {
	for _, d := range dialects {
		for _, restartAt := range []int{2, 3, 7} {
			k := &kept{t: t, store: store.NewMemory(store.Options{})}
			h, stays, before := New(Options{Notes: k}), New(Options{}), ""
			for i := range 12 {
				now := clock(i / 2) // every other request has the clock of the one before
				if i == restartAt {
					h = New(Options{Notes: k})
				}
				sent, rep := fix(t, h, d, body(d, stampedPrompt(now), i+1), nil)
				if want, _ := fix(t, stays, d, body(d, stampedPrompt(now), i+1), nil); sent != want && restartAt > 2 {
					t.Fatalf("%v: request %d, restart at %d: %+v\n%s\nwant\n%s", d, i, restartAt, rep, sent, want)
				}
				settled := restartAt
				if restartAt == 2 { // before anything was noted: it is learnt anew, at the next change of the clock
					settled += 2
				}
				if i > settled && !strings.HasPrefix(sent, head(t, d, before)) {
					t.Errorf("%v: request %d, restart at %d: the prefix is lost", d, i, restartAt)
				}
				before = sent
			}
			if k.reads > 2 {
				t.Errorf("the notes were read %d times", k.reads)
			}
		}
	}
}

// Notes of another tenant or session are not this one's, and a conversation that begins here asks for none.
func TestNotesApart(t *testing.T) {
	k := &kept{t: t, store: store.NewMemory(store.Options{})}
	h := New(Options{Notes: k})
	for i := range 4 {
		fix(t, h, wire.Chat, body(wire.Chat, stampedPrompt(clock(i)), i+1), nil)
	}
	for name, change := range map[string]func(*Request){
		"tenant": func(r *Request) { r.Tenant = "u" }, "session": func(r *Request) { r.Session = "z" }, "none": func(r *Request) { r.Session = "" },
	} {
		b := body(wire.Chat, stampedPrompt(clock(9)), 5)
		if sent, rep := fix(t, New(Options{Notes: k}), wire.Chat, b, change); sent != b || rep.Moved {
			t.Errorf("another %s: %+v", name, rep)
		}
	}
	k.reads = 0
	fix(t, New(Options{Notes: k}), wire.Chat, `{"model":"m","messages":[{"role":"system","content":"It is 12:00."},{"role":"user","content":"Hi"}]}`, nil)
	fix(t, New(Options{Notes: k}), wire.Chat, body(wire.Chat, "Be brief.", 9), nil)
	if k.reads > 0 {
		t.Errorf("the notes were read %d times for nothing", k.reads)
	}
}

// What is no note of ours is passed over.
func FuzzNotes(f *testing.F) {
	f.Add([]byte("v12345678\x01\x02"))
	f.Add([]byte("v12345678\x02\x02"))
	f.Add(append([]byte("s12345678"), stampOpens+"x"+stampCloses...))
	f.Fuzz(func(t *testing.T, note []byte) {
		_, volatile, ok := volatileIn(note)
		for i := range volatile {
			if !ok || volatile[i] < 0 || volatile[i] >= maxSegments || i > 0 && volatile[i] <= volatile[i-1] || i >= maxVolatile {
				t.Errorf("%q: %v", note, volatile)
			}
		}
		if _, text, ok := stampIn(note); ok && (len(text) < len(stampOpens) || note[0] != store.NoteStamp) {
			t.Errorf("%q: %q", note, text)
		}
	})
}
