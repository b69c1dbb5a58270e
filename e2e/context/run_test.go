//go:build e2e && unix

package context

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/clients"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/e2e/record"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// A run is one agent's task, and what was recorded of it.
type run struct {
	book   book
	window int    // of the model, in its own tokens
	gate   string // the context section for Trapgate, "" for no Trapgate

	agentErr       error
	took           time.Duration
	before, behind []record.Exchange // what asks for an answer, as the agent and as the model saw it
	stats          simmodel.Stats
}

// do runs agent, which is told its working folder, its home and where the API is.
func (r *run) do(t *testing.T, agent func(work, home, origin string) error) {
	t.Helper()
	model, err := simmodel.New(simmodel.Options{ContextWindow: r.window, Decide: r.book.decide})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	server, err := model.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	behind := recorder(t, strings.TrimPrefix(server.URL, "http://"))
	dir := t.TempDir()
	addr := behind.Addr()
	if r.gate != "" {
		config := filepath.Join(dir, "trapgate.yaml")
		if err := os.WriteFile(config, []byte("context: "+r.gate+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		binary, err := rig.Binary()
		if err != nil {
			t.Fatal(err)
		}
		gate, err := clients.StartTrapgate(binary, behind.URL(), filepath.Join(dir, "data"), "--config", config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := gate.Stop(); err != nil {
				t.Error(err)
			}
		}()
		addr = gate.Addr()
	}
	before := recorder(t, addr)
	work := filepath.Join(dir, "work")
	r.book.write(t, work)
	start := time.Now()
	r.agentErr = agent(work, filepath.Join(dir, "home"), before.URL())
	r.took = time.Since(start)
	before.Settle(150*time.Millisecond, 5*time.Second)
	behind.Settle(150*time.Millisecond, 5*time.Second)
	r.before, r.behind, r.stats = generations(t, before), generations(t, behind), model.Stats()
}

func recorder(t *testing.T, target string) *record.Recorder {
	t.Helper()
	r, err := record.Start(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// generations are the exchanges of the conversation itself: side calls, such as for a title, declare no tools.
func generations(t *testing.T, r *record.Recorder) []record.Exchange {
	t.Helper()
	all, err := r.Exchanges()
	if err != nil {
		t.Error(err)
	}
	var out []record.Exchange
	for _, x := range all {
		var body struct{ Tools []json.RawMessage }
		if strings.HasPrefix(x.Request.StartLine, "POST ") && json.Unmarshal(x.Request.Body, &body) == nil && len(body.Tools) > 0 {
			out = append(out, x)
		}
	}
	return out
}

var (
	promptUsage = regexp.MustCompile(`"(?:prompt|input)_tokens":(\d+)`)
	rewritten   = regexp.MustCompile(`^epoch=(\d+); from=(\d+); to=(\d+)`)
)

// prompt is the size of an answered request as the model counted it, 0 when it does not say.
func prompt(x record.Exchange) int {
	n := 0
	for _, m := range promptUsage.FindAllSubmatch(x.Response.Body, -1) {
		k, _ := strconv.Atoi(string(m[1]))
		n = max(n, k)
	}
	return n
}

// epochs is the newest epoch that a response header speaks of, and how many responses were to rewritten requests. Any other
// word in the header is a fault of the run.
func (r *run) epochs(t *testing.T) (newest, requests int) {
	t.Helper()
	for _, x := range r.before {
		h := x.Response.Fields.Get("x-trapgate-context")
		m := rewritten.FindStringSubmatch(h)
		if m == nil {
			if h != "" && !strings.HasPrefix(h, "epoch=0; why=") {
				t.Errorf("%v: x-trapgate-context: %s", x, h)
			}
			continue
		}
		if strings.Contains(h, "pins-over-budget") || strings.Contains(h, "why=") {
			t.Errorf("%v: x-trapgate-context: %s", x, h)
		}
		n, _ := strconv.Atoi(m[1])
		newest = max(newest, n)
		requests++
	}
	return newest, requests
}

// A rule is a text that the conversation must not lose, from the moment the agent first sends it.
type rule struct{ who, text string }

// forms are how JSON writers put a text on the wire.
func (r rule) forms() [][]byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(r.text) // a string always encodes
	raw := bytes.Trim(bytes.TrimSpace(out.Bytes()), `"`)
	var ascii []byte
	for _, c := range string(raw) {
		if c < 0x80 {
			ascii = append(ascii, byte(c))
		} else {
			ascii = fmt.Appendf(ascii, `\u%04x`, c)
		}
	}
	return [][]byte{raw, ascii}
}

// keeps checks that a rule stands in every request upstream that had it when the agent sent it, in the agent's own bytes.
func (r *run) keeps(t *testing.T, rules ...rule) {
	t.Helper()
	for _, rule := range rules {
		var raw []byte
		for _, form := range rule.forms() {
			if bytes.Contains(r.before[len(r.before)-1].Request.Body, form) {
				raw = form
			}
		}
		if raw == nil {
			t.Errorf("the agent itself does not send the rule of the %s: %q", rule.who, rule.text)
			continue
		}
		since := 0
		for !bytes.Contains(r.before[since].Request.Body, raw) {
			since++
		}
		// Refused tries stand behind only, so both ends are counted from the last request.
		for i := 1; i <= min(len(r.before)-since, len(r.behind)); i++ {
			if !bytes.Contains(r.behind[len(r.behind)-i].Request.Body, raw) {
				t.Errorf("%v: the rule of the %s is lost: %q", r.behind[len(r.behind)-i], rule.who, rule.text)
				break
			}
		}
	}
}

// completed checks a run through Trapgate that had to be rewritten: all was read, refused says how many requests the model may
// have found too long, and the agent never saw any of it.
func (r *run) completed(t *testing.T, refused int64) {
	t.Helper()
	if r.agentErr != nil {
		t.Errorf("the agent: %v", r.agentErr)
	}
	if len(r.before) == 0 || len(r.behind) == 0 {
		t.Fatal("nothing was recorded")
	}
	largest, unread := 0, 0
	for _, x := range r.before {
		if x.Status() != 200 {
			t.Errorf("the agent saw %v: %s", x, x.Response.StartLine)
		}
	}
	for _, x := range r.behind {
		largest = max(largest, prompt(x))
		if x.Status() == 200 && prompt(x) == 0 {
			unread++
		}
	}
	if largest >= r.window || unread > 0 {
		t.Errorf("the largest request has %d of %d tokens; %d answers without usage", largest, r.window, unread)
	}
	r.sees(t)
	if got := r.stats.Rejected["context"]; got != refused || len(r.stats.Rejected) > min(1, int(refused)) {
		t.Errorf("the model refused %v, want %d for their length and no other", r.stats.Rejected, refused)
	}
	newest, requests := r.epochs(t)
	if newest < 2 {
		t.Errorf("%d epochs: the conversation did not outgrow its window twice", newest)
	}
	if got, want := len(r.behind), len(r.before)+int(refused); got != want {
		t.Errorf("%d requests upstream, want %d", got, want)
	}
	s := r.stats
	t.Logf("%d requests of the agent, %d upstream, %d refused and made again; %d epochs, %d requests rewritten; largest %d of %d tokens",
		len(r.before), len(r.behind), s.Rejected["context"], newest, requests, largest, r.window)
	t.Logf("%d tokens sent, %.1f %% of them cached; %.1f s, %.1f of them waiting for answers, %.1f of those for the model", s.PromptTokens,
		100*float64(s.CachedTokens)/float64(s.PromptTokens), r.took.Seconds(), waited(r.before), waited(r.behind))
}

// waited is how many seconds the exchanges took, from the first byte of each request to the last of its answer.
func waited(all []record.Exchange) float64 {
	var sum time.Duration
	for _, x := range all {
		sum += x.Response.EndAt.Sub(x.Request.StartAt)
	}
	return sum.Seconds()
}

// sees checks that every answered request holds the newest page whole, and the last one the last page.
func (r *run) sees(t *testing.T) {
	t.Helper()
	n := 0
	for _, x := range r.behind {
		if n = lastRead(x.Request.Body); n == 0 || x.Status() != 200 {
			continue
		}
		for line := range strings.Lines(r.book.page(n)) {
			if !bytes.Contains(x.Request.Body, []byte(strings.TrimSuffix(line, "\n"))) {
				t.Errorf("%v: page %d is not whole", x, n)
				break
			}
		}
	}
	if n != r.book.pages {
		t.Errorf("the last request is at page %d of %d", n, r.book.pages)
	}
}

// died checks a run without Trapgate: the agent ends with the model's refusal.
func (r *run) died(t *testing.T) {
	t.Helper()
	if len(r.before) == 0 {
		t.Fatalf("nothing was recorded: %v", r.agentErr)
	}
	last := r.before[len(r.before)-1]
	if last.Status() != 400 || !bytes.Contains(last.Response.Body, []byte(`"code":"context_length_exceeded"`)) {
		t.Errorf("the last answer is %s %s", last.Response.StartLine, last.Response.Body)
	}
	t.Logf("%d requests, the last at page %d of %d: %s; %.1f s", len(r.before), lastRead(last.Request.Body), r.book.pages,
		last.Response.StartLine, r.took.Seconds())
}
