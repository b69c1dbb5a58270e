package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// schedule checks the schedule section and makes the engines' configurations of it.
func (b *builder) schedule() {
	c, src := b.cfg.Schedule, source{key: "schedule"}
	if c == nil {
		if !b.resolve || !b.flags.Schedule || !b.ok("schedule") {
			return
		}
		c, src = &ScheduleConfig{}, source{"--schedule", true}
	}
	if b.resolve && b.snap.Data == "" {
		b.problem(src, "set data, or $"+EnvData, "needs a directory to remember in what was used, and none is known")
	}
	s := &Schedule{}
	b.snap.Schedule = s
	s.Engine.Policy = ratelimit.Policy(c.Policy)
	if c.Policy == "" {
		s.Engine.Policy = ratelimit.Program
	}
	b.pools(s, c.Pools)
	b.classes(s, c.Classes)
	b.queue(s, &c.Queue)
	b.prices(s, c.Prices)
	b.tenants(s, c.Tenants)
	b.checkMoney(s)
	b.shared(s, c)
}

func (b *builder) pools(s *Schedule, list []PoolConfig) {
	byName, first := b.upstreamNames(), map[string]int{}
	for i := range list {
		c, key := &list[i], fmt.Sprintf("schedule.pools[%d]", i)
		if !b.ok(key) || !b.ok(key+".upstream") {
			continue
		}
		if j, dup := first[c.Upstream]; dup {
			b.wrong(key+".upstream", "put both into one entry: an upstream is one pool", "upstream %s has a pool already (schedule.pools[%d])", shorten(c.Upstream), j)
			continue
		}
		first[c.Upstream] = i
		if b.named(key+".upstream", c.Upstream, byName) != nil {
			s.Engine.Pools = append(s.Engine.Pools, c.engine())
		}
	}
}

func (c *PoolConfig) engine() ratelimit.PoolConfig {
	p := ratelimit.PoolConfig{
		Name: c.Upstream, Policy: ratelimit.Policy(c.Policy),
		Limits: ratelimit.Limits{
			Concurrency: or(c.Concurrency, 0), Requests: int64(or(c.RequestsPerMinute, 0)), Tokens: int64(or(c.TokensPerMinute, 0)),
			Input: int64(or(c.InputTokensPerMinute, 0)), Output: int64(or(c.OutputTokensPerMinute, 0)), KV: int64(or(c.KVTokens, 0)),
		},
		Rules: limit.Rules{CachedFree: !or(c.Counts.Cached, true), GateOnMax: c.Counts.MaxTokens},
		Learn: c.Learn,
	}
	if c.Cache != nil {
		p.Cache = ratelimit.CacheConfig{Slots: c.Cache.Slots, Ahead: c.Cache.Ahead.Float(), Run: c.Cache.Run.Float()}
	}
	return p
}

func (b *builder) classes(s *Schedule, list []ClassConfig) {
	first := map[string]int{}
	var before []classGlobs
	for i := range list {
		c, key := &list[i], fmt.Sprintf("schedule.classes[%d]", i)
		if !b.ok(key) {
			continue
		}
		if !validName(c.Name) || c.Name != strings.ToLower(c.Name) {
			b.wrong(key+".name", "", "must be 1 to 64 lower case letters, digits, '.', '_' or '-' (got %q)", shorten(c.Name))
			continue
		}
		if j, dup := first[c.Name]; dup {
			b.wrong(key+".name", "match takes lists", "is the same as schedule.classes[%d].name (%q)", j, c.Name)
			continue
		}
		first[c.Name] = i
		if c.Name == ratelimit.Background {
			if c.Weight != "" {
				b.wrong(key+".weight", "remove it", "background goes only when nobody else waits, and has no weight")
			}
		} else {
			s.Engine.Classes = append(s.Engine.Classes, ratelimit.ClassConfig{Name: c.Name, Weight: c.weight()})
		}
		if c.Match != nil {
			before = b.match(s, key+".match", c, before)
		}
	}
	s.Engine.Classes = append(s.Engine.Classes, ratelimit.ClassConfig{Name: ratelimit.Background})
}

func (c *ClassConfig) weight() float64 {
	if c.Weight == "" {
		return 1
	}
	return c.Weight.Float()
}

// classGlobs are what a class matches.
type classGlobs struct {
	name         string
	agent, model globs
}

// maxRules bounds what is looked through for each request.
const maxRules = 1000

