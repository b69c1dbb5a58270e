package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// baseURL checks a base URL and takes it to pieces.
func (b *builder) baseURL(u *Upstream, text string, src source) {
	if !src.outside && !b.ok(src.key) {
		return
	}
	fail := func(hint, format string, args ...any) { b.problem(src, hint, format, args...) }
	written := text
	socket, text := cutSocket(text)
	p, err := url.Parse(text)
	if err != nil || p.Scheme == "" || p.Opaque != "" || p.Host == "" && p.Path == "" {
		hint := ""
		if looksLikeHost(text) {
			hint = "write http://" + text + " or https://" + text
		}
		fail(hint, "must be an absolute URL (got %q)", shorten(text))
		return
	}
	switch {
	case p.User != nil:
		fail("use api_key, or headers", "must not hold a user name or password")
	case p.RawQuery != "" || p.ForceQuery || p.Fragment != "":
		fail("the agent's own query is kept", "must end with its path: no query, no fragment")
	case socket != "":
		if !strings.HasPrefix(socket, "/") || len(socket) > maxSocket {
			fail("write http+unix://%2Frun%2Fengine.sock/v1 for the socket /run/engine.sock", "must name an absolute socket path, its slashes written as %%2F")
			return
		}
		u.Network, u.Address, u.Host = "unix", socket, "localhost"
	case p.Scheme != "http" && p.Scheme != "https":
		fail("", "must begin with http://, https:// or http+unix:// (got %q)", shorten(text))
	default:
		b.tcpURL(u, p, fail)
	}
	u.BasePath = strings.TrimRight(p.EscapedPath(), "/")
	u.BaseURL = strings.TrimRight(written, "/")
	if strings.Contains(u.BasePath, "//") || !plainPath(u.BasePath) {
		fail("", "has a path that is not plain (got %q)", shorten(u.BasePath))
	}
}

// maxSocket is the longest path of a Unix socket that all systems take.
const maxSocket = 100

// cutSocket takes the socket out of http+unix://SOCKET/PATH and puts a host in its place: url.Parse allows no %2F in hosts.
func cutSocket(text string) (socket, rest string) {
	after, ok := strings.CutPrefix(text, "http+unix://")
	if !ok {
		return "", text
	}
	host, path := after, ""
	if i := strings.IndexByte(after, '/'); i >= 0 {
		host, path = after[:i], after[i:]
	}
	socket, err := url.PathUnescape(host)
	if err != nil || socket == "" {
		socket = "-" // refused by its reader
	}
	return socket, "http://localhost" + path
}

func (b *builder) tcpURL(u *Upstream, p *url.URL, fail func(hint, format string, args ...any)) {
	host, port := p.Hostname(), p.Port()
	if !validHost(host) {
		fail("", "must have a host name or an IP address (got %q)", shorten(p.Host))
		return
	}
	u.UseTLS = p.Scheme == "https"
	if port == "" {
		port = "80"
		if u.UseTLS {
			port = "443"
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		fail("", "must have a port from 1 to 65535 (got %q)", shorten(port))
		return
	}
	u.Network, u.Address, u.Host = "tcp", net.JoinHostPort(host, port), strings.TrimSuffix(p.Host, ":")
	if u.UseTLS {
		u.ServerName = host
		if ip, err := netip.ParseAddr(host); err == nil {
			u.ServerName = ip.WithZone("").String()
		}
	}
}

func looksLikeHost(text string) bool {
	host, _, _ := strings.Cut(text, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return validHost(host)
}

// proxy settles how an upstream is reached, once for a snapshot.
func (b *builder) proxy(u *Upstream, configured ProxyURL) {
	if !configured.IsZero() || u.Network != "tcp" {
		u.Proxy = configured
		return
	}
	env := func(upper string) string {
		if v := b.env.get(upper); v != "" {
			return v
		}
		return b.env.get(strings.ToLower(upper))
	}
	c := httpproxy.Config{HTTPProxy: env("HTTP_PROXY"), HTTPSProxy: env("HTTPS_PROXY"), NoProxy: env("NO_PROXY")}
	target := url.URL{Scheme: "http", Host: u.Address}
	variable := "$HTTP_PROXY"
	if u.UseTLS {
		target.Scheme, variable = "https", "$HTTPS_PROXY"
	}
	p, err := c.ProxyFunc()(&target)
	if p == nil && err == nil {
		return
	}
	why := "is not a URL"
	if err == nil {
		u.Proxy, why = parseProxy(p.String())
	}
	if why != "" {
		b.outside(variable, "name the host in $NO_PROXY, or set proxy: direct for the upstream", "%s", why)
	}
}

// parseProxy reads a proxy's address, or direct. The second result says what is wrong; it shows nothing of the address.
func parseProxy(text string) (ProxyURL, string) {
	if text == direct {
		return ProxyURL{text: NewSecret(text)}, ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || !validHost(u.Hostname()):
		return ProxyURL{}, "must be the URL of a proxy"
	case u.Scheme != "http" && u.Scheme != "https":
		return ProxyURL{}, "must be an http:// or https:// proxy"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return ProxyURL{}, "must be a URL without path and query"
	}
	return ProxyURL{text: NewSecret(text), u: u}, ""
}
