package limit

import (
	"math/rand/v2"
	"testing"
)

// A lottery refuses one in so many, whatever is sent; the others are p's to admit, where there is one, until it is over.
type lottery struct {
	one  int
	r    *rand.Rand
	p    provider
	over float64 // second from which on it refuses nobody; 0: never
}

func (l *lottery) admit(now float64) bool {
	if (l.over == 0 || now < l.over) && l.r.IntN(l.one) == 0 {
		return false
	}
	return l.p == nil || l.p.admit(now)
}

// Refusals that have nothing to do with a rate take the limit down until they are found out. From then on nearly all is used, of a
// rate behind them too.
func TestAIMDNoise(t *testing.T) {
	const minutes, learnt = 100, 40 // what was found is forgotten once meanwhile
	for _, tt := range []struct {
		name   string
		one    int
		bucket float64 // a minute; 0: none
		demand float64
		rate   float64 // what may be admitted at most
	}{
		{"one in 100 of 3000", 100, 0, 3000, 2970},
		{"one in 10 of 3000", 10, 0, 3000, 2700},
		{"one in 10 of 60", 10, 0, 60, 54},
		{"one in 10, and a rate of 600", 10, 600, 3000, 600},
	} {
		p := &lottery{one: tt.one, r: rand.New(rand.NewPCG(1, 1))}
		if tt.bucket > 0 {
			p.p = &tokenBucket{rate: tt.bucket, burst: tt.bucket, level: tt.bucket}
		}
		_, admitted, _ := learnRate(p, minutes, tt.demand)
		sum := 0
		for _, n := range admitted[learnt:] {
			sum += n
		}
		use := float64(sum) / (minutes - learnt) / tt.rate
		t.Logf("%s: use %.2f, at first %v", tt.name, use, admitted[:learnt])
		if use < 0.8 {
			t.Errorf("%s: use is %.2f, want 0.80", tt.name, use)
		}
	}
}

// When there is no noise any more, a rate is kept again without refusals.
func TestAIMDNoiseEnds(t *testing.T) {
	p := &lottery{one: 10, r: rand.New(rand.NewPCG(1, 2)), p: &tokenBucket{rate: 600, burst: 600, level: 600}, over: 30 * 60}
	refused, admitted, a := learnRate(p, 180, 3000)
	late := 0
	for _, n := range refused[120:] {
		late += n
	}
	t.Logf("refused %v, admitted %v", refused, admitted)
	if a.Limit() < 0.85*600 || a.Limit() > 600 || late > 2 { // the doubt of a proven limit is allowed them
		t.Errorf("limit %.0f of 600; %d refusals in the last hour", a.Limit(), late)
	}
}
