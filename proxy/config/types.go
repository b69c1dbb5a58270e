package config

import "time"

// A Config is what the file says, nothing added: absent keys are zero, and Resolve fills in the defaults. The tags are the
// source of the reference page and of the JSON Schema: doc explains a key, default and example are shown with it.
type Config struct {
	Listen    string           `yaml:"listen" default:"127.0.0.1:4000" example:"127.0.0.1:4000" doc:"Where agents call: HOST:PORT, or unix:/PATH for a Unix socket. Port 0 takes a free one. Off loopback it needs auth or insecure: true."`
	Admin     string           `yaml:"admin" default:"127.0.0.1:4001" example:"127.0.0.1:4001" doc:"Where health, metrics and state are served: HOST:PORT, unix:/PATH, or off. Everything but /livez, /readyz and /metrics needs the token of DATA/admin.token, so it may stand off loopback."`
	Data      string           `yaml:"data" default:"$XDG_STATE_HOME/trapgate, else ~/.local/state/trapgate" example:"/var/lib/trapgate" doc:"The directory for state and for the admin token. It is made (0700) when it is needed."`
	Hosts     []string         `yaml:"hosts" example:"[trapgate.internal, \"*.svc.cluster.local\"]" doc:"Host names, besides the loopback ones, under which agents may call. Globs; no port. Any other Host is refused."`
	Origins   []string         `yaml:"origins" example:"[\"https://chat.example.com\"]" doc:"Web origins whose pages may call, such as https://chat.example.com. Any other Origin is refused."`
	Upstreams []UpstreamConfig `yaml:"upstreams" doc:"The model APIs. A file without upstreams behaves as no file: Anthropic's API for the messages dialect, OpenAI's for all else."`
	Routes    []RouteConfig    `yaml:"routes" doc:"Which upstreams serve which models, tried in order: the first route that matches decides. Without a matching route all upstreams that match dialect and model are one balanced group."`
	Auth      *AuthConfig      `yaml:"auth" doc:"Who may call. Present = every call needs one of these keys, and agents' credentials are never sent on."`
	Schedule  *ScheduleConfig  `yaml:"schedule" doc:"The scheduler: work waits for its turn instead of being refused, tenants get fair shares, and budgets hold. Present = on, {} with the defaults; absent = off. See Scheduling below."`
	Context   *ContextConfig   `yaml:"context" doc:"Context rewriting: a conversation that outgrows its model's window is rewritten to fit, keeps its rules, and stays a prefix of its next request. Present = on, {} with the defaults; absent = off. See Context below."`
	Memory    *MemoryConfig    `yaml:"memory" doc:"Memory: what users say is remembered across conversations, and told where it matters. Present = on, {} with the defaults; absent = off. See Memory below."`
	Limits    LimitsConfig     `yaml:"limits" doc:"Bounds on sizes, numbers and times."`
	TLS       *TLSConfig       `yaml:"tls" doc:"Serve agents over TLS."`
	Telemetry TelemetryConfig  `yaml:"telemetry" doc:"What is logged and recorded. Where traces and metrics are sent comes from the standard OTEL_* environment variables; nothing set, nothing sent."`
	Insecure  bool             `yaml:"insecure" default:"false" example:"true" doc:"Listen off loopback without auth: whoever reaches the port may call."`

	name  string // of the file, as given; "" without a file
	marks marks
}

