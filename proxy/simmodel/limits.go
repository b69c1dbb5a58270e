package simmodel

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// A bucket is refilled continuously with limit tokens a minute and holds at most size.
type bucket struct {
	limit int
	size  float64
	level float64
	last  time.Time
}

func newBucket(limit int, burst float64, now time.Time) *bucket {
	if limit <= 0 {
		return nil
	}
	size := max(1, float64(limit)*burst)
	return &bucket{limit: limit, size: size, level: size, last: now}
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.last); d > 0 {
		b.level = min(b.size, b.level+d.Minutes()*float64(b.limit))
		b.last = now
	}
}

// until is how long it takes until the bucket holds n.
func (b *bucket) until(n float64) time.Duration {
	if b.level >= n {
		return 0
	}
	return time.Duration((n - b.level) / float64(b.limit) * float64(time.Minute))
}

// The four budgets, in the order in which they are checked.
const (
	perRequest = iota
	perToken
	perInput
	perOutput
	budgets
)

var (
	budgetKind = [budgets]string{"rpm", "tpm", "itpm", "otpm"}
	budgetName = [budgets]string{"requests per min (RPM)", "tokens per min (TPM)", "input tokens per min (ITPM)", "output tokens per min (OTPM)"}
	budgetCode = [budgets]string{"requests", "tokens", "tokens", "tokens"}
)

type charge [budgets]float64

type limiter struct {
	opt   LimitOptions
	clock Clock
	mu    sync.Mutex
	sets  *lru.Cache[string, *[budgets]*bucket]
}

func newLimiter(o LimitOptions, c Clock) *limiter {
	sets, _ := lru.New[string, *[budgets]*bucket](4096)
	return &limiter{opt: o, clock: c, sets: sets}
}

func (l *limiter) on() bool { return l.opt.RPM+l.opt.TPM+l.opt.ITPM+l.opt.OTPM > 0 }

// set returns the buckets of a credential; mu is held.
func (l *limiter) set(key string, now time.Time) *[budgets]*bucket {
	if !l.opt.PerKey {
		key = ""
	}
	s, ok := l.sets.Get(key)
	if !ok {
		s = &[budgets]*bucket{
			newBucket(l.opt.RPM, l.opt.Burst, now), newBucket(l.opt.TPM, l.opt.Burst, now),
			newBucket(l.opt.ITPM, l.opt.Burst, now), newBucket(l.opt.OTPM, l.opt.Burst, now),
		}
		l.sets.Add(key, s)
	}
	for _, b := range s {
		if b != nil {
			b.refill(now)
		}
	}
	return s
}

// take charges all budgets or none. The error says which budget was short and when it will not be.
func (l *limiter) take(key, model string, c charge) *apiError {
	if !l.on() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	set := l.set(key, l.clock.Now())
	for i, b := range set {
		if b == nil || b.level >= c[i] {
			continue
		}
		if r := set[perRequest]; i != perRequest && r != nil && l.opt.CountRefused {
			r.level = max(0, r.level-1)
		}
		return refusal(i, b, c[i], model)
	}
	for i, b := range set {
		if b != nil {
			b.level -= c[i]
		}
	}
	return nil
}

func refusal(i int, b *bucket, n float64, model string) *apiError {
	e := &apiError{status: 429, typ: budgetCode[i], code: "rate_limit_exceeded", kind: budgetKind[i]}
	if n > b.size {
		e.msg = fmt.Sprintf("Request too large for %s on %s: Limit %d, Requested %d. The input or output tokens must be reduced in order to run successfully.", model, budgetName[i], int(b.size), int(n))
		return e
	}
	e.retryIn = max(time.Millisecond, b.until(n))
	used := max(0, int(b.size-b.level))
	e.msg = fmt.Sprintf("Rate limit reached for %s on %s: Limit %d, Used %d, Requested %d. Please try again in %s.", model, budgetName[i], b.limit, used, int(n), goDuration(e.retryIn))
	return e
}

// settle gives back, or takes, the difference between what was charged and what was used. A level may become negative.
func (l *limiter) settle(key string, charged, used charge) {
	if !l.on() || l.opt.Reserve {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, b := range l.set(key, l.clock.Now()) {
		if b != nil && i != perRequest {
			b.level = min(b.size, b.level+charged[i]-used[i])
		}
	}
}

func goDuration(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
	}
	return d.Round(time.Millisecond).String()
}

// headers adds the rate-limit headers of the dialect.
func (l *limiter) headers(h http.Header, d dialect, key string) {
	if !l.on() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	names := [budgets]string{"requests", "tokens", "input-tokens", "output-tokens"}
	for i, b := range l.set(key, now) {
		if b == nil || d != messages && i > perToken {
			continue
		}
		left := strconv.Itoa(max(0, int(b.level)))
		full := b.until(b.size)
		if d == messages {
			p := "anthropic-ratelimit-" + names[i]
			lower(h, p+"-limit", strconv.Itoa(b.limit))
			lower(h, p+"-remaining", left)
			lower(h, p+"-reset", now.Add(full).UTC().Format(time.RFC3339))
			continue
		}
		lower(h, "x-ratelimit-limit-"+names[i], strconv.Itoa(b.limit))
		lower(h, "x-ratelimit-remaining-"+names[i], left)
		lower(h, "x-ratelimit-reset-"+names[i], goDuration(full))
	}
}
