package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite"
	ctxstore "github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/filters/recall"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
)

// memories are the memory of a process. They are made when a configuration first asks for them and live until the process ends: a
// reload changes settings, and switching off leaves the notes that stand in conversations, so that these keep their bytes.
type memories struct {
	engine *memory.Engine
	filter *recall.Filter
	store  store.Store
	where  string // it is kept
	home   bool   // that is the data directory
	close  func() // the store

	context atomic.Pointer[ctxrewrite.Engine] // that leaves messages out of what is sent; nil: none

	ready atomic.Bool // all of the above is there
	mu    sync.Mutex
	set   config.Memory // in force
	told  bool          // that nobody said where users come from
}

// newMemories makes the engine over its store and puts the settings of a snapshot in force.
func (g *gateway) newMemories(snap *config.Snapshot) (m *memories, err error) {
	m = &memories{home: snap.Memory.Qdrant == nil}
	by, err := g.embedder(snap.Memory.Embed)
	if err != nil {
		return nil, err
	}
	if m.store, m.where, m.close, err = g.openMemoryStore(snap); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	metrics := g.telemetry.Memory(func() telemetry.MemoryCounts { return m.counts() })
	m.engine, err = memory.New(snap.Memory.Engine, memory.Options{
		Store: m.store, Log: slog.Default(), Count: func(text string) int { return tokens.Estimate([]byte(text)) },
		Embed: by, Forgotten: g.forgetElsewhere, Shared: g.guest || snap.Memory.Qdrant != nil,
		Took: func(what memory.Timed, d time.Duration) { metrics.Took(timedNames[what], d) },
	})
	if err != nil {
		return nil, err
	}
	m.filter = recall.New(m.engine, recall.Options{Evicted: m.evicted})
	m.ready.Store(true)
	return m, nil
}

var timedNames = map[memory.Timed]string{
	memory.TimedRecall: telemetry.MemoryRecall, memory.TimedLearn: telemetry.MemoryLearn, memory.TimedCommit: telemetry.MemoryCommit,
}

// configure puts another snapshot's settings in force. One without a section switches memory off; whose conversations those are that
// have notes is remembered.
func (m *memories) configure(c *config.Memory, to *identity.Filter, context *contexts) {
	if context != nil {
		m.context.Store(context.engine)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c == nil {
		m.set.Engine.Mode = memory.Off
		to.SetUsers(identity.UserSource{})
	} else {
		m.set = *c
		to.SetUsers(c.Users)
	}
	m.engine.Configure(m.set.Engine)
	m.filter.Configure(recall.Settings{Mode: m.set.Engine.Mode, Users: m.set.Users})
	if c != nil && c.Engine.Mode != memory.Off && !c.Users.Set() && !m.told {
		m.told = true
		slog.Warn("memory: nobody said where users come from, so each conversation remembers for itself alone",
			"hint", "memory.scope.user: {header: NAME}, {field: user} or {name: NAME}")
	}
}

// shut commits what waits and closes the store.
func (m *memories) shut() {
	if err := m.engine.Close(); err != nil {
		slog.Error("memory: not everything was kept", "error", err)
	}
	m.close()
}

// forgetElsewhere removes what context rewriting keeps of what was forgotten: of this run when it is on, else what earlier ones left
// in the data directory.
func (g *gateway) forgetElsewhere(ctx context.Context, tenant string, r store.Receipt, words []string) error {
	m := g.memory.Load()
	if m != nil && m.context.Load() != nil {
		_, err := m.context.Load().Forget(ctx, tenant, copiesOf(r, words))
		return err
	}
	return forgetContext(ctx, g.sharing.DB(), tenant, copiesOf(r, words))
}

// forgetContext removes it from a state file; nil: the process that holds the data directory does.
func forgetContext(ctx context.Context, db *state.DB, tenant string, f ctxrewrite.Forgotten) error {
	if db == nil {
		return nil
	}
	e, err := ctxrewrite.New(ctxrewrite.Config{}, ctxrewrite.Options{Store: ctxstore.NewSQLite(db, ctxstore.Options{})})
	if err != nil {
		return err
	}
	defer e.Close()
	_, err = e.Forget(ctx, tenant, f)
	return err
}

// copiesOf says what context rewriting is to forget: what was forgotten, the words that it was asked for by, and whole conversations
// where everything of somebody was.
func copiesOf(r store.Receipt, words []string) ctxrewrite.Forgotten {
	f := ctxrewrite.Forgotten{Texts: r.Texts, Words: words}
	for _, s := range r.Sessions {
		if r.Whole && s.Session != "" {
			f.Sessions = append(f.Sessions, recall.SessionOf(s))
		}
	}
	return f
}

// evicted are the messages that context rewriting leaves out.
func (m *memories) evicted(tenant, session string, chains []uint64) (all []memory.Evicted) {
	e := m.context.Load()
	if e == nil {
		return nil
	}
	for _, x := range e.Evicted(tenant, session, chains) {
		all = append(all, memory.Evicted{From: int64(x.From), To: int64(x.To), Handle: x.Handle})
	}
	return all
}

var modeNames = map[memory.Mode]string{memory.On: "on", memory.Observe: "observe", memory.Off: "off"}

func (m *memories) mode() memory.Mode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.set.Engine.Mode
}

