package schedule

import (
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/glob"
	"github.com/trapgate/trapgate/internal/wire"
)

// settings are Settings made ready; never changed.
type settings struct {
	pools   map[string]bool // upstreams with an entry
	classes map[string]bool
	rules   []ClassRule
	models  bool // a rule asks for the model
	queue   QueueSettings
}

const defaultClass = "default"

func newSettings(s Settings) *settings {
	c := &settings{
		pools: make(map[string]bool, len(s.Engine.Pools)), classes: make(map[string]bool, len(s.Engine.Classes)), queue: s.Queue,
	}
	for _, p := range s.Engine.Pools {
		c.pools[p.Name] = true
	}
	for _, k := range s.Engine.Classes {
		c.classes[k.Name] = true
	}
	for _, r := range s.Classes {
		if r.Agent != "" || r.Model != "" {
			c.rules = append(c.rules, r)
			c.models = c.models || r.Model != ""
		}
	}
	if c.queue.StreamWait <= 0 {
		c.queue.StreamWait = defaultStreamWait
	}
	return c
}

// configured reports whether an upstream has a pool of its own.
func (c *settings) configured(upstream string) bool {
	return c.pools[upstream]
}

// class says which class an attempt belongs to: the one that the agent asks for when there is one of that name, else that of
// the first rule that matches.
func (c *settings) class(x *filters.Exchange) string {
	if name := x.Identity.Class; name != "" && c.classes[name] {
		return name
	}
	if len(c.rules) == 0 {
		return defaultClass
	}
	sent, asked := x.Attempt.Model, ""
	if c.models {
		asked = string(wire.Unquote(nil, x.View.Model.Of(x.View.Body)))
	}
	for i := range c.rules {
		r := &c.rules[i]
		if (r.Agent == "" || glob.Match(r.Agent, x.Identity.Agent)) && (r.Model == "" || glob.Match(r.Model, sent) || glob.Match(r.Model, asked)) {
			return r.Class
		}
	}
	return defaultClass
}

// keepAliveAfter is the wait between two comments to an agent with that read timeout; 0: none.
func (c *settings) keepAliveAfter(timeout time.Duration) time.Duration {
	switch after := c.queue.KeepAliveAfter; {
	case after < 0:
		return 0
	case after > 0:
		return after
	}
	return max(timeout/2, leastKeepAlive)
}
