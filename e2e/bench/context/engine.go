package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// engineLayers is the least that a model has: what is compared is how many tokens are computed, and each costs the same.
const engineLayers = 1

// An answer is what the engine says of one call, as its caller saw it.
type answer struct {
	prompt, cached int           // tokens
	first, whole   time.Duration // from the first try on
	repeated       int
}

// prefilled is how many tokens the engine had to compute.
func (a *answer) prefilled() int { return a.prompt - a.cached }

// newClient makes a connection for each call: the engine closes kept ones without a word.
func newClient() *http.Client {
	return &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
}

// A refusal is an answer that is none.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// ask makes one streamed call, and repeats it as SDKs do: twice, after half a second, unless it was refused for what is in it. base has
// /v1 at its end.
func ask(client *http.Client, base string, body []byte) (*answer, error) {
	began := time.Now()
	for try := 0; ; try++ {
		a := &answer{repeated: try}
		err := a.ask(client, base, body, began)
		var r refusal
		if err == nil || try == 2 || errors.As(err, &r) && r.code < 500 && r.code != http.StatusTooManyRequests {
			return a, err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (a *answer) ask(client *http.Client, base string, body []byte, began time.Time) error {
	req, err := http.NewRequest(http.MethodPost, base+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-bench")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return refusal{resp.StatusCode, string(text)}
	}
	err = a.read(resp.Body, began)
	a.whole = time.Since(began)
	return err
}

// event is what a chunk of a stream may hold.
type event struct {
	Choices []struct {
		Delta struct {
			Content string          `json:"content"`
			Calls   json.RawMessage `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt  int `json:"prompt_tokens"`
		Details struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// read takes a stream to its end.
func (a *answer) read(r io.Reader, began time.Time) error {
	counted := false
	for in := bufio.NewReader(r); ; {
		line, err := in.ReadBytes('\n')
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		switch {
		case string(data) == "[DONE]":
			if !counted {
				return errors.New("context: a stream without usage")
			}
			return nil
		case ok:
			var e event
			if err := json.Unmarshal(data, &e); err != nil {
				return fmt.Errorf("%w in %.200s", err, data)
			}
			if e.Error != nil {
				return fmt.Errorf("the stream says %.200s", e.Error)
			}
			if a.first == 0 && len(e.Choices) > 0 && (e.Choices[0].Delta.Content != "" || e.Choices[0].Delta.Calls != nil) {
				a.first = time.Since(began)
			}
			if u := e.Usage; u != nil {
				a.prompt, a.cached, counted = u.Prompt, u.Details.Cached, true
			}
		case err != nil:
			return fmt.Errorf("the stream ended before its end: %w", err)
		}
	}
}

// tokensOf is how many tokens the engine makes of messages and tools, with its own template and vocabulary. url has no path.
func tokensOf(client *http.Client, url string, messages, tools []byte) (int, error) {
	var rendered struct {
		Prompt string `json:"prompt"`
	}
	if err := fetch(client, url+"/apply-template", fmt.Appendf(nil, `{"messages":%s,"tools":%s}`, messages, tools), &rendered); err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]any{"content": rendered.Prompt, "parse_special": true})
	if err != nil {
		return 0, err
	}
	var counted struct {
		Tokens []int `json:"tokens"`
	}
	err = fetch(client, url+"/tokenize", body, &counted)
	return len(counted.Tokens), err
}

func fetch(client *http.Client, url string, body []byte, into any) error {
	resp, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %.300s", url, resp.Status, raw)
	}
	return json.Unmarshal(raw, into)
}
