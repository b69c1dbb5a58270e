package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints the account of all steps since reset. Its last line is counts and nothing else.
func report(out io.Writer, full string) error {
	steps, err := load(stateDir)
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		return errors.New("no step has been run")
	}
	passed, failed, skipped := count(steps)
	var b strings.Builder
	b.WriteString("\n")
	for _, s := range steps {
		fmt.Fprintf(&b, "%-44s %5d passed %3d failed %3d skipped %8s\n", s.Name, s.Passed, s.Failed, len(s.Skipped), clock(s.Took))
	}
	for _, s := range steps {
		for _, n := range s.Notes {
			if strings.Contains(n, "Not met: ") || strings.HasPrefix(n, "passed only") {
				fmt.Fprintf(&b, "\n%s\n", n)
			}
		}
	}
	if skipped > 0 {
		b.WriteString("\nSkipped, and why:\n")
		for _, s := range skips(steps) {
			fmt.Fprintf(&b, "  %s: %s\n", s.What, s.Why)
		}
	}
	if failed > 0 {
		b.WriteString("\nFailed:\n" + losses(steps))
	}
	fmt.Fprintf(&b, "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if full != "" {
		if err := os.WriteFile(full, []byte(markdown(steps)), 0o644); err != nil {
			return err
		}
	}
	if failed > 0 {
		return errFailed
	}
	return nil
}

func load(dir string) ([]Step, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var s Step
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b Step) int { return a.Began.Compare(b.Began) })
	return steps, nil
}

func count(steps []Step) (passed, failed, skipped int) {
	for _, s := range steps {
		passed += s.Passed
		failed += s.Failed
		skipped += len(s.Skipped)
	}
	return passed, failed, skipped
}

func skips(steps []Step) (all []Skip) {
	for _, s := range steps {
		all = append(all, s.Skipped...)
	}
	return all
}

// losses is what failed, with the end of what it said, which else stands far above.
func losses(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		for _, l := range s.Lost {
			fmt.Fprintf(&b, "  %s: %s\n    %s\n", s.Name, l.What, strings.ReplaceAll(l.Said, "\n", "\n    "))
		}
	}
	return b.String()
}

// markdown is the account that is kept with the code: with the machine, the versions and what the other tools wrote.
func markdown(steps []Step) string {
	var b strings.Builder
	passed, failed, skipped := count(steps)
	fmt.Fprintf(&b, "# The full run\n\nWritten by `make full`. %s, commit %s.\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), commit())
	fmt.Fprintf(&b, "**%d passed, %d failed, %d skipped.**\n\n", passed, failed, skipped)
	fmt.Fprintf(&b, "Machine: %s. Versions: %s.\n\n", machine(), versions())
	b.WriteString("| step | passed | failed | skipped | time | |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, s := range steps {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s | %s |\n", s.Name, s.Passed, s.Failed, len(s.Skipped), clock(s.Took), strings.Join(s.Notes, ", "))
	}
	if failed > 0 {
		b.WriteString("\n## Failed\n\n```text\n" + losses(steps) + "```\n")
	}
	b.WriteString("\n## Skipped\n\n")
	if skipped == 0 {
		b.WriteString("Nothing.\n")
	}
	for _, s := range skips(steps) {
		fmt.Fprintf(&b, "- %s: %s\n", s.What, s.Why)
	}
	b.WriteString("\nFigures, with the cancellation counts: [bench/results](../bench/results/README.md).\n")
	// The clients' table, one heading level down.
	if raw, err := os.ReadFile(os.Getenv("TRAPGATE_E2E_SUMMARY")); err == nil {
		b.WriteString("\n#" + strings.TrimSpace(string(raw)) + "\n")
	}
	return b.String()
}

func machine() string {
	model := runtime.GOARCH
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(raw), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := ""
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load average " + strings.Join(strings.Fields(string(raw))[:3], " ") + " at the end"
	}
	return fmt.Sprintf("%d x %s, %s %s%s", runtime.NumCPU(), model, runtime.GOOS, said("uname", "-r"), load)
}

// versions names the tools that the suites stand on. The clients' versions are in their own table.
func versions() string {
	list := []string{runtime.Version()}
	for _, c := range [][]string{{"python3", "--version"}, {"node", "--version"}, {"java", "-version"}} {
		if v := said(c[0], c[1:]...); v != "" {
			list = append(list, c[0]+" "+strings.TrimPrefix(v, "Python "))
		}
	}
	return strings.Join(list, ", ")
}

func commit() string {
	c := said("git", "rev-parse", "--short=12", "HEAD")
	if c == "" {
		return "unknown"
	}
	if said("git", "status", "--porcelain", "--untracked-files=no") != "" {
		c += " with changes"
	}
	return c
}

// said is the first line that a command prints, or "".
func said(name string, args ...string) string {
	raw, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	return line
}
