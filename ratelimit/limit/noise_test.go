package limit

import (
	"math/rand/v2"
	"testing"
)

// A lottery refuses one in so many, whatever is sent.
type lottery struct {
	one int
	r   *rand.Rand
}

func (p *lottery) admit(float64) bool { return p.r.IntN(p.one) > 0 }

// What got through since the last refusal is a floor: refusals that have nothing to do with a rate take it down slowly.
func TestAIMDNoise(t *testing.T) {
	_, admitted, a := learnRate(&lottery{100, rand.New(rand.NewPCG(1, 100))}, 20, 3000)
	t.Logf("admitted %v, limit %.0f", admitted, a.Limit())
	if a.Limit() < 40 { // 30 without the floor
		t.Errorf("one refusal in a hundred calls left %.1f a minute", a.Limit())
	}
}
