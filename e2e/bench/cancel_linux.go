package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A cancelRow is what one transport and state gave. Times are microseconds from the agent's close to the upstream's.
// They are 0 when every upstream was lost.
type cancelRow struct {
	Side      string  `json:"side"`
	Transport string  `json:"transport"`
	State     string  `json:"state"`
	N         int     `json:"n"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	Worst     float64 `json:"worst_us"`
	Lost      int     `json:"lost"` // upstreams that saw nothing within 5 s
}

// leftovers are what a gate holds after all agents have left, more than it held before.
type leftovers struct {
	Transport  string  `json:"transport"`
	Goroutines int     `json:"goroutines"`
	Sockets    int     `json:"sockets"`
	InFlight   int     `json:"in_flight"`
	Slots      int     `json:"slots"` // requests that the upstream still works on
	Settled    float64 `json:"settled_s"`

	stacks map[string]int // goroutines by the functions they are in
}

// A rigging is one gate before one watcher over one transport.
type rigging struct {
	transport string
	side      *side
	gate      *rig.Gate
	up        *watcher
	conf      *tls.Config // of the agent; nil without TLS
}

func (r *rigging) close() {
	r.side.stop()
	_ = r.up.l.Close()
}

// newRigging starts a gate before a watcher. In a run with stand-ins it is the copy proxy, over TCP only.
func newRigging(transport, dir string) (*rigging, error) {
	r := &rigging{transport: transport}
	var err error
	var config, listen string
	switch transport {
	case "TCP":
		if r.up, err = newWatcher("127.0.0.1:0", nil); err != nil {
			return nil, err
		}
		config = gateConfig("http://"+r.up.addr+"/v1", "")
	case "TLS":
		pemFile, keyFile, server, agent, err := certificate(dir)
		if err != nil {
			return nil, err
		}
		if r.up, err = newWatcher("127.0.0.1:0", server); err != nil {
			return nil, err
		}
		r.conf = agent
		config = gateConfig("https://"+r.up.addr+"/v1", "    ca: "+pemFile+"\n") + "tls: {cert: " + pemFile + ", key: " + keyFile + "}\n"
	case "Unix":
		if r.up, err = newWatcher(filepath.Join(dir, "up.sock"), nil); err != nil {
			return nil, err
		}
		listen = "unix:" + filepath.Join(dir, "gate.sock")
		config = gateConfig("http+unix://"+url.PathEscape(r.up.addr)+"/v1", "")
	}
	if standIn {
		r.side, err = startSide(copier, r.up.addr, "")
		return r, err
	}
	if r.gate, err = rig.StartGate(config, listen); err != nil {
		_ = r.up.l.Close()
		return nil, err
	}
	addr := r.gate.Addr()
	if listen != "" {
		addr = strings.TrimPrefix(listen, "unix:")
	}
	r.side = &side{name: gate, addr: addr, pid: r.gate.PID(), stop: func() { _ = r.gate.Close() }}
	return r, nil
}

// leave lets n agents leave in one state, one after the other, for at most limit.
func (r *rigging) leave(state string, n int, limit time.Duration) (cancelRow, error) {
	row := cancelRow{Side: r.side.name, Transport: r.transport, State: state}
	var s sample
	for end := time.Now().Add(limit); row.N < n && time.Now().Before(end); row.N++ {
		took, seen, err := r.leaveOnce(state, row.N)
		if err != nil {
			return row, fmt.Errorf("bench: cancel, %s, %s: %w", r.transport, state, err)
		}
		if !seen {
			if row.Lost++; row.Lost == 3 { // each costs 5 s, and the point is made
				break
			}
			continue
		}
		s.add(took)
	}
	if len(s) > 0 {
		row.P50, row.P99, row.Worst = s.at(0.5), s.at(0.99), s.at(1)
	}
	return row, nil
}

func (r *rigging) leaveOnce(state string, i int) (took time.Duration, seen bool, err error) {
	c, err := dial(r.side.addr, r.conf)
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	ask := state
	if state == second {
		if err := c.ask(r.request(0, finished, false)); err != nil {
			return 0, false, err
		}
		ask = beforeHead
	}
	id, p := r.up.probe()
	if err := c.send(r.request(id, ask, i%2 == 0 || state == midStream || state == silent)); err != nil {
		return 0, false, err
	}
	select {
	case <-p.ready:
	case <-time.After(10 * time.Second):
		return 0, false, fmt.Errorf("the request did not reach the upstream")
	}
	if ask != beforeHead {
		if _, err := c.head(); err != nil {
			return 0, false, err
		}
		if _, err := c.chunk(nil); err != nil {
			return 0, false, err
		}
	}
	time.Sleep(time.Duration(i%5) * 100 * time.Microsecond) // so that not every exchange is at the same point
	if tcp, ok := c.Conn.(*net.TCPConn); ok && i%4 == 3 {
		_ = tcp.SetLinger(0) // a killed agent resets
	}
	start := time.Now()
	_ = c.Close()
	select {
	case at := <-p.gone:
		return at.Sub(start), true, nil
	case <-time.After(5 * time.Second):
		return 0, false, nil
	}
}

func (r *rigging) request(id uint64, state string, stream bool) []byte {
	flag := ""
	if stream {
		flag = `"stream":true,`
	}
	body := fmt.Sprintf(`{"model":"bench-1",%s"messages":[{"role":"user","content":"Ticket %d: wait for me."}]}`, flag, id)
	return append(requestHead("localhost", len(body), fmt.Sprintf("%d %s", id, state)), body...)
}

// count reads what the gate holds now.
func (r *rigging) count() (leftovers, error) {
	l := leftovers{Transport: r.transport, Slots: int(r.up.active.Load()), Sockets: sockets(r.side.pid)}
	if r.gate == nil {
		return l, nil
	}
	_, text, err := r.gate.AdminGet("/debug/pprof/goroutine?debug=1")
	if err != nil {
		return l, err
	}
	if _, err := fmt.Sscanf(string(text), "goroutine profile: total %d", &l.Goroutines); err != nil {
		return l, fmt.Errorf("bench: goroutine profile: %w: %.80s", err, text)
	}
	l.stacks = stacksOf(string(text))
	_, text, err = r.gate.AdminGet("/debug/state")
	if err != nil {
		return l, err
	}
	l.InFlight, err = inFlightOf(text)
	return l, err
}

// inFlightOf finds the number of exchanges in a /debug/state document.
func inFlightOf(text []byte) (int, error) {
	var state struct {
		InFlight json.RawMessage `json:"in_flight"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return 0, fmt.Errorf("bench: /debug/state: %w", err)
	}
	var list []json.RawMessage
	var n int
	switch {
	case json.Unmarshal(state.InFlight, &list) == nil:
		return len(list), nil
	case json.Unmarshal(state.InFlight, &n) == nil:
		return n, nil
	}
	return 0, fmt.Errorf("bench: /debug/state has no in_flight: %.200s", text)
}

