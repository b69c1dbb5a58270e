package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A test that fails once and passes alone is counted as passed, and named; one that fails twice has failed, and so have a package
// that ends outside a test and one that races.
func TestAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: builds four small packages, with -short")
	}
	for _, c := range []struct {
		name, body     string
		passed, failed int
		named          bool
	}{
		{"once", `if _, err := os.Stat("tried"); err != nil { os.WriteFile("tried", nil, 0o600); t.Fatal("too slow") }`, 1, 0, true},
		{"twice", `_ = os.Args; t.Fatal("wrong")`, 0, 1, false},
		{"leaks once", `if _, err := os.Stat("tried"); err != nil { os.WriteFile("tried", nil, 0o600); println("found unexpected goroutines"); os.Exit(1) }`, 1, 0, true},
		{"exits", `os.Exit(3)`, 0, 1, false},
		{"races", `_ = os.Args; t.Error("WARNING: DATA RACE")`, 0, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{
				"go.mod":    "module x\n\ngo 1.26\n",
				"x_test.go": "package x\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestX(t *testing.T) { " + c.body + " }\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out strings.Builder
			cmd := exec.Command("go", "test", "-C", dir, "-json", "./...")
			s := runStep(c.name, cmd, &out)
			if s.Passed != c.passed || s.Failed != c.failed || (len(s.Notes) == 1) != c.named {
				t.Errorf("%d passed, %d failed, notes %q:\n%s", s.Passed, s.Failed, s.Notes, &out)
			}
		})
	}
}

// A command with -twice has two tries, and the account names what needed both.
func TestTwice(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := reset(); err != nil {
		t.Fatal(err)
	}
	once := []string{"step", "-strict", "-twice", "once", "sh", "-c", "test -e tried || { touch tried; exit 1; }"}
	var out strings.Builder
	if err := run(once, &out); err != nil {
		t.Errorf("%v:\n%s", err, &out)
	}
	if err := run([]string{"step", "-strict", "-twice", "never", "sh", "-c", "exit 1"}, &out); err == nil {
		t.Errorf("a command that fails twice is fine:\n%s", &out)
	}
	out.Reset()
	if err := report(&out, ""); err == nil || !strings.HasSuffix(out.String(), "\n1 passed, 1 failed, 0 skipped\n") ||
		!strings.Contains(out.String(), "passed only the second time: once\n") {
		t.Errorf("%v:\n%s", err, &out)
	}
}
