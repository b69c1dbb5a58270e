package limit

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A provider refuses what its own limit does not allow.
type provider interface{ admit(now float64) bool }

// tokenBucket admits rate a minute and saves up to burst.
type tokenBucket struct{ rate, burst, level, at float64 }

func (p *tokenBucket) admit(now float64) bool {
	p.level = min(p.burst, p.level+p.rate/60*(now-p.at))
	p.at = now
	if p.level < 1 {
		return false
	}
	p.level--
	return true
}

// slidingMinute admits so many in any minute.
type slidingMinute struct {
	limit int
	log   []float64
}

func (p *slidingMinute) admit(now float64) bool {
	for len(p.log) > 0 && p.log[0] <= now-60 {
		p.log = p.log[1:]
	}
	if len(p.log) >= p.limit {
		return false
	}
	p.log = append(p.log, now)
	return true
}

// learnRate lets a saturated queue run against a provider, and returns how often it was refused in each minute after the first
// refusal, and what was admitted in each minute.
func learnRate(p provider, minutes int, demand float64) (refused, admitted []int, a *AIMD) {
	a = NewAIMD(t0, AIMDOptions{})
	b := NewBucket(t0, Rate{})
	refused, admitted = make([]int, minutes), make([]int, minutes)
	const latency = 0.1
	type sent struct {
		at float64
		ok bool
	}
	var flight []sent
	next, first, backoff := 0.0, -1.0, 1.0
	for now := 0.0; now < float64(minutes)*60; now += 0.01 {
		for len(flight) > 0 && flight[0].at+latency <= now {
			f := flight[0]
			flight = flight[1:]
			if f.ok {
				continue
			}
			if first < 0 {
				first = now
			}
			refused[int((now-first)/60)]++
			unsure := 0.0
			for _, o := range flight {
				if !at(o.at).Before(a.From(at(now))) {
					unsure++
				}
			}
			if a.Refused(at(now), at(f.at), 1, unsure) {
				b.SetRate(at(now), Rate{PerMinute: a.Limit()})
				backoff = 1
			} else { // nothing is learnt: wait, and longer each time
				next = max(next, now+backoff)
				backoff = min(2*backoff, 60)
			}
			b.Empty(at(now))
		}
		if r := a.Limit(); r != b.Rate().PerMinute {
			b.SetRate(at(now), Rate{PerMinute: r})
		}
		for now >= next && b.Fits(at(now), 1, 0) {
			b.Reserve(at(now), 1)
			b.Settle(at(now), 1, 1)
			a.Sent(at(now), 1, time.Hour)
			ok := p.admit(now)
			if ok {
				admitted[int(now/60)]++
			}
			flight = append(flight, sent{now, ok})
			next += 60 / demand
		}
		next = max(next, now-1)
	}
	return refused, admitted, a
}

func TestAIMDFindsRates(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    provider
		rate float64
		use  float64
	}{
		{"60 a minute, saved for a minute", &tokenBucket{rate: 60, burst: 60, level: 60}, 60, 0.85},
		{"60, a tenth saved", &tokenBucket{rate: 60, burst: 6, level: 6}, 60, 0.85},
		{"500, saved for a minute", &tokenBucket{rate: 500, burst: 500, level: 500}, 500, 0.85},
		{"500, a tenth saved", &tokenBucket{rate: 500, burst: 50, level: 50}, 500, 0.85},
		{"600, three minutes saved", &tokenBucket{rate: 600, burst: 1800, level: 1800}, 600, 0.7},
		{"20, sliding minute", &slidingMinute{limit: 20}, 20, 0.6},
		{"300, sliding minute", &slidingMinute{limit: 300}, 300, 0.6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused, admitted, a := learnRate(tt.p, 25, 20*tt.rate)
			late, sum := 0, 0
			for m := 3; m < 25; m++ {
				late += refused[m]
				if m >= 15 {
					sum += admitted[m]
				}
			}
			use := float64(sum) / 10 / tt.rate
			t.Logf("refused in the three windows: %v, later %d; limit %.1f; use of the last ten minutes %.2f", refused[:3], late, a.Limit(), use)
			if late > 0 {
				t.Errorf("%d refusals after the third window: %v", late, refused)
			}
			if use < tt.use {
				t.Errorf("use is %.2f, want %.2f", use, tt.use)
			}
		})
	}
}

