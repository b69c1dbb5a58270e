package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
)

// A builder checks a Config and makes a Snapshot of it. It goes on after a problem, to find them all, and stays silent about
// what the decoder has already reported.
type builder struct {
	cfg     *Config
	env     Env
	flags   Overrides
	resolve bool // flags and environment are known: check what depends on them

	snap     Snapshot
	problems Problems
	warnings Problems
}

// wrong reports a problem with a key of the file, unless that key is known to be wrong.
func (b *builder) wrong(key, hint, format string, args ...any) {
	if !b.ok(key) {
		return
	}
	b.problems = append(b.problems, b.at(key, hint, format, args...))
}

func (b *builder) at(key, hint, format string, args ...any) Problem {
	p := Problem{File: b.cfg.name, Key: key, Msg: fmt.Sprintf(format, args...), Hint: hint}
	if b.cfg.marks.at != nil {
		at := b.cfg.marks.of(key)
		p.Line, p.Col = at.line, at.col
	}
	return p
}

// ok reports whether the decoder could read the key.
func (b *builder) ok(key string) bool { return !b.cfg.marks.bad[key] }

// outside reports a problem with a flag or an environment variable.
func (b *builder) outside(key, hint, format string, args ...any) {
	b.problems = append(b.problems, Problem{Key: key, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// problem reports at a source, which is a key of the file, or a flag or variable.
func (b *builder) problem(src source, hint, format string, args ...any) {
	if src.outside {
		b.outside(src.key, hint, format, args...)
		return
	}
	b.wrong(src.key, hint, format, args...)
}

// A source says where a setting came from.
type source struct {
	key     string
	outside bool
}

// pick returns the setting that wins, and where it came from.
func (b *builder) pick(flag, flagName, env, key, inFile, byDefault string) (string, source) {
	if b.resolve {
		if flag != "" {
			return flag, source{"--" + flagName, true}
		}
		if v := b.env.get(env); v != "" {
			return v, source{"$" + env, true}
		}
	}
	if inFile != "" {
		return inFile, source{key, false}
	}
	return byDefault, source{key, false}
}

// file checks what the file says by itself.
func (b *builder) file() { b.snapshot() }

func (b *builder) snapshot() *Snapshot {
	s := &b.snap
	s.File, s.marks = b.cfg.name, b.cfg.marks
	if s.File != "" {
		b.watch(s.File)
	}
	s.Insecure = b.cfg.Insecure
	listen, admin := b.listeners()
	b.data()
	b.limits()
	b.telemetry()
	b.names()
	b.authKeys()
	b.upstreams()
	b.credentials()
	b.routes()
	b.schedule()
	b.context()
	b.memory()
	b.tls()
	if b.resolve {
		b.exposure(listen)
		b.selfReference(listen, admin)
	}
	return s
}

// watch remembers a file whose change asks for a reload.
func (b *builder) watch(path string) {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	b.snap.watch = append(b.snap.watch, path)
}

func (b *builder) data() {
	dir, src := b.pick(b.flags.Data, "data", EnvData, "data", b.cfg.Data, "")
	switch {
	case dir != "" && src.outside:
		b.snap.Data = b.env.path("", dir)
	case dir != "":
		b.snap.Data = b.env.path(b.cfg.name, dir)
	case filepath.IsAbs(b.env.get("XDG_STATE_HOME")):
		b.snap.Data = filepath.Join(b.env.get("XDG_STATE_HOME"), "trapgate")
	case filepath.IsAbs(b.env.get("HOME")):
		b.snap.Data = filepath.Join(b.env.get("HOME"), ".local", "state", "trapgate")
	}
}

const (
	minBody, maxBody       = 1 << 10, 1<<31 - 1 // views address bodies with 31 bits
	minHeaders, maxHeaders = 4 << 10, 16 << 20
)

func (b *builder) limits() {
	c, l := &b.cfg.Limits, &b.snap.Limits
	l.Body = b.size("limits.body", c.Body, 64<<20, minBody, maxBody)
	l.Headers = int(b.size("limits.headers", c.Headers, 64<<10, minHeaders, maxHeaders))
	l.Connections = or(c.Connections, 4096)
	l.Write = b.time("limits.write", c.Write, 5*time.Minute)
	l.Idle = b.time("limits.idle", c.Idle, 5*time.Minute)
	l.StreamIdle = b.time("limits.stream_idle", c.StreamIdle, 5*time.Minute)
	l.Drain = time.Duration(or(c.Drain, Duration(30*time.Second)))
	l.Retries = or(c.Retry.Attempts, 2)
	l.RetryTotal = time.Duration(or(c.Retry.Total, Duration(10*time.Second)))
	l.Retry500 = c.Retry.On500
}

func or[T any](p *T, byDefault T) T {
	if p == nil {
		return byDefault
	}
	return *p
}

func (b *builder) size(key string, p *Size, byDefault, low, high int64) int64 {
	n := int64(or(p, Size(byDefault)))
	if n < low || n > high {
		b.wrong(key, "", "must be from %s to %s (got %s)", Size(low), Size(high), Size(n))
	}
	return n
}

// time returns a time that must not be zero.
func (b *builder) time(key string, p *Duration, byDefault time.Duration) time.Duration {
	d := time.Duration(or(p, Duration(byDefault)))
	if d < time.Millisecond {
		b.wrong(key, "", "must be at least 1ms (got %s)", Duration(d))
	}
	return d
}

func (b *builder) telemetry() {
	c, t := &b.cfg.Telemetry, &b.snap.Telemetry
	t.Content, t.LogJSON, t.LogExchanges = c.Content, c.Log.Format == "json", or(c.Log.Exchanges, true)
	if c.Log.Level != "" {
		if err := t.LogLevel.UnmarshalText([]byte(c.Log.Level)); err != nil {
			t.LogLevel = slog.LevelInfo
		}
	}
}

// secret reads what a reference points to. It must fit into a header line.
func (b *builder) secret(key string, ref *SecretRef) Secret {
	switch {
	case ref == nil || !b.ok(key) || !b.ok(key+".env") || !b.ok(key+".file"):
		return Secret{}
	case ref.Env != "":
		return b.envSecret(key+".env", ref.Env)
	case ref.File != "":
		return b.fileSecret(key+".file", ref.File)
	}
	b.wrong(key, "write {env: NAME} or {file: PATH}", "must name where the secret is found")
	return Secret{}
}

func (b *builder) envSecret(key, name string) Secret {
	if !envName(name) {
		b.wrong(key, "secrets do not stand in this file", "must be the name of an environment variable")
		return Secret{}
	}
	value := strings.TrimRight(b.env.get(name), "\r\n")
	if value == "" {
		// Names in lower case may be secrets put here by mistake, so they are not shown.
		if name == strings.ToUpper(name) {
			b.wrong(key, "set "+name+" in the environment of trapgate", "environment variable %s is not set or empty", name)
		} else {
			b.wrong(key, "it takes the name of a variable, not the secret itself", "environment variable is not set or empty")
		}
		return Secret{}
	}
	return b.checkedSecret(key, value)
}

func (b *builder) fileSecret(key, path string) Secret {
	abs := b.env.path(b.cfg.name, path)
	b.watch(abs)
	data, err := b.env.read(abs)
	if err != nil {
		where := ""
		if strings.Contains(path, "/") {
			where = " " + abs
		}
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "relative paths start at the folder of the configuration file"
		}
		b.wrong(key, hint, "file%s cannot be read: %s", where, reason(err))
		return Secret{}
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" {
		b.wrong(key, "", "file is empty")
		return Secret{}
	}
	return b.checkedSecret(key, value)
}

const maxSecret = 16 << 10

func (b *builder) checkedSecret(key, value string) Secret {
	for _, c := range []byte(value) {
		if c < ' ' || c == 0x7f {
			b.wrong(key, "it must be one line of text", "the secret holds a line break or a control character")
			return Secret{}
		}
	}
	if len(value) > maxSecret {
		b.wrong(key, "", "the secret is too long (%d bytes; at most %d)", len(value), maxSecret)
		return Secret{}
	}
	return NewSecret(value)
}

func envName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
