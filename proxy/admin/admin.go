package admin

import (
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"
)

// Options say what the port shows and to whom.
type Options struct {
	// Hosts and Origins are allowed besides loopback; AllowHost and AllowOrigin are asked instead when set, so that a new
	// configuration counts at once.
	Hosts, Origins         []string
	AllowHost, AllowOrigin func(string) bool
	// Token opens /debug; without one it stays shut, and NoToken says why.
	Token   string
	NoToken string
	// Ready says whether traffic should come here, and why not: "draining", or a bad configuration's position. Reasons may
	// come with true: a bad file does not stop what runs.
	Ready   func() (bool, []string)
	Metrics http.Handler
	State   func() any // a State
	// Context answers ContextPath, to those who have the token. Nil: nobody does.
	Context http.Handler
	// Memory answers MemoryPath and what is below it, to those who have the token. Nil: nobody does.
	Memory http.Handler
	// Share answers what is below SharePath, to those who have the token. Nil: nobody does.
	Share http.Handler
}

// SharePath is where other processes of the data directory come in.
const SharePath = "/share/"

// SharedMemoryPath is where they find the memory that the holder keeps.
const SharedMemoryPath = SharePath + "memory"

// ContextPath is where rewritten conversations are shown.
const ContextPath = "/debug/context"

// MemoryPath is where memory is looked at and changed.
const MemoryPath = "/memory"

// Limits of the server. Profiles take as long as they are asked to, so writing has none.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 30 * time.Second
	maxHeader     = 16 << 10
)

// New returns the handler.
func New(o Options) http.Handler {
	if o.AllowHost == nil {
		o.AllowHost = hostRule(o.Hosts)
	}
	if o.AllowOrigin == nil {
		o.AllowOrigin = func(origin string) bool { return oneOf(o.Origins, origin) }
	}
	open, debug := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	open.HandleFunc("/readyz", o.readyz)
	if o.Metrics != nil {
		open.Handle("/metrics", o.Metrics)
	}
	debug.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		text(w, http.StatusOK, "/livez\n/readyz\n/metrics\n/debug/state\n/debug/pprof/")
	})
	debug.HandleFunc("/debug/state", o.state)
	if o.Context != nil {
		debug.Handle(ContextPath, o.Context)
	}
	if o.Memory != nil {
		debug.Handle(MemoryPath, o.Memory)
		debug.Handle(MemoryPath+"/", o.Memory)
	}
	if o.Share != nil {
		debug.Handle(SharePath, o.Share)
	}
	debug.HandleFunc("/debug/pprof/", pprof.Index)
	debug.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	debug.HandleFunc("/debug/pprof/profile", pprof.Profile)
	debug.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	debug.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !mayChange(r.URL.Path) {
			h.Set("Allow", "GET, HEAD")
			text(w, http.StatusMethodNotAllowed, "admin: only GET and HEAD")
			return
		}
		for _, origin := range r.Header.Values("Origin") {
			if !o.AllowOrigin(origin) {
				text(w, http.StatusForbidden, "admin: this Origin is not configured\nhint: origins in the configuration lists web pages that may call")
				return
			}
		}
		switch r.URL.Path {
		case "/livez", "/readyz", "/metrics": // kubelet and Prometheus come with the pod's address
			open.ServeHTTP(w, r)
			return
		}
		if o.admit(w, r) {
			debug.ServeHTTP(w, r)
		}
	})
}

// mayChange reports whether something at a path can be changed; what is there says which methods it takes.
func mayChange(path string) bool {
	return path == MemoryPath || strings.HasPrefix(path, MemoryPath+"/")
}

// admit checks Host and token.
func (o *Options) admit(w http.ResponseWriter, r *http.Request) bool {
	if !o.AllowHost(r.Host) {
		text(w, http.StatusForbidden, "admin: this Host is neither loopback nor configured\nhint: hosts in the configuration lists more names")
		return false
	}
	if o.Token == "" {
		why := o.NoToken
		if why == "" {
			why = "there is no admin token"
		}
		text(w, http.StatusForbidden, "admin: closed: "+why+"\nhint: give a data directory that can be written: --data")
		return false
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(strings.TrimSpace(given)), []byte(o.Token)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		text(w, http.StatusUnauthorized, "admin: wants the token\nhint: Authorization: Bearer TOKEN, from "+TokenFile+" in the data directory")
		return false
	}
	return true
}

func (o *Options) readyz(w http.ResponseWriter, r *http.Request) {
	ready, reasons := true, []string(nil)
	if o.Ready != nil {
		ready, reasons = o.Ready()
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") || r.URL.Query().Get("format") == "json" {
		writeJSON(w, status, struct {
			Ready   bool     `json:"ready"`
			Reasons []string `json:"reasons"`
		}{ready, append([]string{}, reasons...)})
		return
	}
	body := "ready"
	if !ready {
		body = "not ready"
	}
	for _, why := range reasons {
		body += "\n- " + strings.ReplaceAll(why, "\n", "\n  ")
	}
	text(w, status, body)
}

func (o *Options) state(w http.ResponseWriter, _ *http.Request) {
	if o.State == nil {
		text(w, http.StatusNotFound, "admin: nothing to show")
		return
	}
	writeJSON(w, http.StatusOK, o.State())
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body + "\n"))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		text(w, http.StatusInternalServerError, "admin: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// hostRule allows loopback and the given names, whatever the port.
func hostRule(hosts []string) func(string) bool {
	return func(host string) bool {
		name := host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
		name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
		if name == "localhost" || oneOf(hosts, name) {
			return true
		}
		addr, err := netip.ParseAddr(name)
		return err == nil && addr.Unmap().IsLoopback()
	}
}

func oneOf(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}
