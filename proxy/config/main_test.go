package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite golden files and generated documents")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEnv is an environment of given variables and files.
func fakeEnv(vars, files map[string]string) Env {
	return Env{
		Lookup: func(k string) (string, bool) { v, ok := vars[k]; return v, ok },
		ReadFile: func(p string) ([]byte, error) {
			if s, ok := files[p]; ok {
				return []byte(s), nil
			}
			return nil, &os.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
		},
	}
}

var home = map[string]string{"HOME": "/home/a", "KEY_A": "secret-a", "KEY_B": "secret-b", "KEY_C": "secret-c"}

// resolve parses and resolves a file given as text.
func resolve(t *testing.T, text string, flags Overrides) (*Snapshot, Problems) {
	t.Helper()
	env := fakeEnv(home, map[string]string{"/cfg/trapgate.yaml": text})
	s, err := Open("/cfg/trapgate.yaml", env, flags)
	if err == nil {
		return s, nil
	}
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("the error is no Problems: %v", err)
	}
	return nil, problems
}

// good is resolve for text that must hold.
func good(t *testing.T, text string) *Snapshot {
	t.Helper()
	s, problems := resolve(t, text, Overrides{})
	if problems != nil {
		t.Fatalf("refused:\n%v", problems)
	}
	return s
}

// mentions fails unless the problems contain all parts.
func mentions(t *testing.T, problems Problems, parts ...string) {
	t.Helper()
	text := problems.Error()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

// root is the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no go.mod above the test")
	return ""
}
