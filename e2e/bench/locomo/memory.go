package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/sqlite"
)

const tenant = "locomo"

// A mind is the engine with its store, as a sidecar has them.
type mind struct {
	dir    string
	db     *state.DB
	store  *sqlite.Store
	engine *memory.Engine
	by     *vectors // nil: none
}

func open(ctx context.Context, embeddings string) (_ *mind, err error) {
	m := &mind{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if m.dir, err = os.MkdirTemp("", "locomo-"); err != nil {
		return nil, err
	}
	if m.db, err = state.Open(ctx, state.Options{Dir: m.dir, Migrations: []state.Migration{sqlite.Migration()}}); err != nil {
		return nil, err
	}
	if m.store, err = sqlite.New(m.db, sqlite.Options{Key: []byte("of this measurement only")}); err != nil {
		return nil, err
	}
	opt := memory.Options{Store: m.store, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if embeddings != "" {
		if m.by, err = dial(ctx, embeddings); err != nil {
			return nil, err
		}
		opt.Embed = m.by
	}
	m.engine, err = memory.New(memory.Config{}, opt)
	return m, err
}

func (m *mind) close() error {
	var errs []error
	if m.engine != nil {
		errs = append(errs, m.engine.Close())
	}
	if m.store != nil {
		errs = append(errs, m.store.Close())
	}
	if m.db != nil {
		errs = append(errs, m.db.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(m.dir))...)
}

func scope(c *set.Conversation, session string) record.Scope {
	return record.Scope{Tenant: tenant, User: c.ID, Session: session}
}

// learn gives the engine a conversation, session by session; the first who speaks is the user, and the other the model.
func (m *mind) learn(ctx context.Context, c *set.Conversation) (turns int, err error) {
	user := c.User()
	for i := range c.Sessions {
		s := &c.Sessions[i]
		t := memory.Turn{Scope: scope(c, s.ID)}
		for seq, turn := range s.Turns {
			msg := memory.Message{Role: record.Assistant, Name: turn.Speaker, Text: turn.Text, Seq: int64(seq), At: s.Said()}
			if turn.Speaker == user {
				msg.Role = record.User
			}
			t.Messages = append(t.Messages, msg)
		}
		if err := m.engine.LearnNow(ctx, t); err != nil {
			return turns, fmt.Errorf("%s %s: %w", c.ID, s.ID, err)
		}
		turns += len(s.Turns)
	}
	return turns, nil
}

// embedded waits until all that was learned has its vector, as long as vectors come, and embeds the questions. What has none is
// compared by words alone, and counted.
func (m *mind) embedded(ctx context.Context, sets []set.Conversation, w io.Writer) error {
	const patience = 3 * time.Minute
	begin := time.Now()
	without := 0
	for ; ; time.Sleep(50 * time.Millisecond) {
		m.by.mu.Lock()
		blank, last := m.by.blank, m.by.last
		m.by.mu.Unlock()
		bare, err := m.store.Bare(ctx, tenant, m.by.Model(), blank+1)
		if err != nil {
			return err
		}
		if without = len(bare); without <= blank || time.Since(begin) > patience && time.Since(last) > patience {
			break
		}
	}
	m.by.mu.Lock()
	none, why := m.by.embedded == 0, m.by.err
	m.by.mu.Unlock()
	if none {
		return fmt.Errorf("no text could be embedded: %w", why)
	}
	if without > 0 {
		bare, err := m.store.Bare(ctx, tenant, m.by.Model(), 1<<20)
		if err != nil {
			return err
		}
		without = len(bare)
	}
	texts := time.Since(begin)
	begin = time.Now()
	var questions []string
	for i := range sets {
		for _, q := range sets[i].Questions {
			questions = append(questions, q.Text)
		}
	}
	got := m.by.prepare(ctx, questions)
	m.by.mu.Lock()
	defer m.by.mu.Unlock()
	fmt.Fprintf(w, "embeddings of %d dimensions by %s at %s: of %d texts in %v, of %d questions in %v; %d texts and %d questions have none\n",
		m.by.dimensions, m.by.Model(), m.by.url, m.by.embedded, texts.Round(time.Second), got, time.Since(begin).Round(time.Second),
		without, len(questions)-got)
	fmt.Fprintf(w, "a question's embedding is waited for here; in an agent's path recall waits %v in all, and then compares words alone\n\n",
		memory.DefaultDeadline)
	if without > 0 || got < len(questions) {
		fmt.Fprintf(w, "NOT ALL COULD BE EMBEDDED. The last error: %v\n\n", m.by.err)
	}
	return nil
}

// ask ranks the turns of a conversation for each of its questions. What is found says its session and place in it, which is a turn.
func (m *mind) ask(ctx context.Context, c *set.Conversation) (rankings [][]string, took []time.Duration, err error) {
	type place struct {
		session string
		seq     int64
	}
	turns := map[place]string{}
	for _, s := range c.Sessions {
		for seq, t := range s.Turns {
			turns[place{s.ID, int64(seq)}] = t.ID
		}
	}
	for _, q := range c.Questions {
		begin := time.Now()
		// As recall asks: closed values are ranked too, and left out when something is told.
		hits, err := m.engine.Search(ctx, scope(c, "questions"), q.Text, 2*deep, true)
		took = append(took, time.Since(begin))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %q: %w", c.ID, q.Text, err)
		}
		ranking, seen := make([]string, 0, deep), map[string]bool{}
		for _, h := range hits {
			id := turns[place{h.Record.Scope.Session, h.Record.Seq}]
			if id != "" && !seen[id] && len(ranking) < deep {
				seen[id] = true
				ranking = append(ranking, id)
			}
		}
		rankings = append(rankings, ranking)
	}
	return rankings, took, nil
}

// size prints what is kept and how much room it takes.
func (m *mind) size(ctx context.Context, w io.Writer) error {
	stats, err := m.store.Stats(ctx, tenant)
	if err != nil {
		return err
	}
	var file int64
	for _, name := range [...]string{state.File, state.File + "-wal"} {
		if f, err := os.Stat(filepath.Join(m.dir, name)); err == nil {
			file += f.Size()
		}
	}
	fmt.Fprintf(w, "%d episodes and %d facts, %d of them superseded; files %.1f MB, index %.1f MB\n",
		stats.Episodes, stats.Facts, stats.Closed, float64(file)/1e6, float64(stats.IndexBytes)/1e6)
	return nil
}