// An UpstreamConfig is one element of upstreams.
type UpstreamConfig struct {
	Name       string         `yaml:"name" required:"true" example:"openai" doc:"The name used in routes, logs and metrics: letters, digits, '.', '_' and '-'."`
	BaseURL    string         `yaml:"base_url" required:"true" example:"https://api.openai.com/v1" doc:"The API's address, as the SDKs take it: https://api.openai.com/v1, https://api.anthropic.com, http://127.0.0.1:8080, or http+unix://%2Frun%2Fengine.sock/v1. See Paths below."`
	Dialects   []string       `yaml:"dialects" enum:"chat,responses,messages" default:"all" example:"[chat, responses]" doc:"The dialects it speaks. chat and responses cover OpenAI's other paths too (completions, embeddings, files)."`
	Models     []string       `yaml:"models" default:"all" example:"[\"gpt-*\"]" doc:"Globs for the models it serves: * stands for any text, / included; case counts."`
	Rename     Renames        `yaml:"rename" example:"{fast: gpt-4.1-mini}" doc:"Model names to replace on the way: the agent's name, or a glob, to the upstream's name. An exact name wins over globs, then the first glob in the file."`
	APIKey     *SecretRef     `yaml:"api_key" example:"{env: OPENAI_API_KEY}" doc:"The key sent instead of the agent's credential."`
	Credential string         `yaml:"credential" enum:"agent,none" example:"agent" doc:"agent: send the agent's own credential; at most one upstream for a dialect, and implied when there is one and no auth. none: send no credential at all (an engine that needs none)."`
	Unary      string         `yaml:"unary" enum:"forward,stream" default:"forward" example:"stream" doc:"How calls that do not stream are sent. forward: as they are. stream: as a stream, whose events are put together again to the one JSON body that the agent asked for: an engine that generates for nobody then stops at once when the agent leaves. What cannot be put together exactly is sent as it is."`
	Headers    Headers        `yaml:"headers" example:"{OpenAI-Organization: org-1}" doc:"Header lines set on each request to this upstream: text, {env: NAME} or {file: PATH}."`
	Timeouts   TimeoutsConfig `yaml:"timeouts" doc:"Times for this upstream."`
	Proxy      ProxyURL       `yaml:"proxy" default:"from HTTPS_PROXY, HTTP_PROXY and NO_PROXY" example:"http://proxy.internal:3128" doc:"An HTTP(S) proxy to reach it through, or direct for none."`
	CA         string         `yaml:"ca" default:"the system's" example:"/etc/trapgate/ca.pem" doc:"A PEM file with the certificates to trust for this upstream instead of the system's."`
}

// TimeoutsConfig bounds the steps of one attempt.
type TimeoutsConfig struct {
	Connect    *Duration `yaml:"connect" default:"10s" example:"10s" doc:"To connect, TLS included."`
	Response   *Duration `yaml:"response" default:"10m" example:"10m" doc:"From the sent request to the head of the response. Engines send nothing before the first token, so keep it long."`
	StreamIdle *Duration `yaml:"stream_idle" default:"limits.stream_idle" example:"5m" doc:"Between two chunks of a response."`
	Idle       *Duration `yaml:"idle" default:"4s" example:"4s" doc:"How long an unused connection is kept. Engines close theirs after 5s."`
}

// A RouteConfig is one element of routes.
type RouteConfig struct {
	Models      []string      `yaml:"models" default:"all" example:"[\"gpt-*\", \"o*\"]" doc:"Globs for the models it is for. An empty list: no model, only the paths of passthrough."`
	Upstreams   []GroupConfig `yaml:"upstreams" required:"true" example:"[[local-1, local-2], openai]" doc:"Names in the order in which they are tried; a list inside is one balanced group."`
	Passthrough []string      `yaml:"passthrough" example:"[\"/v1/files*\"]" doc:"Globs for paths that are forwarded with our key although no piece knows them (files, images, audio). Unlisted ones are forwarded with the agent's own credential only."`
}

// A GroupConfig is one element of routes[].upstreams: a name, or a list of names.
type GroupConfig []string

// AuthConfig is the auth section.
type AuthConfig struct {
	Keys []KeyConfig `yaml:"keys" required:"true" doc:"The keys that agents may present, as Authorization: Bearer, x-api-key or api-key."`
}

// A KeyConfig is one element of auth.keys.
type KeyConfig struct {
	Name string     `yaml:"name" required:"true" example:"team-a" doc:"The tenant that the key stands for. Several keys may share a name while they are rotated."`
	Key  *SecretRef `yaml:"key" required:"true" example:"{env: TEAM_A_KEY}" doc:"The key itself."`
}

