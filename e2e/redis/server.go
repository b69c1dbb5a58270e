package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A Server is a Redis of our own: on loopback, without persistence, in its own folder. It can be killed and started again at the
// same address, and is empty then.
type Server struct {
	Addr string

	bin, dir string
	env      []string
	proc     *rig.Proc
}

// packages are Debian's, and what they need that a small machine may lack.
var packages = []string{"redis-server", "redis-tools", "libjemalloc2", "liblzf1"}

// Start starts a server on a free port.
func Start() (*Server, error) {
	bin, env, err := binary()
	if err != nil {
		return nil, err
	}
	addr, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "e2e-redis-")
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	s := &Server{Addr: addr, bin: bin, dir: dir, env: env}
	if err := s.Restart(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// binary returns redis-server from $PATH, else Debian's package unpacked into the cache: nothing is installed, and no daemon is
// started on the way.
func binary() (bin string, env []string, err error) {
	if bin, err := exec.LookPath("redis-server"); err == nil {
		return bin, nil, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", nil, fmt.Errorf("redis: there is neither redis-server nor apt-get: %w", err)
	}
	dir, err := rig.Once("redis-debian", func(dir string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		download := append([]string{"download"}, packages...)
		if err := rig.Run(ctx, dir, "apt-get", download...); err != nil {
			if up := rig.Run(ctx, dir, "apt-get", "update", "-qq"); up != nil {
				return fmt.Errorf("%w; %w", err, up)
			}
			if err := rig.Run(ctx, dir, "apt-get", download...); err != nil {
				return err
			}
		}
		found, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
		for _, deb := range found {
			if err := rig.Run(ctx, dir, "dpkg-deb", "-x", deb, dir); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	libs, _ := filepath.Glob(filepath.Join(dir, "usr/lib/*-linux-gnu*"))
	return filepath.Join(dir, "usr/bin/redis-server"), []string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":")}, nil
}

// Restart starts the server again, empty, after Kill.
func (s *Server) Restart() error {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	cmd := exec.Command(s.bin, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", s.dir)
	cmd.Env = append(os.Environ(), s.env...)
	s.proc, _, err = rig.Start(cmd, 20*time.Second, func(line string) (string, bool) {
		return "", strings.Contains(line, "Ready to accept connections")
	})
	return err
}

// Kill ends it at once, as kill -9 does.
func (s *Server) Kill() error { return s.proc.Kill() }

// Freeze stops it from answering, without its connections noticing; Thaw lets it go on.
func (s *Server) Freeze() error { return s.proc.Cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.proc.Cmd.Process.Signal(syscall.SIGCONT) }

// URL is what lease.OpenRedis takes.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Close ends it and removes its folder.
func (s *Server) Close() error {
	err := s.proc.Kill()
	if rm := os.RemoveAll(s.dir); err == nil {
		err = rm
	}
	return err
}
