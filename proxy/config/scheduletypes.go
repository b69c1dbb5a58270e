package config

// A ScheduleConfig is the schedule section.
type ScheduleConfig struct {
	Policy  string         `yaml:"policy" enum:"fifo,priority,fair,program" default:"program" example:"fair" doc:"Who goes first when there is not room for all. fifo: by arrival. priority: by arrival, where a class counts as having come earlier by queue.ageing for each place that it stands higher in classes. fair: equal shares by weight, in tokens, between classes, tenants and agents. program: the same between classes and tenants, and inside a tenant the calls of one task together, short tasks first. Under each of them the class background waits until nobody else does."`
	Pools   []PoolConfig   `yaml:"pools" doc:"What the upstreams can take. An upstream with an entry is ONE pool, whatever credential its requests carry: a GPU, a shared key, an organisation. One without has a pool for each credential and model, and learns its limits from response headers and refusals."`
	Tenants []TenantConfig `yaml:"tenants" doc:"The tenants' shares and what they may spend."`
	Classes []ClassConfig  `yaml:"classes" doc:"Kinds of work, the most urgent first. Two classes are there without being listed: default, for all that no other class takes, below those listed, and background, which goes only when nobody else waits."`
	Prices  []PriceConfig  `yaml:"prices" doc:"What models cost. The first entry that matches counts."`
	Queue   QueueConfig    `yaml:"queue" doc:"Bounds of what waits, for each pool. What finds no place is answered 429 with a Retry-After."`
	Shared  *SharedConfig  `yaml:"shared" doc:"Share the limits of pools and the hard budgets with other sidecars through a Redis. Absent: only the processes of one data directory share them."`
}

// A PoolConfig is one element of schedule.pools.
type PoolConfig struct {
	Upstream              string       `yaml:"upstream" required:"true" example:"gpu" doc:"The name of the upstream."`
	Policy                string       `yaml:"policy" enum:"fifo,priority,fair,program" default:"that of schedule" example:"fair" doc:"Who goes first in this pool."`
	Concurrency           *int         `yaml:"concurrency" min:"1" max:"1000000" default:"no limit" example:"8" doc:"Calls at a time: an engine's slots."`
	RequestsPerMinute     *int         `yaml:"requests_per_minute" min:"1" max:"1000000000" default:"no limit" example:"500" doc:"Requests a minute; a tenth of it may go at once, so no minute sees more than 1.1 times it."`
	TokensPerMinute       *int         `yaml:"tokens_per_minute" min:"1" max:"1000000000000" default:"no limit" example:"200_000" doc:"Tokens a minute, input and output together; a tenth of it may go at once."`
	InputTokensPerMinute  *int         `yaml:"input_tokens_per_minute" min:"1" max:"1000000000000" default:"no limit" example:"400_000" doc:"Input tokens a minute, where the provider counts them apart."`
	OutputTokensPerMinute *int         `yaml:"output_tokens_per_minute" min:"1" max:"1000000000000" default:"no limit" example:"80_000" doc:"Output tokens a minute, where the provider counts them apart."`
	KVTokens              *int         `yaml:"kv_tokens" min:"1" max:"1000000000000" default:"no limit" example:"150_000" doc:"Tokens that a self-hosted engine has memory for. Calls are sent while those under way hold less, each its input and its expected output."`
	Learn                 bool         `yaml:"learn" default:"false" example:"true" doc:"Find out how many calls at a time keep the time to the first token short, and stay below the other limits too. Rates that nobody states are learnt from refusals in any case."`
	Counts                CountsConfig `yaml:"counts" doc:"What the provider counts against its limits of tokens."`
	Cache                 *CacheConfig `yaml:"cache" doc:"For a self-hosted engine: keep the turns of one run together, so that they find their prompt in the engine's cache. A slot may stay idle for a moment when the next turn of a run is about to come and reading its prompt anew would take longer."`
}

