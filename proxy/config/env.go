package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The environment variables that stand for flags. Flags win over them, and they win over the file.
const (
	EnvConfig   = "TRAPGATE_CONFIG"   // --config
	EnvListen   = "TRAPGATE_LISTEN"   // --listen
	EnvAdmin    = "TRAPGATE_ADMIN"    // --admin
	EnvUpstream = "TRAPGATE_UPSTREAM" // --upstream
	EnvData     = "TRAPGATE_DATA"     // --data
)

// The environment variables of the SDKs: where the two upstreams are that hold without a file. Empty counts as unset.
const (
	EnvOpenAI    = "OPENAI_BASE_URL"
	EnvAnthropic = "ANTHROPIC_BASE_URL"
)

// An Env is where the configuration looks besides its file. Nil functions find nothing.
type Env struct {
	Lookup   func(name string) (value string, ok bool) // an environment variable
	ReadFile func(path string) ([]byte, error)         // a secret or a certificate
}

// OSEnv is the process's own environment and file system.
func OSEnv() Env { return Env{Lookup: os.LookupEnv, ReadFile: readFile} }

// Overrides are what the command line says; "" means not given.
type Overrides struct {
	Listen, Admin, Upstream, Data string
	Schedule                      bool   // on with its defaults, when the file has no schedule section
	Context                       string // on, observe or off, in place of context.mode; without a context section with its defaults
	Memory                        string // the same of memory
	User                          string // who memory is of when memory.scope.user says nothing
}

func (e Env) get(name string) string {
	if e.Lookup == nil {
		return ""
	}
	v, _ := e.Lookup(name)
	return v
}

func (e Env) read(path string) ([]byte, error) {
	if e.ReadFile == nil {
		return nil, os.ErrNotExist
	}
	return e.ReadFile(path)
}

// readFile reads a small regular file (pipes count too), so that a wrong path to a device or a huge file cannot hang or fill us.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) > maxFile {
			return buf, nil // whoever reads it refuses the length
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n == 0 || err != nil {
			if err == nil || errors.Is(err, io.EOF) {
				return buf, nil
			}
			return nil, err
		}
	}
}

// path makes a path of the file absolute: ~ is the home directory, and a relative one starts at the file's own folder.
func (e Env) path(file, p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		if home := e.get("HOME"); home != "" {
			p = filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(p) && file != "" {
		p = filepath.Join(filepath.Dir(file), p)
	}
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}
