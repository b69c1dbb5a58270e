package main

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

func limited(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// netAgents are agents on net/http that behave as those on the SDKs do: two retries, half a second apart.
type netAgents struct{}

func (netAgents) name() string { return "net/http" }

func (netAgents) run(j *job, begun func(time.Time)) ([]answer, error) {
	gates := map[string]*doorway{}
	for name, n := range j.Gates {
		gates[name] = &doorway{free: n}
	}
	client := newClient(len(j.Agents))
	defer client.CloseIdleConnections()
	begin := time.Now().Add(50 * time.Millisecond)
	begun(begin)
	var mu sync.Mutex
	var all []answer
	var short error
	var wg sync.WaitGroup
	for i := range j.Agents {
		wg.Go(func() {
			w := &netAgent{agent: &j.Agents[i], number: i, client: client, gate: gates[j.Agents[i].Gate], begin: begin}
			err := w.work()
			mu.Lock()
			defer mu.Unlock()
			all, short = append(all, w.answers...), errors.Join(short, err)
		})
	}
	wg.Wait()
	return all, short
}

func newClient(conns int) *http.Client {
	return &http.Client{Timeout: 600 * time.Second, Transport: &http.Transport{MaxIdleConns: conns, MaxIdleConnsPerHost: conns, DisableCompression: true}}
}

type netAgent struct {
	*agent
	number  int
	client  *http.Client
	gate    *doorway
	begin   time.Time
	said    []message
	answers []answer
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (w *netAgent) work() error {
	time.Sleep(time.Until(w.begin.Add(seconds(w.First))))
	for i := range w.Calls {
		c := &w.Calls[i]
		time.Sleep(seconds(c.Think))
		a := answer{Agent: w.number, Call: i, Asked: time.Since(w.begin).Seconds()}
		if w.Until > 0 && a.Asked >= w.Until {
			return nil
		}
		if w.gate != nil {
			w.gate.enter(w.Rank)
		}
		err := w.ask(c, &a)
		if w.gate != nil {
			w.gate.leave()
		}
		a.Ended = time.Since(w.begin).Seconds()
		if err != nil {
			a.Error = err.Error()
		}
		w.answers = append(w.answers, a)
		if err != nil && w.Talk {
			return nil
		}
	}
	if w.Until > 0 {
		return errors.New("turns: the list of calls was too short")
	}
	return nil
}

func (w *netAgent) ask(c *call, a *answer) error {
	if !w.Talk {
		w.said = nil
	}
	if len(w.said) == 0 && w.System != "" {
		w.said = []message{{"system", w.System}}
	}
	w.said = append(w.said, message{"user", c.Prompt})
	for {
		text, err := ask(context.Background(), w.client, request{w.agent, w.said, c.Max}, a)
		if err == nil {
			w.said = append(w.said, message{"assistant", text})
			return nil
		}
		var s statusError
		if a.Retries == 2 || errors.As(err, &s) && s.code != 408 && s.code != 409 && s.code != 429 && s.code < 500 {
			return err
		}
		a.Retries++
		time.Sleep(500 * time.Millisecond)
	}
}

// A request is one call on the wire.
type request struct {
	*agent
	said []message
	max  int
}

func (r request) body() []byte {
	m := map[string]any{"model": r.Model, "messages": r.said}
	if r.max > 0 {
		m["max_tokens"] = r.max
	}
	if r.Stream {
		m["stream"], m["stream_options"] = true, map[string]bool{"include_usage": true}
	}
	raw, _ := json.Marshal(m) // strings and numbers
	return raw
}

type statusError struct {
	code int
	text string
}

func (e statusError) Error() string { return fmt.Sprintf("%d %s", e.code, e.text) }

// ask makes one try and returns what the model said.
func ask(ctx context.Context, client *http.Client, r request, a *answer) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Base+"/chat/completions", bytes.NewReader(r.body()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.Key)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return "", statusError{resp.StatusCode, string(text)}
	}
	a.Queue = resp.Header.Get("x-trapgate-queue")
	if r.Stream {
		return readStream(resp.Body, a)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	return take(raw, a)
}

// take reads an answer, or one event of a stream.
func take(raw []byte, a *answer) (string, error) {
	var m struct {
		Choices []struct {
			Message, Delta struct {
				Content string `json:"content"`
			}
		} `json:"choices"`
		Usage *struct {
			Prompt  int `json:"prompt_tokens"`
			Output  int `json:"completion_tokens"`
			Details struct {
				Cached int `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		} `json:"usage"`
		Timings *struct {
			Prompt    float64 `json:"prompt_ms"`
			Predicted float64 `json:"predicted_ms"`
		} `json:"timings"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", fmt.Errorf("%w in %.200s", err, raw)
	}
	if m.Error != nil {
		return "", fmt.Errorf("the stream says %.200s", m.Error)
	}
	if u := m.Usage; u != nil {
		a.Prompt, a.Output, a.Cached = u.Prompt, u.Output, u.Details.Cached
	}
	if m.Timings != nil {
		a.Busy = (m.Timings.Prompt + m.Timings.Predicted) / 1e3
	}
	var text strings.Builder
	for _, c := range m.Choices {
		text.WriteString(c.Message.Content + c.Delta.Content)
	}
	return text.String(), nil
}

func readStream(r io.Reader, a *answer) (string, error) {
	var text strings.Builder
	for in := bufio.NewReader(r); ; {
		line, err := in.ReadBytes('\n')
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		switch {
		case string(data) == "[DONE]":
			return text.String(), nil
		case ok:
			piece, err := take(data, a)
			if err != nil {
				return "", err
			}
			text.WriteString(piece)
		case err != nil:
			return "", fmt.Errorf("the stream ended before its end: %w", err)
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// A doorway lets a number through at a time: of those that wait the lowest rank first, then the first that came.
type doorway struct {
	mu      sync.Mutex
	free    int
	seq     int
	waiting turns
}

type turn struct {
	rank, seq int
	go_       chan struct{}
}

type turns []turn

func (t turns) Len() int { return len(t) }
func (t turns) Less(i, j int) bool {
	return t[i].rank < t[j].rank || t[i].rank == t[j].rank && t[i].seq < t[j].seq
}
func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *turns) Push(x any)   { *t = append(*t, x.(turn)) }
func (t *turns) Pop() any {
	old := *t
	x := old[len(old)-1]
	*t = old[:len(old)-1]
	return x
}

func (d *doorway) enter(rank int) {
	d.mu.Lock()
	if d.free > 0 {
		d.free--
		d.mu.Unlock()
		return
	}
	d.seq++
	t := turn{rank, d.seq, make(chan struct{})}
	heap.Push(&d.waiting, t)
	d.mu.Unlock()
	<-t.go_
}

func (d *doorway) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting.Len() > 0 {
		close(heap.Pop(&d.waiting).(turn).go_)
		return
	}
	d.free++
}
