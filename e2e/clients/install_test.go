//go:build unix

package clients

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	failed := errors.New("cut off")
	err := once(dir, func(dir string) error {
		_ = os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := once(dir, func(dir string) error {
				if _, err := os.Stat(filepath.Join(dir, "half")); err == nil {
					t.Error("the half installation is still there")
				}
				made.Add(1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Fatalf("made %d times", made.Load())
	}
}

func TestKey(t *testing.T) {
	f := filepath.Join(t.TempDir(), "f")
	var keys []string
	for _, step := range []struct{ extra, text string }{{"1", "a"}, {"1", "b"}, {"2", "b"}} {
		if err := os.WriteFile(f, []byte(step.text), 0o644); err != nil {
			t.Fatal(err)
		}
		k, err := key(step.extra, f)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if keys[0] == keys[1] || keys[1] == keys[2] {
		t.Fatalf("a change is not seen: %v", keys)
	}
}

func TestSelect(t *testing.T) {
	for value, want := range map[string]int{"": 3, "quick": 3, "all": len(All()), "codex,opencode": 2} {
		if got, err := Select(value); err != nil || len(got) != want {
			t.Errorf("%q: %d clients, %v, want %d", value, len(got), err, want)
		}
	}
	if _, err := Select("nobody"); err == nil {
		t.Error("an unknown name is accepted")
	}
}

// TestManifests: every package has an exact version, and no lock names a host.
func TestManifests(t *testing.T) {
	pin := regexp.MustCompile(`^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][^ ]*$`)
	for _, name := range []string{"python", "mini"} {
		b, err := os.ReadFile(filepath.Join("drivers", name, "requirements.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			if !strings.HasPrefix(line, "#") && !pin.MatchString(line) {
				t.Errorf("%s: %q is not an exact version", name, line)
			}
		}
	}
	for _, name := range []string{"node", "codex", "opencode", "claude"} {
		b, err := os.ReadFile(filepath.Join("drivers", name, "package-lock.json"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), `"resolved"`) {
			t.Errorf("%s: the lock names the registry it was made with", name)
		}
	}
}

// TestVersions: the table says what the manifests install.
func TestVersions(t *testing.T) {
	for _, c := range All() {
		found := false
		for _, f := range c.group.Files {
			b, err := os.ReadFile(filepath.Join("drivers", c.group.Name, f))
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(b), c.Version)
		}
		if !found {
			t.Errorf("%s: %s is not in drivers/%s", c.Name, c.Version, c.group.Name)
		}
	}
}