// CountsConfig is schedule.pools[].counts.
type CountsConfig struct {
	Cached    *bool `yaml:"cached" default:"true" example:"false" doc:"Input that is read from the prompt cache counts as input. false where the provider leaves it out, as Anthropic does for most models."`
	MaxTokens bool  `yaml:"max_tokens" default:"false" example:"true" doc:"A request is admitted only where its whole max_tokens would fit, not just what it is expected to use."`
}

// CacheConfig is schedule.pools[].cache.
type CacheConfig struct {
	Slots int    `yaml:"slots" required:"true" min:"1" max:"1000000" example:"1" doc:"Conversations whose prompt the engine keeps: with llama.cpp its slots."`
	Ahead Amount `yaml:"ahead" min:"0.001" max:"1000000" default:"2" example:"4" doc:"How far a tenant may get ahead of the others for the sake of the cache: so many times the cost of reading the prompt that is kept. More saves more, and lets others wait longer."`
	Run   Amount `yaml:"run" min:"0.001" max:"1000000" default:"8" example:"20" doc:"The same between the programs of one tenant, where a whole run may go first."`
}

// A TenantConfig is one element of schedule.tenants.
type TenantConfig struct {
	Name    string         `yaml:"name" required:"true" example:"team-a" doc:"The name of its key in auth.keys. Without auth: cred- and 8 hex digits, as logs and metrics show it, or anonymous for requests without a credential. * stands for every tenant that is not named, and gives named ones the keys that they leave out."`
	Weight  Amount         `yaml:"weight" min:"0.000001" max:"1000000" default:"that of *, else 1" example:"2" doc:"Its share when there is not room for all: one of 2 gets twice what one of 1 gets."`
	Budgets []BudgetConfig `yaml:"budgets" doc:"What it may spend. Absent: the budgets of *, counted for this tenant alone. An empty list: none."`
}

// A BudgetConfig is one element of schedule.tenants[].budgets.
type BudgetConfig struct {
	Per    string `yaml:"per" enum:"tenant,user,agent,model" default:"tenant" example:"user" doc:"Whose spending is added up: the tenant's as a whole, or that of each of its users, agents or models."`
	Unit   string `yaml:"unit" required:"true" enum:"tokens,requests,usd" example:"usd" doc:"tokens: input, cached input included, and output. requests: those that were sent, retries not counted. usd: dollars by prices, which must then cover every model that can be asked for."`
	Limit  Amount `yaml:"limit" required:"true" above:"0" example:"25.50" doc:"How much, in its unit: a whole number of tokens or requests, or dollars with up to 9 decimals."`
	Window string `yaml:"window" required:"true" enum:"minute,hour,day,month" example:"day" doc:"How long: a minute, hour, day or month of the calendar, in UTC."`
	Mode   string `yaml:"mode" enum:"soft,hard" default:"hard" example:"soft" doc:"soft: passing it is said, in a header and an event. hard: what would pass it is answered 429 budget_exceeded with the time of the reset; only if that comes before the agent's own deadline the request waits."`
}

// A ClassConfig is one element of schedule.classes.
type ClassConfig struct {
	Name   string       `yaml:"name" required:"true" example:"interactive" doc:"Its name, in lower case. default and background may be listed too."`
	Weight Amount       `yaml:"weight" min:"0.000001" max:"1000000" default:"1" example:"4" doc:"Its share under fair and program. background has none: it is strictly last."`
	Match  *MatchConfig `yaml:"match" doc:"Which requests belong to it; the first class that matches takes a request. Absent: only those that ask for it. A request asks in its header x-trapgate-class, for background or a class listed here, and that comes before any match."`
}

// MatchConfig is schedule.classes[].match.
type MatchConfig struct {
	Agent Patterns `yaml:"agent" default:"all" example:"claude-code" doc:"A glob for the agent, or a list of them."`
	Model Patterns `yaml:"model" default:"all" example:"[\"gpt-*-mini\", \"*haiku*\"]" doc:"A glob for the model, by the agent's name or the upstream's, or a list of them. With agent both must match."`
}

