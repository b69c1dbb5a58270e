package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWindow(t *testing.T) {
	uses := []benchkit.Point{{At: 100, Value: 5}, {At: 0, Value: 1}, {At: 59, Value: 2}, {At: 60, Value: 4}, {At: 61, Value: 8}}
	if w := worstWindow(uses, 60, 0, 100); w != 14 {
		t.Errorf("worst window %g: what came 60 s before is no longer in it", w)
	}
	if w := worstWindow(uses, 60, 61, 1000); w != 13 {
		t.Errorf("worst window from 61 %g", w)
	}
	if s := total(uses, 59, 61); s != 6 {
		t.Errorf("total %g", s)
	}
}

// One slot, a hog with two calls of 4 s each outstanding, one light tenant that comes at 11 s and needs 1 s.
func TestLightFirst(t *testing.T) {
	calls := func(service float64) (list []call) {
		for range 20 {
			list = append(list, call{service: service})
		}
		return list
	}
	light := agent{First: 11, tenant: 1, Calls: calls(1)}
	for i := range light.Calls {
		light.Calls[i].Think = 1000 // after the first
	}
	agents := []agent{{Rank: 1, Calls: calls(4)}, {Rank: 1, Calls: calls(4)}, light}
	waits := lightFirst(agents, 1)
	if len(waits) != 1 || waits[0] != 1 {
		t.Errorf("it waits %v, not for the rest of the call under way", waits)
	}
	if w := lightFirst(agents, 3); len(w) != 1 || w[0] != 0 {
		t.Errorf("with room for all it waits %v", w)
	}
}

func TestVirtualBound(t *testing.T) {
	waits := virtualBound(2)
	if p := benchkit.Percentile(waits, 0.5); len(waits) < 200 || p < 0.1 || p > 0.6 {
		t.Errorf("%d waits, p50 %g", len(waits), p)
	}
}

func TestJudge(t *testing.T) {
	agents := simLoad.agents(1, "", "", "")
	first := benchkit.HogCalls // the first light agent
	answers := []answer{
		{Agent: 0, Asked: 20, Ended: 30},
		{Agent: first, Asked: 5, Ended: 9}, // before what counts
		{Agent: first, Asked: 20, Ended: 25},
		{Agent: first, Asked: 58, Ended: 61}, // too late to count as served
		{Agent: first + 1, Asked: 30, Ended: 31, Retries: 1},
		{Agent: first + 2, Asked: 30, Ended: 31, Error: "429"},
	}
	run := judge(agents, answers, func(*answer) float64 { return 2 })
	if len(run.waits) != 3 || run.waits[0].Value != 3 || run.waits[2].Value != 0 {
		t.Errorf("waits %v", run.waits)
	}
	if run.refused != 2 || run.failed != 1 || run.served != 2 || run.hogsServed != 1 || run.least != 0 {
		t.Errorf("%+v", run)
	}
	if want := benchkit.Jain(append([]float64{0.5, 1}, make([]float64, benchkit.HogLights-2)...)); run.jain != want {
		t.Errorf("jain %g, not %g", run.jain, want)
	}
}

func TestDoorway(t *testing.T) {
	d := &doorway{free: 1}
	d.enter(1)
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	for _, rank := range []int{2, 1, 0, 1} {
		n := func() int { d.mu.Lock(); defer d.mu.Unlock(); return d.waiting.Len() }
		before := n()
		wg.Go(func() {
			d.enter(rank)
			mu.Lock()
			order = append(order, rank)
			mu.Unlock()
			d.leave()
		})
		for n() == before {
			time.Sleep(time.Millisecond)
		}
	}
	d.leave()
	wg.Wait()
	for i, want := range []int{0, 1, 1, 2} {
		if order[i] != want {
			t.Fatalf("order %v", order)
		}
	}
	if d.free != 1 {
		t.Errorf("%d are free", d.free)
	}
}

