package limit

import (
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/head"
)

// Every answer's head is looked at: that must not cost memory.
func TestParseAllocatesNothing(t *testing.T) {
	var h head.Fields
	for _, l := range [][2]string{
		{"x-ratelimit-limit-requests", "5000"},
		{"x-ratelimit-remaining-requests", "4999"},
		{"x-ratelimit-reset-requests", "12ms"},
		{"x-ratelimit-limit-tokens", "800000"},
		{"x-ratelimit-remaining-tokens", "799000"},
		{"x-ratelimit-reset-tokens", "6m0s"},
		{"date", "Mon, 02 Jan 2026 15:04:05 GMT"},
		{"x-request-id", "abc"},
	} {
		h = append(h, head.Field{Name: []byte(l[0]), Value: []byte(l[1])})
	}
	if o := Parse(t0, h); o.Tokens.Limit != 800_000 || o.Requests.Remaining != 4999 || !o.Requests.HasReset {
		t.Fatalf("%+v", o)
	}
	if n := testing.AllocsPerRun(100, func() { Parse(t0, h) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Durations are read as Go reads them.
func TestGoDuration(t *testing.T) {
	for _, text := range []string{"1s", "6m0s", "20ms", "1.5h", "1h2m3.5s", "7us", "7µs", "7μs", "3ns", ".5s", "5.s"} {
		want, err := time.ParseDuration(text)
		got, ok := goDuration([]byte(text))
		if err != nil || !ok || time.Duration(got) != want {
			t.Errorf("%q: %v %t, want %v", text, time.Duration(got), ok, want)
		}
	}
	for _, text := range []string{"", "1", "s", "-1s", "+1s", "1x", "1..s", ".s", "1s ", "1 s", "1sm", "1e3s"} {
		if got, ok := goDuration([]byte(text)); ok {
			t.Errorf("%q was read as %v", text, time.Duration(got))
		}
	}
}
