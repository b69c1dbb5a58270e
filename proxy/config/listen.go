package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

const (
	defaultListen = "127.0.0.1:4000"
	defaultAdmin  = "127.0.0.1:4001"
	off           = "off"
)

// A listener is an address and where it came from.
type listener struct {
	addr Addr
	src  source
}

func (b *builder) listeners() (listen, admin listener) {
	text, src := b.pick(b.flags.Listen, "listen", EnvListen, "listen", b.cfg.Listen, defaultListen)
	listen = listener{b.listenAddr(text, src), src}
	text, src = b.pick(b.flags.Admin, "admin", EnvAdmin, "admin", b.cfg.Admin, defaultAdmin)
	admin = listener{src: src}
	if text != off {
		admin.addr = b.listenAddr(text, src)
	}
	b.snap.Listen, b.snap.Admin = listen.addr, admin.addr
	if listen.addr == admin.addr && !listen.addr.IsZero() && port(listen.addr) != "0" {
		b.problem(admin.src, "agents and admin need a port each", "is the same address as listen (%s)", listen.addr)
	}
	return listen, admin
}

func (b *builder) listenAddr(text string, src source) Addr {
	a, err := ParseAddr(text)
	if err != nil {
		b.problem(src, "write 127.0.0.1:4000, :4000 for all interfaces, or unix:/run/trapgate.sock", "%v (got %q)", err, shorten(text))
	}
	return a
}

// ParseAddr reads HOST:PORT (an empty host stands for all interfaces) or unix:/PATH.
func ParseAddr(text string) (Addr, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !strings.HasPrefix(path, "/") || len(path) > maxSocket || strings.ContainsRune(path, 0) {
			return Addr{}, errors.New("must be unix: and an absolute path of at most 100 bytes")
		}
		return Addr{"unix", path}, nil
	}
	host, p, err := net.SplitHostPort(text)
	if err != nil {
		return Addr{}, errors.New("must be HOST:PORT")
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || strconv.FormatUint(n, 10) != p {
		return Addr{}, errors.New("must have a port from 0 to 65535")
	}
	if host != "" && !validHost(host) {
		return Addr{}, errors.New("must be HOST:PORT")
	}
	return Addr{"tcp", net.JoinHostPort(host, p)}, nil
}

// validHost accepts IP addresses and names of letters, digits, '-', '_' and '.'.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, c := range []byte(host) {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return host != "" && len(host) <= 253
}

func port(a Addr) string {
	if a.Network != "tcp" {
		return ""
	}
	_, p, _ := net.SplitHostPort(a.Address)
	return p
}

