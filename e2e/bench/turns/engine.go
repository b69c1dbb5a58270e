package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine"
)

// A realEngine is llama.cpp's server.
type realEngine struct {
	url  string // without a path
	stop func()
}

func startEngine(o engine.Options) (*realEngine, error) {
	e, err := engine.Launch(o)
	if err != nil {
		return nil, err
	}
	return &realEngine{e.URL, e.Stop}, nil
}

// metric reads one of the engine's counters or gauges.
func (e *realEngine) metric(name string) (float64, error) {
	raw, err := e.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "llamacpp:"+name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("turns: the engine has no metric %q", name)
}

// busy is how many slots work now.
func (e *realEngine) busy() (int, error) {
	raw, err := e.get("/slots")
	return bytes.Count(raw, []byte(`"is_processing":true`)), err
}

func (e *realEngine) get(path string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, e.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // the engine closes kept connections without a word
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// idle waits until the engine works on nothing.
func (e *realEngine) idle() error {
	for range 50 {
		n, err := e.busy()
		if err != nil || n == 0 {
			return err
		}
		time.Sleep(2500 * time.Millisecond) // asked more often, it would not notice who has left
	}
	return errors.New("turns: the engine is still busy after two minutes")
}

// endless makes the model go on until max_tokens.
const endless = "Tell it endlessly."

// speed measures how many tokens a second the engine writes in each of n slots at once.
func (e *realEngine) speed(n, tokens int) (float64, error) {
	var j job
	for i := range n {
		j.Agents = append(j.Agents, agent{Base: e.url + "/v1", Model: engine.Model, Key: "sk-x", Calls: []call{
			{Prompt: endless, Max: 8}, {Prompt: fmt.Sprintf("%s %d", endless, i), Max: tokens},
		}})
	}
	answers, err := netAgents{}.run(&j, func(time.Time) {})
	if err != nil {
		return 0, err
	}
	took := 0.0
	for _, a := range answers {
		if a.Error != "" {
			return 0, fmt.Errorf("turns: engine: %s", a.Error)
		}
		if a.Call == 1 {
			took += a.Busy / float64(n)
		}
	}
	return float64(tokens) / took, nil
}
