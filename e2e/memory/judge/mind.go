package judge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/e2e/memory/history"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/sqlite"
)

// Tenant is whose all histories are.
const Tenant = "judge"

// A Mind is the engine on its default store, with a clock that is moved. It must be closed.
type Mind struct {
	*memory.Engine
	Store *sqlite.Store

	db    *state.DB
	clock atomic.Int64
	chain uint64
}

// Open makes one in a folder, or finds again what was kept there. change may be nil.
func Open(ctx context.Context, dir string, change func(*memory.Options)) (_ *Mind, err error) {
	m := &Mind{}
	m.Set(time.Now())
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.db, err = state.Open(ctx, state.Options{Dir: dir, Migrations: []state.Migration{sqlite.Migration()}}); err != nil {
		return nil, err
	}
	if m.Store, err = sqlite.New(m.db, sqlite.Options{Key: []byte("of this measurement only")}); err != nil {
		return nil, err
	}
	opt := memory.Options{
		Store: m.Store, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Now: func() time.Time { return time.UnixMilli(m.clock.Load()).UTC() },
	}
	if change != nil {
		change(&opt)
	}
	m.Engine, err = memory.New(memory.Config{}, opt)
	return m, err
}

// Set moves the clock, also backwards.
func (m *Mind) Set(now time.Time) { m.clock.Store(now.UnixMilli()) }

// Close ends the engine, its store and its file.
func (m *Mind) Close() error {
	var errs []error
	if m.Engine != nil {
		errs = append(errs, m.Engine.Close())
	}
	if m.Store != nil {
		errs = append(errs, m.Store.Close())
	}
	if m.db != nil {
		errs = append(errs, m.db.Close())
	}
	return errors.Join(errs...)
}

// Scope is that of a history's user in a session.
func Scope(h *history.History, session string) record.Scope {
	return record.Scope{Tenant: Tenant, User: h.User, Agent: "agent", Session: session}
}

// Play lets memory learn a history as it happens: what a user says, and what comes of it, up to the next thing that they say.
func (m *Mind) Play(ctx context.Context, h *history.History) error {
	for i := range h.Sessions {
		s := &h.Sessions[i]
		t := memory.Turn{Scope: Scope(h, s.ID)}
		for seq, msg := range s.Messages {
			t.Messages = append(t.Messages, memory.Message{
				Role: roles[msg.Role], Text: msg.Text, Seq: int64(seq), At: s.At.Add(time.Duration(seq) * time.Minute),
				Document: msg.Role == history.Tool,
			})
			if seq+1 < len(s.Messages) && s.Messages[seq+1].Role != history.User {
				continue
			}
			m.Set(s.At.Add(time.Duration(seq) * time.Minute))
			if err := m.LearnNow(ctx, t); err != nil {
				return fmt.Errorf("%s: %w", s.ID, err)
			}
			t.Messages = nil
		}
	}
	m.Set(h.End)
	return nil
}

var roles = map[history.Role]record.Role{history.User: record.User, history.Assistant: record.Assistant, history.Tool: record.Tool}

// Ask asks in a conversation of its own, as its first message, and returns what is told.
func (m *Mind) Ask(ctx context.Context, s record.Scope, text string) (memory.Recollection, error) {
	m.chain++
	s.Session = fmt.Sprintf("asks-%d", m.chain)
	return m.Recall(ctx, &memory.Question{Scope: s, Text: text, Chain: m.chain, First: true})
}