// state is what /debug/state shows.
func (m *memories) state() *admin.Memory {
	return &admin.Memory{Mode: modeNames[m.mode()], Store: m.where, Counts: m.counts()}
}

// counts are what metrics show.
func (m *memories) counts() telemetry.MemoryCounts {
	if !m.ready.Load() { // somebody looks while it is made
		return telemetry.MemoryCounts{}
	}
	n := m.engine.Counts()
	return telemetry.MemoryCounts{
		Recalls: n.Recalls, Hits: n.Hits, Notes: n.Notes, Tokens: n.Tokens, Abstained: n.Abstained, Late: n.Late,
		DenseLate: n.DenseLate, DenseFailed: n.DenseFailed, Learned: n.Learned, Dropped: n.Dropped, Queue: int64(n.Queue),
		Refused: n.Refused, Failed: n.Failed, Redacted: n.Redacted, Closed: n.Closed, Merged: n.Merged, Forgotten: n.Forgotten,
		Swept: n.Swept, Junk: n.Junk, Failures: m.filter.Failures(),
	}
}

// summarize says what memory did in a run.
func (m *memories) summarize(w io.Writer) {
	n := m.counts()
	learned := int64(0)
	for _, k := range n.Learned {
		learned += k
	}
	verb := "told"
	if m.mode() == memory.Observe {
		verb = "would have told"
	}
	fmt.Fprintf(w, "trapgate: memory: %d remembered, %d of them facts | %s %d in %d notes, ~%d tokens, at %d of %d questions",
		learned, n.Learned["fact"], verb, n.Hits, n.Notes, n.Tokens, n.Notes, n.Recalls)
	for _, x := range []struct {
		n    int64
		what string
	}{
		{n.Closed, "superseded"},
		{n.Merged, "near duplicates"},
		{n.Redacted, "secrets cut out"},
		{n.Forgotten, "forgotten"},
		{n.Late, "too late"},
		{n.Refused + n.Failed, "not kept"},
		{n.Failures, "failed inside"},
	} {
		if x.n > 0 {
			fmt.Fprintf(w, " | %d %s", x.n, x.what)
		}
	}
	fmt.Fprintln(w)
}

// osUser is the name of who runs this, "" when nobody knows.
func osUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}

// sayMemory tells whose memory a run has, because nobody was asked.
func (g *gateway) sayMemory(w io.Writer) {
	c := g.pipeline.current.Load().config.Memory
	if c == nil || !c.OSUser || c.Engine.Mode == memory.Off {
		return
	}
	fmt.Fprintf(w, "trapgate: memory: of %s, the user of this machine, kept in %s\n"+
		"hint: trapgate memory list; memory.scope.user in the configuration says otherwise\n",
		c.Users.Name, g.memory.Load().where)
}
