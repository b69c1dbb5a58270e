//go:build unix

package clients

import (
	"bufio"
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

const (
	readyPrefix  = "trapgate: listening on "
	readyTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// A Trapgate is a running server. Stop it by Stop.
type Trapgate struct {
	URL string // the base URL as it was printed, with /v1

	cmd  *exec.Cmd
	log  *syncBuffer
	done chan error
}

// StartTrapgate runs "trapgate serve" on free loopback ports before the upstream, with data as its data folder, and waits
// for its ready line. extra are further arguments.
func StartTrapgate(bin, upstream, data string, extra ...string) (*Trapgate, error) {
	args := append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream, "--data", data,
	}, extra...)
	t := &Trapgate{cmd: exec.Command(bin, args...), log: &syncBuffer{}, done: make(chan error, 1)}
	t.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + data, "TMPDIR=" + os.TempDir()}
	t.cmd.Stderr = t.log
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("clients: start trapgate: %w", err)
	}
	ready := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			if url, ok := strings.CutPrefix(s.Text(), readyPrefix); ok {
				ready <- strings.TrimSpace(url)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		t.done <- t.cmd.Wait()
	}()
	select {
	case t.URL = <-ready:
		return t, nil
	case err := <-t.done:
		return nil, fmt.Errorf("clients: trapgate ended before it was ready: %w: %s", err, t.Log())
	case <-time.After(readyTimeout):
		_ = t.cmd.Process.Kill()
		return nil, fmt.Errorf("clients: trapgate not ready after %v: %s", readyTimeout, t.Log())
	}
}

// Addr is the "host:port" of the URL.
func (t *Trapgate) Addr() string {
	addr := strings.TrimPrefix(t.URL, "http://")
	addr, _, _ = strings.Cut(addr, "/")
	return addr
}

// Log is what Trapgate wrote to standard error so far, the end of it.
func (t *Trapgate) Log() string { return string(tail([]byte(t.log.String()), 4000)) }

// Stop sends SIGTERM and waits. A server that does not end, or ends with an error, is an error.
func (t *Trapgate) Stop() error {
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("clients: %w", err)
	}
	select {
	case err := <-t.done:
		if err != nil {
			return fmt.Errorf("clients: trapgate: %w: %s", err, t.Log())
		}
		return nil
	case <-time.After(stopTimeout):
		_ = t.cmd.Process.Kill()
		return fmt.Errorf("clients: trapgate did not stop in %v: %s", stopTimeout, t.Log())
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
