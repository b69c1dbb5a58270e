package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// An authority is a certificate for localhost that signs itself.
type authority struct {
	certFile, keyFile string
	pair              tls.Certificate
	pool              *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &authority{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	c, k := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	os.WriteFile(a.certFile, c, 0o600)
	os.WriteFile(a.keyFile, k, 0o600)
	if a.pair, err = tls.X509KeyPair(c, k); err != nil {
		t.Fatal(err)
	}
	a.pool.AppendCertsFromPEM(c)
	return a
}

func (a *authority) trusted(name string) *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: name}
}

// serve is an upstream that speaks TLS.
func (a *authority) upstream(t *testing.T, respond func(c *upConn, m *message) bool) *fake {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{a.pair}})
	if err != nil {
		t.Fatal(err)
	}
	return fakeOn(t, l, respond)
}

func TestUpstreamsOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	up := ca.upstream(t, okAnswer)
	base := "https://localhost:" + portOf(up) + "/v1"
	g := open(t, "upstreams: [{name: u, base_url: \""+base+"\", credential: agent, ca: "+ca.certFile+"}]\n")
	a := g.dial(t)
	for _, n := range []int{100, 9000, 300_000} {
		body := bodyOf(n)
		a.send(post("/v1/chat/completions", body))
		if m := a.read(); m.status() != 200 || up.last().Body != body || up.last().get("host") != "localhost:"+portOf(up) {
			t.Errorf("%d bytes: %s %q", n, m.Line, up.last().Fields)
		}
	}
	if up.connections() != 1 {
		t.Errorf("%d connections", up.connections())
	}
	stranger := open(t, "upstreams: [{name: u, base_url: \""+base+"\", credential: agent}]\nlimits: {retry: {attempts: 0}}\n")
	if m := stranger.do(t, post("/v1/chat/completions", chatRequest)); m.status() != 502 || m.get("x-trapgate-error") != "upstream_unreachable" {
		t.Errorf("a certificate nobody vouches for: %s %s", m.Line, m.Body)
	}
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// A forwarder is an HTTP proxy that opens tunnels.
type forwarder struct {
	net.Listener
	tunnels atomic.Int32
	head    atomic.Pointer[message]
}

func newForwarder(t *testing.T, l net.Listener, user string) *forwarder {
	f := &forwarder{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c, user)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return f
}

func (f *forwarder) serve(c net.Conn, user string) {
	defer c.Close()
	r := bufio.NewReader(c)
	m, err := readHead(r)
	if err != nil {
		return
	}
	f.head.Store(m)
	if user != "" && m.get("proxy-authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(user)) {
		io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	target := strings.Fields(m.Line)
	to, err := net.Dial("tcp", target[1])
	if err != nil {
		return
	}
	defer to.Close()
	f.tunnels.Add(1)
	io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
	go func() { io.Copy(to, r); to.(*net.TCPConn).CloseWrite() }()
	io.Copy(c, to)
}

func TestUpstreamsThroughProxies(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	plain, secure := newFake(t, okAnswer), ca.upstream(t, okAnswer)
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	open1, guarded := newForwarder(t, listen(), ""), newForwarder(t, listen(), "me:s3cret@")
	for name, tt := range map[string]struct {
		proxy   string
		f       *forwarder
		refused bool
	}{
		"open": {"http://" + open1.Addr().String(), open1, false}, "with credentials": {"http://me:s3cret%40@" + guarded.Addr().String(), guarded, false},
		"wrong credentials": {"http://me:no@" + guarded.Addr().String(), guarded, true},
	} {
		for _, base := range []string{plain.url(), "https://localhost:" + portOf(secure)} {
			var log lockedBuffer
			g := open(t, "upstreams: [{name: u, base_url: \""+base+"\", credential: agent, ca: "+ca.certFile+", proxy: \""+tt.proxy+"\"}]\nlimits: {retry: {attempts: 0}}\n", func(o *gatewayOptions) { o.log, o.quiet = &log, false })
			before := tt.f.tunnels.Load()
			m := g.do(t, post("/v1/chat/completions", chatRequest, "Authorization: Bearer agent-key"))
			if tt.refused {
				if m.status() != 502 || strings.Contains(m.Body, "no@") {
					t.Errorf("%s: %s %s", name, m.Line, m.Body)
				}
				continue
			}
			if m.status() != 200 || tt.f.tunnels.Load() != before+1 {
				t.Errorf("%s to %s: %s %s, %d tunnels", name, base, m.Line, m.Body, tt.f.tunnels.Load()-before)
			}
			if h := tt.f.head.Load(); h.has("authorization") {
				t.Errorf("the proxy got %q", h.Fields)
			}
		}
	}
}
