package rig

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnce(t *testing.T) {
	t.Setenv("TRAPGATE_CACHE", t.TempDir())
	broken := errors.New("broken")
	if _, err := Once("thing", func(dir string) error {
		_ = os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)
		return broken
	}); !errors.Is(err, broken) {
		t.Fatalf("a failed fill is %v", err)
	}
	var runs atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			dir, err := Once("thing", func(dir string) error {
				runs.Add(1)
				if _, err := os.Stat(filepath.Join(dir, "half")); err == nil {
					t.Error("what the failed fill left is still there")
				}
				time.Sleep(50 * time.Millisecond)
				return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if n := runs.Load(); n != 1 {
		t.Errorf("filled %d times", n)
	}
}

func TestStart(t *testing.T) {
	ready := func(line string) (string, bool) { return strings.CutPrefix(line, "ready ") }
	shell := func(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }

	p, word, err := Start(shell("echo hello; echo ready at-last; cat >/dev/null; exit 3"), 5*time.Second, ready)
	if err != nil || word != "at-last" {
		t.Fatalf("%q, %v", word, err)
	}
	var exit *exec.ExitError
	if err := p.CloseStdin(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("it ended with %v", err)
	}

	if _, _, err = Start(shell("echo why >&2; exit 1"), 5*time.Second, ready); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a program that ends early: %v", err)
	}
	began := time.Now()
	if _, _, err = Start(exec.Command("sleep", "30"), 100*time.Millisecond, ready); err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("a silent program: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to give up", took)
	}
}

func TestCleanEnv(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	t.Setenv("OPENAI_API_KEY", "sk-mine")
	t.Setenv("RIG_TEST", "stays")
	env := strings.Join(cleanEnv(), "\n")
	for _, gone := range []string{"OTEL_", "https_proxy", "sk-mine"} {
		if strings.Contains(env, gone) {
			t.Errorf("%s leaks", gone)
		}
	}
	if !strings.Contains(env, "RIG_TEST=stays") {
		t.Error("too much is gone")
	}
}