// match adds the rules of a class, and what it matches to that of the classes before it.
func (b *builder) match(s *Schedule, key string, c *ClassConfig, before []classGlobs) []classGlobs {
	own := classGlobs{name: c.Name}
	if b.ok(key + ".agent") {
		own.agent = b.globs(key+".agent", c.Match.Agent, "absent means all")
	}
	if b.ok(key + ".model") {
		own.model = b.globs(key+".model", c.Match.Model, "absent means all")
	}
	if b.troubled(key) {
		return before
	}
	if own.agent == nil && own.model == nil {
		b.wrong(key, `without match a class is for requests that ask for it; agent: "*" takes all`, "needs agent, model or both")
		return before
	}
	for _, o := range before {
		if o.agent.covers(own.agent) && o.model.covers(own.model) {
			b.warnings = append(b.warnings, b.at(key, "the first class that matches counts: list the narrower one first", "class %s takes all of this before", o.name))
			break
		}
	}
	agents, models := orAny(c.Match.Agent), orAny(c.Match.Model)
	if len(s.Classes)+len(agents)*len(models) > maxRules {
		b.wrong(key, "a glob may stand for many names", "makes more than %d pairs of agent and model", maxRules)
		return before
	}
	for _, agent := range agents {
		for _, model := range models {
			s.Classes = append(s.Classes, ClassRule{c.Name, agent, model})
		}
	}
	return append(before, own)
}

// orAny is the one empty glob, which matches everything, in place of an absent list.
func orAny(p Patterns) Patterns {
	if p == nil {
		return Patterns{""}
	}
	return p
}

const minQueue, maxQueue = 1 << 20, 1 << 40 // bytes

func (b *builder) queue(s *Schedule, c *QueueConfig) {
	const key = "schedule.queue"
	if !b.ok(key) {
		return
	}
	s.Queue.StreamWait = b.time(key+".stream_wait", c.StreamWait, time.Hour)
	if c.KeepaliveAfter != nil && b.ok(key+".keepalive_after") {
		s.Queue.KeepAliveAfter = b.time(key+".keepalive_after", c.KeepaliveAfter, 0)
	}
	s.Engine.Queue = ratelimit.QueueConfig{
		Calls: or(c.Calls, 10_000), TenantCalls: or(c.TenantCalls, 5_000), FlowCalls: or(c.FlowCalls, 1_000),
		Bytes: b.queueBytes(key+".bytes", c.Bytes, 1<<30), TenantBytes: b.queueBytes(key+".tenant_bytes", c.TenantBytes, 512<<20),
		Ageing: b.time(key+".ageing", c.Ageing, 30*time.Second),
	}
}

// queueBytes has room for one body at least, unless the file says otherwise.
func (b *builder) queueBytes(key string, p *Size, byDefault int64) int64 {
	body := b.snap.Limits.Body
	n := b.size(key, p, max(byDefault, body), minQueue, maxQueue)
	if n < body && b.ok("limits.body") {
		b.warnings = append(b.warnings, b.at(key, "", "is below limits.body (%s): a longer request is refused where it would have to wait", Size(body)))
	}
	return n
}

// maxRedisPrefix, in bytes, leaves room in a store's key for what a limit is called.
const maxRedisPrefix = 64

func (b *builder) shared(s *Schedule, sc *ScheduleConfig) {
	const key = "schedule.shared"
	c := sc.Shared
	if c == nil || !b.ok(key) {
		return
	}
	s.Shared = &Shared{Redis: b.redis(key+".redis", c.Redis), Prefix: c.Prefix, Sidecars: c.Sidecars, Renew: b.time(key+".renew", c.Renew, time.Second)}
	if s.Shared.Prefix == "" {
		s.Shared.Prefix = "trapgate:lease:"
	}
	if s.Shared.Renew > time.Minute || s.Shared.Renew < 10*time.Millisecond {
		b.wrong(key+".renew", "", "must be from 10ms to 1m (got %s)", Duration(s.Shared.Renew))
	}
	b.redisPrefix(key+".prefix", s.Shared.Prefix)
	b.leasable(s, sc)
}

// redisPrefix checks what begins all keys in a Redis.
func (b *builder) redisPrefix(key, prefix string) {
	if !visible(prefix) || len(prefix) > maxRedisPrefix {
		b.wrong(key, "", "must be 1 to %d printable ASCII characters without spaces (got %q)", maxRedisPrefix, shorten(prefix))
	}
}

func visible(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return s != ""
}

// redis finds the address of the Redis. No message shows any of it: what is wrong with it may stand in its password.
func (b *builder) redis(key string, ref *RedisRef) RedisURL {
	if ref == nil || !b.ok(key) {
		return RedisURL{}
	}
	text, at := b.checkedSecret(key+".url", ref.URL), key+".url"
	if ref.URL == "" {
		text, at = b.secret(key, &SecretRef{Env: ref.Env, File: ref.File}), key+".env"
		if ref.File != "" {
			at = key + ".file"
		}
	}
	if text.IsZero() {
		return RedisURL{}
	}
	o, err := redis.ParseURL(text.Reveal())
	switch {
	case err != nil:
		b.wrong(at, "write redis://HOST:PORT/DB, rediss://HOST:PORT/DB for TLS, or unix:///PATH", "must be the address of a Redis")
	case ref.URL != "" && (o.Username != "" || o.Password != ""):
		b.wrong(at, "put the whole address into the environment or a file: {env: NAME} or {file: PATH}", "must not hold a user name or password")
	default:
		shown := o.Addr
		if o.Network == "unix" {
			shown = "unix:" + o.Addr
		}
		return RedisURL{text, shown}
	}
	return RedisURL{}
}
