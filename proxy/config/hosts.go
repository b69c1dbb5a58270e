package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unsafe"
)

// AllowHost reports whether a Host header may call: loopback names and addresses, and the configured ones. The port does not
// matter. A web page whose name was bound to 127.0.0.1 behind our back is refused by its name.
func (s *Snapshot) AllowHost(host []byte) bool {
	if len(host) == 0 {
		return false
	}
	// Nothing keeps the text after the return, so it need not be copied for each request.
	name := hostName(unsafe.String(&host[0], len(host)))
	return name != "" && (loopbackHost(name) || s.hosts != nil && s.hosts.match(name))
}

// hostName strips the port and the brackets, and folds case.
func hostName(host string) string {
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || end+1 < len(host) && host[end+1] != ':' {
			return ""
		}
		return strings.ToLower(host[1:end])
	}
	if name, _, ok := strings.Cut(host, ":"); ok {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// AllowOrigin reports whether pages of a web origin may call: only configured ones. No Origin at all is for the caller to
// let pass: agents send none.
func (s *Snapshot) AllowOrigin(origin []byte) bool {
	for _, o := range s.Origins {
		if strings.EqualFold(o, string(origin)) {
			return true
		}
	}
	return false
}

func (b *builder) names() {
	for i, h := range b.cfg.Hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		name := strings.TrimSuffix(strings.ToLower(h), ".")
		_, err := netip.ParseAddr(name)
		switch {
		case name == "":
			b.wrong(key, "", "is empty")
		case strings.Contains(name, "://") || strings.Contains(name, "/"):
			b.wrong(key, "", "must be a host name, not a URL (got %q)", shorten(h))
		case err != nil && !validHost(strings.ReplaceAll(name, "*", "x")):
			b.wrong(key, "a port is neither needed nor allowed", "must be a host name or a glob of one (got %q)", shorten(h))
		}
		b.snap.Hosts = append(b.snap.Hosts, name)
	}
	b.snap.hosts = newGlobs(b.snap.Hosts)
	for i, o := range b.cfg.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.Contains(o, "*") {
			b.wrong(fmt.Sprintf("origins[%d]", i), "write it as the browser sends it: https://chat.example.com", "must be SCHEME://HOST[:PORT] (got %q)", shorten(o))
		}
		b.snap.Origins = append(b.snap.Origins, strings.ToLower(o))
	}
}
