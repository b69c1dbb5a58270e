package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestSharedContext(t *testing.T) {
	env := fakeEnv(map[string]string{"HOME": "/h", "REDIS": "rediss://user:hush@redis.internal:6380/3", "BAD": "redis://:hush@h:port"}, map[string]string{"/redis": "redis://:hush@h\n"})
	for text, want := range map[string]string{
		"{redis: {env: REDIS}}":                                      "redis.internal:6380, prefix trapgate:context:",
		"{redis: {file: /redis}, prefix: 'prod:'}":                   "h:6379, prefix prod:",
		"{redis: {url: 'redis://h:1/2'}, prefix: trapgate:context:}": "h:1, prefix trapgate:context:",
	} {
		s, problems := resolveIn(t, "context: {shared: "+text+"}", env)
		if problems != nil {
			t.Errorf("%s: %v", text, problems)
			continue
		}
		x := s.Context.Shared
		if x.String() != want || x.Redis.Reveal() == "" {
			t.Errorf("%s: %v, want %s", text, x, want)
		}
		for _, v := range []any{s, s.Context, x, *x, x.Redis} {
			for form, shown := range printed(v) {
				if strings.Contains(shown, "hush") {
					t.Errorf("%s as %s shows a secret: %s", text, form, shown)
				}
			}
		}
	}
	for text, want := range map[string]string{
		"{}":                                   "context.shared.redis: is missing",
		"{prefix: a}":                          "context.shared.redis: is missing",
		"{redis: 'redis://:hush@h'}":           "context.shared.redis: must name where the address is found",
		"{redis: {url: 'redis://:hush@h'}}":    "context.shared.redis.url: must not hold a user name or password",
		"{redis: {env: BAD}}":                  "context.shared.redis.env: must be the address of a Redis",
		"{redis: {env: REDIS}, prefix: 'a b'}": "context.shared.prefix: must be 1 to 64 printable ASCII characters without spaces",
		"{redis: {env: REDIS}, sidecars: 2}":   "context.shared.sidecars: unknown key",
		"{redis: {env: REDIS, file: /redis}}":  "context.shared.redis: has both env and file",
		"{redis: {env: REDIS}, prefix: '" + strings.Repeat("p", 65) + "'}": "context.shared.prefix: must be 1 to 64",
	} {
		_, problems := resolveIn(t, "context: {shared: "+text+"}", env)
		if len(problems) != 1 || strings.Contains(problems.Error(), "hush") {
			t.Errorf("%s: %v", text, problems)
			continue
		}
		mentions(t, problems, want)
	}
	if s := good(t, "context: {}"); s.Context.Shared != nil || s.Context.Shared.String() != "off" {
		t.Errorf("%v", s.Context.Shared)
	}
}

func resolveIn(t *testing.T, text string, env Env) (*Snapshot, Problems) {
	t.Helper()
	c, problems := Parse("t.yaml", []byte(text), env)
	if problems != nil {
		return nil, problems
	}
	s, err := Resolve(c, env, Overrides{})
	if err != nil {
		return nil, err.(Problems)
	}
	return s, nil
}

// Where rewrites are kept holds from the start of the process, whatever sections come and go.
func TestReloadedSharedContext(t *testing.T) {
	const shared = "context: {reserve: %d, shared: {redis: {file: redis}}}\n"
	for name, first := range map[string]string{"shared": fmt.Sprintf(shared, 1), "alone": "context: {reserve: 1}\n", "off": "limits: {}\n"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, address := filepath.Join(dir, "trapgate.yaml"), filepath.Join(dir, "redis")
			write(t, path, first)
			write(t, address, "redis://:hush@one:6379/0\n")
			w, c := watched(t, path)
			was := "off"
			if name == "shared" {
				was = "one:6379, prefix trapgate:context:"
				replace(t, address, "redis://:hush@two:6379/0") // the file that it names is watched too
			} else {
				replace(t, path, fmt.Sprintf(shared, 1))
			}
			check := func(reserve, warnings int) {
				t.Helper()
				e := next(t, c)
				if e.err != nil || e.s != w.Current() || len(e.s.Warnings) != warnings || strings.Contains(e.s.Warnings.Error(), "hush") {
					t.Fatal(e)
				}
				if reserve > 0 && (e.s.Context.Engine.Reserve != reserve || e.s.Context.Shared.String() != was) {
					t.Fatalf("%+v", e.s.Context)
				}
				if warnings > 0 {
					mentions(t, e.s.Warnings, "context.shared: a change of it needs a restart (still "+was+")")
				}
			}
			check(1, 1)
			replace(t, path, "limits: {}\n")
			check(0, 0)
			replace(t, path, "limits: {drain: 1s}\n") // two in a row without it
			check(0, 0)
			replace(t, path, fmt.Sprintf(shared, 2))
			check(2, 1)
			if name != "shared" {
				replace(t, path, "context: {reserve: 3}\n")
				check(3, 0)
			}
		})
	}
}
