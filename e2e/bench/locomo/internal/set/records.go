package set

import (
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// A Placed is a turn as a record.
type Placed struct {
	Turn   string
	Record *record.Record
}

// Records are the turns as episodes of a scope, a session each; the first who speaks is the user.
func (c *Conversation) Records(scope record.Scope) (out []Placed) {
	user := c.User()
	for _, s := range c.Sessions {
		scope.Session = s.ID
		said := s.Said()
		for i, t := range s.Turns {
			r := &record.Record{
				ID: record.EpisodeID(scope, record.User, t.ID+"\x00"+t.Text), Scope: scope, Kind: record.Episode, Role: record.Assistant,
				Origin: record.Imported, Trust: record.High, Speaker: t.Speaker, Text: t.Text, Seq: int64(i), Said: said, Created: said,
			}
			if t.Speaker == user {
				r.Role = record.User
			}
			out = append(out, Placed{t.ID, r})
		}
	}
	return out
}

// End is when the last session took place.
func (c *Conversation) End() (end time.Time) {
	for i := range c.Sessions {
		if t := c.Sessions[i].Said(); t.After(end) {
			end = t
		}
	}
	return end
}
