package telemetry

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestExposition(t *testing.T) {
	tel := newTest(t, Options{})
	run(tel, nil)
	tel.ConfigReloaded(nil)
	tel.ConfigReloaded(fmt.Errorf("bad"))
	out := exposition(t, tel)
	labels := `gen_ai_operation_name="chat",gen_ai_provider_name="groq",gen_ai_request_model="gpt-test"`
	for _, want := range []string{
		`gen_ai_client_operation_duration_seconds_count{error_type="",` + labels + `,trapgate_upstream="two"} 1`,
		`gen_ai_client_operation_duration_seconds_bucket{error_type="",` + labels + `,trapgate_upstream="two",le="0.16"} 1`,
		`gen_ai_client_operation_duration_seconds_bucket{error_type="",` + labels + `,trapgate_upstream="two",le="0.08"} 0`,
		`gen_ai_client_operation_duration_seconds_bucket{error_type="",` + labels + `,trapgate_upstream="two",le="81.92"} 1`,
		// The first attempt failed before any upstream had accepted the model's name.
		`gen_ai_client_operation_duration_seconds_count{error_type="503",gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="other",trapgate_upstream="one"} 1`,
		`gen_ai_client_token_usage_sum{` + labels[:strings.Index(labels, `,gen_ai_request`)] + `,gen_ai_request_model="gpt-test",gen_ai_token_type="input",trapgate_upstream="two"} 1200`,
		`gen_ai_client_token_usage_bucket{` + labels + `,gen_ai_token_type="output",trapgate_upstream="two",le="64"} 1`,
		`gen_ai_client_operation_time_to_first_chunk_seconds_count{` + labels + `,trapgate_upstream="two"} 1`,
		`gen_ai_client_operation_time_per_output_chunk_seconds_count{` + labels + `,trapgate_upstream="two"} 2`,
		`trapgate_added_duration_seconds_count{trapgate_piece="recall"} 1`,
		`trapgate_added_duration_seconds_count{trapgate_piece="total"} 1`,
		`trapgate_exchanges_total{trapgate_dialect="chat",trapgate_outcome="ok"} 1`,
		`trapgate_tokens_cached_total{gen_ai_request_model="gpt-test",trapgate_upstream="two"} 1024`,
		`trapgate_retries_total{trapgate_dialect="chat"} 1`,
		`trapgate_fallbacks_total{trapgate_dialect="chat"} 1`,
		`trapgate_upstream_errors_total{error_type="503",trapgate_upstream="one"} 1`,
		`trapgate_config_reloads_total{trapgate_result="ok"} 1`,
		`trapgate_config_reloads_total{trapgate_result="error"} 1`,
		`trapgate_config_valid 0`,
		`trapgate_inflight 0`,
		`trapgate_build_info{process_runtime_version="go`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	for _, secret := range []string{"team-a", "sess-9", "prog-7", "req-1", "codex", "sk-very"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q became a label", secret)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	tel := newTest(t, Options{})
	attempt := func(model, upstream string, status int, errType string) {
		ex := tel.Begin(ExchangeStart{Start: ms(0), Route: chatRoute})
		a := ex.Attempt(AttemptStart{Upstream: upstream, Provider: upstream, Model: model, Start: ms(0)})
		a.End(AttemptEnd{At: ms(1), Status: status, Answer: answer(), ErrorType: errType})
		ex.End(ExchangeEnd{At: ms(1), Pieces: []Piece{{Name: "piece-" + strings.TrimPrefix(model, "made-up-")}}})
	}
	for i := range 150 {
		attempt(fmt.Sprintf("made-up-%d", i), "up", 404, "")
	}
	for i := range 150 {
		attempt(fmt.Sprintf("real-%d", i), fmt.Sprintf("up-%d", i), 200, "")
		attempt("real-0", "up", 0, fmt.Sprintf("err-%d", i))
	}
	attempt(strings.Repeat("x", 1000), "up", 200, "")
	attempt("with\nnewline", "up", 200, "")
	var few strings.Builder // without the buckets
	for line := range strings.Lines(exposition(t, tel)) {
		if !strings.Contains(line, "_bucket{") {
			few.WriteString(line)
		}
	}
	out := few.String()
	for label, limit := range map[string]int{
		"gen_ai_request_model": maxModels, "trapgate_upstream": maxUpstreams, "gen_ai_provider_name": maxProviders,
		"error_type": maxErrors, "trapgate_piece": maxPieces,
	} {
		values := map[string]bool{}
		for _, m := range regexp.MustCompile(`\b`+label+`="([^"]*)"`).FindAllStringSubmatch(out, -1) {
			values[m[1]] = true
		}
		if len(values) > limit+2 || !values[other] { // "other" and ""
			t.Errorf("%s: %d values, at most %d", label, len(values), limit+2)
		}
		if label == "gen_ai_request_model" && !values["real-0"] {
			t.Error("names that no upstream accepted have taken the label")
		}
	}
	if strings.Contains(out, "made-up-") {
		t.Error("a name that no upstream accepted became a label")
	}
	if n := strings.Count(out, "gen_ai_client_operation_duration_seconds_count{"); n > 2*maxSeries+2 {
		t.Errorf("%d series", n)
	}
}

func TestTableOverflow(t *testing.T) {
	made := 0
	tab := newTable(3, func(k string) *string { made++; return &k })
	for i := range 10 {
		tab.get(fmt.Sprint(i), other)
	}
	if made != 4 || *tab.get("9", other) != other || *tab.get("1", other) != "1" {
		t.Errorf("%d made", made)
	}
}

func TestDocumentedMetrics(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		var rows strings.Builder
		for _, d := range allDefs {
			rows.WriteString(docRow(d) + "\n")
		}
		readme = regexp.MustCompile("(?s)(## Metrics\n.*?\n\\| --- [^\n]*\n).*(\n## Spans)").ReplaceAll(readme, []byte("${1}"+rows.String()+"${2}"))
		if err := os.WriteFile("README.md", readme, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|.*$")
	got := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(readme), -1) {
		got[m[1]] = m[0]
	}
	for _, d := range allDefs {
		want := docRow(d)
		if got[d.name] != want {
			t.Errorf("README.md\n has %s\nwant %s", got[d.name], want)
		}
		delete(got, d.name)
	}
	for name := range got {
		t.Errorf("README.md lists %s, which does not exist", name)
	}
}

func docRow(d *metricDef) string {
	labels := make([]string, len(d.labels))
	for i, l := range d.labels {
		labels[i] = "`" + l + "`"
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s | %s | %s |", d.name, d.promName(), kindNames[d.kind], d.unit, strings.Join(labels, ", "), d.help)
}

func TestOTLPNames(t *testing.T) {
	tel := newTest(t, Options{})
	run(tel, nil)
	runQueue(tel)
	scopes, err := newProducer(tel.metrics.reg, "v1").Produce(context.Background())
	if err != nil || len(scopes) != 1 || scopes[0].Scope.Name != scope {
		t.Fatalf("%v %v", scopes, err)
	}
	var names []string
	for _, m := range scopes[0].Metrics {
		names = append(names, m.Name)
		if m.Name != "gen_ai.client.token.usage" {
			continue
		}
		h := m.Data.(metricdata.Histogram[float64])
		for _, p := range h.DataPoints {
			typ, _ := p.Attributes.Value("gen_ai.token.type")
			model, _ := p.Attributes.Value("gen_ai.request.model")
			if typ.AsString() == "input" && (p.Sum != 1200 || model.AsString() != "gpt-test" || len(p.Bounds) != 14) {
				t.Errorf("%v", p)
			}
			if _, ok := p.Attributes.Value("gen_ai_request_model"); ok {
				t.Error("a Prometheus label in OTLP")
			}
		}
		if m.Unit != "{token}" {
			t.Errorf("unit %q", m.Unit)
		}
	}
	sort.Strings(names)
	for _, d := range allDefs {
		if i := sort.SearchStrings(names, d.name); i == len(names) || names[i] != d.name {
			t.Errorf("%s is not exported: %v", d.name, names)
		}
	}
}

func TestLedger(t *testing.T) {
	tel := newTest(t, Options{})
	for range 3 {
		run(tel, nil)
	}
	ex := tel.Begin(ExchangeStart{Start: ms(0), Route: chatRoute})
	a := ex.Attempt(AttemptStart{Upstream: "u", Model: "local", Start: ms(0)})
	a.End(AttemptEnd{At: ms(1), Status: 200, Answer: &Answer{Usage: Usage{Input: 10, Output: 5}}, Estimated: true, ErrorType: ErrorAgentGone})
	ex.End(ExchangeEnd{At: ms(1), Outcome: OutcomeAgentGone, State: StateStreaming, Added: 100 * time.Microsecond})
	got := tel.Ledger().Totals()
	if got.Exchanges != 4 || got.Attempts != 7 || got.Retries != 3 || got.Fallbacks != 3 || got.UpstreamErrors != 3 ||
		got.Cancelled != 1 || got.Errors != 0 || got.Outcomes["ok"] != 3 {
		t.Errorf("%+v", got)
	}
	if got.Tokens != (Tokens{Input: 3600, Output: 102, Cached: 3072}) || got.Estimated != (Tokens{Input: 10, Output: 5}) {
		t.Errorf("tokens %+v, estimated %+v", got.Tokens, got.Estimated)
	}
	if got.AddedSum != 4600*time.Microsecond || !within(got.AddedP50, 1500*time.Microsecond) || !within(got.AddedP99, 1500*time.Microsecond) {
		t.Errorf("added %v %v %v", got.AddedSum, got.AddedP50, got.AddedP99)
	}
	if len(got.Models) != 2 || got.Models[0].Model != "gpt-test" || got.Models[0].Attempts != 6 || got.Models[0].Errors != 3 || got.Models[1].Estimated.Output != 5 {
		t.Errorf("models %+v", got.Models)
	}
}

func within(got, want time.Duration) bool { return got > want*93/100 && got < want*107/100 }

func TestQuantiles(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 7, 8, 9, 100, 12345, time.Millisecond, time.Second, time.Hour, 1 << 62} {
		var q quantiles
		q.observe(d)
		got := q.quantile(0.5)
		if d < time.Minute && d > 16 && !within(got, d) || d <= 8 && got != d {
			t.Errorf("%v is shown as %v", d, got)
		}
	}
	var q quantiles
	for i := 1; i <= 1000; i++ {
		q.observe(time.Duration(i) * time.Microsecond)
	}
	if p50, p99 := q.quantile(0.5), q.quantile(0.99); !within(p50, 500*time.Microsecond) || !within(p99, 990*time.Microsecond) {
		t.Errorf("%v %v", p50, p99)
	}
	last := -1
	for n := uint64(0); n < 1<<16; n++ {
		b := bucketOf(n)
		if b < last {
			t.Fatalf("bucket of %d is %d, after %d", n, b, last)
		}
		last = b
	}
}

func TestInFlight(t *testing.T) {
	tel := newTest(t, Options{})
	start := time.Now().Add(-time.Second)
	ex := tel.Begin(ExchangeStart{Start: start, ID: "r1", Method: "POST", Route: chatRoute})
	ex.Enter(StateQueued, "schedule")
	if got := tel.InFlight().Snapshot(); len(got) != 1 || got[0].State != "queued" || got[0].Filter != "schedule" || got[0].AgeMS < 1000 {
		t.Errorf("%+v", got)
	}
	ex.Identify("t", "a", "s", "p")
	a := ex.Attempt(AttemptStart{Upstream: "u", Model: "m", Stream: true, Start: time.Now()})
	if ex.State() != StateWaiting {
		t.Errorf("state %v", ex.State())
	}
	ex.Enter(StateWaiting, "")
	a.FirstToken(time.Now())
	a.Tokens(17)
	second := tel.Begin(ExchangeStart{Start: start.Add(time.Millisecond), ID: "r2", Route: chatRoute})
	got := tel.InFlight().Snapshot()
	if len(got) != 2 || got[1].ID != "r2" {
		t.Fatalf("%+v", got)
	}
	i := got[0]
	if i.ID != "r1" || i.State != "streaming" || i.Filter != "" || i.Tokens != 17 || i.Tenant != "t" || i.Agent != "a" ||
		i.Session != "s" || i.Program != "p" || i.Upstream != "u" || i.Model != "m" || i.Attempt != 1 || i.Dialect != "chat" {
		t.Errorf("%+v", i)
	}
	a.End(AttemptEnd{Status: 200})
	ex.End(ExchangeEnd{})
	second.End(ExchangeEnd{})
	if n := tel.InFlight().Len(); n != 0 || len(tel.InFlight().Snapshot()) != 0 {
		t.Errorf("%d left", n)
	}
}

func TestConcurrently(t *testing.T) {
	log, flush := NewLogger(&discard{}, "json", nil)
	tel, _ := traced(t, Options{Log: log})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				tel.InFlight().Snapshot()
				tel.Ledger().Totals()
				exposition(t, tel)
			}
		}
	})
	for range 8 {
		writers.Go(func() {
			for range 50 {
				run(tel, nil)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if err := flush(); err != nil {
		t.Error(err)
	}
	if got := tel.Ledger().Totals(); got.Exchanges != 400 || tel.InFlight().Len() != 0 {
		t.Errorf("%d exchanges, %d in flight", got.Exchanges, tel.InFlight().Len())
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// runQueue makes every metric of the pieces have a value.
func runQueue(tel *Telemetry) {
	tel.Leases(func() []LeaseState { return []LeaseState{{Pool: "p", Limit: "tokens", Held: 1}} })
	tel.Contexts(func() ContextCounts { return ContextCounts{} })
	tel.Memory(func() MemoryCounts {
		return MemoryCounts{Learned: map[string]int64{"fact": 1}, Dropped: map[string]int64{"ack": 1}}
	})
	q := tel.Queue()
	q.Wait("p", "c", WaitGranted, time.Second)
	q.Dispatch("p", time.Microsecond)
	q.Settled("p", 10, 20, 10)
	q.Promoted("p")
	q.Rejected("p", "queue_full")
	q.Refused("p", 429)
	q.Held("p", time.Second, true)
	q.State(func() QueueState {
		return QueueState{Pools: []QueuePool{{
			Name: "p", Classes: []QueueClass{{"c", 1, 2}}, Reserved: 3, Debt: 4, Lag: 5, Buckets: []QueueBucket{{"tokens", 6}},
			Limits: []QueueLimit{{"config", "tokens", 7}}, Tenants: []QueueTenant{{"t", 8, 0.9}}, Jain: 0.99,
		}}}
	})
}
