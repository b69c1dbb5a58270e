package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// What is said in the demo of memory.
const (
	demoTold     = "Hi! I have moved from Bremen to Ghent. My sister Ines will visit me there soon."
	demoAsked    = "Where do I live now, and who will visit me?"
	demoUsers    = "memory: {scope: {user: {header: x-user}}}\n"
	demoConverse = 5 // conversations in which a question is asked, when the machine is too slow for the deadline
	demoPatience = 10 * time.Second
)

// A demoMemory shows what one user said in another conversation, and to nobody else.
type demoMemory struct {
	g  *gateway
	mu sync.Mutex
	// got is the last message of the newest request, where the model gets it.
	got string
}

// decide implements simmodel.Options.Decide: it only looks.
func (d *demoMemory) decide(t simmodel.Turn) *simmodel.Step {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = t.User
	return nil
}

// remember lets an agent be told something in one conversation and asked in another.
func (c *demoCommand) remember(ctx context.Context, s *streams) error {
	d := &demoMemory{}
	m, err := simmodel.New(simmodel.Options{Seed: c.Seed, Decide: d.decide})
	if err != nil {
		return err
	}
	defer m.Close()
	srv, err := m.Start("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer srv.Close()
	data, err := os.MkdirTemp("", "trapgate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	file := filepath.Join(data, "trapgate.yaml")
	if err := os.WriteFile(file, []byte(demoUsers), 0o600); err != nil {
		return err
	}
	d.g, err = newGateway(ctx, gatewayOptions{
		file: file, env: config.Env{ReadFile: os.ReadFile}, log: s.err, quiet: true,
		flags: config.Overrides{Listen: "127.0.0.1:0", Admin: "off", Upstream: srv.URL + "/v1", Data: data},
	})
	if err != nil {
		return err
	}
	defer d.g.Shutdown(context.Background())
	fmt.Fprintf(s.out, "Ada tells an agent something, and asks in another conversation; so does Bob. "+
		"The agent sends nothing but what is said:\n\n")
	if _, err := d.say(ctx, "ada", "one", demoTold); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "  Ada says  %s\n", demoTold)
	if err := d.learned(ctx); err != nil {
		return err
	}
	for _, user := range []string{"Ada", "Bob"} {
		header, err := d.ask(ctx, strings.ToLower(user))
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "  %s asks  %s\n    the response says x-trapgate-memory: %s\n", user, demoAsked, header)
		d.show(s.out)
	}
	fmt.Fprintln(s.out)
	return nil
}

// learned waits for what was said to be stored: the agent has its answer before anything is learned of the exchange.
func (d *demoMemory) learned(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for e := d.g.memory.Load().engine; len(e.Counts().Learned) == 0; {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("demo: what was said is not learned: %w", ctx.Err())
		}
	}
	return nil
}

// ask asks in a new conversation, and returns what the response says of memory.
func (d *demoMemory) ask(ctx context.Context, user string) (header string, err error) {
	for n := range demoConverse {
		if header, err = d.say(ctx, user, fmt.Sprintf("asking-%d", n), demoAsked); err != nil || !strings.Contains(header, "late") {
			return header, err
		}
	}
	return header, nil
}

// show prints what stands behind the question where the model gets it.
func (d *demoMemory) show(w io.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	note := strings.TrimSpace(strings.TrimPrefix(d.got, demoAsked))
	if note == "" {
		fmt.Fprintln(w, "    the model gets the question, and nothing else")
		return
	}
	fmt.Fprintln(w, "    the model gets, behind the question:")
	for line := range strings.Lines(note) {
		fmt.Fprintf(w, "      %s\n", strings.TrimRight(line, "\n"))
	}
}

// say says something in a conversation of a user's.
func (d *demoMemory) say(ctx context.Context, user, session, text string) (header string, err error) {
	body, err := json.Marshal(map[string]any{"model": "sim", "messages": []map[string]string{{"role": "user", "content": text}}})
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.g.URL()+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer demo", "x-user": user, "x-trapgate-session": user + "-" + session,
	} {
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("demo: the model answered %s", resp.Status)
	}
	return resp.Header.Get("x-trapgate-memory"), nil
}
