package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// The names of the sides, in the order of the tables.
const (
	direct = "direct"
	nginx  = "nginx"
	copier = "copy"
	gate   = "trapgate"
	spans  = "trapgate + spans"
)

// A side is one way from the load generator to the model server.
type side struct {
	name string
	addr string
	pid  int // 0 for direct
	stop func()
}

func (s *side) cpu() time.Duration {
	if s.pid == 0 {
		return 0
	}
	return cpu(s.pid)
}

// startRole starts this program in another role.
func startRole(role string, args ...string) (*rig.Proc, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("bench: %w", err)
	}
	return rig.Start(exec.Command(self, append([]string{"-role", role}, args...)...), 10*time.Second, func(line string) (string, bool) {
		return strings.CutPrefix(line, "ready ")
	})
}

// startSide starts one side before the model server at addr.
func startSide(name, addr, sink string) (*side, error) {
	switch name {
	case direct:
		return &side{name: name, addr: addr, stop: func() {}}, nil
	case copier:
		p, own, err := startRole("copy", addr)
		if err != nil {
			return nil, err
		}
		return &side{name: name, addr: own, pid: p.PID(), stop: func() { _ = p.CloseStdin() }}, nil
	case nginx:
		return startNginx(addr)
	case gate:
		return startGate(name, addr)
	case spans:
		return startGate(name, addr, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+sink, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			"OTEL_TRACES_EXPORTER=otlp", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.05",
			"OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none")
	}
	return nil, fmt.Errorf("bench: no side %q", name)
}

func gateConfig(base, extra string) string {
	return fmt.Sprintf("upstreams:\n  - name: bench\n    base_url: %s\n%s", base, extra)
}

func startGate(name, addr string, env ...string) (*side, error) {
	if standIn {
		p, own, err := startRole("copy", addr)
		if err != nil {
			return nil, err
		}
		return &side{name: name, addr: own, pid: p.PID(), stop: func() { _ = p.CloseStdin() }}, nil
	}
	g, err := rig.StartGate(gateConfig("http://"+addr+"/v1", ""), "", env...)
	if err != nil {
		return nil, err
	}
	return &side{name: name, addr: g.Addr(), pid: g.PID(), stop: func() { _ = g.Close() }}, nil
}

// nginxBinary returns nginx from $PATH, else Debian's package unpacked into the cache: nothing is installed, and no daemon
// is started on the way.
func nginxBinary() (string, error) {
	if bin, err := exec.LookPath("nginx"); err == nil {
		return bin, nil
	}
	if _, err := os.Stat("/usr/sbin/nginx"); err == nil {
		return "/usr/sbin/nginx", nil
	}
	dir, err := rig.Once("nginx-debian", func(dir string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if err := rig.Run(ctx, dir, "apt-get", "download", "nginx"); err != nil {
			if up := rig.Run(ctx, dir, "apt-get", "update", "-qq"); up != nil {
				return fmt.Errorf("%w; %w", err, up)
			}
			if err := rig.Run(ctx, dir, "apt-get", "download", "nginx"); err != nil {
				return err
			}
		}
		found, _ := filepath.Glob(filepath.Join(dir, "nginx_*.deb"))
		if len(found) != 1 {
			return fmt.Errorf("apt-get download nginx left %d packages", len(found))
		}
		return rig.Run(ctx, dir, "dpkg-deb", "-x", found[0], dir)
	})
	return filepath.Join(dir, "usr/sbin/nginx"), err
}

const nginxConfig = `daemon off;
worker_processes auto;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  keepalive_requests 100000000; tcp_nodelay on;
  upstream model { server %[2]s; keepalive 256; keepalive_requests 100000000; }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
    }
  }
}
`

func startNginx(upstream string) (*side, error) {
	bin, err := nginxBinary()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-nginx-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	addr, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, dir, upstream, addr), 0o644); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	p, _, err := rig.Start(exec.Command(bin, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log")), 0, nil)
	if err != nil {
		return nil, err
	}
	stop := func() {
		_ = p.Stop()
		_ = os.RemoveAll(dir)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := dial(addr, nil); err == nil {
			_ = c.Close()
			return &side{name: nginx, addr: addr, pid: p.PID(), stop: stop}, nil
		}
		if time.Now().After(end) {
			stop()
			return nil, fmt.Errorf("bench: nginx did not start: %s", p.Log())
		}
	}
}
