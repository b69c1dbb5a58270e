package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

func TestPercentiles(t *testing.T) {
	var s sample
	for i := range 100 {
		s.add(time.Duration(100-i) * time.Microsecond)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := s.at(q); got != want {
			t.Errorf("at(%g) is %g, want %g", q, got, want)
		}
	}
	if got := (sample{}).at(0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: %g", got)
	}
}

// Added and ratio pair the rounds: a slow round that hits all sides must not show.
func TestSeries(t *testing.T) {
	s := series{direct: {10, 1000, 12}, copier: {30, 1020, 32}, gate: {40, 1030, 44}}
	if got := s.added(gate); got != 30 {
		t.Errorf("added %g, want 30", got)
	}
	if got := s.ratio(gate, copier); math.Abs(got-40.0/30) > 1e-9 {
		t.Errorf("ratio %g", got)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		v, target, copied float64
		want              string
	}{
		{60, 60, 10, "yes"},
		{61, 60, 50, "yes, by 1.3x copy"},
		{66, 60, 50, "**no**"},
		{66, 60, math.NaN(), "**no**"},
		{66, 0, 1, ""},
		{math.NaN(), 60, 50, "-"},
	} {
		if got := verdict(c.v, c.target, c.copied); got != c.want {
			t.Errorf("verdict(%g, %g, %g) is %q, want %q", c.v, c.target, c.copied, got, c.want)
		}
	}
}

// Tokens are found wherever chunk borders fall.
func TestStampsCutAnywhere(t *testing.T) {
	var whole strings.Builder
	for i := range 5 {
		whole.WriteString(chunkStart + stampStart + strconv.Itoa(1_700_000_000+i) + chunkEnd)
	}
	whole.WriteString(streamEnd)
	text := whole.String()
	for size := 1; size < 700; size++ {
		var got []int64
		var rest []byte
		for at := 0; at < len(text); at += size {
			stamps, r, err := stampsOf(append(rest, text[at:min(at+size, len(text))]...))
			if err != nil {
				t.Fatal(err)
			}
			got, rest = append(got, stamps...), r
		}
		if len(got) != 5 || got[0] != 1_700_000_000 || got[4] != 1_700_000_004 {
			t.Fatalf("chunks of %d: %v", size, got)
		}
	}
}