func TestAIMDFollowsALimitThatRises(t *testing.T) {
	p := &tokenBucket{rate: 60, burst: 6, level: 6}
	a := NewAIMD(t0, AIMDOptions{Start: 30})
	a.Sent(t0, 30, 0)
	a.Refused(at(1), at(0.5), 1, 0)
	low := a.Limit()
	p.rate = 600
	for s := 2.0; s < 200*60; s += 60 / a.Limit() {
		a.Sent(at(s), 1, 0)
	}
	if a.Limit() < 3*low {
		t.Errorf("limit %.1f after 200 quiet minutes, was %.1f", a.Limit(), low)
	}
}

// A pause, however long, takes nothing from a limit but what a refusal always takes.
func TestAIMDPause(t *testing.T) {
	steady := func(a *AIMD, from, to, perMinute float64) float64 {
		for s := from; s < to; s += 60 / perMinute {
			a.Sent(at(s), 1, time.Hour)
		}
		return to
	}
	const night = 10 * 3600
	for _, tt := range []struct {
		name  string
		least float64
		run   func(a *AIMD)
	}{
		{"first refusal after a night", 200, func(a *AIMD) {
			now := steady(a, night, night+60, 300)
			a.Refused(at(now), at(now), 1, 0)
		}},
		{"first refusal of a burst after an hour of little", 50, func(a *AIMD) {
			steady(a, 0, 3600, 2)
			now := steady(a, 3600, 3610, 600)
			a.Refused(at(now), at(now), 1, 0)
		}},
		{"a night after the first refusal", 200, func(a *AIMD) {
			now := steady(a, 0, 60, 300)
			a.Refused(at(now), at(now), 1, 0)
			steady(a, now+night, now+night+1, 60)
		}},
		{"little to do after the first refusal", 200, func(a *AIMD) {
			now := steady(a, 0, 60, 300)
			a.Refused(at(now), at(now), 1, 0)
			for s := now; s < now+900; s += 10 {
				a.Sent(at(s), 1, 0)
			}
		}},
		{"a proven limit, refused in the morning", 170, func(a *AIMD) {
			now := steady(a, 0, 60, 300)
			a.Refused(at(now), at(now), 1, 0)
			for end := now + 1200; now < end; {
				now = steady(a, now, now+60, min(300, a.Limit()))
			}
			now = steady(a, now+night, now+night+10, 270)
			a.Refused(at(now), at(now), 1, 0)
		}},
	} {
		a := NewAIMD(t0, AIMDOptions{})
		tt.run(a)
		if a.Limit() < tt.least {
			t.Errorf("%s: limit %.1f, want %.0f at least", tt.name, a.Limit(), tt.least)
		}
	}
}

// A refusal before which nothing has passed teaches nothing; not of a burst of which nothing was answered either.
func TestAIMDNothingPassed(t *testing.T) {
	a := NewAIMD(t0, AIMDOptions{})
	a.Sent(t0, 1, 0)
	if a.Refused(at(1), t0, 1, 0) || a.Limit() != 0 {
		t.Errorf("limit %.1f of a refusal before anything passed", a.Limit())
	}
	for range 50 {
		a.Sent(at(5), 1, 0)
	}
	for i := range 50 {
		if a.Refused(at(6), at(5), 1, float64(49-i)) || a.Limit() != 0 {
			t.Fatalf("limit %.1f of a burst that was refused as a whole", a.Limit())
		}
	}
	for range 50 {
		a.Sent(at(7), 1, 0)
	}
	if !a.Refused(at(8), at(7), 1, 0) || a.Limit() < 40 {
		t.Errorf("limit %.1f when 49 passed", a.Limit())
	}
	a.Sent(at(100), 1, 0)
	a.Refused(at(101), at(100), 1, 0)
	limit := a.Limit()
	for s := 102.0; s < 110; s++ {
		a.Sent(at(s), 1, 0)
		if a.Refused(at(s+0.5), at(s), 1, 0) || a.Limit() != limit {
			t.Fatalf("limit %.1f, was %.1f: refused time and again for what others send", a.Limit(), limit)
		}
	}
}

