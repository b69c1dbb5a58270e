package config

// A ContextConfig is the context section.
type ContextConfig struct {
	Mode    string         `yaml:"mode" enum:"on,observe,off" default:"on" example:"observe" doc:"on: requests that outgrow their model's window are rewritten to fit. observe: no byte is changed, and headers, logs and metrics say what would be done and what it would save. off: as if the section were absent."`
	Windows Windows        `yaml:"windows" default:"known for the models of the large providers, else learnt" example:"{\"qwen*\": 32_768}" doc:"How many tokens models take, the answer included: globs for the name that the upstream knows (after rename; case does not count) with a number each, of which the first that matches counts. Where neither this nor the built-in table knows a model, nothing is done until an upstream refuses a request for its length, which tells the window. What a refusal says lowers these numbers and never raises them."`
	Reserve *int           `yaml:"reserve" min:"1" max:"10000000" default:"4096" example:"8_192" doc:"Tokens of the window that are kept free for the answer. A request that asks for more output keeps as much free."`
	High    Amount         `yaml:"high" min:"0.65" max:"0.92" default:"0.8" example:"0.75" doc:"From this share of the usable window (the window less what is kept free) on a conversation is rewritten. It is prepared beside the path from 0.65 on; what is not ready at 0.92 is made in the path."`
	Low     Amount         `yaml:"low" min:"0.1" max:"0.9" default:"0.3" example:"0.4" doc:"The share to which a rewrite brings it, about. The further below high, the fewer rewrites and the better the provider's prompt cache holds."`
	Pins    PinsConfig     `yaml:"pins" doc:"What every rewrite keeps word for word, besides what is always kept: system and developer messages, the user messages before the first tool call, and sentences there that say must, never, only and the like."`
	Summary *SummaryConfig `yaml:"summary" doc:"Have a model write a summary of what a rewrite leaves out, beside what is copied word for word. Its calls are made in the background, in the class background where calls are scheduled, and charged to the program whose conversation it is. What it writes is checked; when it cannot be used, or is late, the rewrite goes without. Absent: no model is asked, and equal conversations give equal rewrites."`

	Shared *SharedContextConfig `yaml:"shared" doc:"Keep rewrites in a Redis that other sidecars use too: whoever of them has a conversation's next request sends the same bytes, and the provider's prompt cache holds. Absent: they are kept in the data directory. Decided when the process starts: a change of it by reload needs a restart."`

	Hygiene HygieneConfig `yaml:"hygiene" doc:"What is mended besides, so that the provider's prompt cache holds."`
}

// HygieneConfig is context.hygiene.
type HygieneConfig struct {
	CacheKey    bool   `yaml:"cache_key" default:"false" example:"true" doc:"Add prompt_cache_key, a hash of tenant and session, where the agent set none and the provider knows it: OpenAI, Azure and Mistral, by the host of base_url, in chat and responses."`
	Breakpoints bool   `yaml:"breakpoints" default:"false" example:"true" doc:"In the messages dialect, mark where the provider shall cache (cache_control), as far as the agent has left some of the four marks: the last message, the end of the system text, the message with a digest, the end of the tools."`
	Volatile    string `yaml:"volatile" enum:"report,move,off" default:"report" example:"move" doc:"What is done with a line of the system prompt that was seen to change between requests of a session (a clock, a nonce, a counter), and so keeps all behind it out of the cache. report: a response header and metrics say what it costs. move: its text goes to the end of the newest message, and a constant stands in its place. off: nobody looks."`
}

// SharedContextConfig is context.shared.
type SharedContextConfig struct {
	Redis  *RedisRef `yaml:"redis" required:"true" example:"{url: \"redis://10.0.0.5:6379/0\"}" doc:"Where the Redis is, as for schedule.shared. While it does not answer, each sidecar makes rewrites of its own. Tenants that are known by a credential alone are named after the Redis and prefix of schedule.shared, and after these without it: sidecars that share must agree."`
	Prefix string    `yaml:"prefix" default:"\"trapgate:context:\"" example:"\"trapgate:prod:\"" doc:"Of all keys in the Redis. Those that share must have the same; those that do not, another one."`
}

// SummaryConfig is context.summary.
type SummaryConfig struct {
	Model     string `yaml:"model" default:"that of the conversation" example:"gpt-4.1-mini" doc:"The model that writes, by the name that agents would ask for. It must be served in the dialect of the conversation; the agent's own credential is used only where its own requests go."`
	MaxTokens *int   `yaml:"max_tokens" min:"100" max:"16384" default:"800" example:"1_200" doc:"Tokens that a summary may have. A model that thinks first needs more."`
}

// PinsConfig is context.pins.
type PinsConfig struct {
	Rules    []RuleConfig `yaml:"rules" doc:"Texts that are restated in every rewrite. An agent may add its own with the header x-trapgate-pin."`
	Patterns []string     `yaml:"patterns" example:"['(?i)\\bticket [A-Z]+-\\d+']" doc:"Regular expressions (RE2): sentences of system, developer and user text in which one matches are kept. Never those of tools or of the model."`
	Tools    []string     `yaml:"tools" example:"[todo_write]" doc:"Names of tools whose calls and results are kept."`
	Budget   Amount       `yaml:"budget" min:"0.001" max:"0.25" default:"0.04" example:"0.1" doc:"The most that rules found in the conversation may take, as a share of the usable window. Over it the oldest and weakest are left out, and a response header says so. rules do not count."`
	Recent   Amount       `yaml:"recent" min:"0.0005" max:"0.25" default:"0.0025" example:"0.02" doc:"How much of the newest user messages among those left out is kept, as a share of the usable window."`
}

// A RuleConfig is one element of context.pins.rules.
type RuleConfig struct {
	Text  string   `yaml:"text" required:"true" example:"Never push to main." doc:"The rule."`
	Agent Patterns `yaml:"agent" default:"all" example:"claude-code" doc:"A glob for the agent that it is for, or a list of them."`
	Model Patterns `yaml:"model" default:"all" example:"\"gpt-*\"" doc:"A glob for the model, by the upstream's name, or a list of them."`
	Path  Patterns `yaml:"path" default:"all" example:"\"/team-a/*\"" doc:"A glob for the request's path, or a list of them, as in passthrough of routes: as the agent wrote it, without the query, or with /v1 in place of its prefix. Of agent, model and path all that are given must match."`
}

// Windows is context.windows in file order.
type Windows []WindowPair

// A WindowPair is a glob for models, and what they take.
type WindowPair struct {
	Model  string
	Tokens int
}
