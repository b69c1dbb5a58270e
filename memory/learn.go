package memory

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/memory/record"
)

// What is copied of one message: decide looks at no more.
const (
	maxMessage  = 64 << 10
	maxDocument = 16 << 10
)

// Learn takes what an exchange added to a conversation, to be decided on and stored: durable within 50 ms while the store keeps up.
// It never blocks and keeps nothing that it was given. It reports whether the turn was accepted or held nothing new; false: the
// queue is full, the engine closed or off, or the scope not valid.
func (e *Engine) Learn(t Turn) bool {
	if e.config.Load().Mode == Off && !t.Unlearned || !t.Scope.Valid() {
		return false
	}
	begin := time.Now()
	own, marks := e.copyNew(&t)
	if len(own.Messages) == 0 {
		return true
	}
	j := job{turn: own, scope: own.Scope, bytes: sizeOf(own)}
	if !e.queue.put(j) {
		e.unsee(marks)
		e.counts.refused.Add(1)
		return false
	}
	if e.config.Load().extracts() && !t.Unlearned {
		e.said(own)
	}
	e.opt.Took(TimedLearn, time.Since(begin))
	return true
}

// LearnNow is Learn for importers: it returns when the turn is stored. Chains are not asked for.
func (e *Engine) LearnNow(ctx context.Context, t Turn) error {
	if err := checkScope(t.Scope); err != nil {
		return err
	}
	now := e.opt.Now()
	for i := range t.Messages {
		if t.Messages[i].At.IsZero() {
			t.Messages[i].At = now
		}
	}
	e.committing.Lock()
	defer e.committing.Unlock()
	return e.commit(ctx, []job{{turn: &t, scope: t.Scope}})
}

// copyNew copies the messages of a turn that were not taken before, and marks them as taken: a retry, or a request made anew, brings
// the same chains. The marks are returned, to be taken back if nothing comes of it.
func (e *Engine) copyNew(t *Turn) (*Turn, []uint64) {
	own := &Turn{Scope: cloneScope(t.Scope), Imported: t.Imported, Unlearned: t.Unlearned, Messages: make([]Message, 0, len(t.Messages))}
	marks := make([]uint64, 0, len(t.Messages))
	now, scope := e.opt.Now(), scopeHash(t.Scope)
	for i := range t.Messages {
		m := t.Messages[i]
		if m.Chain != 0 {
			mark := mark(scope, m.Chain)
			if had, _ := e.seen.ContainsOrAdd(mark, struct{}{}); had {
				continue
			}
			marks = append(marks, mark)
		}
		if m.Text == "" {
			continue
		}
		m.Text, m.Name, m.Handle = clip(m.Text, m.Document), strings.Clone(m.Name), strings.Clone(m.Handle)
		if m.At.IsZero() {
			m.At = now
		}
		own.Messages = append(own.Messages, m)
	}
	return own, marks
}

func (e *Engine) unsee(marks []uint64) {
	for _, m := range marks {
		e.seen.Remove(m)
	}
}

// clip copies a text, without its middle if it is long. It cuts at white space, so that no half of a key is left that nobody
// would know for one.
func clip(text string, document bool) string {
	most := maxMessage
	if document {
		most = maxDocument
	}
	if len(text) <= most {
		return strings.Clone(text)
	}
	head, tail := text[:most/2], text[len(text)-most/2:]
	if document {
		head, tail = text[:most], ""
	}
	head = head[:1+strings.LastIndexAny(head, " \n\t")]
	if i := strings.IndexAny(tail, " \n\t"); i >= 0 {
		tail = tail[i:]
	} else {
		tail = ""
	}
	return head + "\n" + tail
}

// markOf names a message by its scope and its chain.
func markOf(s record.Scope, chain uint64) uint64 { return mark(scopeHash(s), chain) }

func mark(scope xxh3.Uint128, chain uint64) uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], scope.Lo)
	binary.LittleEndian.PutUint64(b[8:], scope.Hi)
	binary.LittleEndian.PutUint64(b[16:], chain)
	return xxh3.Hash(b[:])
}

func scopeHash(s record.Scope) xxh3.Uint128 {
	var room [256]byte
	b := room[:0]
	for _, part := range [...]string{s.Tenant, s.User, s.Session} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return xxh3.Hash128(b)
}

func cloneScope(s record.Scope) record.Scope {
	return record.Scope{
		Tenant: strings.Clone(s.Tenant), User: strings.Clone(s.User), Agent: strings.Clone(s.Agent), Session: strings.Clone(s.Session),
	}
}

func sizeOf(t *Turn) int {
	n := 0
	for i := range t.Messages {
		n += len(t.Messages[i].Text) + 128
	}
	return n
}
