package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trapgate/trapgate/memory/extract"
	"github.com/trapgate/trapgate/memory/record"
)

// A Start runs job once on a goroutine of its own, with the model of that name to ask ("": the conversation's), and may refuse to. job
// ends soon after ctx.
type Start func(model string, job func(ctx context.Context, ask extract.Ask)) error

// Bounds of what waits for a model.
const (
	extractIdle   = 2 * time.Minute
	maxExtracting = 1 << 10 // conversations of which it is known what waits
	maxGathered   = 256     // episodes of one: the oldest go
	maxIdling     = 4       // jobs that wait for a conversation to rest: each holds a place of the host's
)

// extracting knows of each conversation what a model was not asked about yet: by ID alone, so what is forgotten meanwhile is not sent.
type extracting struct {
	mu       sync.Mutex
	sessions *lru.Cache[record.Scope, *gathered]
	idle     time.Duration
	idling   int // jobs that wait
	closed   bool
	jobs     sync.WaitGroup
}

// A gathered is what waits of one conversation.
type gathered struct {
	ids    []record.ID
	tokens int           // of what its user said, about
	busy   bool          // a job has it
	full   chan struct{} // tells a job that waits
	last   time.Time     // something was said
	failed bool          // the last call did
}

func (g *extracting) init(idle time.Duration) (err error) {
	g.idle = idle
	g.sessions, err = lru.New[record.Scope, *gathered](maxExtracting)
	return err
}

// close ends what the host has not ended. Nothing is started from then on.
func (g *extracting) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.jobs.Wait()
}

func conversationOf(s record.Scope) record.Scope {
	s.Agent = ""
	return s
}

// of is what waits of a conversation. Held: mu.
func (g *extracting) of(s record.Scope) *gathered {
	s = conversationOf(s)
	if found, ok := g.sessions.Get(s); ok {
		return found
	}
	fresh := &gathered{full: make(chan struct{}, 1)}
	g.sessions.Add(cloneScope(s), fresh)
	return fresh
}

// extracts reports whether models are asked at all.
func (c *Config) extracts() bool { return c.Extract.MaxTokens > 0 && c.Mode != Off }

// said counts what a user said in a turn.
func (e *Engine) said(t *Turn) {
	n := 0
	for i := range t.Messages {
		if t.Messages[i].own() {
			n += (len(t.Messages[i].Text) + 3) / 4
		}
	}
	if n == 0 || t.Scope.Session == "" {
		return
	}
	g := &e.extracting
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(t.Scope)
	s.tokens += n
	s.last = time.Now()
}

// gather notes the episodes that a model may be asked about: what a user said, as it was kept. What was made of other episodes has sources.
func (e *Engine) gather(added []*record.Record) {
	g := &e.extracting
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range added {
		if !material(r) || r.Origin == record.Imported || len(r.Sources) > 0 {
			continue
		}
		s := g.of(r.Scope)
		if s.ids = append(s.ids, r.ID); len(s.ids) > maxGathered {
			s.ids = slices.Delete(s.ids, 0, len(s.ids)-maxGathered)
		}
	}
}

// material reports whether a record may be shown to a model: a user's own words.
func material(r *record.Record) bool {
	return r.Kind == record.Episode && r.Role == record.User && r.Trust == record.High && !r.Private && r.Scope.Session != ""
}

// Extract has a model look for facts in what the user of a conversation has said since it was last asked: when that are Extract.Every
// tokens, or the conversation has rested for two minutes. Start is called before Extract returns, or never. It is to be called after
// each Learn whose exchange can ask a model.
func (e *Engine) Extract(s record.Scope, start Start) {
	c := e.config.Load()
	if !c.extracts() || !s.Valid() || s.Session == "" {
		return
	}
	g, s := &e.extracting, conversationOf(cloneScope(s))
	waits, ok := g.claim(s, c.Extract.Every)
	if !ok {
		return
	}
	err := start(c.Extract.Model, func(ctx context.Context, ask extract.Ask) {
		defer g.jobs.Done()
		defer g.release(s, waits)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(e.life, cancel)()
		if !waits || g.rest(ctx, s) {
			e.extractAll(ctx, s, ask)
		}
	})
	if err != nil {
		e.opt.Log.Debug("memory: no model could be asked", "error", err)
		g.release(s, waits)
		g.jobs.Done()
	}
}

// claim takes a conversation for a job, if there is something to do for one, and says whether it is to wait first.
func (g *extracting) claim(key record.Scope, every int) (waits, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(key)
	full := s.tokens >= every
	switch {
	case g.closed || s.tokens == 0:
		return false, false
	case s.busy:
		if full {
			signal(s.full)
		}
		return false, false
	case !full && g.idling >= maxIdling:
		return false, false
	case !full:
		g.idling++
	}
	s.busy = true
	g.jobs.Add(1)
	return !full, true
}

func (g *extracting) release(key record.Scope, waits bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of(key).busy = false
	if waits {
		g.idling--
	}
}

// rest waits until nothing was said for a while, or there is enough, and reports whether it came to that.
func (g *extracting) rest(ctx context.Context, key record.Scope) bool {
	for {
		g.mu.Lock()
		s := g.of(key)
		left, full := g.idle-time.Since(s.last), s.full
		g.mu.Unlock()
		if left <= 0 {
			return true
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-full:
			t.Stop()
			return true
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

// extractAll asks until nothing is left that would be enough, at most as often as what can wait needs.
func (e *Engine) extractAll(ctx context.Context, s record.Scope, ask extract.Ask) {
	for range 8 {
		if e.Flush(ctx) != nil { // what was just said is about to be stored
			return
		}
		c := e.config.Load()
		ids := e.extracting.take(s)
		if len(ids) == 0 || !c.extracts() {
			return
		}
		left, err := e.extractOnce(ctx, s, ids, ask)
		if err != nil {
			e.opt.Log.Warn("memory: no model could read what was said", "error", err)
		}
		if !e.extracting.put(s, left, err != nil) {
			return
		}
	}
}

// take returns all that waits.
func (g *extracting) take(key record.Scope) []record.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(key)
	ids := s.ids
	s.ids, s.tokens = nil, 0
	return ids
}

// put takes back what was not asked about, and reports whether to go on. After a call that failed it is all that there was, once: a
// second time it is lost, as the episodes themselves are not.
func (g *extracting) put(key record.Scope, left []record.ID, failed bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(key)
	if failed && s.failed {
		left = nil
	}
	s.ids = append(left, s.ids...)
	s.failed = failed && len(left) > 0
	if s.failed {
		s.tokens++ // so that the next exchange tries again
	}
	return !failed && len(left) > 0
}
