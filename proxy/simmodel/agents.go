package simmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// AgentsOptions describe a group of plain tool-using agents. They know nothing but a base URL and behave as agents on the
// usual SDKs do: the whole conversation in each request, streaming, two retries, Retry-After obeyed, then the run fails.
type AgentsOptions struct {
	BaseURL string // with /v1
	Key     string
	Model   string // "" is "sim"

	Agents int // how many run at once; 0 is 1
	Turns  int // tool calls of each before its final text
	// SystemTokens is the length of the instructions, the same for all; TaskTokens of each one's own task; ResultTokens of
	// each tool result. A token is four bytes.
	SystemTokens, TaskTokens, ResultTokens int
	// OutputTokens is what the model says before each call and at the end.
	OutputTokens int
	// Texts in place of those that are made up, of agent i: its task, which then holds no directive, so that the model's own script
	// decides; what its tool says in turn t, from 0; what its user adds behind that ("": nothing).
	Task   func(i int) string
	Result func(i, t int) string
	User   func(i, t int) string
	// Trim makes an agent leave out its oldest messages behind the instructions until a request has at most that many tokens,
	// as frameworks do it; 0: it sends all of them.
	Trim int

	ToolTime time.Duration // how long a tool takes
	Stagger  time.Duration // between the starts of two agents
	Seed     uint64

	MaxRetries int           // 0 is 2, negative is none
	Timeout    time.Duration // of one try; 0 is 600 s, as in the SDKs
	Client     *http.Client  // nil is one of its own, closed at the end
	// Header adds headers to the requests of agent i.
	Header func(i int) http.Header
	// OnEvent is told what happens, from several goroutines.
	OnEvent func(AgentEvent)
}

// An AgentEvent is something an agent did.
type AgentEvent struct {
	At    time.Time
	Agent int
	Turn  int
	Kind  string // call, first (token), tool, retry, done, failed
	Text  string // why
}

// An AgentRun is what one agent measured.
type AgentRun struct {
	Wall       time.Duration   // from its start to its end
	Calls      int             // answered model calls
	Retries    int             // tries that were repeated
	Refused    int             // 429 answers seen
	FirstToken []time.Duration // for each call, from the first try's start, waits for retries included
	In, Cached int             // prompt tokens and those of them that were cached, from usage
	Out        int
	Err        error
}

// An AgentsReport sums up a run.
type AgentsReport struct {
	Wall time.Duration // until the last agent ended
	Runs []AgentRun
}

// RunAgents runs the agents and returns when all have ended, or ctx has.
func RunAgents(ctx context.Context, o AgentsOptions) AgentsReport {
	o = o.withDefaults()
	if o.Client == nil {
		t := &http.Transport{MaxIdleConnsPerHost: o.Agents, MaxIdleConns: o.Agents, IdleConnTimeout: 30 * time.Second}
		o.Client = &http.Client{Transport: t}
		defer t.CloseIdleConnections()
	}
	report := AgentsReport{Runs: make([]AgentRun, o.Agents)}
	start := time.Now()
	var wg sync.WaitGroup
	for i := range o.Agents {
		wg.Go(func() {
			a := &agent{o: &o, i: i, rnd: mix(o.Seed, uint64(i))}
			if a.sleep(ctx, time.Duration(i)*o.Stagger) != nil {
				report.Runs[i].Err = ctx.Err()
				return
			}
			begin := time.Now()
			err := a.work(ctx)
			a.run.Wall, a.run.Err = time.Since(begin), err
			report.Runs[i] = a.run
			if err != nil {
				a.tell("failed", err.Error())
				return
			}
			a.tell("done", "")
		})
	}
	wg.Wait()
	report.Wall = time.Since(start)
	return report
}

