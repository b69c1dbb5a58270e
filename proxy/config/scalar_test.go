package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "4096": 4096, "1B": 1, "64MiB": 64 << 20, "64Mi": 64 << 20, "64M": 64 << 20, "64MB": 64e6, "1.5GiB": 3 << 29, "10 KiB": 10 << 10, "2G": 2 << 30,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "MiB", "-1", "1.5", "1e3", "0x10KiB", "1TiB", "1 2", "NaN", "Inf", "99999999999GiB", "9223372036854775808", "1mib", "1_0KiB", "KMG"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := ParseSize(s.String()); err != nil || got != s {
			t.Fatalf("%s: %d, %v", s, got, err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "0": 0, "0s": 0, "1.5s": 1500 * time.Millisecond} {
		if got, err := ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "-1s", "1d", "10000h", "s", "forever"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Second: "1s", 0: "0s", time.Hour + time.Second: "1h0m1s"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"listen", "admin", "base_url", "upstreams", "api_key", "models"}
	for text, want := range map[string]string{
		"listn": "listen", "Listen": "listen", "baseURL": "base_url", "base-url": "base_url", "upstream": "upstreams", "apikey": "api_key",
		"model": "models", "amdin": "admin", "schedule": "", "x": "", "zzzzzz": "",
	} {
		if got := nearest(text, words); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