// What was used counts, not what was reserved.
func TestAIMDUsed(t *testing.T) {
	a := NewAIMD(t0, AIMDOptions{})
	for s := range 60 {
		a.Sent(at(float64(s)), 1000, time.Hour)
		a.Used(at(float64(s)), at(float64(s)), -900)
	}
	a.Sent(at(60), 1000, time.Hour)
	a.Refused(at(60), at(60), 1000, 0)
	near(t, "limit of 60 calls that used 100 each in a minute", a.Limit(), 0.7*6000, 100)
}

// When a proven limit holds no more, refusals one after another go on to take 30 %.
func TestAIMDFallsWithTheLimit(t *testing.T) {
	p := &tokenBucket{rate: 600, burst: 60, level: 60}
	_, admitted, a := learnRate(lowered{p, 15 * 60}, 40, 2000)
	if a.Limit() > 70 || admitted[39] < 35 {
		t.Errorf("limit %.1f and %d admitted a minute of 60", a.Limit(), admitted[39])
	}
}

// lowered is a bucket whose rate falls to a tenth.
type lowered struct {
	*tokenBucket
	when float64
}

func (p lowered) admit(now float64) bool {
	if now >= p.when {
		p.rate, p.burst = 60, 6
	}
	return p.tokenBucket.admit(now)
}

// An engine serves at most slots calls at once, the others wait; each needs a prefill and then decodes.
func TestGradientFindsTheKnee(t *testing.T) {
	for _, slots := range []int{4, 24} {
		g, fit := NewGradient(GradientOptions{Start: 8}), NewTTFT(4)
		r := rand.New(rand.NewPCG(1, 2))
		limits := engine(g, fit, r, slots, 6000, func() float64 { return 0.5 + 4*r.ExpFloat64() })
		mean := 0.0
		for _, l := range limits[len(limits)/2:] {
			mean += float64(l) / float64(len(limits)/2)
		}
		t.Logf("%d slots: mean limit %.1f", slots, mean)
		if mean < float64(slots)*0.9 || mean > float64(slots)*2+4 {
			t.Errorf("%d slots: the limit settles at %.1f", slots, mean)
		}
	}
}

// Answers that are ten times longer leave the limit where it is: they do not change the time to the first token.
func TestGradientIgnoresLongAnswers(t *testing.T) {
	g, fit := NewGradient(GradientOptions{Start: 8}), NewTTFT(4)
	r := rand.New(rand.NewPCG(3, 4))
	scale := 1.0
	limits := engine(g, fit, r, 32, 3000, func() float64 { return scale * (0.5 + r.ExpFloat64()) })
	before := limits[len(limits)-1]
	scale = 10
	limits = engine(g, fit, r, 32, 3000, func() float64 { return scale * (0.5 + r.ExpFloat64()) })
	if after := limits[len(limits)-1]; after < before*2/3 {
		t.Errorf("the limit fell from %d to %d", before, after)
	}
}

