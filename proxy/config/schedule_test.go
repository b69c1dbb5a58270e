package config

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/lease"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// openFile resolves a file of testdata.
func openFile(t *testing.T, name string) *Snapshot {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	env := fakeEnv(home, map[string]string{"/cfg/t.yaml": string(text), "/run/redis": "rediss://user:hush@redis.internal:6380/3\n"})
	s, err := Open("/cfg/t.yaml", env, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// What the file says arrives in the engines' configurations, each number in their unit.
func TestScheduleSnapshot(t *testing.T) {
	snap := openFile(t, "good-schedule.yaml")
	s := snap.Schedule
	want := ratelimit.Config{
		Policy: ratelimit.Fair,
		Pools: []ratelimit.PoolConfig{
			{Name: "gpu", Policy: ratelimit.Program, Limits: ratelimit.Limits{Concurrency: 8, KV: 150_000}, Cache: ratelimit.CacheConfig{Slots: 8, Ahead: 0.5, Run: 20}},
			{Name: "openai", Limits: ratelimit.Limits{Requests: 500, Tokens: 200_000, Input: 150_000, Output: 50_000}, Rules: limit.Rules{CachedFree: true, GateOnMax: true}, Learn: true},
		},
		Tenants: []ratelimit.TenantConfig{{Name: "*", Weight: 0.5}, {Name: "team-a", Weight: 2}, {Name: "team-b", Weight: 0.5}},
		Classes: []ratelimit.ClassConfig{{Name: "interactive", Weight: 4}, {Name: "asked", Weight: 1}, {Name: "default", Weight: 2}, {Name: "background"}},
		Queue:   ratelimit.QueueConfig{Calls: 20, TenantCalls: 10, FlowCalls: 5, Bytes: 64 << 20, TenantBytes: 65 << 20, Ageing: time.Minute},
	}
	if diff := cmp.Diff(want, s.Engine); diff != "" {
		t.Errorf("engine (-want +got):\n%s", diff)
	}
	const dollar = 1_000_000_000
	money := budget.Config{
		Tenants: []budget.Tenant{
			{Name: "*", Budgets: []budget.Budget{
				{Unit: budget.USD, Limit: 25*dollar + dollar/2, Window: budget.Day, Mode: budget.Hard},
				{Per: budget.PerUser, Unit: budget.USD, Limit: dollar / 4, Window: budget.Hour},
			}},
			{Name: "team-a", Budgets: []budget.Budget{}},
			{Name: "team-b", Budgets: []budget.Budget{
				{Per: budget.PerModel, Unit: budget.Tokens, Limit: 1_000_000, Window: budget.Month, Mode: budget.Hard},
				{Unit: budget.Requests, Limit: 100, Window: budget.Minute, Mode: budget.Hard},
			}},
		},
		Prices: []budget.Price{
			{Model: "gpt-4.1-mini*", Input: 400_000, Cached: ptr(budget.Rate(100_000)), Write: ptr(budget.Rate(0)), Output: 1_600_000},
			{Model: "gpt-*", Input: 2_000_000, Output: 8_000_001},
			{Model: "qwen*"},
		},
	}
	if diff := cmp.Diff(money, s.Budgets); diff != "" {
		t.Errorf("budgets (-want +got):\n%s", diff)
	}
	if err := s.Budgets.Validate(); err != nil {
		t.Error(err)
	}
	if got := s.Shared; got.Redis.Reveal() != "rediss://user:hush@redis.internal:6380/3" || got.Redis.String() != "redis.internal:6380" ||
		got.Prefix != "prod:" || got.Sidecars != 4 || got.Renew != 500*time.Millisecond {
		t.Errorf("%+v", got)
	}
	if s.Queue != (QueueSettings{30 * time.Second, 2 * time.Hour}) {
		t.Errorf("%+v", s.Queue)
	}
	if diff := cmp.Diff([]ClassRule{{"interactive", "claude-code", ""}, {"background", "batch*", "*-nano"}, {"background", "*-nightly", "*-nano"}}, s.Classes); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	if !snap.Upstreams[0].UnaryStream || snap.Upstreams[1].UnaryStream {
		t.Error("unary: stream is lost")
	}
}

func TestScheduleSwitch(t *testing.T) {
	for text, on := range map[string]bool{"": false, "schedule:": true, "schedule: {}": true, "schedule: # none\nlimits: {}": true, "limits: {}": false} {
		if s := good(t, text); (s.Schedule != nil) != on {
			t.Errorf("%q: on is %v", text, !on)
		}
	}
	s, problems := resolve(t, "", Overrides{Schedule: true})
	if problems != nil || s.Schedule == nil || s.Schedule.Engine.Policy != ratelimit.Program {
		t.Error(problems, s)
	}
	s, problems = resolve(t, "schedule: {policy: fifo}", Overrides{Schedule: true})
	if problems != nil || s.Schedule.Engine.Policy != ratelimit.FIFO {
		t.Error("the switch replaces the section:", problems)
	}
	// The upstream of the command line replaces the file's, and their pools.
	s, problems = resolve(t, "upstreams: [{name: a, base_url: 'http://h'}]\nschedule: {pools: [{upstream: a, concurrency: 1}]}", Overrides{Upstream: "http://other"})
	if problems != nil || len(s.Schedule.Engine.Pools) > 0 {
		t.Error(problems, s)
	}
	if s := good(t, "schedule: {pools: [{upstream: openai, requests_per_minute: 3}]}"); len(s.Schedule.Engine.Pools) != 1 {
		t.Error("an upstream that holds without a file has no pool")
	}
}

// Defaults written out give the same as the empty section, so the tags say what holds.
func TestScheduleDefaults(t *testing.T) {
	var text strings.Builder
	var write func(indent string, typ reflect.Type)
	write = func(indent string, typ reflect.Type) {
		for _, f := range fieldsOf(typ) {
			switch d := f.tag.Get("default"); {
			case f.typ.Kind() == reflect.Struct:
				fmt.Fprintf(&text, "%s%s:\n", indent, f.name)
				write(indent+"  ", f.typ)
			case d != "" && !strings.Contains(d, " "):
				fmt.Fprintf(&text, "%s%s: %s\n", indent, f.name, d)
			}
		}
	}
	text.WriteString("schedule:\n")
	write("  ", reflect.TypeFor[ScheduleConfig]())
	if !strings.Contains(text.String(), "tenant_bytes: 512MiB") {
		t.Fatal("no defaults were written:\n", text.String())
	}
	said, plain := good(t, text.String()).Schedule, good(t, "schedule: {}").Schedule
	if diff := cmp.Diff(plain.Engine, said.Engine); diff != "" || said.Queue != plain.Queue || plain.Queue != (QueueSettings{StreamWait: time.Hour}) {
		t.Errorf("the tags say other things than hold:\n%s", diff)
	}
	const pool = "schedule: {pools: [{upstream: openai%s}]}"
	said, plain = good(t, fmt.Sprintf(pool, ", learn: false, counts: {cached: true, max_tokens: false}")).Schedule, good(t, fmt.Sprintf(pool, "")).Schedule
	if diff := cmp.Diff(plain.Engine, said.Engine); diff != "" || plain.Engine.Pools[0] != (ratelimit.PoolConfig{Name: "openai"}) {
		t.Errorf("counts:\n%s", diff)
	}
	const shared = "schedule: {shared: {redis: {url: 'redis://h'}, sidecars: 1%s}}"
	a, b := good(t, fmt.Sprintf(shared, ", prefix: 'trapgate:lease:', renew: 1s")).Schedule.Shared, good(t, fmt.Sprintf(shared, "")).Schedule.Shared
	if !a.same(b) || a.Redis.String() != "h:6379" {
		t.Errorf("%v, but %v holds", a, b)
	}
}

// What the tags call the default is what package ratelimit takes for a zero.
func TestEngineDefaults(t *testing.T) {
	const name = "p"
	engine := ratelimit.New(ratelimit.Config{Pools: []ratelimit.PoolConfig{{Name: name, Cache: ratelimit.CacheConfig{Slots: 1}}}}, ratelimit.Options{})
	defer engine.Close()
	// No state shows them, so they are read where they are kept.
	queue := inside(t, engine, "set", "queue")
	cache := inside(t, engine.Pool(name), "cache")
	got := map[string]string{
		"policy": string(engine.Pool(name).State().Policy),
		"ahead":  fmt.Sprint(inside(t, cache, "ahead").Float()), "run": fmt.Sprint(inside(t, cache, "run").Float()),
		"calls": fmt.Sprint(inside(t, queue, "Calls").Int()), "tenant_calls": fmt.Sprint(inside(t, queue, "TenantCalls").Int()),
		"flow_calls": fmt.Sprint(inside(t, queue, "FlowCalls").Int()),
		"bytes":      Size(inside(t, queue, "Bytes").Int()).String(), "tenant_bytes": Size(inside(t, queue, "TenantBytes").Int()).String(),
		"ageing": Duration(inside(t, queue, "Ageing").Int()).String(),
	}
	want := map[string]string{}
	for _, typ := range []reflect.Type{reflect.TypeFor[ScheduleConfig](), reflect.TypeFor[CacheConfig](), reflect.TypeFor[QueueConfig]()} {
		for _, f := range fieldsOf(typ) {
			if d := f.tag.Get("default"); d != "" {
				want[f.name] = d
			}
		}
	}
	delete(want, "keepalive_after") // these two are the filter's
	delete(want, "stream_wait")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tags (-) and the engine (+):\n%s", diff)
	}
}

// inside follows fields, also those that are not exported.
func inside(t *testing.T, of any, fields ...string) reflect.Value {
	t.Helper()
	v, ok := of.(reflect.Value)
	if !ok {
		v = reflect.ValueOf(of)
	}
	for _, name := range fields {
		if v = reflect.Indirect(v).FieldByName(name); !v.IsValid() {
			t.Fatalf("no field %s: where is it kept now?", name)
		}
	}
	return v
}

func TestTooManyRules(t *testing.T) {
	names := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat("a,", n), ",") + "]"
	}
	const text = "schedule: {classes: [{name: a, match: {agent: b}}, {name: b, match: {agent: %s, model: %s}}]}"
	if s := good(t, fmt.Sprintf(text, names(27), names(37))); len(s.Schedule.Classes) != 1000 {
		t.Error(len(s.Schedule.Classes))
	}
	_, problems := resolve(t, fmt.Sprintf(text, names(100), names(10)), Overrides{})
	if len(problems) != 1 {
		t.Fatal(problems)
	}
	mentions(t, problems, "schedule.classes[1].match: makes more than 1000 pairs")
}

