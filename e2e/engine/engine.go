package engine

import (
	"context"
	"crypto/sha256"
	_ "embed" // the two scripts
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// Model is the name under which the engine serves its model.
const Model = "markov-chat"

var (
	pins = []string{"xllamacpp==2026.10.11549", "gguf==0.19.0", "numpy==2.4.6"}

	//go:embed model.py
	modelScript []byte
	//go:embed serve.py
	serveScript []byte
)

// Options of a start. The zero value is 2 slots of 4,096 tokens.
type Options struct {
	Slots   int // requests that generate at the same time; a further one waits
	Context int // tokens for each slot, at most 131,072
	Layers  int // of the model, 2 if 0; each adds the same cost to a token and changes no word

	NoHostCache bool // a prompt that has lost its slot is computed again (llama.cpp's --cache-ram 0); else 256 MiB of them are kept
}

// An Engine is a running server.
type Engine struct {
	URL string // without a path: http://127.0.0.1:PORT

	proc *rig.Proc
}

// Start runs an engine until the test ends. What it needs is made on the first start and cached.
func Start(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Launch(o)
	if err != nil {
		t.Fatalf("engine: %v", err)
	}
	t.Cleanup(e.Stop)
	return e
}

// Launch is Start without a test: the caller stops the engine.
func Launch(o Options) (*Engine, error) {
	if o.Slots == 0 {
		o.Slots = 2
	}
	if o.Context == 0 {
		o.Context = 4096
	}
	if o.Layers == 0 {
		o.Layers = 2
	}
	python, err := wheels()
	if err != nil {
		return nil, err
	}
	model, err := model(python, o.Layers)
	if err != nil {
		return nil, err
	}
	args := []string{
		"-B", filepath.Join(filepath.Dir(model), "serve.py"), model,
		"--slots", strconv.Itoa(o.Slots), "--context", strconv.Itoa(o.Context),
	}
	if o.NoHostCache {
		args = append(args, "--cache-ram", "0")
	}
	p, url, err := rig.Start(exec.Command(python, args...), 60*time.Second, func(line string) (string, bool) {
		return strings.CutPrefix(line, "ready ")
	})
	if err != nil {
		return nil, err
	}
	return &Engine{URL: url, proc: p}, nil
}

// Stop ends the engine and waits for it.
func (e *Engine) Stop() { _ = e.proc.CloseStdin() }

// Log is the end of what the engine wrote to stderr.
func (e *Engine) Log() string { return e.proc.Log() }

// wheels returns the python of a virtual environment that holds the pinned wheels.
func wheels() (string, error) {
	base, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("engine: python3 is needed: %w", err)
	}
	version, err := exec.Command(base, "-VV").Output()
	if err != nil {
		return "", fmt.Errorf("engine: python3 -VV: %w", err)
	}
	dir, err := rig.Once("wheels-"+digest([]byte(strings.Join(pins, " ")), version), func(dir string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if err := rig.Run(ctx, dir, base, "-m", "venv", "."); err != nil {
			return err
		}
		args := append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"}, pins...)
		return rig.Run(ctx, dir, filepath.Join(dir, "bin", "python"), args...)
	})
	return filepath.Join(dir, "bin", "python"), err
}

// model returns the model's file; serve.py lies beside it.
func model(python string, layers int) (string, error) {
	name := fmt.Sprintf("model-%s-%d", digest(modelScript, serveScript), layers)
	dir, err := rig.Once(name, func(dir string) error {
		script := filepath.Join(dir, "model.py")
		if err := os.WriteFile(script, modelScript, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "serve.py"), serveScript, 0o644); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		return rig.Run(ctx, dir, python, "-B", script, "model.gguf", "--layers", strconv.Itoa(layers))
	})
	return filepath.Join(dir, "model.gguf"), err
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}
