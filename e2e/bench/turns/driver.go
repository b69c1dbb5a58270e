package main

import (
	"bufio"
	_ "embed" // the driver's script
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/clients"
	"github.com/trapgate/trapgate/e2e/engine/rig"
)

//go:embed driver.py
var driverScript []byte

// The drivers: agents on OpenAI's Python SDK, or on net/http.
const (
	pythonDriver = "python"
	goDriver     = "go"
)

// A runner does jobs.
type runner interface {
	// run does a job; it calls begun once with the job's beginning, which may lie a little ahead.
	run(j *job, begun func(time.Time)) ([]answer, error)
	name() string
}

func newRunner(kind string) (runner, error) {
	switch kind {
	case goDriver:
		return netAgents{}, nil
	case pythonDriver:
		return newSDKAgents()
	}
	return nil, fmt.Errorf("turns: no driver %q", kind)
}

// sdkAgents are agents on the SDK, all of a job in one process.
type sdkAgents struct{ python, version string }

// newSDKAgents installs the SDK as e2e/clients pins it.
func newSDKAgents() (runner, error) {
	list, err := clients.Select("openai-python")
	if err != nil {
		return nil, err
	}
	root, err := rig.Root()
	if err != nil {
		return nil, err
	}
	ctx, cancel := limited(10 * time.Minute)
	defer cancel()
	dir, err := list[0].Install(ctx, filepath.Join(root, "e2e", "clients", "drivers"))
	if err != nil {
		return nil, err
	}
	return sdkAgents{filepath.Join(dir, "bin", "python"), list[0].Version}, nil
}

func (d sdkAgents) name() string { return "OpenAI Python SDK " + d.version + " (asyncio)" }

func (d sdkAgents) run(j *job, begun func(time.Time)) ([]answer, error) {
	dir, err := os.MkdirTemp("", "trapgate-turns-")
	if err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	defer os.RemoveAll(dir)
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	script, file := filepath.Join(dir, "driver.py"), filepath.Join(dir, "job.json")
	if err := errors.Join(os.WriteFile(script, driverScript, 0o600), os.WriteFile(file, raw, 0o600)); err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	cmd := exec.Command(d.python, "-B", script, file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8"}
	var log strings.Builder
	cmd.Stderr = &log
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	answers, err := follow(in, out, begun)
	_ = in.Close()
	if ended := cmd.Wait(); ended != nil || err != nil {
		return nil, fmt.Errorf("turns: driver: %w\n%s", errors.Join(err, ended), log.String())
	}
	return answers, nil
}

// follow gives a ready driver its beginning and collects what it reports.
func follow(in io.Writer, out io.Reader, begun func(time.Time)) ([]answer, error) {
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		return nil, errors.Join(fmt.Errorf("not ready: %q", lines.Text()), lines.Err())
	}
	begin := time.Now().Add(200 * time.Millisecond)
	if _, err := fmt.Fprintf(in, "%.6f\n", float64(begin.UnixNano())/1e9); err != nil {
		return nil, err
	}
	begun(begin)
	var answers []answer
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%w: %s", err, lines.Bytes())
		}
		answers = append(answers, a)
	}
	return answers, lines.Err()
}

// together runs one job for each side at the same time and returns the answers in that order.
func together(d runner, jobs []*job, begun func(side int, at time.Time)) ([][]answer, error) {
	answers, errs := make([][]answer, len(jobs)), make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { answers[i], errs[i] = d.run(j, func(at time.Time) { begun(i, at) }) })
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}
