package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGolden reads testdata/*.yaml as serve does and compares the problems with the file beside it; the names of those that hold
// begin with good.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	env := fakeEnv(home, map[string]string{
		"/run/key": "from-file\n", "/run/redis": "rediss://user:hush@redis.internal:6380/3\n", "/run/empty": "\n", "/run/two-lines": "a\nb\n", "/run/junk.pem": "junk",
	})
	real := env.ReadFile
	env.ReadFile = func(p string) ([]byte, error) {
		if strings.HasPrefix(p, "testdata/") {
			return os.ReadFile(p)
		}
		return real(p)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			got := ""
			if _, err := Open(file, env, Overrides{}); err != nil {
				got = strings.ReplaceAll(err.Error(), "testdata/", "") + "\n"
			}
			if isGood := strings.HasPrefix(filepath.Base(file), "good"); isGood != (got == "") {
				t.Fatalf("accepted: %v\n%s", got == "", got)
			}
			if strings.Contains(got, "hush") || strings.Contains(got, "secret-") {
				t.Fatalf("a secret is shown:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".problems"
			if *update && got != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil && got != "" {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
