package ctxrewrite

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// refusals in the words of several upstreams.
const (
	saysPrompt = `{"error":{"message":"This model's maximum context length is %d tokens. However, your messages resulted in %d tokens.","code":"context_length_exceeded"}}`
	saysBoth   = `{"error":{"message":"This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the messages, %d in the completion).","code":"context_length_exceeded"}}`
	saysNoSize = `{"error":{"message":"Your input exceeds the context window of this model.","code":"context_length_exceeded"}}`
)

// Another attempt is made only when it would be a shorter one, and short enough.
func TestTooLongOnlyWhenItHelps(t *testing.T) {
	turns := func(n int) string {
		k := &talk{session: "s"}
		for range n {
			k.say(len(k.messages), 60)
		}
		return string(k.body())
	}
	limited := func(body string, most int) string {
		return strings.Replace(body, `{`, fmt.Sprintf(`{"max_tokens":%d,`, most), 1)
	}
	fixed := `{"model":"m","messages":[{"role":"system","content":"` + strings.Repeat("All of this stays. ", 1500) + `"},{"role":"user","content":"hi"}]}`
	long := turns(60)
	prompt := tokens.Estimate([]byte(long))
	for name, c := range map[string]struct {
		body   string
		window int // that is known before; 0: none
		said   string
		again  bool
	}{
		"much to leave out":                           {long, 0, fmt.Sprintf(saysPrompt, 3000, prompt), true},
		"a smaller window than was known":             {long, 100_000, fmt.Sprintf(saysPrompt, 3000, prompt), true},
		"no sizes":                                    {long, 0, saysNoSize, true},
		"nothing to leave out":                        {turns(1), 0, fmt.Sprintf(saysPrompt, 260, 400), false},
		"only what must stay":                         {fixed, 0, fmt.Sprintf(saysPrompt, 3000, 6000), false},
		"rewritten already":                           {long, 3000, fmt.Sprintf(saysPrompt, 3000, 3001), true},
		"a short prompt and a long answer":            {limited(turns(2), 32_000), 32_768, fmt.Sprintf(saysBoth, 32_768, 33_500, 1500, 32_000), false},
		"the answer leaves no room for a shorter one": {limited(turns(150), 32_000), 0, fmt.Sprintf(saysBoth, 32_768, 32_000+5*prompt/2, 5*prompt/2, 32_000), false},
		"the answer leaves room for a shorter":        {limited(long, 4000), 0, fmt.Sprintf(saysBoth, 8192, 4000+prompt, prompt, 4000), true},
		"the answer is not counted":                   {limited(long, 32_000), 0, fmt.Sprintf(saysPrompt, 3000, prompt), true},
		"the answer is, and no size is told":          {limited(turns(2), 32_000), 32_768, `{"error":{"message":"input length and max_tokens exceed context limit","code":"context_length_exceeded"}}`, false},
		"nor that of a window that is known":          {limited(turns(2), 32_700), 32_768, `{"error":{"message":"input length and max_tokens exceed context limit","code":"context_length_exceeded"}}`, false},
		"another refusal":                             {long, 0, `{"error":{"message":"temperature is wrong","code":"invalid_value"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			conf := Config{Reserve: 100}
			if c.window > 0 {
				conf = window(c.window)
			}
			e := engine(t, conf, nil)
			v, err := wire.Acquire(wire.Chat, []byte(c.body), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Release()
			var call, next wire.Edits
			r := &Request{View: v, Call: &call, Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Plain}
			plan := e.Fit(r)
			first, _ := wire.Apply(nil, v.Body, nil, &call)
			again := e.TooLong(r, &plan, 400, []byte(c.said))
			if again != c.again {
				t.Errorf("again %v; first %+v", again, plan)
			}
			if w, _ := e.config.Load().windows.Of("u", "m"); w < 250 && w > 0 {
				t.Errorf("a window of %d", w)
			}
			before := e.Counts()
			r.Call, r.Again = &next, true
			then := e.Fit(r)
			second, _ := wire.Apply(nil, v.Body, nil, &next)
			if again && len(second) >= len(first) {
				t.Errorf("%d bytes behind %d: %+v", len(second), len(first), then)
			}
			if after := e.Counts(); after.Requests-before.Requests > 1 || before.Requests > 1 || after.Epochs > 1 && plan.Epoch == 0 {
				t.Errorf("an attempt that was only thought of is counted: %+v, then %+v", before, after)
			}
		})
	}
}

// What an upstream counted of the answer says nothing of the prompt.
func TestTooLongCalibratesByThePrompt(t *testing.T) {
	body := strings.Replace(string((&talk{session: "s", messages: []string{`{"role":"user","content":"` + strings.Repeat("words of a text ", 500) + `"}`}}).body()), `{`, `{"max_tokens":32000,`, 1)
	v, err := wire.Acquire(wire.Chat, []byte(body), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	const want = 1.1
	for _, said := range []string{saysBoth, saysPrompt} {
		e := engine(t, window(32_768), nil)
		r := &Request{View: v, Call: new(wire.Edits), Tenant: "t", Session: "s", Upstream: "u", Model: "m", Profile: history.Plain}
		plan := e.Fit(r)
		counted := int(want * float64(plan.raw))
		if said == saysBoth {
			said = fmt.Sprintf(said, 32_768, counted+32_000, counted, 32_000)
		} else {
			said = fmt.Sprintf(said, counted-10, counted)
		}
		if e.TooLong(r, &plan, 400, []byte(said)); math.Abs(e.sessions.taught(r).Factor(&e.calibration, "u", "m")-want) > 0.01 {
			t.Errorf("%s\nfactor %v, want %v", said, e.sessions.taught(r).Factor(&e.calibration, "u", "m"), want)
		}
	}
}