// What an entry leaves out it has from "*".
func TestTenantsInherit(t *testing.T) {
	const text = "schedule: {tenants: [{name: anonymous}, {name: cred-00000000, weight: 3, budgets: []}, {name: cred-00000001, budgets: [{unit: tokens, limit: 7, window: hour}]}%s]}"
	s := good(t, fmt.Sprintf(text, "")).Schedule
	weights := func(s *Schedule) (w []float64) {
		for _, tenant := range s.Engine.Tenants {
			w = append(w, tenant.Weight)
		}
		return w
	}
	if diff := cmp.Diff([]float64{1, 3, 1}, weights(s)); diff != "" || s.Budgets.Tenants[0].Budgets != nil {
		t.Error(diff, s.Budgets)
	}
	s = good(t, fmt.Sprintf(text, `, {name: "*", weight: 0.25, budgets: [{unit: requests, limit: 5, window: minute, mode: soft}]}`)).Schedule
	if diff := cmp.Diff([]float64{0.25, 3, 0.25, 0.25}, weights(s)); diff != "" {
		t.Error(diff)
	}
	for i, want := range []int64{5, 0, 7, 5} {
		got := s.Budgets.Tenants[i].Budgets
		if want == 0 && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Limit != want {
			t.Errorf("%s: %v, want %d", s.Budgets.Tenants[i].Name, got, want)
		}
	}
}

