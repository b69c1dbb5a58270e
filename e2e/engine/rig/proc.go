package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Proc is a started program. Its stdin is a pipe held by us, so a program that ends when its stdin does cannot outlive
// this process, even if this process is killed; on Linux all others get SIGTERM then.
type Proc struct {
	Cmd *exec.Cmd

	stdin io.WriteCloser
	log   *tail
	ended chan struct{} // closed once Wait has returned
	err   error         // of Wait; read it after ended
}

// Start runs cmd and waits until a line of its stdout satisfies ready, which returns what it found in the line. With a nil
// ready it returns at once. Its stderr and the rest of its stdout are kept, the last 64 KiB of them, for error messages.
func Start(cmd *exec.Cmd, limit time.Duration, ready func(line string) (string, bool)) (*Proc, string, error) {
	p := &Proc{Cmd: cmd, log: &tail{}, ended: make(chan struct{})}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, "", fmt.Errorf("rig: %w", err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, "", fmt.Errorf("rig: %w", err)
	}
	cmd.Stdout, cmd.WaitDelay = in, 2*time.Second
	if cmd.Stderr == nil {
		cmd.Stderr = p.log
	}
	err = start(cmd)
	_ = in.Close()
	if err != nil {
		_ = out.Close()
		return nil, "", fmt.Errorf("rig: start %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	found := make(chan string, 1)
	go p.read(out, found, ready)
	if ready == nil {
		return p, "", nil
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case word := <-found:
		return p, word, nil
	case <-p.ended:
		return nil, "", fmt.Errorf("rig: %s ended before it was ready: %w\n%s", cmd.Path, p.err, p.log)
	case <-timer.C:
		_ = p.Kill()
		return nil, "", fmt.Errorf("rig: %s was not ready within %v\n%s", cmd.Path, limit, p.log)
	}
}

func (p *Proc) read(out *os.File, found chan<- string, ready func(string) (string, bool)) {
	defer out.Close()
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		_, _ = io.WriteString(p.log, line)
		if ready != nil {
			if word, ok := ready(strings.TrimSpace(line)); ok {
				found <- word
				ready = nil
			}
		}
		if err != nil {
			return
		}
	}
}

// PID is the process id.
func (p *Proc) PID() int { return p.Cmd.Process.Pid }

// Log returns the last 64 KiB of what the program wrote.
func (p *Proc) Log() string { return p.log.String() }

// Ended is closed when the program has ended.
func (p *Proc) Ended() <-chan struct{} { return p.ended }

// CloseStdin ends a program that lives as long as its stdin, and waits for it.
func (p *Proc) CloseStdin() error {
	_ = p.stdin.Close()
	return p.wait(5 * time.Second)
}

// Stop asks the program to end with SIGTERM, waits up to 10 s, then kills it. The error says that it had to be killed or
// ended with a code other than 0.
func (p *Proc) Stop() error {
	_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	return p.wait(10 * time.Second)
}

// Kill ends the program at once.
func (p *Proc) Kill() error {
	err := p.Cmd.Process.Kill()
	<-p.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (p *Proc) wait(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.ended:
		_ = p.stdin.Close()
		return p.err
	case <-timer.C:
		_ = p.Kill()
		return fmt.Errorf("rig: %s did not end within %v and was killed", p.Cmd.Path, limit)
	}
}

// Run runs a command to its end and returns its combined output inside the error when it fails.
func Run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("rig: %s %s: %w\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - 64<<10; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
