package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/store"
)

const day = 24 * time.Hour

// openGood opens good-memory.yaml, whose key is in another file.
func openGood(t *testing.T) *Snapshot {
	t.Helper()
	data, err := os.ReadFile("testdata/good-memory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open("/t.yaml", fakeEnv(home, map[string]string{"/t.yaml": string(data), "/run/key": "from-file\n"}), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the file says arrives in the engine's configuration.
func TestMemorySnapshot(t *testing.T) {
	m := openGood(t).Memory
	if diff := cmp.Diff(memory.Config{
		Mode: memory.Observe, Inject: memory.Inject{Tokens: 400, SessionTokens: 2000},
		TTL:  memory.TTL{Episode: 30 * day, Document: 36 * time.Hour, Fact: memory.Never, Decision: day, Deadline: 12 * time.Hour},
		Caps: store.Caps{Space: 1000, Tenant: 50_000, Bytes: 64 << 20}, Extract: memory.Extract{Model: "reader", MaxTokens: 4000, Every: 500},
	}, m.Engine); diff != "" {
		t.Errorf("engine (-want +got):\n%s", diff)
	}
	if m.Users != (identity.UserSource{Header: "X-User-Id"}) || m.OSUser || *m.Embed != (Embed{"vectors", "minilm"}) {
		t.Errorf("%+v, %+v", m, m.Embed)
	}
	q := m.Qdrant
	if q.Address != "qdrant.internal:7000" || !q.TLS || q.APIKey.Reveal() != "from-file" || q.Collection != "prod" || q.Timeout != 2*time.Second {
		t.Errorf("%+v", q)
	}
	for _, v := range []any{m, q, *q, q.APIKey} {
		for form, shown := range printed(v) {
			if strings.Contains(shown, "from-file") {
				t.Errorf("as %s it shows a secret: %s", form, shown)
			}
		}
	}
}

func TestMemorySwitch(t *testing.T) {
	for _, x := range []struct {
		text, flag string
		on         bool
		mode       memory.Mode
	}{
		{"", "", false, 0},
		{"memory:", "", true, memory.On},
		{"memory: {}", "", true, memory.On},
		{"memory: {mode: observe}", "", true, memory.Observe},
		{"memory: {mode: off}", "", true, memory.Off},
		{"", "on", true, memory.On},
		{"", "observe", true, memory.Observe},
		{"", "off", false, 0},
		{"memory: {mode: off}", "on", true, memory.On},
		{"memory: {}", "off", true, memory.Off},
	} {
		s, problems := resolve(t, x.text, Overrides{Memory: x.flag})
		if problems != nil || (s.Memory != nil) != x.on || x.on && s.Memory.Engine.Mode != x.mode {
			t.Errorf("%+v: %v", x, problems)
		}
	}
}

// Defaults written out give the same as the empty section, and as the engine takes for a zero.
func TestMemoryDefaults(t *testing.T) {
	plain := good(t, "memory: {}").Memory
	said := good(t, `memory: {mode: on, store: sqlite, inject: {tokens: 800, session_tokens: 4000},
  ttl: {episode: 90d, document: 7d, fact: never, decision: 365d, deadline: 7d}, caps: {space: 100000, tenant: 1000000, bytes: 4GiB}}`).Memory
	want := memory.TTL{Episode: 90 * day, Document: 7 * day, Fact: memory.Never, Decision: 365 * day, Deadline: 7 * day}
	if plain.Engine.TTL != (memory.TTL{}) || said.Engine.TTL != want {
		t.Errorf("ttl: %+v, %+v", plain.Engine.TTL, said.Engine.TTL)
	}
	said.Engine.TTL = memory.TTL{}
	if diff := cmp.Diff(plain.Engine, said.Engine); diff != "" || said.Qdrant != nil || plain.Users.Set() || plain.Embed != nil {
		t.Errorf("the tags say other things than hold:\n%s", diff)
	}
	if in := plain.Engine.Inject; in.Tokens != memory.DefaultTokens || in.SessionTokens != memory.DefaultSessionTokens {
		t.Errorf("%+v", in)
	}
}

// Nobody is guessed: only run names the user of the operating system, and what the file says comes before it.
func TestMemoryUser(t *testing.T) {
	for _, x := range []struct {
		text, user string
		want       identity.UserSource
		guessed    bool
	}{
		{"memory: {}", "", identity.UserSource{}, false},
		{"memory: {}", "me", identity.UserSource{Name: "me"}, true},
		{"memory: {scope: {user: {name: alice}}}", "me", identity.UserSource{Name: "alice"}, false},
		{"memory: {scope: {user: {field: user}}}", "me", identity.UserSource{Field: true}, false},
		{"memory: {scope: {user: {header: x-u}}}", "", identity.UserSource{Header: "x-u"}, false},
		{"memory: {scope: }", "me", identity.UserSource{Name: "me"}, true},
	} {
		s, problems := resolve(t, x.text, Overrides{User: x.user})
		if problems != nil || s.Memory.Users != x.want || s.Memory.OSUser != x.guessed {
			t.Errorf("%+v: %v, %+v", x, problems, s)
		}
	}
}

// What is remembered is kept, so there must be a place for it.
func TestMemoryNeedsData(t *testing.T) {
	for file, flags := range map[string]Overrides{"memory: {}": {}, "": {Memory: "on"}} {
		_, err := Open("/t", fakeEnv(nil, map[string]string{"/t": file}), flags)
		if err == nil || !strings.Contains(err.Error(), "memory: needs a directory") {
			t.Errorf("%q: %v", file, err)
		}
		flags.Data = "/d"
		if _, err := Open("/t", fakeEnv(nil, map[string]string{"/t": file}), flags); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// Where memory is kept, and who makes vectors, is decided when the process starts; all else holds at once.
func TestMemoryReload(t *testing.T) {
	const upstreams = "upstreams: [{name: v, base_url: 'http://h', credential: none}]\n"
	first := good(t, upstreams+"memory: {}")
	off := good(t, upstreams)
	if w := off.keepRunning(first); len(w) != 0 {
		t.Errorf("switched off: %v", w)
	}
	next := good(t, upstreams+"memory: {mode: observe, store: qdrant, qdrant: {address: h}, embed: {upstream: v, model: m}, scope: {user: {name: a}}}")
	w := next.keepRunning(off) // the section was away meanwhile
	mentions(t, w, "memory.store: a change of it needs a restart (still sqlite)", "memory.embed: a change of it needs a restart (still off)")
	if m := next.Memory; len(w) != 2 || m.Qdrant != nil || m.Embed != nil || m.Engine.Mode != memory.Observe || m.Users.Name != "a" {
		t.Errorf("%v, %+v", w, m)
	}
	again := good(t, upstreams+"memory: {store: sqlite}")
	if w := again.keepRunning(next); len(w) != 0 {
		t.Errorf("nothing has changed, but %v", w)
	}
}

func TestParseLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{"never": memory.Never, "1d": day, "90d": 90 * day, "36h": 36 * time.Hour, "1s": time.Second} {
		if got, err := ParseLifetime(text); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "0s", "0d", "-1d", "1.5d", "36501d", "d", "90", "999ms", "forever", "9000h", "99999999999999999999d"} {
		if got, err := ParseLifetime(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		l := Lifetime(rapid.Int64Range(int64(time.Second), int64(365*day)).Draw(t, "lifetime"))
		if got, err := ParseLifetime(l.String()); err != nil || got != l {
			t.Fatalf("%s: %d, %v", l, got, err)
		}
	})
}

func TestMemoryExtract(t *testing.T) {
	for text, want := range map[string]memory.Extract{
		"memory: {}":                              {},
		"memory: {extract: {}}":                   {MaxTokens: memory.DefaultExtract, Every: memory.DefaultEvery},
		"memory: {extract: {model: m, every: 9}}": {Model: "m", MaxTokens: memory.DefaultExtract, Every: 9},
	} {
		if got := good(t, text).Memory.Engine.Extract; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
	for _, text := range []string{"memory: {extract: {max_tokens: 99}}", "memory: {extract: {every: 0}}", "memory: {extract: {tokens: 800}}"} {
		if _, problems := resolve(t, text, Overrides{}); len(problems) != 1 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// A header that carries a credential names no user: it would stand in lists.
func TestMemoryUserIsNoCredential(t *testing.T) {
	for _, name := range []string{"authorization", "Authorization", "x-api-key", "api-key", "Cookie", "proxy-authorization"} {
		_, problems := resolve(t, "memory: {scope: {user: {header: "+name+"}}}", Overrides{})
		if len(problems) != 1 || !strings.Contains(problems[0].Msg, "carries a credential") || !strings.Contains(problems[0].Hint, "x-user-id") {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// A note is part of what a conversation may have.
func TestMemoryInject(t *testing.T) {
	for text, key := range map[string]string{
		"{tokens: 5000, session_tokens: 100}": "memory.inject.session_tokens",
		"{tokens: 5000}":                      "memory.inject.tokens",
		"{session_tokens: 799}":               "memory.inject.session_tokens",
		"{session_tokens: 800}":               "",
		"{tokens: 4000}":                      "",
		"{tokens: 90, session_tokens: 90}":    "",
	} {
		_, problems := resolve(t, "memory: {inject: "+text+"}", Overrides{})
		if key == "" && problems != nil || key != "" && (len(problems) != 1 || problems[0].Key != key) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// What is switched off needs no place, and nothing was ever told where there is none.
func TestMemoryOffWithoutData(t *testing.T) {
	s, err := Open("/t", fakeEnv(nil, map[string]string{"/t": "memory: {mode: off}"}), Overrides{})
	if err != nil || s.Memory != nil {
		t.Errorf("%v, %v", s, err)
	}
}
