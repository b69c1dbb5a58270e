package main

import "math/rand/v2"

// A job is what a driver does: agents that call one after the other. Times are in seconds, and count from the job's beginning.
type job struct {
	// Gates are the driver's own queues by name: how many calls may be beyond each at a time. They stand for a scheduler that
	// knows everything: of those that wait the lowest rank goes first, then the first that came.
	Gates  map[string]int `json:"gates,omitempty"`
	Agents []agent        `json:"agents"`
}

// An agent makes its calls in order, each after the answer to the one before, and none after Until.
type agent struct {
	Base   string  `json:"base"` // with /v1
	Key    string  `json:"key"`
	Model  string  `json:"model"`
	System string  `json:"system,omitempty"`
	First  float64 `json:"first"` // when it starts to think about its first call
	Until  float64 `json:"until,omitempty"`
	Gate   string  `json:"gate,omitempty"`
	Rank   int     `json:"rank,omitempty"`
	Talk   bool    `json:"talk,omitempty"` // each call continues the conversation
	Calls  []call  `json:"calls"`
	Stream bool    `json:"stream,omitempty"`

	tenant int // the bench's own mark
}

// A call is one request: what the user, or a tool, says.
type call struct {
	Think  float64 `json:"think,omitempty"` // before it
	Prompt string  `json:"prompt"`
	Max    int     `json:"max,omitempty"` // max_tokens

	service float64 // how long the model works on it
}

// An answer is one call as its agent saw it.
type answer struct {
	Agent   int     `json:"agent"` // its place in the job
	Call    int     `json:"call"`
	Asked   float64 `json:"asked"` // when the agent wanted it
	Ended   float64 `json:"ended"`
	Error   string  `json:"error,omitempty"`
	Retries int     `json:"retries,omitempty"` // tries that the client repeated
	Prompt  int     `json:"prompt,omitempty"`
	Cached  int     `json:"cached,omitempty"`
	Output  int     `json:"output,omitempty"`
	Busy    float64 `json:"busy,omitempty"` // what the engine says it worked on it, seconds
	Queue   string  `json:"queue,omitempty"`
}

func (a *answer) latency() float64 { return a.Ended - a.Asked }

func uniform(r *rand.Rand, from, to float64) float64 { return from + (to-from)*r.Float64() }
