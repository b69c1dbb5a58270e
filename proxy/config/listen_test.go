package config

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestParseAddr(t *testing.T) {
	for text, want := range map[string]Addr{
		"127.0.0.1:4000": {"tcp", "127.0.0.1:4000"}, ":0": {"tcp", ":0"}, "[::1]:80": {"tcp", "[::1]:80"}, "localhost:1": {"tcp", "localhost:1"},
		"unix:/run/t.sock": {"unix", "/run/t.sock"},
	} {
		if got, err := ParseAddr(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "4000", "localhost", "h:http", "h:-1", "h:65536", "h:01", "::1:80", "http://h:1", "unix:", "unix:run", "unix:/" + strings.Repeat("x", 120), "a b:1"} {
		if got, err := ParseAddr(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestExposure(t *testing.T) {
	const keyed = "upstreams: [{name: a, base_url: 'http://h', api_key: {env: KEY_A}}]\n"
	for _, c := range []struct {
		listen, rest string
		want         bool
	}{
		{"127.0.0.1:1", "", true},
		{"127.1.2.3:1", "", true},
		{"localhost:1", "", true},
		{"'[::1]:1'", "", true},
		{"unix:/run/x", "", true},
		{"0.0.0.0:1", "", false},
		{"':1'", "", false},
		{"'[::]:1'", "", false},
		{"10.0.0.1:1", "", false},
		{"example.com:1", "", false},
		{"localhost.example.com:1", "", false},
		{"127.0.0.1.example.com:1", "", false},
		{"0.0.0.0:1", "insecure: true\n", true},
		{"0.0.0.0:1", keyed + "auth: {keys: [{name: a, key: {env: KEY_B}}]}\n", true},
		{"127.0.0.1:1", "admin: 0.0.0.0:2\n", true}, // it has its token
	} {
		_, problems := resolve(t, "listen: "+c.listen+"\n"+c.rest, Overrides{})
		if (problems == nil) != c.want {
			t.Errorf("%s %q: %v", c.listen, c.rest, problems)
		}
		if problems != nil {
			mentions(t, problems, "/cfg/trapgate.yaml:1:1: listen: ", "nothing says who may call", "hint: ")
		}
	}
}

func TestSelfReference(t *testing.T) {
	own := func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.1.1.1")} }
	for _, c := range []struct {
		listen, upstream string
		want             bool
	}{
		{"127.0.0.1:4000", "127.0.0.1:4000", true},
		{"127.0.0.1:4000", "localhost:4000", true},
		{"127.0.0.1:4000", "LOCALHOST.:4000", true},
		{"127.0.0.1:4000", "0.0.0.0:4000", true},
		{"127.0.0.1:4000", "[::]:4000", true},
		{"127.0.0.1:4000", "[::ffff:127.0.0.1]:4000", true},
		{"[::1]:4000", "localhost:4000", true},
		{"[::1]:4000", "[::1]:4000", true},
		{"localhost:4000", "127.0.0.1:4000", true},
		{"0.0.0.0:4000", "127.0.0.5:4000", true},
		{":4000", "10.1.1.1:4000", true},
		{"[::]:4000", "localhost:4000", true},
		{"example.com:4000", "Example.com:4000", true},
		{"127.0.0.1:4000", "127.0.0.1:4001", false},
		{"127.0.0.1:4000", "127.0.0.2:4000", false},
		{"127.0.0.1:4000", "[::1]:4000", false},
		{"127.0.0.1:4000", "example.com:4000", false},
		{":4000", "10.9.9.9:4000", false},
		{":4000", "example.com:4000", false},
	} {
		u := &Upstream{Network: "tcp", Address: c.upstream}
		if got := sameListener(Addr{"tcp", c.listen}, u, own); got != c.want {
			t.Errorf("listen %s, upstream %s: %v", c.listen, c.upstream, got)
		}
	}
	if !sameListener(Addr{"unix", "/s"}, &Upstream{Network: "unix", Address: "/s"}, own) || sameListener(Addr{"unix", "/s"}, &Upstream{Network: "unix", Address: "/t"}, own) {
		t.Error("Unix sockets")
	}
}

// With port 0 the port is known only once the listener is bound.
func TestCheckSelf(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, p, _ := net.SplitHostPort(l.Addr().String())
	s := good(t, "listen: 127.0.0.1:0\nupstreams:\n  - name: loop\n    base_url: http://localhost:"+p+"/v1\n")
	err = s.CheckSelf(l.Addr())
	if err == nil || !strings.HasPrefix(err.Error(), "/cfg/trapgate.yaml:4:5: upstreams[0].base_url: upstream loop points at trapgate's own listener") {
		t.Error(err)
	}
	if err := good(t, "").CheckSelf(l.Addr()); err != nil {
		t.Error(err)
	}
}

func TestAllowHost(t *testing.T) {
	s := good(t, "hosts: [Trapgate.Internal, '*.svc.cluster.local', 10.0.0.7]\norigins: ['https://chat.example.com']\n")
	for host, want := range map[string]bool{
		"localhost": true, "localhost:4000": true, "LOCALHOST.": true, "127.0.0.1:4000": true, "127.9.9.9": true, "[::1]:4000": true, "[::1]": true, "a.localhost": true,
		"trapgate.internal": true, "trapgate.internal:80": true, "x.svc.cluster.local": true, "10.0.0.7:4000": true,
		"": false, ":4000": false, "evil.com": false, "evil.com:4000": false, "localhost.evil.com": false, "127.0.0.1.nip.io": false, "trapgate.internal.evil.com": false,
		"[::1": false, "[::1]x": false, "10.0.0.8": false, "192.168.0.1": false, "0.0.0.0": false, "user@localhost": false,
	} {
		if got := s.AllowHost([]byte(host)); got != want {
			t.Errorf("Host %q: %v", host, got)
		}
	}
	for origin, want := range map[string]bool{
		"https://chat.example.com": true, "HTTPS://chat.example.com": true, "http://chat.example.com": false, "https://chat.example.com:8443": false,
		"null": false, "": false, "http://localhost:3000": false, "https://chat.example.com.evil.com": false,
	} {
		if got := s.AllowOrigin([]byte(origin)); got != want {
			t.Errorf("Origin %q: %v", origin, got)
		}
	}
}

// Every request asks.
func TestAllowHostAllocatesNothing(t *testing.T) {
	s := good(t, "hosts: ['*.svc.cluster.local']\n")
	for _, host := range []string{"127.0.0.1:4000", "localhost:4000", "[::1]:4000", "trapgate.team-a.svc.cluster.local:4000"} {
		h := []byte(host)
		if n := testing.AllocsPerRun(100, func() { _ = s.AllowHost(h) }); n > 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}
