package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// Secrets appear in no printed form, neither alone nor inside of what holds them.
func TestSecretsAreNeverShown(t *testing.T) {
	const text = `
upstreams:
  - name: a
    base_url: http://h/v1
    api_key: {env: KEY}
    headers: {X-A: hush-header, X-B: {env: KEY}}
    proxy: http://user:hush-proxy@proxy:3128
auth: {keys: [{name: t, key: {file: /key}}]}
schedule: {shared: {sidecars: 2, redis: {env: REDIS}}}
`
	env := fakeEnv(map[string]string{"KEY": "hush-env", "REDIS": "redis://hush-user:hush-redis@redis:6379/0", "HOME": "/h"}, map[string]string{"/key": "hush-file\r\n"})
	c, problems := Parse("t.yaml", []byte(text), env)
	if problems != nil {
		t.Fatal(problems)
	}
	s, err := Resolve(c, env, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if u := s.Upstreams[0]; u.APIKey.Reveal() != "hush-env" || u.Headers[0].Value.Reveal() != "hush-header" || u.Headers[1].Value.Reveal() != "hush-env" {
		t.Fatal("secrets were not read")
	}
	if name, ok := s.AuthName([]byte("hush-file")); !ok || name != "t" {
		t.Fatal("the key does not let its owner in")
	}
	for name, v := range map[string]any{
		"config": c, "config value": *c, "snapshot": s, "upstream": s.Upstreams[0], "upstream value": *s.Upstreams[0], "secret": s.Upstreams[0].APIKey,
		"pointer": &s.Upstreams[0].APIKey, "headers": s.Upstreams[0].Headers, "proxy": s.Upstreams[0].Proxy, "slice": []Secret{s.Upstreams[0].APIKey},
		"map": map[string]Secret{"x": s.Upstreams[0].APIKey}, "auth": s.auth,
		"schedule": s.Schedule, "shared": s.Schedule.Shared, "shared value": *s.Schedule.Shared, "redis": s.Schedule.Shared.Redis,
	} {
		for form, shown := range printed(v) {
			if strings.Contains(shown, "hush") || strings.Contains(shown, "104 117 115 104") || strings.Contains(shown, "68757368") {
				t.Errorf("%s as %s shows a secret: %s", name, form, shown)
			}
		}
	}
	if shown := fmt.Sprint(s.Upstreams[0].APIKey); shown != "[redacted]" {
		t.Error(shown)
	}
	if shown := s.Upstreams[0].Proxy.String(); shown != "http://proxy:3128" {
		t.Error(shown)
	}
}

// printed returns v in every form that a log or a dump may use.
func printed(v any) map[string]string {
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	if b, err := json.Marshal(v); err == nil {
		out["json"] = string(b)
	}
	if b, err := yaml.Marshal(v); err == nil {
		out["yaml"] = string(b)
	}
	if b, err := xml.Marshal(v); err == nil {
		out["xml"] = string(b)
	}
	var text, jsonLog bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&jsonLog, nil)).Info("x", "v", v)
	out["slog text"], out["slog json"] = text.String(), jsonLog.String()
	return out
}

func TestAuthName(t *testing.T) {
	s := good(t, `
auth: {keys: [{name: a, key: {env: KEY_A}}, {name: b, key: {env: KEY_B}}, {name: a, key: {env: KEY_C}}]}
upstreams: [{name: u, base_url: "http://h", credential: none}]
`)
	for key, want := range map[string]string{"secret-a": "a", "secret-b": "b", "secret-c": "a", "secret-": "", "secret-aa": "", "": "", "SECRET-A": "", strings.Repeat("x", 100_000): ""} {
		if name, ok := s.AuthName([]byte(key)); name != want || ok != (want != "") {
			t.Errorf("%.20q: %q, %v", key, name, ok)
		}
	}
	if _, ok := good(t, "").AuthName([]byte("x")); ok {
		t.Error("a key without auth")
	}
	key := []byte("secret-a")
	if n := testing.AllocsPerRun(100, func() { _, _ = s.AuthName(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAuthName(b *testing.B) {
	env := fakeEnv(home, map[string]string{"/c": "auth: {keys: [{name: a, key: {env: KEY_A}}]}\nupstreams: [{name: u, base_url: 'http://h', credential: none}]"})
	s, err := Open("/c", env, Overrides{})
	if err != nil {
		b.Fatal(err)
	}
	key := []byte("secret-a")
	for b.Loop() {
		_, _ = s.AuthName(key)
	}
}
