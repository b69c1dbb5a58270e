package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/trapgate/trapgate/proxy/admin"
)

// Limits of one look at the state.
const (
	askTimeout = 3 * time.Second
	maxState   = 32 << 20
)

// A client asks one admin port.
type client struct {
	http  *http.Client
	url   string
	token string
}

// newClient takes "host:port", a URL, or "unix:PATH". A wildcard host means this machine.
func newClient(addr, token string) (*client, error) {
	c := &client{token: token}
	transport := &http.Transport{MaxIdleConns: 1, DisableCompression: true}
	switch path, unix := strings.CutPrefix(addr, "unix:"); {
	case addr == "":
		return nil, errors.New("top: no admin address\nhint: --admin HOST:PORT")
	case unix:
		c.url = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
	case strings.Contains(addr, "://"):
		c.url = strings.TrimSuffix(addr, "/")
	default:
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("top: admin address: %w", err)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		c.url = "http://" + net.JoinHostPort(host, port)
	}
	// The token goes to the address that was given and nowhere else.
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// ask returns what is in flight now.
func (c *client) ask(ctx context.Context) (*admin.State, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/debug/state", nil)
	if err != nil {
		return nil, fmt.Errorf("top: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("top: %w\nhint: is Trapgate running, and is this its admin address?", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxState))
	if err != nil {
		return nil, fmt.Errorf("top: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("top: %s: %s", resp.Status, plainLines(string(body[:min(len(body), 512)])))
	}
	var s admin.State
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("top: %s: not a state: %w", c.url, err)
	}
	return &s, nil
}
