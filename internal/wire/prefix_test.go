package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// shown is all that a view shows, without what tells a resumed scan from a cold one.
type shown struct {
	View    View
	Hashes  []uint64
	Extras  []extra
	Private string
}

func show(v *View) shown {
	s := shown{View: *v, Extras: full(v.extras)}
	s.Private = fmt.Sprint(v.modelVal, v.maxRank, v.scan.count)
	s.Hashes = v.ChainFrom(1, 0, nil)
	s.View = View{
		Dialect: v.Dialect, Body: v.Body, Model: v.Model, Stream: v.Stream, StreamSpan: v.StreamSpan, MaxTokens: v.MaxTokens,
		UserField: v.UserField, Metadata: v.Metadata, CacheKey: v.CacheKey, PreviousID: v.PreviousID, Options: v.Options,
		System: v.System, History: v.History, ToolsSpan: v.ToolsSpan, Root: v.Root, ToolChoice: v.ToolChoice,
		Conversation: v.Conversation, Background: v.Background, SystemText: v.SystemText,
		Msgs: full(v.Msgs), Texts: full(v.Texts), Calls: full(v.Calls), Results: full(v.Results), Tools: full(v.Tools),
	}
	return s
}

// full makes an empty slice and a nil one the same.
func full[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// sameAsCold checks that what a resumed scan gave is what a cold one gives.
func sameAsCold(t interface{ Fatalf(string, ...any) }, d Dialect, body []byte, v *View, err error) {
	cold, coldErr := Acquire(d, body, Limits{})
	if (err == nil) != (coldErr == nil) || err != nil && !reflect.DeepEqual(err, coldErr) {
		t.Fatalf("resumed: %v, cold: %v\n%s", err, coldErr, body)
	}
	if err != nil {
		return
	}
	if a, b := v.Sum(), cold.Sum(); a != b {
		t.Fatalf("resumed sums up to %x, cold to %x\n%s", a, b, body)
	}
	if a, b := show(v), show(cold); !reflect.DeepEqual(a, b) {
		t.Fatalf("resumed differs from cold:\n%+v\n%+v\n%s", a, b, body)
	}
	cold.Release()
}

var elements = map[Dialect][]string{
	Chat: {
		`{"role":"user","content":"hi \u00e9"}`, `{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}`,
		`{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r"}]}`, `null`, `{"role":"system","content":"s","name":"n"}`,
	},
	Messages: {
		`{"role":"user","content":"hi"}`, `{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"a":1}}]}`,
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"x"}],"cache_control":{"type":"ephemeral"}}]}`,
	},
	Responses: {
		`{"role":"user","content":"q"}`, `{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`,
		`{"type":"function_call_output","call_id":"c","output":"o"}`, `{"type":"reasoning","summary":[]}`,
		`{"type":"additional_tools","tools":[{"type":"function","name":"x"}]}`,
	},
}

var (
	bigTools = `,"tools":[{"type":"namespace","name":"ns","tools":[{"name":"in"}]},{"name":"t","type":"function","function":{"name":"f","parameters":{"d":"` +
		strings.Repeat("x", minMemo) + `"}}}]`
	bigSystem = `,"system":[{"type":"text","text":"` + strings.Repeat("s", minMemo) + `"}],"instructions":"` + strings.Repeat("i", minMemo) + `"`
)

func genBody(t *rapid.T, d Dialect, head, foot string, items []string) []byte {
	key := map[Dialect]string{Chat: "messages", Messages: "messages", Responses: "input"}[d]
	var b bytes.Buffer
	b.WriteString("{" + head + `"` + key + `":[`)
	for i, it := range items {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(it)
	}
	b.WriteString("]" + foot + "}")
	return b.Bytes()
}

func TestIncrementalIsCold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]Dialect{Chat, Messages, Responses}).Draw(t, "dialect")
		head := rapid.SampledFrom([]string{``, `"model":"m","x":1,`, `"tools":[{"name":"a"}],"system":"s","instructions":"i",`}).Draw(t, "head")
		feet := rapid.SampledFrom([]string{
			``, `,"stream":true`, `,"tools":[{"type":"function","name":"b","function":{"name":"c"}}]`, `,"X":2,"y":3`, `,"model":"again"`,
			`,"system":[{"type":"text","text":"late"}]`, ` x`, bigTools, `,"x":1` + bigTools, bigTools + bigSystem, bigSystem, `,"a":"\x"`, "\xff", `,"metadata":{"user_id":"u"}`,
		})
		items := rapid.SliceOfN(rapid.SampledFrom(elements[d]), 1, 12).Draw(t, "items")
		cache := NewPrefixCache(1 << 20)
		for turn := range rapid.IntRange(1, 5).Draw(t, "turns") {
			body := genBody(t, d, head, feet.Draw(t, "foot"), items)
			if rapid.Float64Range(0, 1).Draw(t, "damage") < 0.2 {
				body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			}
			v, hit, err := cache.Lookup(1, d, body, Limits{})
			sameAsCold(t, d, body, v, err)
			if err == nil {
				if hit != (v.Known() > 0) {
					t.Fatalf("turn %d: hit %v but %d known", turn, hit, v.Known())
				}
				if rapid.Bool().Draw(t, "store") {
					cache.Store(1, v)
				}
				v.Release()
			}
			switch rapid.IntRange(0, 3).Draw(t, "next") {
			case 0: // the last message changes, as when a cache marker moves
				items[len(items)-1] = rapid.SampledFrom(elements[d]).Draw(t, "changed")
			case 1:
				items = items[:rapid.IntRange(1, len(items)).Draw(t, "cut")]
			}
			items = append(items, rapid.SliceOfN(rapid.SampledFrom(elements[d]), 0, 4).Draw(t, "more")...)
		}
	})
}

