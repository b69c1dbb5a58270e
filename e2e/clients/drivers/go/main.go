// Command go is the driver of the OpenAI Go SDK: a tool loop of our own on chat completions and on responses, unary and
// streaming. E2E_CASES is a JSON array of {"name", "prompt", "final"}; each case prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

const (
	system   = "You are a careful worker. Use the tools that you have, then say what you did."
	maxTurns = 6
)

type testCase struct {
	Name   string `json:"case"`
	Prompt string `json:"-"`
	Final  string `json:"final"`
	Chunks int    `json:"chunks"`
	Tools  int    `json:"tools"`
}

// runShell is the tool: it runs the command of a call in the working folder.
func (c *testCase) runShell(arguments string) (string, error) {
	var args struct{ Command string }
	if err := json.Unmarshal([]byte(arguments), &args); err != nil {
		return "", fmt.Errorf("arguments %q: %w", arguments, err)
	}
	c.Tools++
	out, err := exec.Command("sh", "-c", args.Command).CombinedOutput()
	return string(out), err
}

func parameters() map[string]any {
	return map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"command": map[string]any{"type": "string"}},
		"required":             []string{"command"},
		"additionalProperties": false,
	}
}

func chat(ctx context.Context, client openai.Client, c *testCase, stream bool) error {
	params := openai.ChatCompletionNewParams{
		Model:    os.Getenv("E2E_MODEL"),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage(c.Prompt)},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: "run_shell", Description: param.NewOpt("Run a shell command."), Parameters: parameters(),
		})},
	}
	if stream {
		params.StreamOptions.IncludeUsage = param.NewOpt(true)
	}
	for range maxTurns {
		message, err := c.chatTurn(ctx, client, params, stream)
		if err != nil {
			return err
		}
		if len(message.ToolCalls) == 0 {
			c.Final = message.Content
			return nil
		}
		params.Messages = append(params.Messages, message.ToParam())
		for _, call := range message.ToolCalls {
			out, err := c.runShell(call.Function.Arguments)
			if err != nil {
				return err
			}
			params.Messages = append(params.Messages, openai.ToolMessage(out, call.ID))
		}
	}
	return fmt.Errorf("no end after %d turns", maxTurns)
}

func (c *testCase) chatTurn(ctx context.Context, client openai.Client, params openai.ChatCompletionNewParams, stream bool) (*openai.ChatCompletionMessage, error) {
	if !stream {
		answer, err := client.Chat.Completions.New(ctx, params)
		if err != nil {
			return nil, err
		}
		return &answer.Choices[0].Message, nil
	}
	events := client.Chat.Completions.NewStreaming(ctx, params)
	defer events.Close()
	var acc openai.ChatCompletionAccumulator
	for events.Next() {
		if !acc.AddChunk(events.Current()) {
			return nil, fmt.Errorf("the accumulator refuses chunk %s", events.Current().RawJSON())
		}
		c.Chunks++
	}
	if err := events.Err(); err != nil {
		return nil, err
	}
	if acc.Usage.TotalTokens == 0 {
		return nil, fmt.Errorf("no usage on the stream")
	}
	return &acc.Choices[0].Message, nil
}

func respond(ctx context.Context, client openai.Client, c *testCase, stream bool) error {
	input := responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(c.Prompt, "user")}
	tool := responses.ToolParamOfFunction("run_shell", parameters(), true)
	for range maxTurns {
		answer, err := c.respondTurn(ctx, client, responses.ResponseNewParams{
			Model:        os.Getenv("E2E_MODEL"),
			Instructions: param.NewOpt(system),
			Input:        responses.ResponseNewParamsInputUnion{OfInputItemList: input},
			Tools:        []responses.ToolUnionParam{tool},
		}, stream)
		if err != nil {
			return err
		}
		done := true
		for _, item := range answer.Output {
			if item.Type != "function_call" {
				continue
			}
			call := item.AsFunctionCall()
			done = false
			out, err := c.runShell(call.Arguments)
			if err != nil {
				return err
			}
			input = append(input, responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name))
			output := responses.ResponseInputItemParamOfFunctionCallOutput(out)
			output.OfFunctionCallOutput.CallID = param.NewOpt(call.CallID)
			input = append(input, output)
		}
		if done {
			c.Final = answer.OutputText()
			return nil
		}
	}
	return fmt.Errorf("no end after %d turns", maxTurns)
}

func (c *testCase) respondTurn(ctx context.Context, client openai.Client, params responses.ResponseNewParams, stream bool) (*responses.Response, error) {
	if !stream {
		return client.Responses.New(ctx, params)
	}
	events := client.Responses.NewStreaming(ctx, params)
	defer events.Close()
	var last *responses.Response
	for events.Next() {
		c.Chunks++
		if e := events.Current(); e.Type == "response.completed" {
			r := e.AsResponseCompleted().Response
			last = &r
		}
	}
	if last == nil && events.Err() == nil {
		return nil, fmt.Errorf("the stream ended without response.completed")
	}
	return last, events.Err()
}

func run() error {
	var cases []struct{ Name, Prompt string }
	if err := json.Unmarshal([]byte(os.Getenv("E2E_CASES")), &cases); err != nil {
		return fmt.Errorf("E2E_CASES: %w", err)
	}
	client := openai.NewClient()
	runners := map[string]func(context.Context, *testCase) error{
		"chat/unary":       func(ctx context.Context, c *testCase) error { return chat(ctx, client, c, false) },
		"chat/stream":      func(ctx context.Context, c *testCase) error { return chat(ctx, client, c, true) },
		"responses/unary":  func(ctx context.Context, c *testCase) error { return respond(ctx, client, c, false) },
		"responses/stream": func(ctx context.Context, c *testCase) error { return respond(ctx, client, c, true) },
	}
	for _, raw := range cases {
		runner, ok := runners[raw.Name]
		if !ok {
			return fmt.Errorf("driver has no case %s", raw.Name)
		}
		c := testCase{Name: raw.Name, Prompt: raw.Prompt}
		if err := runner(context.Background(), &c); err != nil {
			return fmt.Errorf("%s: %w", raw.Name, err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(c); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