// LimitsConfig is the limits section.
type LimitsConfig struct {
	Body        *Size       `yaml:"body" default:"64MiB" example:"64MiB" doc:"The longest request body. Bodies that nobody reads (uploads) are streamed and not bounded."`
	Headers     *Size       `yaml:"headers" default:"64KiB" example:"64KiB" doc:"The longest request head."`
	Connections *int        `yaml:"connections" default:"4096" min:"1" max:"1000000" example:"4096" doc:"Connections of agents at a time."`
	Write       *Duration   `yaml:"write" default:"5m" example:"5m" doc:"The longest one write to an agent that does not read may wait."`
	Idle        *Duration   `yaml:"idle" default:"5m" example:"5m" doc:"How long an agent's unused connection is kept, and the longest an agent may take to send a request."`
	StreamIdle  *Duration   `yaml:"stream_idle" default:"5m" example:"5m" doc:"The longest silence between two chunks of an upstream's response."`
	Drain       *Duration   `yaml:"drain" default:"30s" example:"30s" doc:"How long running exchanges may go on after SIGTERM."`
	Retry       RetryConfig `yaml:"retry" doc:"The retry budget of one exchange, before its first byte only."`
}

// RetryConfig is limits.retry.
type RetryConfig struct {
	Attempts *int      `yaml:"attempts" default:"2" min:"0" max:"100" example:"2" doc:"Retries at most, in all. 0: none."`
	Total    *Duration `yaml:"total" default:"10s" zero:"true" example:"10s" doc:"Back-off at most, in all. A longer Retry-After is passed on at once."`
	On500    bool      `yaml:"on_500" default:"false" example:"true" doc:"Retry after a plain 500 too. Some upstreams answer it after they have done the work."`
}

// TLSConfig is the tls section.
type TLSConfig struct {
	Cert string `yaml:"cert" required:"true" example:"/etc/trapgate/tls.crt" doc:"PEM file with the certificate and its chain. Watched."`
	Key  string `yaml:"key" required:"true" example:"/etc/trapgate/tls.key" doc:"PEM file with the private key. Watched."`
}

// TelemetryConfig is the telemetry section.
type TelemetryConfig struct {
	Content bool      `yaml:"content" default:"false" example:"true" doc:"Record prompts and answers in spans. They may hold secrets of users."`
	Log     LogConfig `yaml:"log" doc:"The log on stderr."`
}

// LogConfig is telemetry.log.
type LogConfig struct {
	Level     string `yaml:"level" enum:"debug,info,warn,error" default:"info" example:"info" doc:"The least level that is written."`
	Format    string `yaml:"format" enum:"text,json" default:"text" example:"json" doc:"The form of a line."`
	Exchanges *bool  `yaml:"exchanges" default:"true" example:"false" doc:"Write one line for each exchange."`
}

// A Duration is a time in Go's notation ("30s", "1m30s").
type Duration time.Duration

// A Size is a number of bytes ("64MiB", "100KB", "4096").
type Size int64

// A SecretRef says where a secret is found: exactly one of Env and File.
type SecretRef struct {
	Env  string `yaml:"env" example:"OPENAI_API_KEY" doc:"The environment variable that holds it."`
	File string `yaml:"file" example:"/run/secrets/openai" doc:"The file that holds it; a newline at its end is ignored. Watched."`
}

// Renames is upstreams[].rename in file order.
type Renames []RenamePair

// A RenamePair maps an agent's model name, or a glob, to the upstream's name.
type RenamePair struct{ From, To string }

// Headers is upstreams[].headers in file order.
type Headers []HeaderConfig

// A HeaderConfig is one header line: Text, or a reference to where the value is found.
type HeaderConfig struct {
	Name string
	Text Secret
	Ref  *SecretRef
}
