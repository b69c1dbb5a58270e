package recall

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// What was said with memory off is not learned from the history that brings it again to a process that knows nothing of it, neither the
// question nor the answer; what was said before and after is.
func TestOffSurvivesARestart(t *testing.T) {
	t.Parallel()
	const before, secret = "My sister Clara works at the aquarium in Lisbon.", "My diagnosis is Wuzzlefink syndrome since last March."
	const said, after = "Wuzzlefink syndrome is treated by Doctor Hollerbusch in Trieste.", "My brother Anton collects railway lanterns."
	for _, d := range dialects {
		for _, mode := range []memory.Mode{memory.On, memory.Off} {
			first, kept := newEngine(t)
			r := newUserRig(t, first, d).with("x-user", "ada").with("x-trapgate-session", "one")
			first.Configure(memory.Config{Mode: mode})
			r.filter.Configure(Settings{Mode: mode, Users: r.filter.settings.Load().Users})
			history := []string{user(quote(before)), model(d, "Very well."), user(quote(secret))}
			r.send(request(d, false, history[0]))
			r.with(header, "off").send(request(d, false, history...), answer(d, false, said))
			flush(t, first)

			second, err := memory.New(memory.Config{}, memory.Options{Store: kept})
			if err != nil {
				t.Fatal(err)
			}
			r = newUserRig(t, second, d).with("x-user", "ada").with("x-trapgate-session", "one")
			r.send(request(d, false, append(history, model(d, said), user(quote(after)))...))
			flush(t, second)
			list, err := kept.List(t.Context(), store.Filter{}, record.ID{}, 100)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, x := range list {
				texts = append(texts, x.Text)
			}
			all := strings.Join(texts, "\n")
			if strings.Contains(all, "Wuzzlefink") || mode == memory.On && !strings.Contains(all, before) || !strings.Contains(all, after) {
				t.Errorf("%v, mode %v: learned\n%s", d, mode, all)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Notes that stand in a conversation are waited for longer than new ones, because a request without them loses its prompt cache.
func TestSlowNotes(t *testing.T) {
	t.Parallel()
	e := says("NOTE")
	r := newRig(t, e, wire.Chat)
	body := request(wire.Chat, false, user(`"hi"`))
	first := r.send(body)
	r.filter = New(slow{e, 3 * memory.DefaultDeadline}, Options{})
	r.filter.Configure(Settings{})
	if out := r.send(body); out.sent != first.sent || !strings.Contains(out.sent, "NOTE") {
		t.Errorf("%q: not the same bytes:\n%s\n%s", out.note, first.sent, out.sent)
	}
}

// A slow engine takes its time to read notes.
type slow struct {
	Engine
	by time.Duration
}

func (e slow) Notes(ctx context.Context, s record.Scope) ([]store.Note, error) {
	select {
	case <-time.After(e.by):
		return e.Engine.Notes(ctx, s)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
