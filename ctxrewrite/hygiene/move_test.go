package hygiene

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/history/historytest"
	"github.com/trapgate/trapgate/internal/wire"
)

func clock(i int) string {
	return time.Date(2026, 9, 30, 23, 59, 0, 0, time.UTC).Add(time.Duration(i) * 47 * time.Second).Format("Mon Jan _2 3:04:05 PM 2006")
}

// A conversation whose system prompt tells the time: from the third request on each is a prefix of the next, byte for byte.
func TestPrefixStaysWarm(t *testing.T) {
	for _, d := range dialects {
		for _, strict := range []bool{true, false} {
			h := New(Options{})
			before := ""
			for i := range 20 {
				now := clock(i / 2) // some requests do not change it
				sent, rep := fix(t, h, d, body(d, stampedPrompt(now), i+1), func(r *Request) {
					if !strict {
						r.Profile = history.Plain
					}
				})
				if i < 2 {
					if sent != body(d, stampedPrompt(now), i+1) || rep.Moved || rep.Volatile != nil {
						t.Fatalf("%v: request %d is changed without a proof: %+v", d, i, rep)
					}
					continue
				}
				if !rep.Moved || rep.Why != "" || (i > 2) && rep.Cost != 0 || i == 2 && (rep.Cost <= 0 || len(rep.Volatile) != 1 || rep.Volatile[0] != 3) {
					t.Fatalf("%v: request %d: %+v", d, i, rep)
				}
				if before != "" && !strings.HasPrefix(sent, head(t, d, before)) {
					t.Fatalf("%v: request %d does not begin with the one before:\n%s\n%s", d, i, before, sent)
				}
				if n := strings.Count(sent, "The time is"); n != i/2 {
					t.Errorf("%v: request %d has %d stamps", d, i, n)
				}
				if at := strings.Index(sent, strings.Trim(quote(now), `"`)); at < 0 || !strings.Contains(sent, "Never delete.") {
					t.Errorf("%v: request %d has lost a line", d, i)
				}
				before = sent
			}
			// Another session of the agent has it moved at once.
			sent, rep := fix(t, h, d, body(d, stampedPrompt(clock(99)), 1), func(r *Request) { r.Session = "other" })
			if !rep.Moved || !strings.Contains(sent, string(reference)) {
				t.Errorf("%v: a known line is not moved in a new session: %+v", d, rep)
			}
			for name, change := range map[string]func(*Request){
				"tenant": func(r *Request) { r.Tenant = "x" }, "agent": func(r *Request) { r.Session, r.Agent = "y", "y" }, "none": func(r *Request) { r.Session = "" },
			} {
				if _, rep := fix(t, h, d, body(d, stampedPrompt(clock(98)), 1), change); rep.Moved {
					t.Errorf("%v: moved by what another one proved: %s", d, name)
				}
			}
		}
	}
}

// What differs without being a clock, a counter or the like proves nothing, and what has not changed is not touched.
func TestOnlyProofMoves(t *testing.T) {
	for _, x := range []struct {
		first, second string
		line          int
	}{
		{"a\ntime 12:00:01\nb", "a\ntime 9:05:59\nb", 2},
		{"a\ntime 2026-01-02T03:04:05.123Z\nb", "a\ntime 2026-01-02T03:04:05Z\nb", 2},
		{"h: cc_version=2.1; cch=abcde;\nb", "h: cc_version=2.1; cch=fabcd;\nb", 1},
		{"nonce deadbeef-dead-beef\nb 7", "nonce feedbeef-feed-beef\nb 7", 1},
		{"Sunday, 30 August\nb", "Monday, 31 August\nb", 1},
		{"request 9\nb", "request 10\nb", 1},
		{"mode plan\nb 1", "mode act\nb 1", 0},
		{"a\nb 1", "a\nb 1\nc 2", 0},
		{"a \\n 12\\\nb", "a \\n 13\\\nb", 1},
		{strings.Repeat("long sentence here. ", 40) + "It is 12:00 now. " + strings.Repeat("more ", 90), strings.Repeat("long sentence here. ", 40) + "It is 12:01 now. " + strings.Repeat("more ", 90), 1},
	} {
		for _, d := range dialects {
			h := New(Options{})
			fix(t, h, d, body(d, x.first, 1), nil)
			sent, rep := fix(t, h, d, body(d, x.second, 2), nil)
			if rep.Moved != (x.line > 0) || rep.Moved && rep.Volatile[0] != x.line || rep.Moved == (sent == body(d, x.second, 2)) {
				t.Errorf("%v: %q then %q: %+v\n%s", d, x.first, x.second, rep, sent)
			}
			if strings.HasPrefix(x.first, "long") && strings.Count(sent, "long sentence") != 40 {
				t.Error("more than the sentence was moved")
			}
		}
	}
}

