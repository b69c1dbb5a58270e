package rig

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/xxh3"
)

var built struct {
	sync.Mutex
	path string
}

// Binary returns a trapgate binary: $TRAPGATE_BIN, else one built from this module into the cache, once in this process.
// The linker is skipped when nothing changed since the last run.
func Binary() (string, error) {
	if bin := os.Getenv("TRAPGATE_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		return built.path, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(cache, fmt.Sprintf("trapgate-%08x", uint32(xxh3.HashString(root))))
	unlock, err := lock(bin + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := Run(context.Background(), root, "go", "build", "-o", bin, "./proxy"); err != nil {
		return "", err
	}
	built.path = bin
	return bin, nil
}

// A Gate is a running Trapgate.
type Gate struct {
	*Proc
	URL   string // base URL for agents, with /v1 at its end
	Admin string // base URL of the admin port, without a path
	Data  string // its data folder, ours to remove

	token string
}

// StartGate runs `trapgate serve` with the given configuration (YAML without listen, admin and data unless listen says so)
// and environment additions, on free loopback ports, and waits until it is ready. listen may be empty.
func StartGate(config, listen string, env ...string) (*Gate, error) {
	bin, err := Binary()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "trapgate-rig-")
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	admin, err := FreePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "trapgate.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	g := &Gate{Admin: "http://" + admin, Data: filepath.Join(dir, "data")}
	cmd := exec.Command(bin, "serve", "--config", file, "--listen", listen, "--admin", admin, "--data", g.Data)
	cmd.Env = append(cleanEnv(), env...)
	cmd.Dir = dir
	logFile, err := os.Create(filepath.Join(dir, "stderr.log")) // a file, so that no reader of ours slows it down
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	defer logFile.Close()
	cmd.Stderr = logFile
	g.Proc, g.URL, err = Start(cmd, 20*time.Second, func(line string) (string, bool) {
		return strings.CutPrefix(line, "trapgate: listening on ")
	})
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, endOf(logFile.Name()))
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return g, nil
}

// Log returns the last 64 KiB of the gate's log.
func (g *Gate) Log() string { return endOf(filepath.Join(filepath.Dir(g.Data), "stderr.log")) }

func endOf(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-64<<10):])
}

// Base is the gate's URL without /v1.
func (g *Gate) Base() string { return strings.TrimSuffix(g.URL, "/v1") }

// Addr is the gate's host and port, or the path of its Unix socket.
func (g *Gate) Addr() string {
	addr := g.Base()
	for _, scheme := range []string{"http://", "https://", "http+unix://", "unix://", "unix:"} {
		addr = strings.TrimPrefix(addr, scheme)
	}
	return addr
}

// AdminGet reads a path of the admin port with the token.
func (g *Gate) AdminGet(path string) (int, []byte, error) {
	if g.token == "" {
		raw, err := os.ReadFile(filepath.Join(g.Data, "admin.token"))
		if err != nil {
			return 0, nil, fmt.Errorf("rig: admin token: %w", err)
		}
		g.token = strings.TrimSpace(string(raw))
	}
	req, err := http.NewRequest(http.MethodGet, g.Admin+path, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("rig: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("rig: admin %s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("rig: admin %s: %w", path, err)
	}
	return resp.StatusCode, body, nil
}

// Close stops the gate and removes its folder.
func (g *Gate) Close() error {
	err := g.Stop()
	if rm := os.RemoveAll(filepath.Dir(g.Data)); err == nil {
		err = rm
	}
	return err
}

// FreePort returns a loopback address whose port was free a moment ago.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("rig: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// cleanEnv is this process's environment without what would change how Trapgate runs: a developer's own key, base URL,
// proxy or exporter must not leak into a measurement.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		upper := strings.ToUpper(name)
		switch {
		case strings.HasPrefix(upper, "OTEL_"), strings.HasPrefix(upper, "TRAPGATE_"),
			strings.HasPrefix(upper, "OPENAI_"), strings.HasPrefix(upper, "ANTHROPIC_"),
			upper == "HTTP_PROXY", upper == "HTTPS_PROXY", upper == "ALL_PROXY", upper == "NO_PROXY":
			continue
		}
		env = append(env, kv)
	}
	return env
}