// engine runs n calls through slots under g, with prompts of 10 to 8,000 tokens at 0.1 ms each, and returns the limits.
func engine(g *Gradient, fit *TTFT, r *rand.Rand, slots, n int, decode func() float64) (limits []int) {
	var ends, busy floats // when calls in flight end, and when each slot is free
	for range slots {
		heap.Push(&busy, 0.0)
	}
	now := 0.0
	for range n {
		for len(ends) >= max(1, g.Limit()) {
			now = max(now, heap.Pop(&ends).(float64))
		}
		inflight := len(ends) + 1
		tokens := int(math.Exp(math.Log(10) + r.Float64()*math.Log(800)))
		start := max(now, heap.Pop(&busy).(float64))
		first := start + 0.02 + 1e-4*float64(tokens)*(1+0.2*r.Float64())
		end := first + decode()
		heap.Push(&busy, end)
		heap.Push(&ends, end)
		observe := fit.Observe
		if g.Busy(inflight) {
			observe = fit.ObserveBusy
		}
		if ratio, ok := observe("m", tokens, first-now); ok {
			g.Observe(ratio, inflight)
		}
		limits = append(limits, g.Limit())
		now += 0.001
	}
	return limits
}

type floats []float64

func (f floats) Len() int           { return len(f) }
func (f floats) Less(i, j int) bool { return f[i] < f[j] }
func (f floats) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *floats) Push(x any)        { *f = append(*f, x.(float64)) }
func (f *floats) Pop() any {
	o := *f
	x := o[len(o)-1]
	*f = o[:len(o)-1]
	return x
}

func TestGradientRefused(t *testing.T) {
	g := NewGradient(GradientOptions{Start: 20, Max: 30})
	g.Refused(at(1), at(0))
	g.Refused(at(1), at(0.5))
	if g.Limit() != 14 {
		t.Errorf("limit %d after one refusal, want 14", g.Limit())
	}
	for range 10_000 {
		g.Observe(1, g.Limit())
	}
	if g.Limit() != 30 {
		t.Errorf("limit %d, want its greatest", g.Limit())
	}
	g.Observe(math.NaN(), 1)
	g.Observe(-1, 1)
	for range 10_000 {
		g.Observe(50, 1)
	}
	if g.Limit() > 9 {
		t.Errorf("limit %d at 50 times the floor", g.Limit())
	}
}

func TestTTFTFindsTheLine(t *testing.T) {
	fit := NewTTFT(2)
	if _, ok := fit.Predict("m", 1); ok {
		t.Error("something is known of nothing")
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		n := 100 + r.IntN(8000)
		y := 0.05 + 2e-4*float64(n)
		if r.IntN(4) == 0 {
			y *= 3 // waited at the upstream
		}
		fit.Observe("m", n, y*(1+0.1*r.Float64()))
	}
	p, ok := fit.PerToken("m")
	if !ok {
		t.Fatal("no slope")
	}
	near(t, "seconds a token", p, 2e-4, 0.5e-4)
	s, _ := fit.Predict("m", 6000)
	near(t, "seconds for 6,000", s, 1.25, 0.3)
	before := p
	for range 500 {
		fit.ObserveBusy("m", 100+r.IntN(8000), 30)
	}
	p, _ = fit.PerToken("m")
	near(t, "slope after an overload", p, before, 1e-12)

	for range 20 {
		fit.Observe("same", 1000, 0.3)
	}
	if _, ok := fit.PerToken("same"); ok {
		t.Error("a slope from prompts of one size")
	}
	if s, ok := fit.Predict("same", 1010); !ok || math.Abs(s-0.3) > 1e-9 {
		t.Errorf("prediction near the one size is %v %v", s, ok)
	}
	if _, ok := fit.Predict("same", 9000); ok {
		t.Error("a prediction far from the one size")
	}
	fit.Observe("m", -1, 1)
	fit.Observe("m", 1, math.Inf(1))
	fit.Observe("m", 1, math.NaN())
	if s, _ := fit.Predict("m", 1); math.IsNaN(s) || math.IsInf(s, 0) {
		t.Error("nonsense was learnt")
	}
	fit.Observe("third", 1, 1) // of two models remembered
	if _, ok := fit.Predict("m", 1); ok && fit.lines.Len() > 2 {
		t.Error("more models are remembered than were asked for")
	}
}