func TestReportAndOff(t *testing.T) {
	for _, d := range dialects {
		for _, s := range []Settings{{}, {Volatile: VolatileOff}, moving} {
			h := New(Options{})
			var reports []Report
			for i := range 3 {
				b := body(d, stampedPrompt(clock(i)), 20+i)
				sent, rep := fix(t, h, d, b, func(r *Request) { r.Settings, r.Observe = s, s.Volatile == VolatileMove })
				if sent != b {
					t.Fatalf("%v %+v: bytes changed", d, s)
				}
				if s.Volatile == VolatileOff {
					continue
				}
				if i > 0 && (len(rep.Volatile) != 1 || rep.Cost < len(b)/8 || rep.Cost > len(b)/4) {
					t.Errorf("%v: %+v of %d bytes", d, rep, len(b))
				}
				reports = append(reports, rep)
			}
			if c := h.Counts(); s.Volatile != VolatileOff && (c.Volatile != 2 || c.Cost != int64(reports[1].Cost+reports[2].Cost) || c.Moved != 0) || s.Volatile == VolatileOff && c != (Counts{}) {
				t.Errorf("%+v", c)
			}
		}
	}
}

// A regenerated turn has the current text and keeps what stands before it; each branch keeps its own stamps.
func TestBranches(t *testing.T) {
	for _, d := range dialects {
		h := New(Options{})
		for i := range 4 {
			fix(t, h, d, body(d, stampedPrompt(clock(i)), i+1), nil)
		}
		first, _ := fix(t, h, d, body(d, stampedPrompt(clock(4)), 5), nil)
		again, _ := fix(t, h, d, body(d, stampedPrompt(clock(5)), 5), nil)
		if first == again || !strings.Contains(again, clock(5)) || strings.Contains(again, clock(4)) {
			t.Fatalf("%v: a try again is stale:\n%s", d, again)
		}
		a := body(d, stampedPrompt(clock(6)), 6)
		b := strings.ReplaceAll(a, "answer 4", "another answer")
		sentA, _ := fix(t, h, d, a, nil)
		if !strings.HasPrefix(sentA, head(t, d, again)) {
			t.Fatalf("%v: the continuation lost its prefix", d)
		}
		regenerated, _ := fix(t, h, d, body(d, stampedPrompt(clock(7)), 5), nil) // then answered otherwise
		sentB, _ := fix(t, h, d, b, nil)
		if !strings.HasPrefix(sentB, head(t, d, regenerated)) {
			t.Errorf("%v: the branch lost its prefix\n%s\n%s", d, regenerated, sentB)
		}
		if after, _ := fix(t, h, d, body(d, stampedPrompt(clock(8)), 7), nil); !strings.HasPrefix(after, head(t, d, sentA)) {
			t.Errorf("%v: the branch took the stamps of the other", d)
		}
	}
}

// Messages that the engine has left out and texts that it has cut keep out of the way of stamps, and the other way round.
func TestBesideTheEngine(t *testing.T) {
	for _, d := range dialects {
		h := New(Options{})
		for i := range 8 {
			fix(t, h, d, body(d, stampedPrompt(clock(i)), i+1), nil)
		}
		engine := func(r *Request) {
			v := r.View
			task := 0
			for v.Msgs[task].Role != wire.User {
				task++
			}
			r.Call.Insert(v.Texts[v.Msgs[task].Text.To-1].End-1, []byte(`DIGEST`))
			r.Call.Replace(wire.Span{Start: v.Msgs[task+1].Span.Start, End: v.Msgs[task+9].Span.Start}, nil)
			cut := v.Msgs[task+10]
			r.Call.Replace(v.Texts[cut.Text.To-1], []byte(`"cut"`))
		}
		before := ""
		for i := 8; i < 12; i++ {
			sent, rep := fix(t, h, d, body(d, stampedPrompt(clock(i)), i+1), engine)
			if !rep.Moved || !strings.Contains(sent, "DIGEST") || before != "" && !strings.HasPrefix(sent, head(t, d, before)) {
				t.Fatalf("%v: %+v\n%s\n%s", d, rep, before, sent)
			}
			before = sent
		}
		// Somebody else edits the line itself.
		b := body(d, stampedPrompt(clock(50)), 12)
		_, rep := fix(t, h, d, b, func(r *Request) {
			r.Exchange = new(wire.Edits)
			r.Exchange.Insert(int32(strings.Index(b, "The time is")), []byte("x"))
		})
		if rep.Moved || rep.Why == "" {
			t.Errorf("%v: %+v", d, rep)
		}
	}
}