func TestConversation(t *testing.T) {
	c := newConversation("h", "", 3, 41)
	var first, last []byte
	for i := range 4 {
		parts := c.request(i)
		body := append(append([]byte{}, parts[1]...), parts[2]...)
		if !json.Valid(body) {
			t.Fatalf("turn %d is not JSON", i)
		}
		var doc struct {
			Messages []struct{ Role string }
			Model    string
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		if want := messages + 2*i; len(doc.Messages) != want || doc.Model == "" {
			t.Errorf("turn %d has %d messages, want %d", i, len(doc.Messages), want)
		}
		if n := len(body); n < 425_000 || n > 445_000 {
			t.Errorf("turn %d is %d bytes", i, n)
		}
		if !strings.Contains(string(parts[0]), "Content-Length: "+strconv.Itoa(len(body))+"\r\n") {
			t.Error("the length is wrong")
		}
		if i == 0 {
			first = parts[1]
		}
		last = parts[1]
	}
	if string(last[:len(first)]) != string(first) {
		t.Error("a later turn changes the prefix")
	}
	before := string(first)
	c.stamp(42)
	if len(c.marks) != messages {
		t.Errorf("%d marks for %d messages", len(c.marks), messages)
	}
	if string(c.request(0)[1]) == before {
		t.Error("a stamp changes nothing")
	}
}

func TestSmallCounts(t *testing.T) {
	s := newSmall("h", "5 0", 9_999_998)
	for _, want := range []string{"0000000009999999", "0000000010000000", "0000000010000001"} {
		raw := string(s.next())
		_, body, _ := strings.Cut(raw, "\r\n\r\n")
		if !strings.Contains(body, want) || !json.Valid([]byte(body)) || !strings.Contains(raw, "X-Bench: 5 0\r\n") {
			t.Errorf("no %s in %s", want, raw)
		}
	}
}

// The load generator understands what the model server says, unary and streamed, also behind the copy proxy.
func TestConnAgainstServer(t *testing.T) {
	l := fasthttputil.NewInmemoryListener()
	defer l.Close()
	go func() { _ = fasthttp.Serve(l, modelServer) }()
	raw, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	c := wrap(raw)
	defer c.Close()
	if err := c.ask(newSmall("h", "", 1).next()); err != nil {
		t.Fatal(err)
	}
	if err := c.send(newSmall("h", "7 0", 1).next()); err != nil {
		t.Fatal(err)
	}
	if n, err := c.head(); err != nil || n != -1 {
		t.Fatalf("%d, %v", n, err)
	}
	var text []byte
	for {
		b, err := c.chunk(nil)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			break
		}
		text = append(text, b...)
	}
	if stamps, _, err := stampsOf(text); err != nil || len(stamps) != 7 || !strings.HasSuffix(string(text), "[DONE]\n\n") {
		t.Errorf("%v, %v: %s", stamps, err, text)
	}
	if err := c.send([]byte("POST / HTTP/1.1\r\nHost: h\r\nX-Bench: x\r\nContent-Length: 0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.head(); !errors.Is(err, errStatus) {
		t.Errorf("a 400 is %v", err)
	}
}

func TestInFlightOf(t *testing.T) {
	for text, want := range map[string]int{`{"in_flight":[]}`: 0, `{"in_flight":[{},{}]}`: 2, `{"in_flight":3}`: 3, `{}`: -1, `x`: -1} {
		n, err := inFlightOf([]byte(text))
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
}

// The pictures are well-formed, with data, without, and with gaps in it.
func TestPlots(t *testing.T) {
	r := &results{Series: map[string]series{"small_p50": {direct: {10}, copier: {40}, gate: {400}}, "cpu_token": {gate: {2}}}}
	plots := map[string]string{
		"added":  addedPlot(r),
		"curve":  curvePlot("a < b & c", "µs", map[string]sample{direct: {1, 2, 3}, gate: {4, 9, 900}}),
		"empty":  curvePlot("nothing", "µs", nil),
		"cancel": cancelPlot([]cancelRow{{Transport: "TCP", State: silent, N: 3, P50: 120, P99: 400, Worst: 9000}, {Transport: "TLS", State: second, Lost: 3}}),
	}
	for name, text := range plots {
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s holds a number that is none", name)
		}
	}
}

func TestReport(t *testing.T) {
	r := &results{
		Series:     map[string]series{"small_p50": {direct: {10}, nginx: {30}, copier: {40}, gate: {70}, spans: {95}}, "rate": {copier: {1000}, gate: {950}, spans: {790}}},
		Memory:     map[string]footprint{gate: {Idle: 18, Small: 24.1, Big: 60}},
		CancelRows: []cancelRow{{Transport: "TCP", State: silent, N: 3, P50: 120, Worst: 20_001}},
		Left:       []leftovers{{Transport: "TCP", Goroutines: 1}},
	}
	text := r.markdown()
	for _, want := range []string{
		"| small unary, c=1, p50, µs | ≤ 60 | 10 | 20 | 30 | **60** | 2.00 | yes |",
		"| small unary, c=1, p50, µs | ≤ 60 | 10 | 20 | 30 | **85** | 2.83 | **no** |",
		"| trapgate | 950 | 0.95 | ≥ 0.9x | yes |",
		"| trapgate + spans | 790 | 0.79 | ≥ 0.8x | **no** |",
		"| met | yes | **no** | yes | |",
		"| TCP | silent stream | 3 | 0.120 | 0.000 | 20.00 | 0 | **no** |",
		"| TCP | 1 | 0 | 0 | 0 | **no** |",
		"Not met: 5. trapgate + spans, req/s at c=64; trapgate + spans, small unary, c=1, p50, µs; memory, small streams; ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}
