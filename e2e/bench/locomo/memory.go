package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/embed"
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
	by     memory.Embedder
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
		if m.by, err = embed.NewRemote(poster(embeddings), embed.Options{Model: "embeddings"}); err != nil {
			return nil, err
		}
		opt.Embed = m.by
	}
	m.engine, err = memory.New(memory.Config{}, opt)
	return m, err
}

func poster(url string) embed.Post {
	return func(ctx context.Context, _ string, body []byte) (int, []byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, nil, err
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
		return answer.StatusCode, b, err
	}
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

// embedded waits until all that was learned has its vector.
func (m *mind) embedded(ctx context.Context) error {
	if m.by == nil {
		return nil
	}
	const patience = 30 * time.Minute
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		bare, err := m.store.Bare(ctx, tenant, m.by.Model(), 1)
		if err != nil || len(bare) == 0 {
			return err
		}
	}
	return errors.New("the embeddings did not come within half an hour")
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
		hits, err := m.engine.Search(ctx, scope(c, "questions"), q.Text, 2*deep, false)
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
