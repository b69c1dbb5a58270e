package simmodel

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Over any span of virtual time no more is admitted than the bucket and its refill allow, and who waits as told gets in.
func TestRequestsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{Limits: LimitOptions{RPM: 60, Burst: 0.1}})
		defer m.Close()
		ok, refused := 0, 0
		start := time.Now()
		for time.Since(start) < 2*time.Minute {
			w := call(m, "POST", "/v1/chat/completions", userBody(fmt.Sprint(ok, refused), ""))
			if w.Code == 200 {
				ok++
				if header(w, "x-ratelimit-limit-requests") != "60" || header(w, "x-ratelimit-remaining-requests") == "" || header(w, "x-ratelimit-reset-requests") == "" {
					t.Fatalf("headers %v", w.Header())
				}
				continue
			}
			refused++
			if w.Code != 429 || header(w, "Retry-After") != "1" {
				t.Fatalf("%d %v", w.Code, w.Header())
			}
			ms, err := strconv.Atoi(header(w, "retry-after-ms"))
			if err != nil || ms < 1 || ms > 1000 {
				t.Fatal(w.Header())
			}
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
		if ok < 6+119 || ok > 6+121 {
			t.Errorf("%d admitted in 2 minutes of 60 RPM with a burst of 6", ok)
		}
		if m.Stats().Rejected["rpm"] != int64(refused) {
			t.Errorf("%v, refused %d", m.Stats().Rejected, refused)
		}
	})
}

func TestTokensPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{Limits: LimitOptions{TPM: 1000}})
		defer m.Close()
		body := userBody(strings.Repeat("abc ", 300), `,"max_tokens":400`) // about 305 + 400, of which few are used
		w := call(m, "POST", "/v1/chat/completions", body)
		n, _, out := usageOf(t, w)
		left, _ := strconv.Atoi(header(w, "x-ratelimit-remaining-tokens"))
		if left != 1000-n-out {
			t.Errorf("at the end %d are left of 1000 - %d - %d", left, n, out)
		}
		// Settled: 1000-n-out are left, not enough for another n+400 unless the difference came back.
		w = call(m, "POST", "/v1/chat/completions", userBody("hi", fmt.Sprintf(`,"max_tokens":%d`, 1000-n-out-6)))
		if w.Code != 200 {
			t.Errorf("the reservation was not settled: %s", w.Body)
		}
		w = call(m, "POST", "/v1/chat/completions", body)
		if w.Code != 429 || !strings.Contains(w.Body.String(), "tokens per min (TPM)") {
			t.Fatal(w.Code, w.Body)
		}
		ms, _ := strconv.Atoi(header(w, "retry-after-ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		if w = call(m, "POST", "/v1/chat/completions", body); w.Code != 200 {
			t.Error("refused after the wait it was told", w.Body)
		}
		if w = call(m, "POST", "/v1/chat/completions", userBody(strings.Repeat("abc ", 1100), "")); w.Code != 429 || header(w, "Retry-After") != "" {
			t.Error("what can never fit must not be told to wait:", w.Code, w.Header())
		}
	})
}

func TestReserveKeepsTheCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{Limits: LimitOptions{TPM: 1000, Reserve: true}})
		defer m.Close()
		call(m, "POST", "/v1/chat/completions", userBody("hi [[sim: say ok]]", `,"max_tokens":900`))
		if w := call(m, "POST", "/v1/chat/completions", userBody("hi [[sim: say ok]]", `,"max_tokens":900`)); w.Code != 429 {
			t.Error(w.Code)
		}
	})
}

// The header of a stream leaves before its end, so it shows the reservation.
func TestStreamShowsTheReservation(t *testing.T) {
	m := newModel(t, Options{Limits: LimitOptions{TPM: 1000}, Clock: frozen{}})
	w := call(m, "POST", "/v1/chat/completions", userBody("hi", `,"max_tokens":400,"stream":true`))
	if got := header(w, "x-ratelimit-remaining-tokens"); got != "595" {
		t.Errorf("%s left, want 1000 - 5 - 400", got)
	}
}

// Cached input is free of ITPM, and messages has its own headers.
func TestInputTokensPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := New(Options{Limits: LimitOptions{ITPM: 1000, OTPM: 500}})
		defer m.Close()
		body := `{"model":"m","max_tokens":20,"messages":[{"role":"user","content":` + string(quote(strings.Repeat("abc ", 800))) + `}]}`
		for i := range 10 {
			w := call(m, "POST", "/v1/messages", body)
			if w.Code != 200 {
				t.Fatalf("request %d: %s", i, w.Body)
			}
			for _, h := range []string{"limit", "remaining", "reset"} {
				if header(w, "anthropic-ratelimit-input-tokens-"+h) == "" || header(w, "x-ratelimit-limit-tokens") != "" {
					t.Fatal(w.Header())
				}
			}
		}
		w := call(m, "POST", "/v1/messages", strings.Replace(body, "abc", "xyz", 1))
		if w.Code != 429 || header(w, "Retry-After") == "" || !strings.Contains(w.Body.String(), "rate_limit_error") {
			t.Error(w.Code, w.Header(), w.Body)
		}
	})
}

func TestLimitsPerKey(t *testing.T) {
	m := newModel(t, Options{Limits: LimitOptions{RPM: 1, PerKey: true}})
	for _, k := range []string{"a", "b"} {
		if w := call(m, "POST", "/v1/chat/completions", userBody("x", ""), "Authorization", "Bearer "+k); w.Code != 200 {
			t.Error(k, w.Code)
		}
	}
	if w := call(m, "POST", "/v1/chat/completions", userBody("x", ""), "Authorization", "Bearer a"); w.Code != 429 {
		t.Error(w.Code)
	}
}
