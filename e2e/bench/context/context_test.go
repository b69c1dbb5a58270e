package main

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tiktoken-go/tokenizer"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a session with a rule, a code, a pair and a late tool call.
func small(t *testing.T) (*session, *library) {
	t.Helper()
	s := &session{
		Tools: json.RawMessage(`[{"type":"function","function":{"name":"look"}}]`),
		Raw: []string{
			`{"role":"system","content":"You keep the mill."}`,
			`{"role":"user","content":"Hello."}`,
			`{"role":"assistant","content":"Yes?"}`,
			`{"role": "user", "content": "Don\u2019t open the \"sluice\".\nThe code is ZQ-1."}`,
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}}]}`,
			`{"role":"tool","tool_call_id":"c1","content":"all is well. ` + strings.Repeat("More and more words. ", 60) + `"}`,
			`{"role":"assistant","content":"All is well."}`,
			`{"role":"user","content":"Thanks. ` + strings.Repeat("More and more words. ", 3) + `"}`,
			`{"role":"assistant","content":"Bye."}`,
		},
		Points: []int{2, 4, 6, 8},
		Pins:   []pin{{Message: 3, Text: "Don’t open the \"sluice\"."}},
		IDs:    []id{{Message: 3, Code: "ZQ-1"}},
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	l, err := newLibrary(s)
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

func TestSpelled(t *testing.T) {
	for _, c := range []struct{ raw, words, want string }{
		{`{"content":"a \u00e9\ud83d\ude00 b"}`, "é😀", `\u00e9\ud83d\ude00`},
		{`"x\ny\tz"`, "\ny\t", `\ny\t`},
		{`"\"q\" \\ \/"`, `"q" \ /`, `\"q\" \\ \/`},
		{`"plain"`, "plain", "plain"},
		{`"é"`, "é", "é"},
	} {
		if got, ok := spelled(c.raw, c.words); !ok || got != c.want {
			t.Errorf("%s spells %q as %q, %t", c.raw, c.words, got, ok)
		}
	}
	if _, ok := spelled(`"a"`, "b"); ok {
		t.Error("found what is not there")
	}
	plain, at := unescape(`"\ud83dx\`)
	if len(at) != len(plain)+1 {
		t.Errorf("%d places for %d bytes of a text that is cut off", len(at), len(plain))
	}
}

// The sum over messages is what the whole text has, within a token for each of them.
func TestCount(t *testing.T) {
	s, l := small(t)
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := codec.Count(string(s.Tools) + strings.Join(s.Raw, ","))
	if err != nil {
		t.Fatal(err)
	}
	if got := l.own(len(s.Raw)).size(); got < whole || got > whole+len(s.Raw)+1 {
		t.Errorf("%d tokens one by one, %d at once", got, whole)
	}
	sum := l.text(string(s.Tools)).tokens + l.text(s.Raw[0]).tokens + l.text(s.Raw[1]).tokens
	if got := l.own(2).size(); got != sum {
		t.Errorf("size %d, want %d", got, sum)
	}
	if l.text("\xff").tokens < 1 {
		t.Error("what is no UTF-8 counts nothing")
	}
}

func TestHits(t *testing.T) {
	s, l := small(t)
	a, b := l.own(4), l.own(6)
	if got := l.hits(a, b); got != a.size() {
		t.Errorf("a continuation hits %d of %d", got, a.size())
	}
	if got := l.hits(b, a); got != a.size() {
		t.Errorf("going back hits %d of %d", got, a.size())
	}
	changed := l.own(4)
	changed.messages[1] = l.text(`{"role":"user","content":"Hello there."}`)
	head := l.text(string(s.Tools)).tokens + l.text(s.Raw[0]).tokens
	if got := l.hits(a, changed); got <= head || got >= head+l.text(s.Raw[1]).tokens {
		t.Errorf("a message that ends otherwise hits %d, with %d before it and %d in it", got, head, l.text(s.Raw[1]).tokens)
	}
	changed.tools = l.text(`[{"type":"object"}]`)
	if got := l.hits(a, changed); got >= a.tools.tokens {
		t.Errorf("other tools hit %d", got)
	}
	changed.tools = nil
	if got := l.hits(a, changed); got != 0 {
		t.Errorf("no tools hit %d", got)
	}
}

func TestFaults(t *testing.T) {
	_, l := small(t)
	own := l.own(8).messages
	if f := introduced(faultsOf(own), nil); len(f) > 0 {
		t.Fatalf("the agent's own: %v", f)
	}
	pick := func(which ...int) (list []*text) {
		for _, i := range which {
			list = append(list, own[i])
		}
		return list
	}
	for _, c := range []struct {
		name string
		list []*text
		want map[string]int
	}{
		{"orphan", pick(0, 1, 5), map[string]int{orphanTool: 1}},
		{"unanswered", pick(0, 1, 4, 7), map[string]int{unansweredCall: 1}},
		{"something between", pick(0, 1, 4, 7, 5), map[string]int{unansweredCall: 1, orphanTool: 1}},
		{"answered twice", pick(0, 1, 4, 5, 5), map[string]int{orphanTool: 1}},
		{"second system", pick(0, 1, 0, 7), map[string]int{lateSystem: 1}},
		{"assistant first", pick(0, 2, 3), map[string]int{firstNotUser: 1}},
		{"assistant last", pick(0, 1, 2), map[string]int{lastNotAsking: 1}},
		{"empty", append(pick(0), l.text(`{"role":"user","content":""}`)), map[string]int{emptyMessage: 1}},
		{"nothing", nil, map[string]int{lastNotAsking: 1}},
	} {
		got := introduced(faultsOf(c.list), faultsOf(own))
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
		for kind, n := range c.want {
			if got[kind] != n {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	_, l := small(t)
	own := l.own(8)
	v := newVerdict(reserve + own.size() - 1)
	v.judge(l, 8, nil, own)
	if v.over != 1 || v.pinsDue != 1 || v.pinsSpelled != 1 || v.pinsSaid != 1 || v.idsEnd != 1 || v.pinCallsWhole != 1 || v.shortTails != 0 || v.changedBelow != 0 {
		t.Errorf("the agent's own: %+v", v)
	}
	cut := &sent{tools: own.tools, messages: append(own.messages[:2:2], own.messages[5:]...)}
	v = newVerdict(reserve + 4*own.size())
	v.judge(l, 8, own, cut)
	if v.over != 0 || v.pinsSpelled != 0 || v.idsSaid != 0 || v.pinCallsWhole != 0 || v.changedBelow != 1 || v.allFaults() != 1 || v.rewrites != 1 {
		t.Errorf("with a hole: %+v", v)
	}
	tail := float64(own.messages[6].tokens+own.messages[7].tokens) / float64(usable(v.window)) // the tool's result has no call
	if v.leastTail != tail || v.shortTails != count(tail < tailShare) {
		t.Errorf("tail %g, want %g", v.leastTail, tail)
	}
	if want := 1 - float64(v.hits[0])/float64(cut.size()); math.Abs(1-v.share()-want) > 1e-9 {
		t.Errorf("share %g", v.share())
	}
}

func TestBaselines(t *testing.T) {
	s, l := small(t)
	own := l.own(8)
	drop := dropOldest(l, own.size()-1)(8)
	if drop.messages[0] != own.messages[0] || drop.messages[1] != own.messages[3] || drop.same || drop.size() >= own.size() {
		t.Errorf("dropped to %d messages of %d tokens", len(drop.messages), drop.size())
	}
	if all := dropOldest(l, own.size())(8); !all.same || len(all.messages) != 8 {
		t.Error("dropped what fits")
	}
	if s.task(l) != 3 {
		t.Errorf("the task is message %d", s.task(l))
	}
	s.Pins = append(s.Pins, pin{Message: 5, Text: "all is", escaped: "all is"})
	ref := reference(l, own.size())
	r := ref(8)
	if r.same || faultsOf(r.messages)[orphanTool] != 0 || !strings.Contains(r.messages[3].raw, `- all is\n`) || !json.Valid([]byte(r.messages[3].raw)) {
		t.Errorf("the reference sends %d messages, task %s", len(r.messages), r.messages[3].raw)
	}
	if again := ref(8); again.messages[3] != r.messages[3] || len(again.messages) != len(r.messages) {
		t.Error("the epoch did not stay")
	}
}

func TestTrim(t *testing.T) {
	s := &script{}
	for i, role := range []string{"system", "user", "assistant", "tool", "assistant", "user", "assistant", "tool"} {
		s.messages = append(s.messages, scripted{role: role, tokens: 10 + i%2})
	}
	for _, c := range []struct{ limit, want int }{{84, 1}, {83, 5}, {73, 5}, {42, 5}, {41, 8}} {
		if got := s.trim(8, c.limit); got != c.want {
			t.Errorf("limit %d keeps from %d, want %d", c.limit, got, c.want)
		}
	}
}

func TestScript(t *testing.T) {
	s := newScript(3)
	if len(s.points) != 6 || string(s.body(1, 5)) != string(newScript(3).body(1, 5)) {
		t.Errorf("%d points", len(s.points))
	}
	l := &library{s: &session{}, known: map[string]*text{}}
	var err error
	if l.codec, err = tokenizer.Get(tokenizer.O200kBase); err != nil {
		t.Fatal(err)
	}
	for _, to := range s.points {
		r, err := l.parse(s.body(1, to))
		if err != nil {
			t.Fatal(err)
		}
		if f := introduced(faultsOf(r.messages), nil); len(f) > 0 {
			t.Errorf("up to %d: %v", to, f)
		}
	}
}

func TestSpent(t *testing.T) {
	for timing, want := range map[string]float64{
		"identity;dur=0.010, rewrite;dur=0.125, trapgate;dur=0.4,": 125,
		"rewrite;dur=2": 2000,
	} {
		if got, ok := spent([]byte(timing), "rewrite"); !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %g", timing, got)
		}
	}
	if _, ok := spent([]byte("trapgate;dur=1"), "rewrite"); ok {
		t.Error("found what is not there")
	}
}

func TestTalk(t *testing.T) {
	s, l := small(t)
	k := newTalk(s)
	k.begin(42)
	body := append(k.body(3), closing...)
	r, err := l.parse(body)
	if err != nil || len(r.messages) != 9 || !strings.Contains(r.messages[1].raw, "Conversation 000000042.") || r.messages[2].raw != s.Raw[1] {
		t.Fatalf("%s: %v", body, err)
	}
}

// A recorder judges the agent's calls once, counts its own requests apart, and sees a repetition that differs.
func TestRecorder(t *testing.T) {
	s, l := small(t)
	rec, err := startRecorder(l, 32768, time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i, n := range s.Points {
		body := s.body(n)
		rec.expect(n, body)
		for range 2 {
			if err := post(client, rec.base(), i, body); err != nil {
				t.Fatal(err)
			}
		}
		if came, err := rec.arrived(); came != 2 || err != nil {
			t.Fatalf("came %d times, %v", came, err)
		}
	}
	if rec.v.calls != 4 || rec.v.share() < 0.3 || rec.v.extra != 0 || !math.IsNaN(rec.v.firstChanged) || rec.v.written() != l.own(8).size() {
		t.Errorf("%+v", rec.v)
	}
	resp, err := client.Post(rec.base(), "application/json", strings.NewReader(string(s.body(2))))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if rec.v.extra != l.own(2).size() || !json.Valid(raw) {
		t.Errorf("a request of the gate's own: %d, %s", rec.v.extra, raw)
	}
	if err := post(client, rec.base(), 3, s.body(6)); err != nil {
		t.Fatal(err)
	}
	if _, err := rec.arrived(); err == nil {
		t.Error("other bytes were not noticed")
	}
}

func TestRead(t *testing.T) {
	a := &answer{}
	stream := "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"A\"}}]}\n\n" +
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":7}}}\n\ndata: [DONE]\n\n"
	if err := a.read(strings.NewReader(stream), time.Now()); err != nil || a.prefilled() != 2 || a.first == 0 {
		t.Errorf("%+v, %v", a, err)
	}
	for _, bad := range []string{"", "data: [DONE]\n", "data: {\"error\":{\"code\":500}}\n", "data: {\n"} {
		if err := a.read(strings.NewReader(bad), time.Now()); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestHeld(t *testing.T) {
	s, l := small(t)
	s.IDs = append(s.IDs, id{Code: "ZQ-2"}, id{Code: "ZQ-3"}, id{Code: "ZQ-4"})
	r := &sent{messages: []*text{l.text(`{"role":"user","content":"ZQ-2, see ctx:0123456789ab and ctx:ffffffffffff"}`)}}
	asked := 0
	n := held(s, r, func(h string) (string, bool) {
		asked++
		c, ok := map[string]string{"ctx:0123456789ab": `"\u005aQ-1 and ctx:0123456789ab, ctx:0123456789cd"`, "ctx:0123456789cd": `"ZQ-3"`}[h]
		return c, ok
	})
	if n != 3 || asked != 3 {
		t.Errorf("%d ids held after %d questions", n, asked)
	}
}

// The SDKs' way: a refusal is final, a broken answer is asked for again.
func TestAsk(t *testing.T) {
	good := "data: {\"usage\":{\"prompt_tokens\":9}}\n\ndata: [DONE]\n\n"
	for _, c := range []struct {
		first int
		calls int
		fails bool
	}{{200, 1, false}, {502, 2, false}, {400, 1, true}} {
		calls := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls == 1 {
				w.WriteHeader(c.first)
			}
			_, _ = io.WriteString(w, good)
		}))
		a, err := ask(newClient(), srv.URL, []byte("{}"))
		srv.Close()
		if (err != nil) != c.fails || calls != c.calls || a.repeated != calls-1 || !c.fails && a.whole < time.Duration(calls-1)*500*time.Millisecond {
			t.Errorf("%d: %d calls, %+v, %v", c.first, calls, a, err)
		}
	}
}

func TestArguments(t *testing.T) {
	if err := run([]string{"-only", "replay,nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("%v", err)
	}
	p := plan{sessionPath: "nowhere.json"}
	if _, err := p.openSession(); !errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoSession) {
		t.Errorf("a session that was named is absent: %v", err)
	}
	if (&plan{without: true}).section("x") != nil || len((&plan{}).section("x")) != 2 {
		t.Error("the section")
	}
}
