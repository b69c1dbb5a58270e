package wire

// A Dialect is one of the request forms that agents speak. Trapgate never translates between them.
type Dialect uint8

const (
	Other       Dialect = iota // no dialect: bytes only, nothing is read
	Chat                       // POST .../chat/completions
	Responses                  // POST .../responses
	Messages                   // POST .../messages (Anthropic)
	Completions                // POST .../completions (legacy): model, stream and usage only
	Embeddings                 // POST .../embeddings: model and usage only
)

var dialectNames = [...]string{"other", "chat", "responses", "messages", "completions", "embeddings"}

// String returns the name used in configuration, logs and metrics.
func (d Dialect) String() string { return dialectNames[d] }

// An Op is what a request does within its dialect.
type Op uint8

const (
	Pass       Op = iota // forwarded as it is, nobody reads it
	Generate             // asks a model for an answer: the only op that passes both filter rings
	Count                // messages/count_tokens, responses/input_tokens: reads model and history, generates nothing
	Embed                // embeddings
	Get                  // GET /responses/{id} (and /chat/completions/{id})
	Delete               // DELETE /responses/{id}
	Cancel               // POST /responses/{id}/cancel
	InputItems           // GET /responses/{id}/input_items
	ListModels           // GET /models
	GetModel             // GET /models/{id}
)

// A Route is what a method and a path say about a request. Paths match by suffix, so a prefix such as /v1, /api/v1, none,
// or Azure's /openai/deployments/X all lead to the same route.
type Route struct {
	Dialect    Dialect
	Op         Op
	ID         string // of the response or model named in the path, unescaped; else ""
	Deployment string // Azure's deployment, which stands for the model when the body names none; else ""
}
