package recall

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A stream is one exchange under way.
type stream struct {
	f     *Filter
	x     *filters.Exchange
	scope record.Scope
	mode  memory.Mode
	off   bool // the agent wants no memory in this request

	known    *session
	chains   []uint64
	reach    reach
	replayed int  // notes of earlier messages, and of this one if it stood already
	asked    bool // the engine was
	failed   bool
	found    memory.Recollection

	answer collector
	status int
	ended  bool
}

var (
	_ filters.Stream   = (*stream)(nil)
	_ filters.HeadOnly = (*stream)(nil)
	_ filters.Observer = (*stream)(nil)
)

// maxChains is how long a history may be whose memory is kept for another exchange.
const maxChains = 1 << 14

// open puts into the request what belongs there.
func (s *stream) open(ctx context.Context) {
	defer s.rescue("open")
	s.known = s.session()
	chains := s.chain(s.known)
	s.reach = s.known.reach(chains)
	notes, ok := s.notes(ctx)
	if !ok {
		return // without the notes that stand, a new one could say the same again
	}
	last := s.question()
	stands := s.replay(notes, last)
	if last < 0 || stands || s.off || s.mode == memory.Off {
		return
	}
	at, ok := placeOf(s.x.View, &s.x.Edits, last)
	if !ok {
		return
	}
	s.ask(ctx, last)
	if n := &s.found.Note; !s.failed && n.Text != "" && !s.found.Observed {
		at.insert(s.x.View.Dialect, &s.x.Edits, escape(n.Text))
	}
}

// notes reads what stands in the conversation.
func (s *stream) notes(ctx context.Context) (notes []store.Note, ok bool) {
	start := time.Now()
	bounded, cancel := context.WithTimeout(ctx, s.f.opt.Replay)
	defer cancel()
	notes, err := s.f.engine.Notes(bounded, s.scope)
	switch {
	case err == nil:
		return notes, true
	case bounded.Err() != nil:
		s.asked, s.found.Late = true, true
		s.searched(time.Since(start))
	default:
		s.fail("reading notes", err)
	}
	return nil, false
}

// fail notes that memory could not do what it should have.
func (s *stream) fail(what string, err error) {
	s.failed = true
	s.f.failures.Add(1)
	slog.Warn("memory: "+what, "id", s.x.ID, "err", err)
}

// replay puts the notes of the conversation back where they stood, and reports whether the message has one, if only an empty one.
func (s *stream) replay(notes []store.Note, last int) (stands bool) {
	if len(notes) == 0 {
		return false
	}
	x := s.x
	for i := range x.View.Msgs {
		if m := &x.View.Msgs[i]; m.Role != wire.User || m.Kind != wire.Msg {
			continue
		}
		for k := range notes {
			n := &notes[k]
			if n.Chain != s.chains[i] {
				continue
			}
			stands = stands || i == last
			if n.Text == "" {
				break
			}
			if at, ok := placeOf(x.View, &x.Edits, i); ok {
				at.insert(x.View.Dialect, &x.Edits, escape(n.Text))
				s.replayed++
			}
			break
		}
	}
	return stands
}

// question is the message that asks: the last one, when a user says something in it. In a tool loop nobody asks: -1.
func (s *stream) question() int {
	v := s.x.View
	for i := len(v.Msgs) - 1; i >= 0; i-- {
		m := &v.Msgs[i]
		if m.Kind == wire.Msg && (m.Role == wire.System || m.Role == wire.Developer) || m.Kind == wire.ToolsItem {
			continue
		}
		if ownWords(v, m) {
			return i
		}
		break
	}
	return -1
}

// ask asks the engine what to tell at a message.
func (s *stream) ask(ctx context.Context, last int) {
	v := s.x.View
	q := memory.Question{
		Scope: s.scope, Text: strings.Join(ownTexts(nil, v, &v.Msgs[last]), "\n\n"), Chain: s.chains[last], Chains: s.chains,
		First: s.first(last),
	}
	if q.Text == "" {
		return
	}
	hidden := s.sight(&q, last)
	q.Visible = func(text string) bool { return visible(v, hidden, text) }
	if s.f.opt.Embedder != nil {
		q.Embed = s.f.opt.Embedder(s.x)
	}
	start := time.Now()
	found, err := s.f.engine.Recall(ctx, &q)
	if err != nil {
		s.fail("recall", err)
	} else {
		s.found = found
	}
	s.asked = true
	s.searched(time.Since(start))
}