// Generated histories of all kinds under each profile: no fault is introduced, and a try again gives the same bytes.
func TestRandomHistories(t *testing.T) {
	profiles := []*history.Profile{history.OpenAI, history.Anthropic, history.Gemini, history.DeepSeek, history.Mistral, history.Strict, history.Plain}
	moved := 0
	for seed := range uint64(210) {
		d, p := dialects[seed%3], profiles[seed/3%uint64(len(profiles))]
		g := historytest.Generate(rand.New(rand.NewPCG(seed, 1)), d, historytest.Options{Profile: p})
		h := New(Options{})
		set := func(r *Request) {
			r.Profile, r.Settings = p, Settings{CacheKey: true, Breakpoints: true, Volatile: VolatileMove}
		}
		var last string
		for i := range 4 {
			b, ok := stamp(t, d, string(g.Body), i)
			if !ok {
				break
			}
			sent, rep := fix(t, h, d, b, set)
			again, _ := fix(t, h, d, b, set)
			if rep.Moved {
				moved++
				if again != sent {
					t.Fatalf("%d: two runs differ:\n%s\n%s", seed, sent, again)
				}
			}
			last = sent
		}
		if n := strings.Count(strings.ReplaceAll(last, `\"cache`, ""), `"cache_control"`); n > max(maxMarks, strings.Count(string(g.Body), `"cache_control"`)) {
			t.Fatalf("%d: %d marks", seed, n)
		}
	}
	if moved < 300 {
		t.Errorf("only %d moved", moved)
	}
}

// stamp writes a clock into the first system text of a body.
func stamp(t testing.TB, d wire.Dialect, body string, i int) (string, bool) {
	v := view(t, d, body)
	defer v.Release()
	at := int32(-1)
	systemTexts(v, func(s wire.Span) {
		if at < 0 {
			at = s.Start + 1
		}
	})
	if at < 0 {
		return "", false
	}
	return body[:at] + fmt.Sprintf(`clock 12:%02d\n`, i) + body[at:], true
}

// Parallel requests of a few sessions.
func TestConcurrent(t *testing.T) {
	h := New(Options{Sessions: 3})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 40 {
				d := dialects[i%3]
				fix(t, h, d, body(d, stampedPrompt(clock(i*8+g)), i%5+1), func(r *Request) { r.Session = fmt.Sprint(i % 5) })
			}
		})
	}
	wg.Wait()
	if h.Counts().Moved == 0 {
		t.Error("nothing moved")
	}
}

func TestStampsAreBounded(t *testing.T) {
	var s stamps
	for i := range 5000 {
		s.put(point{uint64(i), 0}, make([]byte, i%400))
		if len(s.order) != len(s.texts) || len(s.order) > maxStamps || s.bytes > maxStampBytes {
			t.Fatal(i, len(s.order), len(s.texts), s.bytes)
		}
	}
	sum := 0
	for _, text := range s.texts {
		sum += len(text)
	}
	if sum != s.bytes {
		t.Error(sum, s.bytes)
	}
}

// A request that goes on from state at the provider is left alone.
func TestServerState(t *testing.T) {
	h := New(Options{})
	for i := range 3 {
		b := strings.Replace(body(wire.Responses, stampedPrompt(clock(i)), i+1), `{"model"`, `{"previous_response_id":"r","model"`, 1)
		if sent, rep := fix(t, h, wire.Responses, b, func(r *Request) { r.Settings.CacheKey, r.Profile = true, history.OpenAI }); sent != b || rep.Key {
			t.Errorf("%+v", rep)
		}
	}
}

// When stamps are dropped for their number, the cache breaks once, and holds again from there on.
func TestLongConversation(t *testing.T) {
	h := New(Options{})
	before, broken := "", 0
	for i := range 300 {
		sent, rep := fix(t, h, wire.Chat, body(wire.Chat, stampedPrompt(clock(i)), i+1), nil)
		if i > 0 && !rep.Moved {
			t.Fatal(i, rep)
		}
		if i > 1 && !strings.HasPrefix(sent, head(t, wire.Chat, before)) {
			broken++
		}
		before = sent
	}
	if broken < 1 || broken > 5 {
		t.Errorf("%d of 300 requests lost their prefix", broken)
	}
	t.Logf("%d of 300 requests lost their prefix", broken)
}

// What real agents sent, with a clock put in front of the system text.
func TestRecorded(t *testing.T) {
	moved := 0
	for _, rec := range historytest.Recorded(t) {
		if strings.Contains(string(rec.Body), `"previous_response_id":"`) || strings.Contains(string(rec.Body), `"previous_response_id": "`) {
			continue // left alone: see TestServerState
		}
		h := New(Options{})
		for i := range 3 {
			b, ok := stamp(t, rec.Dialect, string(rec.Body), i)
			if !ok {
				break
			}
			_, rep := fix(t, h, rec.Dialect, b, func(r *Request) {
				r.Settings = Settings{CacheKey: true, Breakpoints: true, Volatile: VolatileMove}
			})
			if i > 0 && (len(rep.Volatile) != 1 || rep.Volatile[0] != 1) {
				t.Errorf("%s: %+v", rec.Name, rep)
			}
			if rep.Moved {
				moved++
			}
		}
	}
	if moved == 0 {
		t.Error("nothing was moved")
	}
	t.Logf("%d moved", moved)
}