func TestScheduleWarnings(t *testing.T) {
	s := good(t, `
limits: {body: 128MiB}
upstreams: [{name: u, base_url: "http://h", models: [m]}]
schedule:
  tenants: [{name: "*", budgets: [{unit: usd, limit: 5, window: day}, {unit: usd, limit: 6, window: day, mode: soft}, {unit: usd, limit: 4, window: day, mode: soft}]}]
  classes:
    - {name: a, match: {agent: "claude*"}}
    - {name: b, match: {agent: [claude-code, "claude-*"], model: "x*"}}
    - {name: c, match: {agent: [claude-code, codex]}}
    - {name: d, match: {model: "*"}}
    - {name: e, match: {agent: zed}}
  prices: [{model: "*", input: 1, output: 1}, {model: m, input: 2, output: 2}]
  queue: {bytes: 64MiB}
`)
	var got []string
	for _, w := range s.Warnings {
		got = append(got, fmt.Sprintf("%d:%d %s: %s", w.Line, w.Col, w.Key, w.Msg))
	}
	if diff := cmp.Diff([]string{
		"5:71 schedule.tenants[0].budgets[1]: one of this and budgets[0] is soft above a hard limit of the same, and is never reached",
		"8:17 schedule.classes[1].match: class a takes all of this before",
		"11:17 schedule.classes[4].match: class d takes all of this before",
		"12:47 schedule.prices[1]: * takes all of this before",
		"13:11 schedule.queue.bytes: is below limits.body (128MiB): a longer request is refused where it would have to wait",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := good(t, "limits: {body: 1GiB}\nschedule: {}"); s.Schedule.Engine.Queue.TenantBytes != 1<<30 || s.Warnings != nil {
		t.Error("the default has no room for one body:", s.Schedule.Engine.Queue, s.Warnings)
	}
}

func TestRedisAddresses(t *testing.T) {
	vars := map[string]string{"HOME": "/h", "GOOD": "redis://:hush@h:1/2", "BAD": "redis://:hush@h:port", "HTTP": "http://hush@h", "OPTION": "redis://h/0?hush=1", "EMPTY": ""}
	const open = "schedule: {shared: {sidecars: 2, redis: "
	for ref, want := range map[string]string{
		"{url: 'redis://h:1/2'}":              "",
		"{url: 'rediss://h'}":                 "",
		"{url: 'unix:///run/redis.sock'}":     "",
		"{env: GOOD}":                         "",
		"{file: /good}":                       "",
		"{url: 'redis://u:hush@h'}":           "redis.url: must not hold a user name or password",
		"{url: 'redis://hush@h'}":             "redis.url: must not hold a user name or password",
		"{url: 'http://h'}":                   "redis.url: must be the address of a Redis",
		"{url: h}":                            "redis.url: must be the address of a Redis",
		"{url: 'redis://h:1/x'}":              "redis.url: must be the address of a Redis",
		"{url: \"redis://h\\n\"}":             "redis.url: the secret holds a line break",
		"{url: ''}":                           "redis.url: must be text",
		"{env: BAD}":                          "redis.env: must be the address of a Redis",
		"{env: HTTP}":                         "redis.env: must be the address of a Redis",
		"{env: OPTION}":                       "redis.env: must be the address of a Redis",
		"{env: EMPTY}":                        "redis.env: environment variable EMPTY is not set or empty",
		"{env: 'redis://:hush@h'}":            "redis.env: must be the name of an environment variable",
		"{file: /bad}":                        "redis.file: must be the address of a Redis",
		"{file: /absent}":                     "redis.file: file /absent cannot be read",
		"{env: GOOD, file: /good}":            "redis: has both env and file: only one can hold",
		"{url: 'redis://h', env: G, file: f}": "redis: has url, env, file: only one can hold",
		"{}":                                  "redis: must name where the address is found",
		"redis://:hush@h":                     "redis: must name where the address is found",
		"{host: h}":                           "redis.host: unknown key",
	} {
		env := fakeEnv(vars, map[string]string{"/good": "unix://u:hush@/run/r.sock?db=1\n", "/bad": "hush", "/t": open + ref + "}}"})
		s, err := Open("/t", env, Overrides{})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", ref, err)
		case want == "":
			if shown := fmt.Sprintf("%v %+v %#v %s", s.Schedule.Shared, *s.Schedule.Shared, s.Schedule, s.Schedule.Shared.Redis); strings.Contains(shown, "hush") {
				t.Errorf("%s is shown: %s", ref, shown)
			}
		case err == nil || !strings.Contains(err.Error(), "schedule.shared."+want) || strings.Contains(err.Error(), "hush"):
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
}

// The store takes the largest limit that is let through, and not one unit more.
func TestMaxLeased(t *testing.T) {
	c := lease.New(lease.NewMemory(time.Now), lease.Options{})
	add := func(n int64) error {
		_, err := c.Add(lease.Resource{Key: fmt.Sprint("k", n), Kind: lease.Budget, Limit: n, Window: func(time.Time) (string, time.Time) { return "w", time.Now() }})
		return err
	}
	if err := add(maxLeased); err != nil {
		t.Error(err)
	}
	if add(maxLeased+1) == nil {
		t.Error("a larger limit is taken")
	}
}

// What was used is remembered, so there must be a place for it.
func TestScheduleNeedsData(t *testing.T) {
	for file, flags := range map[string]Overrides{"schedule: {}": {}, "": {Schedule: true}, "limits: {}\nschedule: {}": {Schedule: true}} {
		env := fakeEnv(nil, map[string]string{"/t": file})
		_, err := Open("/t", env, flags)
		if err == nil || !strings.Contains(err.Error(), "schedule: needs a directory") {
			t.Errorf("%q: %v", file, err)
		}
		flags.Data = "/d"
		if _, err := Open("/t", env, flags); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// An amount keeps every digit on its way through the schema, the decoder and the budgets.
func TestAmounts(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"0.000000001": "0.000000001", "9007199254740993.5": "", "4503599.123456789": "4503599.123456789", "1_000.5_0": "1000.5", "+7": "7", "007": "", ".5": "0.5", "5.": "5",
		"0": "", "-1": "", "1e3": "", "'5'": "", "0.0000000001": "", ".inf": "", ".nan": "", "~": "", "true": "", "[5]": "", "0x5": "", "1.000": "1",
	} {
		file := "schedule: {prices: [{model: '*', input: 0, output: 0}], tenants: [{name: '*', budgets: [{unit: usd, window: day, limit: " + text + "}]}]}"
		snap, problems := resolve(t, file, Overrides{})
		if (want == "") != (problems != nil) {
			t.Errorf("%s: %v", text, problems)
			continue
		}
		if problems != nil {
			if len(problems) != 1 || problems[0].Key != "schedule.tenants[0].budgets[0].limit" {
				t.Errorf("%s: %v", text, problems)
			}
			continue
		}
		if got := budget.Money(snap.Schedule.Budgets.Tenants[0].Budgets[0].Limit).String(); got != want {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}
