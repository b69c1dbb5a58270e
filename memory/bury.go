package memory

import (
	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/record"
)

// bury leaves tombstones of what would be kept of a turn that is Unlearned, so that the history that brings it again, after a restart
// too, teaches nothing of it. What was said before, when it was to be learned, stands.
func (b *batch) bury(t *Turn) error {
	shown, err := b.e.shownLines(b.ctx, t.Scope)
	if err != nil {
		return err
	}
	for i := range t.Messages {
		m := &t.Messages[i]
		text := withoutLines(decide.StripNotes(m.Text), shown)
		d := b.e.decider.Decide(&decide.Message{Role: m.Role, Speaker: m.Name, Text: text, At: m.At, Document: m.low()})
		for k := range d.Episodes {
			if id := record.EpisodeID(t.Scope, m.role(), d.Episodes[k].Text); b.added[id] == nil {
				b.changes.Bury = append(b.changes.Bury, id)
			}
		}
		b.e.counts.drop("unlearned")
	}
	return nil
}