func TestGaps(t *testing.T) {
	g := NewGaps(64)
	k := Key{Tenant: "t", Model: "p1", Agent: "a"}
	if _, ok := g.Quantile(k, 0.5); ok || g.Within(k, time.Hour) != 0 {
		t.Error("something is known of nothing")
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		g.Observe(k, time.Duration(50+r.IntN(250))*time.Millisecond)
	}
	near(t, "within 175 ms", g.Within(k, 175*time.Millisecond), 0.5, 0.1)
	near(t, "within 400 ms", g.Within(k, 400*time.Millisecond), 1, 0.01)
	q, ok := g.Quantile(k, 0.9)
	if !ok || q < 240*time.Millisecond || q > 320*time.Millisecond {
		t.Errorf("90th percentile %v %v", q, ok)
	}
	// Another program of the same agent is answered for by the first.
	k2 := Key{Tenant: "t", Model: "p2", Agent: "a"}
	near(t, "of a new program, within 400 ms", g.Within(k2, 400*time.Millisecond), 1, 0.02)
	for range 60 {
		g.Observe(k2, 5*time.Second)
	}
	if g.Within(k2, 400*time.Millisecond) > 0.2 || g.Within(k, 400*time.Millisecond) < 0.9 {
		t.Error("a program's own samples do not outweigh the others'")
	}
	for range 100 {
		g.Gone(Key{Tenant: "u"})
	}
	if _, ok := g.Quantile(Key{Tenant: "u"}, 0.5); ok {
		t.Error("programs that do not come back have a median")
	}
}

func TestAnticipate(t *testing.T) {
	const ms = time.Millisecond
	uniform := NewGaps(8)
	slow := NewGaps(8)
	flaky := NewGaps(8)
	r := rand.New(rand.NewPCG(9, 10))
	k := Key{Tenant: "t", Agent: "a"}
	for range 400 {
		uniform.Observe(k, time.Duration(50+r.IntN(250))*ms)
		slow.Observe(k, time.Duration(1900+r.IntN(200))*ms)
		if r.IntN(10) == 0 {
			flaky.Observe(k, 100*ms)
		} else {
			flaky.Gone(k)
		}
	}
	for _, tt := range []struct {
		name        string
		g           *Gaps
		since, cold time.Duration
		idle        bool
		least, most time.Duration
	}{
		{"worth it: held till all are back", uniform, 0, 3 * time.Second, false, 250 * ms, 400 * ms},
		{"half over: for what is left", uniform, 200 * ms, 3 * time.Second, false, 80 * ms, 200 * ms},
		{"later than ever seen", uniform, 2 * time.Second, 3 * time.Second, false, 0, 0},
		{"a prefill that costs less than the wait", uniform, 0, 60 * ms, false, 0, 0},
		{"tools of two seconds, a prefill of one", slow, 0, time.Second, false, 0, 0},
		{"tools of two seconds, a prefill of four", slow, 0, 4 * time.Second, false, 2 * time.Second, 2500 * ms},
		{"tools of two seconds, nearly over", slow, 1800 * ms, time.Second, false, 200 * ms, 700 * ms},
		{"nine of ten never return", flaky, 0, 500 * ms, false, 0, 0},
		{"nothing waits", flaky, 0, ms, true, Forever, Forever},
		{"nothing known: as long as the prefill", NewGaps(1), 0, 300 * ms, false, 300 * ms, 300 * ms},
		{"nothing known, and held already", NewGaps(1), 400 * ms, 300 * ms, false, 0, 0},
		{"nothing to lose", uniform, 0, 0, false, 0, 0},
	} {
		if got := tt.g.Anticipate(k, tt.since, tt.cold, !tt.idle); got < tt.least || got > tt.most {
			t.Errorf("%s: held for %v, want %v to %v", tt.name, got, tt.least, tt.most)
		}
	}
}
