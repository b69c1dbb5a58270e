package simmodel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A statusError is an answer that is no answer.
type statusError struct {
	status int
	after  time.Duration // what the server asked for; 0: nothing
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.text) }

// errTorn is a stream that ended before its end. It is not retried: what it said has been acted on.
var errTorn = errors.New("the stream ended before [DONE]")

// ask makes one model call with the retries of the usual SDKs.
func (a *agent) ask(ctx context.Context) (agentMessage, error) {
	body, err := a.body()
	if err != nil {
		return agentMessage{}, err
	}
	a.tell("call", "")
	start := time.Now()
	for try := 0; ; try++ {
		answer, err := a.try(ctx, body, start)
		if err == nil {
			a.run.Calls++
			return answer, nil
		}
		wait, again := a.retry(err, try)
		if !again || ctx.Err() != nil {
			return answer, err
		}
		a.run.Retries++
		a.tell("retry", err.Error())
		if err := a.sleep(ctx, wait); err != nil {
			return answer, err
		}
	}
}

// retry says whether and when a failed try is repeated: connection errors, 408, 409, 429 and 5xx; Retry-After up to a
// minute, else 0.5 s doubling to 8 s, up to a quarter less by chance.
func (a *agent) retry(err error, try int) (time.Duration, bool) {
	var s *statusError
	if errors.As(err, &s) {
		if s.status == http.StatusTooManyRequests {
			a.run.Refused++
		}
		if s.status != 408 && s.status != 409 && s.status != 429 && s.status < 500 {
			return 0, false
		}
	} else if errors.Is(err, errTorn) {
		return 0, false
	}
	if try >= a.o.MaxRetries {
		return 0, false
	}
	if s != nil && s.after > 0 && s.after <= time.Minute {
		return s.after, true
	}
	a.rnd = mix(a.rnd, uint64(try))
	d := min(8*time.Second, 500*time.Millisecond<<try)
	return d - time.Duration(a.rnd%uint64(d/4)), true
}

func (a *agent) try(ctx context.Context, body []byte, start time.Time) (agentMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.o.BaseURL+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return agentMessage{}, err
	}
	if a.o.Header != nil {
		for k, v := range a.o.Header(a.i) {
			req.Header[k] = v
		}
	}
	req.Header.Set("Content-Type", "application/json")
	if a.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+a.o.Key)
	}
	resp, err := a.o.Client.Do(req)
	if err != nil {
		return agentMessage{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2048))
		return agentMessage{}, &statusError{resp.StatusCode, retryAfter(resp.Header), string(text)}
	}
	return a.read(resp.Body, start)
}

// retryAfter reads retry-after-ms and Retry-After as the SDKs do.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("retry-after-ms"), 64); err == nil {
		return time.Duration(ms * float64(time.Millisecond))
	}
	if s, err := strconv.ParseFloat(h.Get("Retry-After"), 64); err == nil {
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return time.Until(t)
	}
	return 0
}

type agentChunk struct {
	Choices []struct {
		Delta struct {
			Content   *string `json:"content"`
			ToolCalls []struct {
				Index int `json:"index"`
				agentToolCall
			} `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt  int `json:"prompt_tokens"`
		Output  int `json:"completion_tokens"`
		Details struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// read collects a stream into a message.
func (a *agent) read(r io.Reader, start time.Time) (agentMessage, error) {
	m := agentMessage{Role: "assistant"}
	text := ""
	first := true
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return m, fmt.Errorf("%w: %w", errTorn, err)
		}
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:"))
		data = bytes.TrimSpace(data)
		switch {
		case !ok:
			continue
		case string(data) == "[DONE]":
			if text != "" {
				m.Content = &text
			}
			return m, nil
		}
		var c agentChunk
		if err := json.Unmarshal(data, &c); err != nil {
			return m, fmt.Errorf("%w: %w", errTorn, err)
		}
		if c.Error != nil {
			return m, fmt.Errorf("%w: %s", errTorn, c.Error.Message)
		}
		if first && len(c.Choices) > 0 {
			first = false
			a.run.FirstToken = append(a.run.FirstToken, time.Since(start))
			a.tell("first", "")
		}
		a.take(&c, &m, &text)
	}
}

func (a *agent) take(c *agentChunk, m *agentMessage, text *string) {
	if u := c.Usage; u != nil {
		a.run.In += u.Prompt
		a.run.Cached += u.Details.Cached
		a.run.Out += u.Output
	}
	for _, ch := range c.Choices {
		if ch.Delta.Content != nil {
			*text += *ch.Delta.Content
		}
		for _, d := range ch.Delta.ToolCalls {
			for len(m.ToolCalls) <= d.Index && d.Index < 128 {
				m.ToolCalls = append(m.ToolCalls, agentToolCall{Type: "function"})
			}
			if d.Index < 0 || d.Index >= len(m.ToolCalls) {
				continue
			}
			t := &m.ToolCalls[d.Index]
			t.ID += d.ID
			t.Function.Name += d.Function.Name
			t.Function.Arguments += d.Function.Arguments
		}
	}
}

// A Summary of a report. Quantiles of walls and first tokens are over agents and calls that succeeded.
type Summary struct {
	Wall                         time.Duration // until the last agent ended
	Agents, Failed               int
	Calls, Retries, Refused      int
	In, Cached, Out              int
	CachedShare                  float64 // of In
	MeanWall, P95Wall            time.Duration
	FirstTokenP50, FirstTokenP95 time.Duration
}

// Summary adds the runs up.
func (r AgentsReport) Summary() Summary {
	s := Summary{Wall: r.Wall, Agents: len(r.Runs)}
	var walls, firsts []time.Duration
	var sum time.Duration
	for i := range r.Runs {
		a := &r.Runs[i]
		s.Calls += a.Calls
		s.Retries += a.Retries
		s.Refused += a.Refused
		s.In += a.In
		s.Cached += a.Cached
		s.Out += a.Out
		firsts = append(firsts, a.FirstToken...)
		if a.Err != nil {
			s.Failed++
			continue
		}
		walls = append(walls, a.Wall)
		sum += a.Wall
	}
	if s.In > 0 {
		s.CachedShare = float64(s.Cached) / float64(s.In)
	}
	if len(walls) > 0 {
		s.MeanWall = sum / time.Duration(len(walls))
	}
	s.P95Wall, s.FirstTokenP50, s.FirstTokenP95 = quantile(walls, 0.95), quantile(firsts, 0.5), quantile(firsts, 0.95)
	return s
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}