func (o AgentsOptions) withDefaults() AgentsOptions {
	o.Agents = max(1, o.Agents)
	if o.Model == "" {
		o.Model = "sim"
	}
	if o.MaxRetries == 0 {
		o.MaxRetries = 2
	}
	if o.Timeout == 0 {
		o.Timeout = 600 * time.Second
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	return o
}

type agentMessage struct {
	Role       string          `json:"role"`
	Content    *string         `json:"content"`
	ToolCalls  []agentToolCall `json:"tool_calls,omitempty"`
	ToolCallID string          `json:"tool_call_id,omitempty"`
}

type agentToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type agent struct {
	o    *AgentsOptions
	i    int
	turn int
	rnd  uint64
	run  AgentRun
	msgs []agentMessage
}

const agentTools = `[{"type":"function","function":{"name":"work","description":"Do one step of the task and report what came of it.","parameters":{"type":"object","properties":{"step":{"type":"integer"}},"required":["step"],"additionalProperties":false}}}]`

func (a *agent) tell(kind, text string) {
	if a.o.OnEvent != nil {
		a.o.OnEvent(AgentEvent{At: time.Now(), Agent: a.i, Turn: a.turn, Kind: kind, Text: text})
	}
}

func (a *agent) sleep(ctx context.Context, d time.Duration) error {
	return wallClock{}.Wait(ctx, time.Now().Add(d))
}

// work is the loop every tool-using agent has: ask, run the tools, append, ask again.
func (a *agent) work(ctx context.Context) error {
	a.say("system", "You are a careful worker. Use the tool for each step.\n"+prose(1, a.o.Seed, a.o.SystemTokens))
	a.say("user", a.task())
	for a.turn = 0; ; a.turn++ {
		answer, err := a.ask(ctx)
		if err != nil {
			return err
		}
		a.msgs = append(a.msgs, answer)
		if len(answer.ToolCalls) == 0 {
			return nil
		}
		if a.turn > a.o.Turns+8 {
			return errors.New("the model never stops calling tools")
		}
		for k, call := range answer.ToolCalls {
			a.tell("tool", call.Function.Arguments)
			if err := a.sleep(ctx, a.o.ToolTime); err != nil {
				return err
			}
			result := a.result(k)
			a.msgs = append(a.msgs, agentMessage{Role: "tool", Content: &result, ToolCallID: call.ID})
		}
		if a.o.User != nil {
			if text := a.o.User(a.i, a.turn); text != "" {
				a.say("user", text)
			}
		}
	}
}

func (a *agent) say(role, text string) {
	a.msgs = append(a.msgs, agentMessage{Role: role, Content: &text})
}

// result is what the k-th tool call of a turn gives.
func (a *agent) result(k int) string {
	if a.o.Result != nil {
		return a.o.Result(a.i, a.turn)
	}
	return prose(uint64(a.turn+2), mix(a.o.Seed, uint64(a.i), uint64(k)), a.o.ResultTokens)
}

// task is the agent's own text and, for the simulated model, what a real one would decide by itself.
func (a *agent) task() string {
	if a.o.Task != nil {
		return a.o.Task(a.i)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Task %d: %s\n[[sim: ", a.i, prose(uint64(1000+a.i), a.o.Seed, a.o.TaskTokens))
	for t := range a.o.Turns {
		if a.o.OutputTokens > 0 {
			fmt.Fprintf(&b, "tokens %d & ", a.o.OutputTokens)
		}
		fmt.Fprintf(&b, `call work {"step":%d}; `, t+1)
	}
	fmt.Fprintf(&b, "tokens %d]]", max(1, a.o.OutputTokens))
	return b.String()
}

// prose is n tokens of text that the numbers decide.
func prose(kind, seed uint64, n int) string {
	const letters = "etaoinshrdlu"
	b := make([]byte, 0, 4*n)
	x := mix(seed, kind)
	for i := range n {
		x = mix(x, uint64(i))
		b = append(b, letters[x%12], letters[x>>8%12], letters[x>>16%12], ' ')
	}
	return string(b)
}

// body is the next request, trimmed when the agent does that.
func (a *agent) body() ([]byte, error) {
	for {
		body, err := a.marshal()
		if err != nil || a.o.Trim == 0 || len(body) <= 4*a.o.Trim || !a.forget() {
			return body, err
		}
	}
}

// forget drops the oldest messages behind the instructions, up to the next one that may stand there: no tool result without its
// call. It reports false when nothing but the last message is left.
func (a *agent) forget() bool {
	next := 2
	for next < len(a.msgs) && a.msgs[next].Role == "tool" {
		next++
	}
	if next >= len(a.msgs) {
		return false
	}
	a.msgs = slices.Delete(a.msgs, 1, next)
	return true
}

func (a *agent) marshal() ([]byte, error) {
	return json.Marshal(struct {
		Model    string          `json:"model"`
		Messages []agentMessage  `json:"messages"`
		Tools    json.RawMessage `json:"tools"`
		Stream   bool            `json:"stream"`
		Options  struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}{a.o.Model, a.msgs, json.RawMessage(agentTools), true, struct {
		IncludeUsage bool `json:"include_usage"`
	}{true}})
}
