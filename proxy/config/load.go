package config

import (
	"errors"
	"io/fs"
	"os"
)

// Load reads and checks a file as Parse does. An empty path gives the empty Config. The error is of type Problems.
func Load(path string, env Env) (*Config, error) {
	if path == "" {
		return &Config{}, nil
	}
	data, err := env.read(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	c, problems := Parse(path, data, env)
	return c, problems.err()
}

func unreadable(path string, err error) Problems {
	hint := ""
	if errors.Is(err, fs.ErrNotExist) {
		hint = "give the path with --config or $" + EnvConfig + "; without a file the defaults hold"
	}
	return Problems{{File: path, Msg: "cannot be read: " + reason(err), Hint: hint}}
}

// reason is the cause of a file system's error without the path.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Parse reads the bytes of a file and checks all that can be checked without flags: form, values, references, credentials,
// and that the secrets and certificates are there. Name is used in problems, and relative paths in the file start at its
// folder. The Config is never nil, but only fit for Resolve when there are no problems.
func Parse(name string, data []byte, env Env) (*Config, Problems) {
	c, problems := decodeBytes(name, data)
	if len(problems) > 0 && c.marks.at == nil {
		return c, problems // not even YAML
	}
	b := builder{cfg: c, env: env}
	b.file()
	return c, append(problems, b.problems...).sorted()
}

func decodeBytes(name string, data []byte) (*Config, Problems) {
	c := &Config{name: name}
	root, problem := document(name, data)
	if problem != nil {
		return c, Problems{*problem}
	}
	d := decoder{file: name}
	d.decodeFile(root, c)
	return c, d.problems
}

// Resolve makes the snapshot that holds: flags over environment over file over defaults. A nil file is as an empty one.
// The error is of type Problems and lists everything that is wrong.
func Resolve(file *Config, env Env, flags Overrides) (*Snapshot, error) {
	if file == nil {
		file = &Config{}
	}
	b := builder{cfg: file, env: env, flags: flags, resolve: true}
	s := b.snapshot()
	if problems := b.problems.sorted(); len(problems) > 0 {
		return nil, problems
	}
	s.Warnings = b.warnings.sorted()
	return s, nil
}

// Open is Load and Resolve in one, with the problems of both at once: what serve, run and check do.
func Open(path string, env Env, flags Overrides) (*Snapshot, error) {
	s, _, err := open(path, env, flags)
	return s, err
}

// open also returns the files that were looked at, so that a Watcher knows what to wait for after a failure.
func open(path string, env Env, flags Overrides) (*Snapshot, []string, error) {
	c, problems := &Config{}, Problems(nil)
	if path != "" {
		data, err := env.read(path)
		if err != nil {
			return nil, []string{path}, unreadable(path, err)
		}
		if c, problems = decodeBytes(path, data); len(problems) > 0 && c.marks.at == nil {
			return nil, []string{path}, problems
		}
	}
	b := builder{cfg: c, env: env, flags: flags, resolve: true}
	s := b.snapshot()
	if all := append(problems, b.problems...).sorted(); len(all) > 0 {
		return nil, s.watch, all
	}
	s.Warnings = b.warnings.sorted()
	return s, s.watch, nil
}