// A PriceConfig is one element of schedule.prices.
type PriceConfig struct {
	Model  string `yaml:"model" required:"true" example:"gpt-4.1*" doc:"A glob for the model, by the name that the upstream knows (after rename)."`
	Input  Amount `yaml:"input" required:"true" min:"0" max:"1000000" example:"2.00" doc:"Dollars for a million tokens of input, up to 6 decimals."`
	Cached Amount `yaml:"cached" min:"0" max:"1000000" default:"that of input" example:"0.50" doc:"The same for input that is read from the provider's prompt cache."`
	Write  Amount `yaml:"write" min:"0" max:"1000000" default:"that of input" example:"3.75" doc:"The same for input that is written to it."`
	Output Amount `yaml:"output" required:"true" min:"0" max:"1000000" example:"8.00" doc:"The same for output, reasoning included."`
}

// QueueConfig is schedule.queue.
type QueueConfig struct {
	KeepaliveAfter *Duration `yaml:"keepalive_after" default:"half of the agent's read timeout, at least 20s" example:"30s" doc:"After this wait, and again after each such time, a streaming request is sent a comment line, so that the agent does not give up. The first one commits its status to 200: a failure after it comes as the error event of its dialect."`
	StreamWait     *Duration `yaml:"stream_wait" default:"1h" example:"10m" doc:"The longest wait of a request that is kept waiting so. Others wait no longer than their agent does."`
	Calls          *int      `yaml:"calls" min:"1" max:"10000000" default:"10000" example:"2000" doc:"Calls that wait, at most."`
	Bytes          *Size     `yaml:"bytes" default:"1GiB" example:"256MiB" doc:"Memory that their bodies hold, at most."`
	TenantCalls    *int      `yaml:"tenant_calls" min:"1" max:"10000000" default:"5000" example:"500" doc:"Calls of one tenant that wait."`
	TenantBytes    *Size     `yaml:"tenant_bytes" default:"512MiB" example:"64MiB" doc:"Memory that the bodies of one tenant hold."`
	FlowCalls      *int      `yaml:"flow_calls" min:"1" max:"10000000" default:"1000" example:"100" doc:"Calls of one program (under fair: of one agent) that wait."`
	Ageing         *Duration `yaml:"ageing" default:"30s" example:"10s" doc:"What a higher class is worth under priority: a call overtakes those of the class below that came less than this before it, and so nobody waits for ever."`
}

// SharedConfig is schedule.shared.
type SharedConfig struct {
	Redis    *RedisRef `yaml:"redis" required:"true" example:"{url: \"redis://10.0.0.5:6379/0\"}" doc:"Where the Redis is, as redis://HOST:PORT/DB, rediss://... for TLS or unix:///PATH. An address that holds a password stands in the environment or in a file."`
	Sidecars int       `yaml:"sidecars" required:"true" min:"1" max:"1000000" example:"4" doc:"How many sidecars share, at most. While the Redis is away each of them keeps to this part of every limit."`
	Prefix   string    `yaml:"prefix" default:"\"trapgate:lease:\"" example:"\"trapgate:prod:\"" doc:"Of all keys in the Redis. Those that share must have the same; those that do not, another one."`
	Renew    *Duration `yaml:"renew" default:"1s" example:"500ms" doc:"How often shares are settled with the others. A share is good for five times as long."`
}

// An Amount is a number, kept as decimal digits so that none is lost: "25.50". "" stands for absent.
type Amount string

// Patterns are one glob or a list of them.
type Patterns []string

// A RedisRef says where the address of a Redis is found: exactly one of URL, Env and File.
type RedisRef struct {
	URL  string `yaml:"url" example:"redis://10.0.0.5:6379/0" doc:"The address, when it holds no password."`
	Env  string `yaml:"env" example:"REDIS_URL" doc:"The environment variable that holds the address."`
	File string `yaml:"file" example:"/run/secrets/redis" doc:"The file that holds the address. Watched."`
}
