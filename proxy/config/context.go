package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/hygiene"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// A Context is what the context section says, ready for the engine. It is immutable and safe for concurrent use: the slices inside
// are shared and must not be changed. A change of any of it but Shared may be put in force while calls run.
type Context struct {
	Engine  ctxrewrite.Config // all shares are set; windows go by the upstreams' names of models
	Hygiene hygiene.Settings
	Rules   []PinRule      // in file order
	Shared  *SharedContext // nil: kept in the data directory
}

// A SharedContext is a store of rewrites that other sidecars use too.
type SharedContext struct {
	Redis  RedisURL
	Prefix string // of all keys
}

func (s *SharedContext) same(o *SharedContext) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Redis.Reveal() == o.Redis.Reveal() && s.Prefix == o.Prefix
}

// String names the Redis without its password, "off" for nil.
func (s *SharedContext) String() string {
	if s == nil {
		return "off"
	}
	return fmt.Sprintf("%v, prefix %s", s.Redis, s.Prefix)
}

// A PinRule is a text that rewrites of the exchanges that match keep.
type PinRule struct {
	Text               string
	agent, model, path globs
}

// Match reports whether the rule is for an agent that calls a model, by the upstream's name, at a path (no query). As in routes, a
// path is matched as the agent wrote it and with /v1 in place of its prefix.
func (r *PinRule) Match(agent, model, path string) bool {
	return r.agent.match(agent) && r.model.match(model) &&
		(r.path == nil || r.path.match(path) || r.path.match(canonicalPath(path)))
}

// sharedContext is where rewrites have been kept since the process began.
func (s *Snapshot) sharedContext() *SharedContext {
	if s.Context != nil {
		return s.Context.Shared
	}
	return s.rewrites
}

// Bounds of what is looked through, or restated, for each request.
const (
	maxWindows  = 1000
	maxPinRules = 200
	maxPinText  = 16 << 10 // bytes of all rules together
	maxPatterns = 100
)

// context checks the context section and makes the engine's configuration of it.
func (b *builder) context() {
	c, src := b.cfg.Context, source{key: "context"}
	mode := ""
	if b.resolve {
		mode = b.flags.Context
	}
	if c == nil {
		if mode == "" || !b.ok("context") {
			return
		}
		c, src = &ContextConfig{}, source{"--context", true}
	}
	x := &Context{Engine: ctxrewrite.Config{Reserve: or(c.Reserve, ctxrewrite.DefaultReserve)}}
	b.windows(x, c.Windows)
	b.marksOf(x, c)
	b.pins(x, &c.Pins)
	if w := c.Summary; w != nil {
		x.Engine.Summary = ctxrewrite.Summary{Model: w.Model, MaxTokens: or(w.MaxTokens, ctxrewrite.DefaultSummary)}
	}
	x.Hygiene = c.Hygiene.settings()
	b.sharedContext(x, c.Shared)
	switch orText(mode, orText(c.Mode, "on")) {
	case "off":
		return
	case "observe":
		x.Engine.Mode = ctxrewrite.Observe
	}
	if b.resolve && b.snap.Data == "" {
		b.problem(src, "set data, or $"+EnvData, "needs a directory to keep in what leaves requests, and none is known")
	}
	b.snap.Context = x
}

func (b *builder) sharedContext(x *Context, c *SharedContextConfig) {
	const key = "context.shared"
	if c == nil || !b.ok(key) {
		return
	}
	x.Shared = &SharedContext{Redis: b.redis(key+".redis", c.Redis), Prefix: orText(c.Prefix, "trapgate:context:")}
	b.redisPrefix(key+".prefix", x.Shared.Prefix)
}

func (b *builder) windows(x *Context, list Windows) {
	const key = "context.windows"
	if len(list) > maxWindows {
		b.wrong(key, "a glob may stand for many models", "has more than %d entries", maxWindows)
		return
	}
	for _, w := range list {
		at := join(key, w.Model)
		switch {
		case w.Model == "":
			b.wrong(at, `"*" stands for all`, "has an empty glob")
		case w.Tokens <= x.Engine.Reserve:
			b.wrong(at, "", "must be above context.reserve (%d), or nothing is left for the prompt (got %d)", x.Engine.Reserve, w.Tokens)
		default:
			x.Engine.Windows = append(x.Engine.Windows, tokens.Rule{Model: w.Model, Tokens: w.Tokens})
		}
	}
	if _, err := tokens.NewWindows(x.Engine.Windows); err != nil {
		b.wrong(key, "", "%v", err) // the decoder knows the same bounds
	}
}