// A prefix may be cut anywhere in the next body, also where that makes it no JSON.
func TestIncrementalCutAnywhere(t *testing.T) {
	for _, s := range seeds {
		v := mustView(t, s.d, string(s.body))
		p := v.Prefix()
		if p == nil {
			continue
		}
		for n := range s.body {
			v, _, err := AcquireFrom(p, s.d, s.body[:n], Limits{})
			sameAsCold(t, s.d, s.body[:n], v, err)
		}
	}
}

// Tools and system behind the history are not read again when their bytes are the same.
func TestMemo(t *testing.T) {
	items := []string{elements[Messages][0], elements[Messages][1]}
	cache := NewPrefixCache(1 << 20)
	var tools, system uint64
	for turn := range 4 {
		foot := bigTools + bigSystem
		if turn == 3 {
			foot = strings.Replace(foot, "xxx", "xyx", 1)
		}
		body := []byte(`{"messages":[` + strings.Join(items, ",") + `]` + foot + `}`)
		v, hit, err := cache.Lookup(1, Messages, body, Limits{})
		sameAsCold(t, Messages, body, v, err)
		recalled := 0
		for _, n := range v.noted {
			if n.memo != nil {
				recalled++
			}
		}
		if want := []int{0, 2, 2, 1}[turn]; recalled != want || hit != (turn > 0) {
			t.Errorf("turn %d: %d recalled, want %d", turn, recalled, want)
		}
		if turn == 2 && (v.toolsSum != tools || v.sysSum != system || tools == 0 || system == 0) {
			t.Error("hashes of tools and system were not kept")
		}
		cold := mustView(t, Messages, string(body))
		tools, system = v.ToolsHash(), v.SystemHash()
		if tools != cold.ToolsHash() || system != cold.SystemHash() {
			t.Error("hashes differ from cold ones")
		}
		cache.Store(1, v)
		v.Release()
		items = append(items, elements[Messages][2])
	}
}

func TestPrefixHits(t *testing.T) {
	cache := NewPrefixCache(8 << 20)
	lookup := func(body []byte, want int) *View {
		t.Helper()
		v, hit, err := cache.Lookup(1, Chat, body, Limits{})
		if err != nil || hit != (want > 0) || v.Known() != want {
			t.Fatalf("hit %v, %d known, want %d: %v", hit, v.Known(), want, err)
		}
		sameAsCold(t, Chat, body, v, err)
		return v
	}
	first := agentBody(10)
	v := lookup(first, 0)
	chain := v.ChainFrom(1, 0, nil)
	cache.Store(1, v)
	v.Release()
	for n := 12; n <= 60; n += 2 {
		v = lookup(agentBody(n), n-2+1)
		if n == 12 && (len(v.hashes) < 11 || v.hashes[0] == 0) {
			t.Error("hashes were not kept")
		}
		again := v.ChainFrom(1, 0, nil)
		if !reflect.DeepEqual(again[:len(chain)], chain) {
			t.Fatal("chain changed")
		}
		cache.Store(1, v)
		v.Release()
		if cache.Len() != 1 {
			t.Fatalf("%d prefixes for one conversation", cache.Len())
		}
	}
	lookup(bytes.Replace(agentBody(60), []byte("careful"), []byte("carefUl"), 1), 0)
	last := agentBody(60)
	moved := append([]byte(nil), last[:bytes.LastIndex(last, []byte(`result_`))]...)
	moved = append(moved, "changed\"}]}"...)
	lookup(moved, 60)
	if _, hit, _ := cache.Lookup(2, Chat, first, Limits{}); hit {
		t.Error("another key hits")
	}
	if _, hit, _ := cache.Lookup(1, Messages, last, Limits{}); hit {
		t.Error("another dialect hits")
	}
	if _, hit, _ := cache.Lookup(1, Chat, last, Limits{Depth: 9}); hit {
		t.Error("other limits hit")
	}
}

