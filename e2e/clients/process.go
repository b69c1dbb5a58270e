//go:build unix

package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Command is one start of a client: what to run, where, with which environment. Nothing of this process's environment
// is passed on but PATH.
type Command struct {
	Args []string
	Dir  string
	Env  []string
}

// Run starts the command in a process group of its own, waits at most limit, and returns what it printed. Whatever it left
// behind in its group is killed.
func (c Command) Run(ctx context.Context, limit time.Duration) (stdout, stderr []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("clients: %w", err)
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if ctx.Err() != nil {
		err = errors.Join(err, fmt.Errorf("stopped after %v", limit))
	}
	if err != nil {
		err = fmt.Errorf("clients: %s: %w\nstdout: %s\nstderr: %s", c.Args[0], err,
			tail(out.Bytes(), 3000), tail(errs.Bytes(), 3000))
	}
	return out.Bytes(), errs.Bytes(), err
}

// baseEnv is what every client gets: its own home, no proxy for loopback, none that works for anything else.
func baseEnv(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + home + "/.config",
		"XDG_CACHE_HOME=" + home + "/.cache",
		"XDG_DATA_HOME=" + home + "/.local/share",
		"XDG_STATE_HOME=" + home + "/.local/state",
		"TMPDIR=" + home + "/tmp",
		"LANG=C.UTF-8",
		"TERM=dumb",
		"NO_COLOR=1",
		"HTTPS_PROXY=http://127.0.0.1:9",
		"https_proxy=http://127.0.0.1:9",
		"NO_PROXY=127.0.0.1,localhost",
		"no_proxy=127.0.0.1,localhost",
		"OPENAI_API_KEY=sk-e2e-key",
		"ANTHROPIC_API_KEY=sk-ant-e2e-key",
		"DO_NOT_TRACK=1",
	}
}