// The agents on net/http do a job as it says, against the model.
func TestNetAgents(t *testing.T) {
	m, err := simmodel.New(simmodel.Options{DecodeRate: 1000, Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := m.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	a := agent{Base: srv.URL + "/v1", Key: "k", Model: "sim", Talk: true, System: "Be brief.", Calls: []call{
		{Prompt: "[[sim: tokens 20]]"}, {Prompt: "[[sim: tokens 30]]", Think: 0.02},
	}}
	b := a
	b.Stream, b.First = true, 0.01
	answers, err := netAgents{}.run(&job{Agents: []agent{a, b}}, func(time.Time) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != 4 {
		t.Fatalf("%d answers", len(answers))
	}
	for _, x := range answers {
		want := 20 + 10*x.Call
		if x.Error != "" || x.Output != want || x.latency() < 0.015 || x.Prompt < 10 {
			t.Errorf("%+v", x)
		}
		if x.Call == 1 && x.Prompt < 40 {
			t.Errorf("the conversation is lost: %+v", x)
		}
	}
	gone := agent{Base: "http://127.0.0.1:1/v1", Calls: []call{{Prompt: "x"}}}
	if answers, err = (netAgents{}).run(&job{Agents: []agent{gone}}, func(time.Time) {}); err != nil || answers[0].Error == "" || answers[0].Retries != 2 {
		t.Errorf("nobody there: %+v, %v", answers, err)
	}
}

func TestFollow(t *testing.T) {
	var in bytes.Buffer
	out := strings.NewReader("ready\n" + `{"agent":3,"call":1,"asked":1.5,"ended":2}` + "\n")
	begun := false
	answers, err := follow(&in, out, func(time.Time) { begun = true })
	if err != nil || !begun || len(answers) != 1 || answers[0].Agent != 3 || answers[0].latency() != 0.5 {
		t.Errorf("%v %v %v", answers, begun, err)
	}
	if !strings.HasSuffix(in.String(), "\n") {
		t.Errorf("the beginning: %q", in.String())
	}
	if _, err := follow(io.Discard, strings.NewReader("Traceback\n"), func(time.Time) {}); err == nil {
		t.Error("a driver that is not ready passes")
	}
}

// Parts run at the same time; one that fails keeps nobody from being reported, and the order stays.
func TestSideBySide(t *testing.T) {
	turn := make(chan int)
	reports, _, err := sideBySide(&plan{}, []part{
		{"a", func(*plan, *report) error { turn <- 1; return errors.New("broken") }}, // ends only while the other runs
		{"b", func(_ *plan, r *report) error { <-turn; r.shown("b", "measured"); return nil }},
	})
	if err == nil || err.Error() != "a: broken" || len(reports) != 2 || reports[0].part != "a" || reports[1].part != "b" {
		t.Fatalf("%v, %v", reports, err)
	}
	for i, target := range []string{"runs to its end", ""} {
		if f := reports[i].figures; len(f) != 1 || f[0].target != target || f[0].met {
			t.Errorf("report %d: %+v", i, f)
		}
	}
}

func TestBusy(t *testing.T) {
	first, known := busy()
	if !known {
		t.Skip("SKIP: /proc/stat is not here")
	}
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; {
	}
	if second, _ := busy(); second-first < 0.1 || second-first > 60 {
		t.Errorf("a core that worked for 0.3 s counts %g s", second-first)
	}
}

// What the parts hand to Trapgate is a configuration that it takes.
func TestSetups(t *testing.T) {
	m := &models{urls: []string{"http://127.0.0.1:9"}}
	setups := map[string]setup{
		"shared": shared(m, "redis://127.0.0.1:6379"),
		"off":    {off: true, upstreams: []upstream{{name: "a", base: m.base(0)}}},
		"cache":  {upstreams: []upstream{{name: "a", base: m.base(0), pool: "concurrency: 1, cache: {slots: 1}", more: "    unary: stream\n"}}},
		"queue":  {upstreams: []upstream{{name: "a", base: m.base(0), pool: "concurrency: 1"}}, schedule: "  queue: {calls: 1}\n"},
	}
	for _, v := range providers() {
		setups[v.name] = setup{upstreams: []upstream{{name: "provider", base: m.base(0), pool: v.pool}}}
	}
	for name, s := range setups {
		file := filepath.Join(t.TempDir(), "trapgate.yaml")
		if err := os.WriteFile(file, []byte(s.yaml()), 0o600); err != nil {
			t.Fatal(err)
		}
		env := config.Env{Lookup: func(key string) (string, bool) { return "sk-" + key, true }, ReadFile: os.ReadFile}
		if _, err := config.Load(file, env); err != nil {
			t.Errorf("%s: %v\n%s", name, err, s.yaml())
		}
	}
}

func TestReport(t *testing.T) {
	r := newReport("part")
	r.atMost("too much", 1.2, 1.1, "x")
	r.atLeast("enough", 97.5, 97, " %")
	r.shown("only shown", "%d", 7)
	r.broken(errors.New("first line\nsecond"))
	r.took = 61 * time.Second
	g := newPage(&plan{quick: true, driver: netAgents{}})
	g.reports, g.beside = []*report{r}, "Side by side."
	text := g.markdown()
	for _, want := range []string{
		"| too much | 1.20x | <= 1.10x | **not met** |", "| enough | 97.5 % | >= 97.0 % | met |", "| only shown | 7 |  |  |",
		"| part | first line | runs to its end | **not met** |",
		"| part | 1m1s |", "\nSide by side.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestLengths(t *testing.T) {
	if _, _, err := lengthsOr(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there passes")
	}
	sum := 0
	for _, l := range drawnLengths() {
		sum += l.In
	}
	if mean := sum / 5000; mean < 800 || mean > 1600 {
		t.Errorf("drawn lengths have a mean of %d", mean)
	}
}