// left waits until the gate holds no more than it did before, or the limit has passed, and returns the difference.
func (r *rigging) left(before leftovers, limit time.Duration) (leftovers, error) {
	start := time.Now()
	for {
		l, err := r.count()
		if err != nil {
			return l, err
		}
		l.Goroutines = max(0, l.Goroutines-before.Goroutines)
		l.Sockets = max(0, l.Sockets-before.Sockets)
		l.Settled = time.Since(start).Seconds()
		if l.Goroutines+l.Sockets+l.InFlight+l.Slots == 0 {
			return l, nil
		}
		if time.Since(start) > limit {
			for stack, n := range l.stacks {
				if n > before.stacks[stack] {
					progress("left after %s: %d goroutines in %s", r.transport, n-before.stacks[stack], stack)
				}
			}
			return l, nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// stacksOf reads a goroutine profile in its text form: groups of a line `COUNT @ ADDRESSES` and a line for each function.
func stacksOf(profile string) map[string]int {
	stacks := map[string]int{}
	for group := range strings.SplitSeq(profile, "\n\n") {
		n, names := 0, []string(nil)
		for line := range strings.Lines(group) {
			f := strings.Fields(line)
			switch {
			case len(f) > 1 && f[1] == "@":
				n, _ = strconv.Atoi(f[0])
			case len(f) > 2 && f[0] == "#":
				name, _, _ := strings.Cut(f[2], "+")
				names = append(names, name)
			}
		}
		if n > 0 {
			stacks[strings.Join(names, " < ")] += n
		}
	}
	return stacks
}

// warm lets everything that a gate makes once, on its first request or cancellation, come into being.
func (r *rigging) warm() error {
	for _, state := range states {
		if standIn && (state == beforeHead || state == second) {
			continue
		}
		if _, _, err := r.leaveOnce(state, 0); err != nil {
			return fmt.Errorf("bench: cancel, %s, %s: %w", r.transport, state, err)
		}
	}
	time.Sleep(500 * time.Millisecond)
	return nil
}

// runCancel measures one transport in all four states, in limit; a state that is done early leaves its time to the others.
func runCancel(transport string, n int, limit time.Duration) (rows []cancelRow, l leftovers, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, l, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	r, err := newRigging(transport, dir)
	if err != nil {
		return nil, l, err
	}
	defer r.close()
	if err := r.warm(); err != nil {
		return nil, l, err
	}
	before, err := r.count()
	if err != nil {
		return nil, l, err
	}
	end := time.Now().Add(limit)
	for i, state := range states {
		if standIn && (state == beforeHead || state == second) {
			continue // the copy proxy never closes there
		}
		row, err := r.leave(state, n, time.Until(end)/time.Duration(len(states)-i))
		if err != nil {
			return rows, l, err
		}
		rows = append(rows, row)
	}
	l, err = r.left(before, 20*time.Second)
	return rows, l, err
}

// certificate makes one for loopback that signs itself, and writes it where the gate can read it.
func certificate(dir string) (pemFile, keyFile string, server, agent *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, nil, fmt.Errorf("bench: %w", err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "trapgate bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return "", "", nil, nil, fmt.Errorf("bench: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", nil, nil, fmt.Errorf("bench: %w", err)
	}
	pemFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if err := os.WriteFile(pemFile, certPEM, 0o644); err != nil {
		return "", "", nil, nil, fmt.Errorf("bench: %w", err)
	}
	if err := os.WriteFile(keyFile, keyPEM, 0o600); err != nil {
		return "", "", nil, nil, fmt.Errorf("bench: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return pemFile, keyFile, server, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}, nil
}
