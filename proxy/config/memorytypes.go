package config

import "time"

// A MemoryConfig is the memory section.
type MemoryConfig struct {
	Mode    string         `yaml:"mode" enum:"on,observe,off" default:"on" example:"observe" doc:"on: what users say is remembered, and told where it matters. observe: it is remembered, nothing new is told, and headers, logs and metrics say what would be. off: nothing is remembered and nothing new told; what is kept stays. In every mode the notes that stand in a conversation are sent again where they stood, so that it keeps its bytes; with the section absent from the start they are not."`
	Store   string         `yaml:"store" enum:"sqlite,qdrant" default:"sqlite" example:"qdrant" doc:"Where memory is kept. sqlite: in the data directory, nothing to start. qdrant: on a Qdrant server, for sidecars that share it. Decided when the process starts: a change of it by reload needs a restart."`
	Qdrant  *QdrantConfig  `yaml:"qdrant" doc:"The Qdrant server, with store: qdrant. Decided when the process starts: a change of it by reload needs a restart."`
	Scope   ScopeConfig    `yaml:"scope" doc:"Whose memory is whose."`
	Inject  InjectConfig   `yaml:"inject" doc:"How much is told."`
	Embed   *EmbedConfig   `yaml:"embed" doc:"Compare by embeddings too, besides words. What is remembered, and each question, is then sent to that upstream. Absent: only words are compared, and nothing leaves for it. Decided when the process starts: a change of it by reload needs a restart."`
	TTL     TTLConfig      `yaml:"ttl" doc:"How long things are kept from when they were said: a duration, in days too (90d), or never. Being told prolongs nothing."`
	Extract *ExtractConfig `yaml:"extract" doc:"Have a model look for facts in what users say, beside the rules that always do. It is asked in the background, in the class background where calls are scheduled, charged to the program whose conversation it is, and shown what users say in their own words, without secrets, and the facts that stand. A fact that does not quote its source letter for letter is thrown away; what it supersedes is kept as past, and trapgate memory undo takes an answer back. Absent: no model is asked."`
	Caps    CapsConfig     `yaml:"caps" doc:"How much is kept. Over a cap the least important goes first, old before new."`
}

// QdrantConfig is memory.qdrant.
type QdrantConfig struct {
	Address    string     `yaml:"address" required:"true" example:"\"10.0.0.7:6334\"" doc:"HOST:PORT of its gRPC side; 6334 when no port is given."`
	TLS        bool       `yaml:"tls" default:"false" example:"true" doc:"Connect over TLS."`
	CA         string     `yaml:"ca" default:"the system's" example:"/etc/trapgate/qdrant-ca.pem" doc:"A PEM file with the certificates to trust instead of the system's. It implies tls."`
	APIKey     *SecretRef `yaml:"api_key" example:"{env: QDRANT_API_KEY}" doc:"Its API key. It is sent over TLS only, or to a loopback address."`
	Collection string     `yaml:"collection" default:"\"trapgate_memory\"" example:"trapgate_prod" doc:"The collection, which is made when it is not there. Sidecars with the same one share memory, and must know tenants by the same names."`
	Timeout    *Duration  `yaml:"timeout" default:"5s" example:"2s" doc:"The longest one of its answers may take. Requests wait for far less."`
}

// ScopeConfig is memory.scope.
type ScopeConfig struct {
	User *UserRef `yaml:"user" example:"{header: x-user-id}" doc:"Where the user of a request is found. Absent: serve remembers within each conversation only, since agents name no user; run takes the user of the operating system, and says so. Once it is set no other assertion of a user counts."`
}

// A UserRef says who the user is: exactly one of Header, Field and Name.
type UserRef struct {
	Header string `yaml:"header" example:"x-user-id" doc:"The value of this request header, which whoever stands before Trapgate sets. A request without it has no user."`
	Field  string `yaml:"field" enum:"user" example:"user" doc:"user: the user field of the request's body (in the messages dialect metadata.user_id), which the agent sets."`
	Name   string `yaml:"name" example:"alice" doc:"Always this one: for a Trapgate that serves one person."`
}

// InjectConfig is memory.inject.
type InjectConfig struct {
	Tokens        *int `yaml:"tokens" min:"50" max:"100000" default:"800" example:"400" doc:"Tokens of notes in one exchange, at most."`
	SessionTokens *int `yaml:"session_tokens" min:"50" max:"1000000" default:"4000" example:"2_000" doc:"The same in all of a conversation. From there on only what supersedes something told in it enters."`
}

// EmbedConfig is memory.embed.
type EmbedConfig struct {
	Upstream string `yaml:"upstream" required:"true" example:"local-embeddings" doc:"The name of the upstream whose /v1/embeddings is called. It needs an api_key or credential: none."`
	Model    string `yaml:"model" required:"true" example:"all-minilm-l6-v2" doc:"The model's name there. Vectors of different models are never compared."`
}

// ExtractConfig is memory.extract.
type ExtractConfig struct {
	Model     string `yaml:"model" default:"that of the conversation" example:"gpt-4.1-mini" doc:"The model that is asked, by the name that agents would ask for. It must be served in the dialect of the conversation; the agent's own credential is used only where its own requests go."`
	MaxTokens *int   `yaml:"max_tokens" min:"100" max:"16384" default:"1000" example:"4_000" doc:"Tokens that one answer may have. A model that thinks first needs more."`
	Every     *int   `yaml:"every" min:"1" max:"100000" default:"1000" example:"500" doc:"After how many tokens of what its user said a conversation is read; one that rests for two minutes is read earlier. It bounds what is spent: no call is shown more than twice as many, or 1000, besides the last message of them and up to 40 facts."`
}

// TTLConfig is memory.ttl.
type TTLConfig struct {
	Episode  *Lifetime `yaml:"episode" default:"90d" example:"30d" doc:"What was said."`
	Document *Lifetime `yaml:"document" default:"7d" example:"24h" doc:"Output of tools, and documents; their own conversation alone sees them."`
	Fact     *Lifetime `yaml:"fact" default:"never" example:"365d" doc:"Who the user is and what they prefer, and what somebody asked to remember."`
	Decision *Lifetime `yaml:"decision" default:"365d" example:"never" doc:"What was decided."`
	Deadline *Lifetime `yaml:"deadline" default:"7d" example:"1d" doc:"A date that something is due on, counted from it."`
}

// CapsConfig is memory.caps.
type CapsConfig struct {
	Space  *int  `yaml:"space" min:"100" max:"10000000" default:"100000" example:"20_000" doc:"Records of one user, or of a conversation without a user."`
	Tenant *int  `yaml:"tenant" min:"100" max:"100000000" default:"1000000" example:"200_000" doc:"Records of one tenant."`
	Bytes  *Size `yaml:"bytes" default:"4GiB" example:"1GiB" doc:"What records and vectors take in all."`
}

// A Lifetime is a time, in days too ("90d"), or never, which is negative.
type Lifetime time.Duration

const never = Lifetime(-1)