// IsLoopback reports whether only this machine can reach the address. Host names other than localhost count as reachable.
func (a Addr) IsLoopback() bool {
	if a.Network != "tcp" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.Address)
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// loopbackHost reports whether a name or an address stands for this machine alone; browsers bind *.localhost to it.
func loopbackHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if host == "" || host[0] != ':' && (host[0] < '0' || host[0] > '9') {
		return false // a name; asking the parser would cost an error
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// exposure refuses to serve strangers. The admin listener has its own token and needs no such rule.
func (b *builder) exposure(listen listener) {
	if listen.addr.IsZero() || listen.addr.IsLoopback() || b.cfg.Auth != nil || b.cfg.Insecure {
		return
	}
	b.problem(listen.src, "add auth.keys, listen on 127.0.0.1, or set insecure: true in the configuration file to let anybody in",
		"%s can be reached from other machines, and nothing says who may call", listen.addr)
}

// selfReference refuses upstreams that are our own listeners: a request would go round for ever.
func (b *builder) selfReference(listen, admin listener) {
	for _, l := range []listener{listen, admin} {
		for _, u := range b.snap.Upstreams {
			if u.Network != "" && l.addr.Network != "" && port(l.addr) != "0" && sameListener(l.addr, u, localIPs) {
				b.problem(u.src, selfHint(u), "upstream %s points at trapgate's own listener %s", u.Name, l.addr)
			}
		}
	}
}

func selfHint(u *Upstream) string {
	if u.src.outside && strings.HasPrefix(u.src.key, "$") {
		return "unset " + u.src.key[1:] + " for trapgate itself, or give --upstream; agents keep it"
	}
	return "write the model API's own address"
}

// CheckSelf returns an error when an upstream points at a bound listener. It is what Resolve checks, for port 0, where the
// port is known only then; call it before the first request.
func (s *Snapshot) CheckSelf(bound net.Addr) error {
	a := Addr{bound.Network(), bound.String()}
	if strings.HasPrefix(a.Network, "tcp") {
		a.Network = "tcp"
	}
	for _, u := range s.Upstreams {
		if sameListener(a, u, localIPs) {
			p := Problem{Key: u.src.key}
			if !u.src.outside {
				p = s.problem(u.src.key, "")
			}
			p.Msg, p.Hint = fmt.Sprintf("upstream %s points at trapgate's own listener %s", u.Name, a), selfHint(u)
			return p
		}
	}
	return nil
}

// sameListener reports whether dialling the upstream reaches the listener at a.
func sameListener(a Addr, u *Upstream, local func() []netip.Addr) bool {
	if a.Network != u.Network {
		return false
	}
	if a.Network == "unix" {
		return a.Address == u.Address
	}
	if u.Proxy.URL() != nil || port(a) != port(Addr{u.Network, u.Address}) {
		return false
	}
	lhost, _, _ := net.SplitHostPort(a.Address)
	uhost, _, _ := net.SplitHostPort(u.Address)
	lips, lany := addresses(lhost)
	uips, uany := addresses(uhost)
	if uany { // dialling 0.0.0.0 or [::] reaches loopback
		uips = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	}
	if strings.EqualFold(lhost, uhost) && lhost != "" {
		return true
	}
	for _, ip := range uips {
		if lany {
			if ip.IsLoopback() {
				return true
			}
			for _, own := range local() {
				if own == ip {
					return true
				}
			}
		}
		for _, l := range lips {
			if l == ip {
				return true
			}
		}
	}
	return false
}

// addresses returns the IP addresses that a host stands for without asking DNS, and whether it stands for all interfaces.
func addresses(host string) (ips []netip.Addr, all bool) {
	if host == "" {
		return nil, true
	}
	host = strings.TrimSuffix(host, ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		return []netip.Addr{ip}, ip.IsUnspecified()
	}
	if loopbackHost(host) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}, false
	}
	if own, err := os.Hostname(); err == nil && strings.EqualFold(own, host) {
		return append(localIPs(), netip.MustParseAddr("127.0.0.1")), false
	}
	return nil, false
}

// localIPs lists the addresses of this machine.
func localIPs() []netip.Addr {
	list, _ := net.InterfaceAddrs()
	ips := make([]netip.Addr, 0, len(list))
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				ips = append(ips, ip.Unmap())
			}
		}
	}
	return ips
}

func (b *builder) tls() {
	c := b.cfg.TLS
	if c == nil || !b.ok("tls") || !b.ok("tls.cert") || !b.ok("tls.key") {
		return
	}
	cert, key := b.pem("tls.cert", c.Cert), b.pem("tls.key", c.Key)
	if cert == nil || key == nil {
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		b.wrong("tls", "", "certificate and key do not fit: %s", strings.TrimPrefix(err.Error(), "tls: "))
		return
	}
	b.snap.TLS = &pair
}

// pem reads a file that must not be empty; nil after a problem.
func (b *builder) pem(key, path string) []byte {
	if path == "" {
		b.wrong(key, "", "is empty")
		return nil
	}
	abs := b.env.path(b.cfg.name, path)
	b.watch(abs)
	data, err := b.env.read(abs)
	if err != nil {
		b.wrong(key, "", "file %s cannot be read: %s", abs, reason(err))
		return nil
	}
	if len(data) == 0 {
		b.wrong(key, "", "file %s is empty", abs)
		return nil
	}
	return data
}