// marksOf takes over the two marks, which need some room between them: each rewrite is followed by the next too soon else.
func (b *builder) marksOf(x *Context, c *ContextConfig) {
	const room = 0.05
	x.Engine.High, x.Engine.Low = c.High.or(ctxrewrite.DefaultHigh), c.Low.or(ctxrewrite.DefaultLow)
	if b.ok("context.high") && b.ok("context.low") && x.Engine.Low > x.Engine.High-room {
		key := "context.low"
		if c.Low == "" {
			key = "context.high"
		}
		b.wrong(key, "the defaults are 0.8 and 0.3", "low (%v) must be at least %v below high (%v)", x.Engine.Low, room, x.Engine.High)
	}
}

func (b *builder) pins(x *Context, c *PinsConfig) {
	const key = "context.pins"
	if !b.ok(key) {
		return
	}
	p := &x.Engine.Pins
	p.Budget, p.Recent = c.Budget.or(defaultPinBudget), c.Recent.or(defaultRecent)
	b.pinRules(x, key+".rules", c.Rules)
	b.patterns(p, key+".patterns", c.Patterns)
	for i, name := range c.Tools {
		at := fmt.Sprintf("%s.tools[%d]", key, i)
		if b.ok(at) && name == "" {
			b.wrong(at, "", "is empty")
		}
		p.Tools = append(p.Tools, name)
	}
}

// The shares that package digest gives rules and recent messages by default.
const (
	defaultPinBudget = 0.04
	defaultRecent    = 0.0025
)

func (b *builder) pinRules(x *Context, key string, list []RuleConfig) {
	size := 0
	for i := range list {
		c, at := &list[i], fmt.Sprintf("%s[%d]", key, i)
		if !b.ok(at) || !b.ok(at+".text") {
			continue
		}
		if c.Text == "" {
			b.wrong(at+".text", "", "is empty")
			continue
		}
		r := PinRule{Text: c.Text}
		if b.ok(at + ".agent") {
			r.agent = b.globs(at+".agent", c.Agent, "absent means all")
		}
		if b.ok(at + ".model") {
			r.model = b.globs(at+".model", c.Model, "absent means all")
		}
		if b.ok(at+".path") && b.rooted(at+".path", c.Path, "write /v1/chat/*") {
			r.path = b.globs(at+".path", c.Path, "absent means all")
		}
		size += len(c.Text)
		x.Rules = append(x.Rules, r)
	}
	if len(x.Rules) > maxPinRules || size > maxPinText {
		b.wrong(key, "they stand in every request that is rewritten", "are at most %d rules of %s together", maxPinRules, Size(maxPinText))
	}
}

func (b *builder) patterns(p *ctxrewrite.Pins, key string, list []string) {
	if len(list) > maxPatterns {
		b.wrong(key, "a pattern may have alternatives: a|b", "has more than %d patterns", maxPatterns)
		return
	}
	for i, text := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if !b.ok(at) {
			continue
		}
		re, err := regexp.Compile(text)
		var bad *syntax.Error
		switch {
		case errors.As(err, &bad):
			b.wrong(at, "quote it with ' and escape only for the expression", "is no regular expression: %s: %s", bad.Code, shorten(bad.Expr))
		case err != nil:
			b.wrong(at, "", "is no regular expression: %v", err)
		case re.MatchString(""):
			b.wrong(at, "", "matches every sentence (got %q)", shorten(text))
		default:
			p.Patterns = append(p.Patterns, re)
		}
	}
}

// settings are what hygiene asks for; the decoder knows the words.
func (c *HygieneConfig) settings() hygiene.Settings {
	s := hygiene.Settings{CacheKey: c.CacheKey, Breakpoints: c.Breakpoints}
	switch c.Volatile {
	case "move":
		s.Volatile = hygiene.VolatileMove
	case "off":
		s.Volatile = hygiene.VolatileOff
	}
	return s
}

// or is the nearest float64, or what holds by default for an absent amount.
func (a Amount) or(byDefault float64) float64 {
	if a == "" {
		return byDefault
	}
	return a.Float()
}