// first reports whether nothing was said before a message.
func (s *stream) first(last int) bool {
	if s.serverSide() {
		return s.x.View.PreviousID.Empty() && s.reach.first == 0
	}
	for i := range s.x.View.Msgs[:last] {
		if m := &s.x.View.Msgs[i]; m.Role == wire.Assistant || m.Kind == wire.CallItem {
			return false
		}
	}
	return true
}

// searched writes what was found into the trail.
func (s *stream) searched(took time.Duration) {
	r := &s.found
	ids := make([]string, 0, len(r.Note.Records))
	for _, id := range r.Note.Records {
		ids = append(ids, id.String())
	}
	s.x.Trail.Append(Name, "search_memory", filters.Attr{Key: "duration_us", Value: took.Microseconds()},
		filters.Attr{Key: "found", Value: int64(r.Found)}, filters.Attr{Key: "hits", Value: int64(len(r.Hits))},
		filters.Attr{Key: "tokens", Value: int64(r.Tokens)}, filters.Attr{Key: "records", Value: strings.Join(ids, ",")},
		filters.Attr{Key: "abstained", Value: r.Abstained}, filters.Attr{Key: "late", Value: r.Late},
		filters.Attr{Key: "dense", Value: string(r.Dense)},
		filters.Attr{Key: "observed", Value: r.Observed}, filters.Attr{Key: "failed", Value: s.failed})
}

// Observes reports that no event is changed.
func (s *stream) Observes() bool { return true }

// HeadOnly reports that nobody wants to know the answer. Of an exchange that is not to be learned from it must be known what not to learn.
func (s *stream) HeadOnly() bool { return s.mode == memory.Off && !s.off }

// Head tells the agent what was done.
func (s *stream) Head(h *filters.ResponseHead) error {
	s.status = h.Status
	if note := s.note(); note != nil {
		h.Added = append(h.Added, filters.Field{Name: []byte(header), Value: note})
	}
	return nil
}

// note is the header's value: "hits=3; tokens=212", and what else there is to say. nil: nothing.
func (s *stream) note() (b []byte) {
	r := &s.found
	switch {
	case s.failed:
		return []byte("failed")
	case s.off:
		b = append(b, "off"...)
	case s.asked:
		b = strconv.AppendInt(append(b, "hits="...), int64(len(r.Hits)), 10)
		b = strconv.AppendInt(append(b, "; tokens="...), int64(r.Tokens), 10)
	case s.replayed == 0:
		return nil
	}
	add := func(yes bool, word string) {
		if yes {
			if len(b) > 0 {
				b = append(b, "; "...)
			}
			b = append(b, word...)
		}
	}
	add(r.Abstained, "abstained")
	add(r.Late, "late")
	add(r.Dense == memory.DenseLate || r.Dense == memory.DenseFailed, "dense="+string(r.Dense))
	add(r.Observed, "observed")
	add(s.replayed > 0, "replayed="+strconv.Itoa(s.replayed))
	return b
}

// Event passes the event on as it is, after a look at the model's words in it.
func (s *stream) Event(e filters.Event, out *filters.Emitter) error {
	if len(e.Data) > 0 && s.status < 400 {
		s.answer.see(&e)
	}
	return out.Emit(e)
}

// End notes that the answer came to its end.
func (s *stream) End(*filters.Emitter) error {
	s.ended = s.status < 400 && (s.x.Answer == nil || !s.x.Answer.Failed())
	return nil
}

// Close gives memory what is new in the exchange.
func (s *stream) Close(cause error) {
	f := s.f
	finished := cause == nil && s.ended
	s.learn(finished)
	if finished {
		s.extract()
	}
	s.answer.reset(wire.Other)
	if cap(s.chains) > maxChains {
		s.chains = nil
	}
	*s = stream{chains: s.chains[:0], answer: s.answer}
	f.streams.Put(s)
}
