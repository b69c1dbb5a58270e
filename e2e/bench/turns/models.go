package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// A modelSpec is one simulated model of the helper process.
type modelSpec struct {
	Options simmodel.Options `json:"options"`
	// Silent hides what the model says of its limits: no rate-limit headers, and refusals without a time.
	Silent bool `json:"silent,omitempty"`
	// Instant is the model without a model behind it, for what is added.
	Instant bool `json:"instant,omitempty"`
}

// models are simulated models in a process of their own, so that they share no runtime with who measures.
type models struct {
	proc *rig.Proc
	urls []string // without /v1
}

func startModels(specs ...modelSpec) (*models, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	raw, err := json.Marshal(specs)
	if err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	p, line, err := rig.Start(exec.Command(self, "-role", "models", string(raw)), 10*time.Second, func(line string) (string, bool) {
		return strings.CutPrefix(line, "ready ")
	})
	if err != nil {
		return nil, err
	}
	return &models{p, strings.Fields(line)}, nil
}

func (m *models) close() { _ = m.proc.CloseStdin() }

// base is the i-th model's base URL.
func (m *models) base(i int) string { return m.urls[i] + "/v1" }

// stats are the i-th model's counters.
func (m *models) stats(i int) (s simmodel.Stats, err error) {
	resp, err := http.Get(m.urls[i] + "/sim/stats")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// runRole runs this program as one of its helpers until stdin is closed.
func runRole(role string, args []string) error {
	if role != "models" || len(args) != 1 {
		return fmt.Errorf("turns: no role %q with %d arguments", role, len(args))
	}
	var specs []modelSpec
	if err := json.Unmarshal([]byte(args[0]), &specs); err != nil {
		return fmt.Errorf("turns: %w", err)
	}
	var urls []string
	for _, s := range specs {
		u, stop, err := s.start()
		if err != nil {
			return err
		}
		defer stop()
		urls = append(urls, u)
	}
	fmt.Println("ready", strings.Join(urls, " "))
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func (s modelSpec) start() (string, func(), error) {
	if s.Instant {
		i, err := simmodel.StartInstant("127.0.0.1:0", simmodel.InstantOptions{})
		if err != nil {
			return "", nil, err
		}
		return i.URL, func() { _ = i.Close() }, nil
	}
	m, err := simmodel.New(s.Options)
	if err != nil {
		return "", nil, err
	}
	srv, err := m.Start("127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	if !s.Silent {
		return srv.URL, func() { _ = srv.Close() }, nil
	}
	front, stop, err := silence(srv.URL)
	if err != nil {
		return "", nil, errors.Join(err, srv.Close())
	}
	return front, func() { stop(); _ = srv.Close() }, nil
}

// silence serves a model without what its answers say of limits.
func silence(model string) (string, func(), error) {
	to, err := url.Parse(model)
	if err != nil {
		return "", nil, fmt.Errorf("turns: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			for name := range r.Header {
				if lower := strings.ToLower(name); strings.Contains(lower, "ratelimit") || strings.HasPrefix(lower, "retry-after") {
					delete(r.Header, name)
				}
			}
			return nil
		},
		FlushInterval: -1,
	}
	srv := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}