func TestPrefixCacheBounds(t *testing.T) {
	cache := NewPrefixCache(64 << 10)
	for i := range 100 {
		body := []byte(fmt.Sprintf(`{"messages":[{"role":"user","content":"%d"},{"role":"user","content":"x"}]}`, i))
		v, _, err := cache.Lookup(uint64(i%7), Chat, body, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		cache.Store(uint64(i%7), v)
		v.Release()
		if cache.Bytes() > 64<<10 || cache.Len() > 7*perKey {
			t.Fatal(cache.Bytes(), cache.Len())
		}
	}
	big := mustView(t, Chat, string(agentBody(2000)))
	cache.Store(99, big)
	if cache.Bytes() > 64<<10 {
		t.Fatal(cache.Bytes())
	}
	var none PrefixCache
	none.Store(1, big) // the zero value keeps nothing
	if _, hit, err := none.Lookup(1, Chat, []byte(`{}`), Limits{}); hit || err != nil {
		t.Error(hit, err)
	}
}

func TestPrefixCacheConcurrent(t *testing.T) {
	cache := NewPrefixCache(1 << 20)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := 4; n < 40; n++ {
				body := agentBody(n)
				if g%2 == 1 {
					body = bytes.ReplaceAll(body, []byte(fmt.Sprintf("result_%d ", n)), []byte("other "))
				}
				v, _, err := cache.Lookup(1, Chat, body, Limits{})
				if err != nil {
					panic(err)
				}
				if len(v.Msgs) != n+1 || v.ChainFrom(1, 0, nil)[0] == 0 {
					panic("wrong view")
				}
				cache.Store(1, v)
				v.Release()
			}
		})
	}
	wg.Wait()
}

func FuzzIncremental(f *testing.F) {
	for i, s := range seeds {
		f.Add(byte(s.d), s.body, uint(len(s.body)/2), s.body)
		f.Add(byte(s.d), s.body, uint(len(s.body)-2), seeds[(i+1)%len(seeds)].body)
	}
	for _, s := range corpus(f) {
		if len(s.body) < 2000 {
			f.Add(byte(s.d), s.body, uint(len(s.body)-3), []byte(`,{"role":"user","content":"more"}]}`))
		}
	}
	f.Fuzz(func(t *testing.T, d byte, first []byte, keep uint, rest []byte) {
		if d > byte(Embeddings) {
			return
		}
		v, err := Acquire(Dialect(d), first, Limits{})
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Offset < 0 || se.Offset > len(first) {
				t.Fatalf("%v", err)
			}
			return
		}
		v.ChainFrom(0, 0, nil)
		p := v.Prefix()
		v.Release()
		if p == nil {
			return
		}
		ends := []int{int(keep % uint(len(first)+1))}
		for _, c := range p.cuts {
			ends = append(ends, int(c.end))
		}
		for _, n := range ends {
			body := append(append([]byte(nil), first[:n]...), rest...)
			v, _, err := AcquireFrom(p, Dialect(d), body, Limits{})
			sameAsCold(t, Dialect(d), body, v, err)
		}
	})
}

// The sum of a body does not tell how it was read: along a conversation of many strides that grows and whose last messages change
// again, and each byte counts.
func TestSum(t *testing.T) {
	content := []byte(`"content":"`)
	rapid.Check(t, func(t *rapid.T) {
		var msgs []string
		var p *Prefix
		for range rapid.IntRange(2, 6).Draw(t, "requests") {
			msgs = msgs[:max(0, len(msgs)-rapid.IntRange(0, 2).Draw(t, "taken back"))]
			for range rapid.IntRange(1, 12).Draw(t, "messages") {
				text := strings.Repeat(rapid.StringMatching(`[a-z]{8}`).Draw(t, "text"), rapid.IntRange(1, 3000).Draw(t, "times"))
				msgs = append(msgs, fmt.Sprintf(`{"role":"user","content":%q}`, text))
			}
			body := []byte(`{"model":"m","messages":[` + strings.Join(msgs, ",") + `],"temperature":1}`)
			v, _, err := AcquireFrom(p, Chat, body, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			sameAsCold(t, Chat, body, v, err)
			other := bytes.Clone(body)
			other[bytes.LastIndex(other[:rapid.IntRange(bytes.Index(body, content)+len(content), len(body)).Draw(t, "up to")], content)+len(content)] = 'A'
			w, err := Acquire(Chat, other, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if w.Sum() == v.Sum() {
				t.Fatalf("two bodies, one sum")
			}
			p = v.Prefix()
		}
	})
}
