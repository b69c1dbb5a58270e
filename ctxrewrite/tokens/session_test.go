package tokens

import (
	"math"
	"sync"
	"testing"
)

func TestSessionTeachesItselfFirst(t *testing.T) {
	var c Calibration
	var odd, next Session
	for range 20 {
		odd.Used(&c, up, model, 10_000, 29_000)
		odd.Exact(&c, up, model, 10_000, 29_000)
	}
	if f := odd.Factor(&c, up, model); math.Abs(f-2.9) > 0.05 {
		t.Errorf("its own factor is %.3f", f)
	}
	for who, f := range map[string]float64{"another session": next.Factor(&c, up, model), "no session": c.Factor(up, model)} {
		if math.Abs(f-1) > 0.001 {
			t.Errorf("%s is told %.3f", who, f)
		}
	}
	next.Used(&c, up, model, 10_000, 10_000)
	if f := next.Factor(&c, up, model); math.Abs(f-1) > 0.1 {
		t.Errorf("another session, which began: %.3f", f)
	}
	if f := next.Factor(&c, up, "another"); f != 1 {
		t.Errorf("another model: %.3f", f)
	}
}

func TestSessionsThatAgreeTeachAll(t *testing.T) {
	var c Calibration
	var sessions [3]Session
	for i := range sessions {
		for range 10 {
			sessions[i].Used(&c, up, model, 10_000, 12_500)
		}
	}
	near(t, &c, 1.25, 0.01) // another tokenizer
	for range 3 {
		var odd Session
		odd.Used(&c, up, model, 10_000, 30_000)
	}
	near(t, &c, 1.25, 0.02)
}

func TestSessionNeverGoesFarBelowExactCounts(t *testing.T) {
	var c Calibration
	var s Session
	for range 50 {
		s.Used(&c, up, model, 10_000, 6_000)
	}
	if f := s.Factor(&c, up, model); math.Abs(f-0.95) > 1e-9 {
		t.Errorf("without exact counts: %v", f)
	}
	for range 50 {
		s.Exact(&c, up, model, 10_000, 12_000)
	}
	if f := s.Factor(&c, up, model); math.Abs(f-0.95*1.2) > 0.01 {
		t.Errorf("with exact counts: %v", f)
	}
}

func TestSessionRefused(t *testing.T) {
	var c Calibration
	var s Session
	s.Refused(&c, up, model, 10_000, 15_000)
	if f := s.Factor(&c, up, model); f != 1.5 {
		t.Errorf("a refusal taught %v", f)
	}
	near(t, &c, 1, 0)
	var none *Session
	none.Refused(&c, up, model, 10_000, 15_000)
	near(t, &c, 1.5, 0.3)
	if f := none.Factor(&c, up, model); f != c.Factor(up, model) {
		t.Errorf("no session: %v", f)
	}
}

func TestSessionsAtOnce(t *testing.T) {
	var c Calibration
	var shared Session
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			var own Session
			for i := range 300 {
				for _, s := range []*Session{&own, &shared, nil} {
					s.Used(&c, up, model, 1_000, 1_000+i)
					s.Exact(&c, up, model, 1_000, 1_000+i)
					if f := s.Factor(&c, up, model); f < 0.95 || f > 1.5 {
						t.Errorf("factor %v", f)
					}
				}
			}
		})
	}
	running.Wait()
}
